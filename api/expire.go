package api

import (
	"context"

	"github.com/tupelodb/tupelo/store"
)

// maxExpired bounds the tuples that one DeleteExpired deletes: their contexts,
// which its changes keep, come to no more than some megabytes.
const maxExpired = 100

// expireFirst deletes what has expired before a write that depends on what is there,
// and reports whether there was anything. The apply has no clock: to it an expired
// tuple is there until it is deleted, and would meet a precondition that no reader
// could see met.
func (s *Server) expireFirst(ctx context.Context) (found bool, err error) {
	expired, err := s.store.Expired(s.now().UnixMilli(), 1)
	if err != nil || len(expired) == 0 {
		return false, err
	}
	return true, s.expireOnce(ctx)
}

// expireOnce proposes the deletion of expired tuples until there are none. They
// have counted in no answer since the instant of their expiration; this frees
// what they take, and tells those who watch. As in [Server.collectOnce] only the
// leader proposes.
func (s *Server) expireOnce(ctx context.Context) error {
	for s.logStatus().Leader && ctx.Err() == nil {
		now := s.now().UnixMilli()
		expired, err := s.store.Expired(now, maxExpired)
		if err != nil || len(expired) == 0 {
			return err
		}
		result, err := s.propose(ctx, store.DeleteExpired{UnixMillis: now, Tuples: expired})
		if err != nil {
			return err
		}
		if result.Err != nil {
			return result.Err
		}
		// Not before they are gone here too, or the same would be proposed again.
		if err := s.await(ctx, result.Revision); err != nil {
			return err
		}
		s.logger.Debug("expired tuples were deleted", "tuples", len(expired), "revision", result.Revision)
	}
	return nil
}
