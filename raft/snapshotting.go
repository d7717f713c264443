package raft

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
)

// snapshotting decides when to snapshot: after so many bytes or entries of log,
// and when asked. hashicorp/raft's own trigger counts entries from the index it
// started at, which here is not that of a snapshot, so it is switched off.
type snapshotting struct {
	due      chan struct{}   // buffered: one is enough
	requests chan chan error // from Node.Snapshot; each reply channel is buffered
	base     atomic.Int64    // logStore.written when the newest snapshot began
	failures atomic.Uint64

	mu     sync.Mutex
	recent []uint64 // indexes of the snapshots after which the log was truncated last, oldest first
}

// memorySnapshots bounds how far back the log is kept for a follower, in
// snapshots: with the default SnapshotLogBytes about 2 GiB.
const memorySnapshots = 32

// remember notes a snapshot once the log has been truncated after it.
func (s *snapshotting) remember(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.recent); n == 0 || s.recent[n-1] < index {
		s.recent = append(s.recent, index)
	}
	if len(s.recent) > memorySnapshots {
		s.recent = s.recent[1:]
	}
}

// keepLogAfter returns the index up to which the log may be truncated, as far as
// followers are concerned: what came since the snapshot before the newest stays,
// so that one who was away for a moment does not need a snapshot; and what a
// follower in touch still lacks, or what will follow a snapshot that is being
// sent, so that catching up comes to an end under any load. A follower that
// needs more than the last memorySnapshots snapshots had gets another one.
func (n *Node) keepLogAfter() uint64 {
	if n.options.Transport == nil {
		return math.MaxUint64
	}
	n.snapshotting.mu.Lock()
	recent := n.snapshotting.recent
	oldest, keep := recent[0], recent[len(recent)-1]
	n.snapshotting.mu.Unlock()
	if held, ok := n.store.oldestInUse(); ok {
		keep = min(keep, held)
	}
	term := n.raft.CurrentTerm()
	if n.raft.State() == hraft.Leader {
		for _, m := range n.Members() {
			p := n.progress.of(term, m.ID)
			if time.Since(p.contact) < time.Minute && p.match > 0 {
				keep = min(keep, p.match)
			}
		}
	}
	// The entry before the first that is sent is looked up too.
	return max(keep, oldest, 1) - 1
}

func newSnapshotting() *snapshotting {
	return &snapshotting{due: make(chan struct{}, 1), requests: make(chan chan error)}
}

// pokeSnapshots is called after each batch of applied commands.
func (n *Node) pokeSnapshots() {
	if !n.snapshotDue() {
		return
	}
	select {
	case n.snapshotting.due <- struct{}{}:
	default:
	}
}

func (n *Node) snapshotDue() bool {
	if n.log.written.Load()-n.snapshotting.base.Load() >= n.options.SnapshotLogBytes {
		return true
	}
	applied, newest := n.watermark.load(), n.store.newest.Load()
	return applied > newest && applied-newest >= n.options.SnapshotLogEntries
}

// takeSnapshots takes them one after the other until the node stops.
func (n *Node) takeSnapshots() {
	due := n.snapshotting.due
	var pause <-chan time.Time
	for {
		select {
		case <-due:
			if !n.snapshotDue() {
				continue
			}
			if err := n.takeSnapshot(); err != nil {
				// Raft has logged it. The log goes on growing meanwhile.
				n.snapshotting.failures.Add(1)
				due, pause = nil, time.After(n.options.SnapshotRetry)
			}
		case <-pause:
			due, pause = n.snapshotting.due, nil
			n.pokeSnapshots()
		case reply := <-n.snapshotting.requests:
			reply <- n.takeSnapshot()
		case <-n.stopped:
			return
		}
	}
}

// takeSnapshot takes one if it would hold more than the newest there is.
func (n *Node) takeSnapshot() error {
	if n.store.newest.Load() >= n.watermark.load() {
		return nil
	}
	written := n.log.written.Load()
	err := n.raft.Snapshot().Error()
	if errors.Is(err, hraft.ErrRaftShutdown) {
		return ErrClosed.because(err, "snapshot")
	}
	if err != nil {
		return err
	}
	n.snapshotting.base.Store(written)
	n.snapshotting.remember(n.store.newest.Load())
	return nil
}

// Snapshot takes a snapshot now and truncates the log. When it returns, there is
// one that holds every command that was applied before the call. It waits,
// within ctx, until something has been applied since the node was opened.
func (n *Node) Snapshot(ctx context.Context) error {
	if err := n.Wait(ctx, n.start.covered+1); err != nil {
		return err
	}
	reply := make(chan error, 1)
	select {
	case n.snapshotting.requests <- reply:
	case <-n.stopped:
		return n.reason.Load()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
