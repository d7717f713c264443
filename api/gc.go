package api

import (
	"context"
	"time"

	"github.com/tupelodb/tupelo/store"
)

// maxForgotten bounds the changes that one AdvanceHorizon walks: the apply, and
// every write behind it, waits for that long.
const maxForgotten = 10000

// collect takes away from time to time, until ctx ends, what nobody can see any
// more: tuples that have expired, and versions that only revisions older than
// the history window show. Only the leader proposes; its clock is the one that
// counts.
func (s *Server) collect(ctx context.Context) {
	ticker := time.NewTicker(s.collectEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := s.expireOnce(ctx); err != nil && ctx.Err() == nil {
			s.logger.Warn("expired tuples were not deleted; trying again later", "error", err)
		}
		if err := s.collectOnce(ctx); err != nil && ctx.Err() == nil {
			s.logger.Warn("the horizon was not advanced; trying again later", "error", err)
		}
	}
}

// collectOnce proposes steps until nothing is older than the window.
func (s *Server) collectOnce(ctx context.Context) error {
	for s.logStatus().Leader && ctx.Err() == nil {
		now := s.now()
		target, ok, err := s.store.GCTarget(now.Add(-s.window).UnixMilli(), maxForgotten)
		if err != nil || !ok {
			return err
		}
		result, err := s.propose(ctx, store.AdvanceHorizon{UnixMillis: now.UnixMilli(), Revision: target})
		if err != nil {
			return err
		}
		if result.Err != nil {
			return result.Err
		}
		s.logger.Debug("the horizon was advanced", "revision", target)
	}
	return nil
}
