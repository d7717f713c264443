package api

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// view is what one request reads: the tuples and the schema of one revision (A1).
type view struct {
	snapshot *store.Snapshot
	model    *model
	zookie   string
}

func (v *view) close() { v.snapshot.Close() }

// open returns a view that is as fresh as c asks for. The caller closes it.
func (s *Server) open(ctx context.Context, c *tupelov1.Consistency) (view, error) {
	snapshot, zookie, err := s.openSnapshot(ctx, c)
	if err != nil {
		return view{}, err
	}
	m, err := s.models.at(snapshot)
	if err != nil {
		snapshot.Close()
		return view{}, err
	}
	return view{snapshot, m, zookie}, nil
}

// openSnapshot is open for requests that do not need the schema.
func (s *Server) openSnapshot(ctx context.Context, c *tupelov1.Consistency) (*store.Snapshot, string, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return nil, "", err
	}
	want, err := s.understand(f, c)
	if err != nil {
		return nil, "", within("consistency", err)
	}
	if want.local {
		heard, err := s.freshness.check()
		if err != nil {
			return nil, "", err
		}
		want.leader = !heard // it has just been started, and waits for a leader as other calls do
	}
	if want.leader {
		if want.atLeast, err = s.readIndex(ctx); err != nil {
			return nil, "", err
		}
	}
	snapshot, err := s.snapshotAt(ctx, f, want)
	if err != nil {
		return nil, "", err
	}
	return snapshot, s.zookie(f, snapshot.Revision()), nil
}

// requirement is what a Consistency comes to.
type requirement struct {
	// atLeast is the oldest revision that will do; 0 for any.
	atLeast uint64
	// exact asks for atLeast itself rather than the newest.
	exact bool
	// leader has atLeast taken from a read index first.
	leader bool
	// local takes whatever this replica has, unless it is stale.
	local bool
}

// understand reads a Consistency. A message without a requirement that is known
// here is refused: taking it for the default might give an answer staler than
// what was asked for.
func (s *Server) understand(f fingerprint, c *tupelov1.Consistency) (requirement, error) {
	if c == nil {
		return requirement{local: true}, nil
	}
	if err := knownFieldsOnly(c); err != nil {
		return requirement{}, err
	}
	switch want := c.Requirement.(type) {
	case *tupelov1.Consistency_MinimizeLatency:
		return requirement{local: true}, mustBeTrue("minimize_latency", want.MinimizeLatency)
	case *tupelov1.Consistency_FullyConsistent:
		return requirement{leader: true}, mustBeTrue("fully_consistent", want.FullyConsistent)
	case *tupelov1.Consistency_AtLeastAsFresh:
		revision, err := readZookie(f, "at_least_as_fresh", want.AtLeastAsFresh)
		if s.ignoreZookies {
			revision = 0
		}
		return requirement{atLeast: revision}, err
	case *tupelov1.Consistency_AtExactSnapshot:
		revision, err := readZookie(f, "at_exact_snapshot", want.AtExactSnapshot)
		return requirement{atLeast: revision, exact: true}, err
	}
	return requirement{}, fault(tupelov1.ErrorReason_ERROR_REASON_NO_CONSISTENCY, "",
		"it holds no requirement that this server knows; leave the message out to minimize latency")
}

func mustBeTrue(field string, value bool) error {
	if value {
		return nil
	}
	return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, field, "only true has a meaning; set another requirement or none")
}

// readZookie reads the zookie of a field.
func readZookie(f fingerprint, field, text string) (uint64, error) {
	if text == "" {
		return 0, fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, field, "a zookie is needed")
	}
	revision, err := f.parseZookie(text)
	if err != nil {
		return 0, fault(describe(err).Reason, field, "%s", err)
	}
	return revision, nil
}

// snapshotAt waits until the requirement can be met, and takes the snapshot.
func (s *Server) snapshotAt(ctx context.Context, f fingerprint, want requirement) (*store.Snapshot, error) {
	if err := s.reach(ctx, want); err != nil {
		return nil, err
	}
	revision := uint64(0) // the newest
	if want.exact {
		revision = want.atLeast
	}
	snapshot, err := s.store.Snapshot(revision)
	if err != nil {
		return nil, s.expired(f, err)
	}
	return snapshot, nil
}

// expired names the horizon by a zookie where a revision is below it.
func (s *Server) expired(f fingerprint, err error) error {
	var below *store.HorizonError
	if !errors.As(err, &below) {
		return err
	}
	return &Error{
		Reason: tupelov1.ErrorReason_ERROR_REASON_REVISION_EXPIRED,
		Message: fmt.Sprintf("revision %d is older than the history that is kept, which begins at revision %d",
			below.Revision, below.Horizon),
		Metadata: map[string]string{"horizon": f.zookie(below.Horizon)},
		cause:    err,
	}
}

