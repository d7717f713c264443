package raft

import (
	"context"
	"errors"
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
	defer n.tasks.Done()
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
