package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
)

// Replica is one whole Tupelo. Its methods may be called from any goroutine.
type Replica struct {
	options Options
	lock    io.Closer
	store   *store.Store
	log     *raft.Node
	server  *api.Server
}

// Open opens or creates the replica in o.Dir. When it returns, there may be no
// leader yet; calls of the server wait for one. ctx bounds the opening.
func Open(ctx context.Context, o Options) (_ *Replica, err error) {
	o.setDefaults()
	r := &Replica{options: o}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close(ctx))
		}
	}()
	if r.lock, err = lockDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	r.store, err = store.Open(store.Options{
		FS: o.FS, Dir: o.FS.PathJoin(o.Dir, "state"), CacheBytes: o.CacheBytes, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the state: %w", err)
	}
	if err := r.openLog(ctx); err != nil {
		return nil, err
	}
	o.API.Store, o.API.Log, o.API.LogStatus = r.store, r.log, r.logStatus
	if r.server, err = api.New(o.API); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Replica) openLog(ctx context.Context) error {
	lead, err := api.LeaderCommand(time.Now, rand.Reader)
	if err != nil {
		return err
	}
	o := &r.options
	replication := raft.Options{
		FS: o.FS, Dir: o.FS.PathJoin(o.Dir, "raft"), StateMachine: r.store,
		NodeID: o.NodeID, LeaderCommand: lead, Logger: o.Logger,
	}
	if o.Tune != nil {
		o.Tune(&replication)
	}
	if r.log, err = raft.Open(ctx, replication); err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	return nil
}

// logStatus tells the API what it may know of the log.
func (r *Replica) logStatus() api.LogStatus {
	s := r.log.Status()
	return api.LogStatus{
		Leader: s.Serving, Term: s.Term, LastIndex: s.LastIndex, CommitIndex: s.CommitIndex,
		AppliedIndex: s.AppliedIndex, SnapshotIndex: s.SnapshotIndex,
	}
}

// Server answers tupelo.v1, once its Serve is called. It must have come to an
// end before the replica is closed.
func (r *Replica) Server() *api.Server { return r.server }

// Log is the log that the replica is a member of.
func (r *Replica) Log() *raft.Node { return r.log }

// Store holds the tuples of the replica.
func (r *Replica) Store() *store.Store { return r.store }

// Check answers a check in this process: what it asks, and how fresh its answer
// is, is what the same call means to any server.
func (r *Replica) Check(ctx context.Context, request *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	return r.server.Check(ctx, request)
}

// Ready waits until the replica answers, and returns the revision that it is at.
func (r *Replica) Ready(ctx context.Context) (revision uint64, err error) {
	if revision, err = r.log.ReadIndex(ctx); err != nil {
		return 0, err
	}
	return revision, r.log.Wait(ctx, revision)
}

// Failed is closed when a disk or the state has failed. The replica then answers
// nothing more, and Err says why.
func (r *Replica) Failed() <-chan struct{} { return r.log.Failed() }

// Err returns the failure, or nil.
func (r *Replica) Err() error { return r.log.Err() }

// Close stops the log, which ends its writes to the store, and then the store.
// ctx bounds the wait for what is in flight. A replica that was opened in part
// is closed as far as it got.
func (r *Replica) Close(ctx context.Context) (err error) {
	if r.log != nil {
		err = r.log.Close(ctx)
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
	}
	return err
}