// askLeaderAfter is how long a zookie's revision is waited for before the leader
// is asked about it: longer than a replica that keeps up ever takes.
const askLeaderAfter = 250 * time.Millisecond

// reach waits until a requirement's revision is applied here. For one that a
// zookie named it asks the leader meanwhile: what is newer than all that was ever
// acknowledged will not come, and what the leader has says how far this replica
// is behind.
func (s *Server) reach(ctx context.Context, want requirement) error {
	if want.atLeast <= s.store.Applied() {
		return nil
	}
	if want.leader {
		return s.await(ctx, want.atLeast)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var newest atomic.Uint64 // 0: not known
	asked := make(chan struct{})
	ask := time.AfterFunc(askLeaderAfter, func() {
		defer close(asked)
		index, err := s.log.ReadIndex(ctx)
		if err != nil {
			return
		}
		if newest.Store(index); index < want.atLeast {
			end()
		}
	})
	err := s.await(ctx, want.atLeast)
	if !ask.Stop() {
		end()
		<-asked
	}
	if err == nil {
		return nil
	}
	return s.unreached(want.atLeast, newest.Load(), err)
}

// unreached says what is missing of a revision, where the error does not.
func (s *Server) unreached(revision, newest uint64, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	leader := "no leader was reached"
	if newest != 0 {
		leader = fmt.Sprintf("the leader %d", newest)
	}
	if newest != 0 && newest < revision {
		e.Reason, e.Message = tupelov1.ErrorReason_ERROR_REASON_REVISION_UNKNOWN, "there is no such revision"
	}
	e.Message += fmt.Sprintf(": revision %d is asked for, this replica has %d, %s", revision, s.store.Applied(), leader)
	return e
}

// await waits until a revision is applied here, as long as the call has time
// but no longer than the server waits for anybody.
func (s *Server) await(ctx context.Context, revision uint64) error {
	return s.bounded(ctx, func(ctx context.Context) error { return s.log.Wait(ctx, revision) })
}

func (s *Server) readIndex(ctx context.Context) (index uint64, err error) {
	err = s.bounded(ctx, func(ctx context.Context) error {
		index, err = s.log.ReadIndex(ctx)
		return err
	})
	return index, err
}

// bounded calls wait with at most waitLimit. If that ran out, rather than the
// call's own time, the error says so.
func (s *Server) bounded(ctx context.Context, wait func(context.Context) error) error {
	limited := withLimit(ctx, s.waitLimit)
	defer limited.end()
	err := wait(limited)
	if err == nil || limited.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return &Error{Reason: contextReason(ctx.Err()), Message: "while waiting for the revision asked for: " + ctx.Err().Error(), cause: err}
	}
	return &Error{
		Reason:  tupelov1.ErrorReason_ERROR_REASON_REVISION_NOT_REACHED,
		Message: fmt.Sprintf("the revision asked for was not reached within %s", s.waitLimit.Round(time.Millisecond)),
		cause:   err,
	}
}

// identify returns the cluster's fingerprint. A call that comes while the
// cluster gets its first leader waits for it, as other calls wait for a leader.
func (s *Server) identify(ctx context.Context) (fingerprint, error) {
	if f, err := s.identity(); err == nil {
		return f, nil
	}
	index, err := s.readIndex(ctx)
	if err != nil {
		return fingerprint{}, err
	}
	if err := s.await(ctx, index); err != nil {
		return fingerprint{}, err
	}
	return s.identity()
}

// identity returns the cluster's fingerprint. There is none until the first
// leader has named the cluster: nothing can be asked of it before.
func (s *Server) identity() (fingerprint, error) {
	if f := s.fingerprint.Load(); f != nil {
		return *f, nil
	}
	id, ok := s.store.ClusterID()
	if !ok {
		return fingerprint{}, refusal(tupelov1.ErrorReason_ERROR_REASON_NO_LEADER,
			"the cluster is starting: it has not had a leader yet")
	}
	f := fingerprintOf(id)
	s.fingerprint.Store(&f)
	return f, nil
}

// minted is a revision with its zookie.
type minted struct {
	revision uint64
	text     string
}

// zookie returns the token of a revision; most requests share the newest.
func (s *Server) zookie(f fingerprint, revision uint64) string {
	if last := s.minted.Load(); last != nil && last.revision == revision {
		return last.text
	}
	m := &minted{revision, f.zookie(revision)}
	s.minted.Store(m)
	return m.text
}
