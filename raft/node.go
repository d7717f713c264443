package raft

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	hclog "github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
)

// Node is one member of a replicated log. Its methods may be called from any
// goroutine.
type Node struct {
	options Options
	log     *logStore
	store   *snapshotStore
	start   *start
	fsm     *fsm

	transport hraft.Transport
	raft      *hraft.Raft

	watermark    *watermark
	proposals    *proposals
	leadership   *leadership
	snapshotting *snapshotting
	contact      *contact
	progress     *progress
	pipelines    pipelines     // to followers, while this node leads
	rounds       batch         // of proofs of leadership
	accompanied  atomic.Bool   // the last proof had other voters
	answered     answered      // those that were asked for them
	asks         batch         // of read indexes of another node
	changing     chan struct{} // has room while no change of the membership or transfer is under way

	life    context.Context // ends when the node stops
	cancel  context.CancelFunc
	stopped chan struct{} // closed when the node answers nothing more
	failed  chan struct{} // closed when that is because of a failure
	reason  atomic.Pointer[Error]
	tasks   sync.WaitGroup // this package's goroutines

	stopping sync.Mutex   // guards what follows
	running  bool         // raft is set, and stopping it is halt's task
	shutdown hraft.Future // of raft; its first Shutdown gives the only one that waits

	closing  sync.Once
	closeErr error
}

// Open starts a node on its directory. A new one begins with Options.Members, or
// as the only voter if it has no transport, or waits to be added. It brings a state that is behind its snapshot up to it, and fails with
// ErrStateLost if something is missing that nothing holds. It does not wait for
// leadership; ReadIndex does. ctx bounds the opening, not the node's life.
func Open(ctx context.Context, options Options) (*Node, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	n := newNode(options)
	if err := n.openStores(); err != nil {
		return nil, err
	}
	if err := n.run(ctx); err != nil {
		return nil, errors.Join(err, n.Close(ctx))
	}
	return n, nil
}

func newNode(options Options) *Node {
	return &Node{
		options:      options,
		watermark:    &watermark{},
		proposals:    newProposals(&options),
		leadership:   newLeadership(),
		snapshotting: newSnapshotting(),
		contact:      newContact(),
		progress:     &progress{},
		changing:     make(chan struct{}, 1),
		stopped:      make(chan struct{}),
		failed:       make(chan struct{}),
	}
}

func (n *Node) openStores() (err error) {
	o := &n.options
	n.log, err = openLogStore(o.FS, o.FS.PathJoin(o.Dir, "log"), o.Logger, n.fail)
	if err != nil {
		return err
	}
	if o.faults.ackBeforeSync {
		n.log.writes = pebble.NoSync
	}
	n.store, err = openSnapshotStore(o, o.FS.PathJoin(o.Dir, "snapshots"))
	if err != nil {
		return errors.Join(err, n.log.Close())
	}
	return nil
}

// run finds the place to start from, judges the membership there, and starts
// raft and the goroutines beside it.
func (n *Node) run(ctx context.Context) (err error) {
	n.life, n.cancel = context.WithCancel(context.Background())
	n.start, err = findStart(ctx, &n.options, n.log, n.store)
	if err != nil {
		return err
	}
	n.transport = n.options.Transport
	lone := n.transport == nil
	if lone {
		n.transport = newLoopback(n.options.NodeID)
	}
	if err := n.join(); err != nil {
		return err
	}
	n.watermark.advance(n.start.covered)
	n.snapshotting.remember(n.store.newest.Load())
	n.log.keepAfter, n.log.snapshot = n.keepLogAfter, n.store.newest.Load
	n.store.covered = n.log.covers
	n.fsm = &fsm{
		machine: n.options.StateMachine, watermark: n.watermark, proposals: n.proposals,
		faults: n.options.faults, ctx: n.life, fail: n.fail, applied: func() { n.pokeSnapshots(); n.pipelines.poke() },
		overtaken: n.log.overtaken, load: n.log.load,
	}
	if err := n.startRaft(); err != nil {
		return err
	}
	n.watchLeader()
	n.tasks.Go(n.lead)
	n.tasks.Go(n.takeSnapshots)
	switch {
	case lone:
		n.standAtOnce()
	case !n.options.faults.neverStand:
		n.tasks.Go(n.standIfNeeded)
	}
	return nil
}

// spawn runs f in a goroutine that Close waits for, unless the node has stopped.
func (n *Node) spawn(f func()) bool {
	n.stopping.Lock()
	defer n.stopping.Unlock()
	if n.reason.Load() != nil {
		return false
	}
	n.tasks.Go(f)
	return true
}

