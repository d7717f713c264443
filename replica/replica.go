package replica

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
)

// Replica is one whole Tupelo. Its methods may be called from any goroutine.
type Replica struct {
	options  Options
	lock     io.Closer
	store    *store.Store
	port     *peer.Port // nil without others, or with a wiring
	late     *lateLog
	server   *api.Server
	founding atomic.Pointer[founding] // while it looks for those to begin with
	log      *raft.Node
	steering *steering
	calls    calls // that are made in this process

	life  context.Context // ends when the replica closes
	end   context.CancelFunc
	tasks sync.WaitGroup
}

// Open opens or creates the replica in o.Dir. A new one that is to begin or join a
// cluster waits for an answer of the others, within ctx. When it returns, there may be no
// leader yet; calls of the server wait for one. ctx bounds the opening.
func Open(ctx context.Context, o Options) (_ *Replica, err error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	r := &Replica{options: o, late: newLateLog()}
	r.steering = newSteering(r)
	r.life, r.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close(ctx))
		}
	}()
	if r.lock, err = lockDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	if err := settleImport(o.FS, o.Dir, o.Logger); err != nil {
		return nil, err
	}
	r.store, err = store.Open(store.Options{
		FS: o.FS, Dir: r.path("state"), CacheBytes: o.CacheBytes, TuplesetCacheBytes: o.TuplesetCacheBytes,
		MaxFormat: o.maxFormat, Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the state: %w", err)
	}
	if err := r.openServer(); err != nil {
		return nil, err
	}
	founders, err := r.founders(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.openLog(ctx, founders); err != nil {
		return nil, err
	}
	if err := r.forgetFounders(); err != nil {
		return nil, err
	}
	if r.port != nil {
		r.tasks.Go(r.join)
		r.tasks.Go(r.steering.run)
	}
	return r, nil
}

// openServer makes the server, and has it answer other nodes.
func (r *Replica) openServer() (err error) {
	o := &r.options
	if o.Peer != nil {
		p := *o.Peer
		p.NodeID, p.Logger = o.NodeID, o.Logger
		p.TracerProvider = o.API.TracerProvider
		p.MaxMessageBytes = max(p.MaxMessageBytes, minMessageBytes, 2*o.API.MaxRequestBytes)
		if r.port, err = peer.Listen(p); err != nil {
			return fmt.Errorf("opening the port between nodes: %w", err)
		}
	}
	o.API.Store, o.API.Log, o.API.LogStatus, o.API.NodeID = r.store, r.late, r.logStatus, o.NodeID
	if o.Peer != nil || o.Wiring != nil {
		o.API.Cluster = &cluster{r}
	}
	if r.server, err = api.New(o.API); err != nil || r.port == nil {
		return err
	}
	return r.port.Serve(peer.Services{
		Node: r.node(), Register: r.server.Register, Unary: r.server.FromNode, Stream: r.server.FromNodeStream,
	})
}

// minMessageBytes is the least bound of a message between nodes: above what the
// API takes by default.
const minMessageBytes = 16 << 20

func (r *Replica) openLog(ctx context.Context, founders []raft.Member) error {
	lead, err := api.LeaderCommand(time.Now, rand.Reader)
	if err != nil {
		return err
	}
	o := &r.options
	replication := raft.Options{
		FS: o.FS, Dir: r.path("raft"), StateMachine: r.store,
		NodeID: o.NodeID, Members: founders, LeaderCommand: lead, Logger: o.Logger,
	}
	switch {
	case r.port != nil:
		replication.Transport = raft.NewTransport(raft.TransportOptions{Streams: r.port.Raft(), Logger: o.Logger})
		replication.Peers = r.port
	case o.Wiring != nil:
		replication.Transport, replication.Peers = o.Wiring.Transport, o.Wiring.Peers
	}
	if o.Tune != nil {
		o.Tune(&replication)
	}
	if r.log, err = raft.Open(ctx, replication); err != nil {
		r.log = nil
		return fmt.Errorf("opening the log: %w", err)
	}
	r.late.set(r.log)
	return nil
}

// logStatus tells the API what it may know of the log.
func (r *Replica) logStatus() api.LogStatus {
	log := r.late.now()
	if log == nil {
		return api.LogStatus{}
	}
	s := log.Status()
	return api.LogStatus{
		Leader: s.Serving, Term: s.Term, LastIndex: s.LastIndex, CommitIndex: s.CommitIndex,
		AppliedIndex: s.AppliedIndex, SnapshotIndex: s.SnapshotIndex,
	}
}

// Server answers tupelo.v1 for other processes, once its Serve is called. It must
// have come to an end before the replica is closed. [Replica.Client] needs no Serve.
func (r *Replica) Server() *api.Server { return r.server }

// Log is the log that the replica is a member of.
func (r *Replica) Log() *raft.Node { return r.log }

// Store holds the tuples of the replica.
func (r *Replica) Store() *store.Store { return r.store }

// Check is that of [Replica.Client].
func (r *Replica) Check(ctx context.Context, request *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	return (&client{r}).Check(ctx, request)
}

// Ready waits until the replica answers, and returns the revision that it is at.
// One that is alone has the newest format then.
func (r *Replica) Ready(ctx context.Context) (revision uint64, err error) {
	if revision, err = r.log.ReadIndex(ctx); err != nil {
		return 0, err
	}
	if err := r.log.Wait(ctx, revision); err != nil || r.options.Peer != nil || r.options.Wiring != nil {
		return revision, err
	}
	if err := r.raiseFormat(ctx); err != nil {
		return 0, err
	}
	return r.store.Applied(), nil
}

// Address is where other nodes reach this one; empty without others.
func (r *Replica) Address() string { return r.self().Address }

// Failed is closed when a disk or the state has failed. The replica then answers
// nothing more, and Err says why.
func (r *Replica) Failed() <-chan struct{} { return r.log.Failed() }

// Err returns the failure, or nil.
func (r *Replica) Err() error { return r.log.Err() }

// Close lets no more calls in process begin, and ends streams. Then it hands
// leadership over if it can, or leaves the cluster if it is to, stops the log,
// which ends its writes to the store, and then the store. ctx bounds the wait for
// what is in flight; what waits for others longer than that is refused. A replica
// that was opened in part is closed as far as it got.
func (r *Replica) Close(ctx context.Context) (err error) {
	r.end()
	over := r.calls.close()
	select {
	case <-over:
	case <-ctx.Done():
	}
	r.tasks.Wait()
	if r.log != nil {
		if r.options.LeaveOnClose {
			err = r.Leave(ctx)
		}
		err = errors.Join(err, r.log.Close(ctx))
	}
	if r.port != nil {
		err = errors.Join(err, r.port.Close(ctx))
	}
	<-over // they wait for nothing that is not closed by now
	if r.server != nil {
		r.server.Close()
	}
	if r.store != nil {
		err = errors.Join(err, r.store.Close())
	}
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
	}
	return err
}
