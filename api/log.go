package api

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/tupelodb/tupelo/store"
)

// Log is the replicated log, as the API uses it; a raft.Node is one.
//
// Its errors have a method Kind() string that says what became of the call:
// "no-leader", "too-large" and "overloaded" mean that nothing was done,
// "outcome-unknown" that the command may or may not be applied, "ahead" that
// the log has no such index, "closed" and "failed" that the node is gone.
type Log interface {
	// Propose has a command of package store applied, and returns its store.Result.
	Propose(ctx context.Context, command []byte) (any, error)
	// ReadIndex returns an index at or above that of every command that was
	// acknowledged, by any node, before the call.
	ReadIndex(ctx context.Context) (uint64, error)
	// Wait returns once every command up to index is applied here. It is woken by
	// the apply.
	Wait(ctx context.Context, index uint64) error
	// LastContact returns when this node last heard from a leader, which for a
	// leader is now as long as a majority answers it; zero if it never did.
	LastContact() time.Time
}

// LogStatus is the state of the log, for metrics and for what only a leader does.
type LogStatus struct {
	Leader        bool
	Term          uint64
	LastIndex     uint64
	CommitIndex   uint64
	AppliedIndex  uint64
	SnapshotIndex uint64
}

// LeaderCommand returns what a new leader proposes first: a command that opens
// its term, at the time of now. The first one of all names the cluster, with an
// id that is drawn from random here, once.
func LeaderCommand(now func() time.Time, random io.Reader) (func() []byte, error) {
	var id [16]byte
	if _, err := io.ReadFull(random, id[:]); err != nil {
		return nil, fmt.Errorf("drawing a cluster id: %w", err)
	}
	return func() []byte {
		return store.Encode(store.Lead{UnixMillis: now().UnixMilli(), ClusterID: id})
	}, nil
}