// startRaft runs raft's constructor in a goroutine of its own, because a failed
// write of the log ends the goroutine it happens in (see logStore).
func (n *Node) startRaft() error {
	type outcome struct {
		raft *hraft.Raft
		err  error
	}
	done := make(chan outcome, 1)
	view := &startView{snapshotStore: n.store, start: n.start}
	prevote, _ := n.transport.(hraft.WithPreVote) // see Options.validateMembers
	transport := &watchedTransport{
		Transport: n.transport, WithPreVote: prevote, log: n.log, progress: n.progress,
		stopped: n.stopped, pipelines: &n.pipelines, faults: n.options.faults,
	}
	logger := raftLogger{slog: n.options.Logger}
	go func() {
		defer close(done)
		r, err := hraft.NewRaft(n.options.raftConfig(logger), n.fsm, n.log, n.log, view, transport)
		done <- outcome{r, err}
	}()
	made := <-done
	if made.raft == nil {
		return fmt.Errorf("start raft: %w", errors.Join(made.err, n.log.failed()))
	}
	n.stopping.Lock()
	defer n.stopping.Unlock()
	n.raft, n.running = made.raft, true
	early, committed := n.sendsEarly, n.committedIn
	n.log.early.Store(&early)
	transport.committed.Store(&committed)
	if reason := n.reason.Load(); reason != nil {
		n.shutdown = n.raft.Shutdown()
		return reason
	}
	return nil
}

// raftConfig sets hashicorp/raft up for a state machine that keeps its own state.
func (o *Options) raftConfig(logger hclog.Logger) *hraft.Config {
	c := hraft.DefaultConfig()
	c.LocalID = hraft.ServerID(o.NodeID)
	c.Logger = logger
	c.HeartbeatTimeout = o.HeartbeatTimeout
	c.ElectionTimeout = o.ElectionTimeout
	c.LeaderLeaseTimeout = o.LeaderLease
	c.MaxAppendEntries = maxBatch
	c.BatchApplyCh = true // or the main loop never finds two commands to batch
	c.TrailingLogs = o.TrailingLogs
	if o.Transport != nil {
		// The last entry always stays: an empty log is one that a received snapshot
		// has just replaced.
		c.TrailingLogs = max(1, o.TrailingLogs)
		// Followers learn what is committed with the next entries, or else in
		// this time: it is what a read on a follower waits for.
		c.CommitTimeout = 10 * time.Millisecond
	}
	c.NoSnapshotRestoreOnStart = true // see start
	c.SnapshotThreshold = math.MaxUint64
	c.SnapshotInterval = 24 * time.Hour // see snapshotting
	c.ShutdownOnRemove = false
	c.NoLegacyTelemetry = true
	return c
}

// fail stops the node for good (R7). It may be called from within raft.
func (n *Node) fail(cause error) {
	n.options.Logger.Error("raft: the node has failed and stops", "error", cause)
	n.halt(ErrFailed.because(cause, "raft"))
}

// halt ends everything that answers, with one reason, and waits for nothing.
func (n *Node) halt(reason *Error) {
	if !n.reason.CompareAndSwap(nil, reason) {
		return
	}
	n.stopping.Lock()
	if n.running {
		// Before the gate is shut: this lets go whoever holds it open.
		n.shutdown = n.raft.Shutdown()
	}
	n.stopping.Unlock()
	if n.cancel != nil {
		n.cancel()
	}
	n.leadership.set(role{refusal: reason})
	n.proposals.abandon(ErrOutcomeUnknown.because(reason, "propose"))
	n.watermark.end(reason)
	if reason.kind == KindFailed {
		close(n.failed)
	}
	close(n.stopped)
}

// Failed is closed when the state machine or a disk has failed. The node then
// answers nothing more, and the process should exit.
func (n *Node) Failed() <-chan struct{} { return n.failed }

// Err returns the failure, or nil.
func (n *Node) Err() error {
	if reason := n.reason.Load(); reason != nil && reason.kind == KindFailed {
		return reason
	}
	return nil
}

// Close hands leadership over if this node leads and another can, takes no more
// proposals, waits within ctx for those in flight, and stops the node and its
// goroutines. What is in flight when ctx ends has an unknown
// outcome. It leaves the state machine to its owner, who must not close it
// before, and closes Options.Transport.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() { n.closeErr = n.close(ctx) })
	return n.closeErr
}

func (n *Node) close(ctx context.Context) error {
	n.yield(ctx)
	closed := ErrClosed.because(nil, "raft")
	n.leadership.set(role{refusal: closed})
	select {
	case <-n.proposals.empty():
	case <-n.stopped:
	case <-ctx.Done():
	}
	n.halt(closed)
	<-n.stopped // halt may be under way elsewhere
	n.tasks.Wait()
	n.stopping.Lock()
	shutdown := n.shutdown
	n.stopping.Unlock()
	var err error
	if shutdown != nil {
		err = shutdown.Error()
	}
	return errors.Join(err, n.log.Close())
}
