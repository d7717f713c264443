package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
)

// loneNodeID names the only node there is in the membership of its log.
const loneNodeID = "node-1"

// nodeOptions say what a node is made of.
type nodeOptions struct {
	// FS holds Dir, which the node has for itself: LOCK, state/ and raft/.
	FS  vfs.FS
	Dir string
	// CacheBytes bounds the store's cache of blocks.
	CacheBytes int64
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// API is what the server is told; Store, Log and LogStatus are set here.
	API api.Options
	// tune changes raft's options before they are used; for tests.
	tune func(*raft.Options)
}

// node is one whole Tupelo: tuples, the log that changes them, and the API.
//
//	server ── reads ──▶ store ◀── applies ── log
//	   └───── proposes, waits ───────────────▲
type node struct {
	lock   io.Closer
	store  *store.Store
	log    *raft.Node
	server *api.Server
}

// openNode opens or creates the node in o.Dir. When it returns, the node may
// still be electing itself; calls of the server wait for it. ctx bounds the
// opening.
func openNode(ctx context.Context, o nodeOptions) (_ *node, err error) {
	n := &node{}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close(ctx))
		}
	}()
	if n.lock, err = lockDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	n.store, err = store.Open(store.Options{
		FS: o.FS, Dir: o.FS.PathJoin(o.Dir, "state"), CacheBytes: o.CacheBytes, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the state: %w", err)
	}
	lead, err := api.LeaderCommand(time.Now, rand.Reader)
	if err != nil {
		return nil, err
	}
	replication := raft.Options{
		FS: o.FS, Dir: o.FS.PathJoin(o.Dir, "raft"), StateMachine: n.store,
		NodeID: loneNodeID, LeaderCommand: lead, Logger: o.Logger,
	}
	if o.tune != nil {
		o.tune(&replication)
	}
	if n.log, err = raft.Open(ctx, replication); err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	o.API.Store, o.API.Log, o.API.LogStatus = n.store, n.log, n.logStatus
	if n.server, err = api.New(o.API); err != nil {
		return nil, err
	}
	return n, nil
}

// logStatus tells the API what it may know of the log.
func (n *node) logStatus() api.LogStatus {
	s := n.log.Status()
	return api.LogStatus{
		Leader: s.Serving, Term: s.Term, LastIndex: s.LastIndex, CommitIndex: s.CommitIndex,
		AppliedIndex: s.AppliedIndex, SnapshotIndex: s.SnapshotIndex,
	}
}

// ready waits until the node answers, and returns the revision that it is at.
func (n *node) ready(ctx context.Context) (revision uint64, err error) {
	if revision, err = n.log.ReadIndex(ctx); err != nil {
		return 0, err
	}
	return revision, n.log.Wait(ctx, revision)
}

// Close stops the log, which ends its writes to the store, and then the store.
// The server must have come to an end before. ctx bounds the wait for what is
// in flight. A node that was opened in part is closed as far as it got.
func (n *node) Close(ctx context.Context) (err error) {
	if n.log != nil {
		err = n.log.Close(ctx)
	}
	if n.store != nil {
		err = errors.Join(err, n.store.Close())
	}
	if n.lock != nil {
		err = errors.Join(err, n.lock.Close())
	}
	return err
}

// lockDir makes the data directory if it is absent, and keeps other processes
// out of it: before the databases lock themselves, opening them tidies up.
func lockDir(fs vfs.FS, dir string) (io.Closer, error) {
	if err := fs.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	lock, err := fs.Lock(fs.PathJoin(dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("the data directory %s is in use by another process, or cannot be locked: %w", dir, err)
	}
	return lock, syncDirs(fs, dir, fs.PathDir(dir))
}

// syncDirs has the entries of directories survive a crash.
func syncDirs(fs vfs.FS, dirs ...string) error {
	for _, dir := range dirs {
		d, err := fs.OpenDir(dir)
		if err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
	}
	return nil
}
