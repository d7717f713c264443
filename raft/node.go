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

	cancel  context.CancelFunc // of the context that checkpoints run under
	stopped chan struct{}      // closed when the node answers nothing more
	failed  chan struct{}      // closed when that is because of a failure
	reason  atomic.Pointer[Error]
	tasks   sync.WaitGroup // this package's goroutines

	stopping sync.Mutex   // guards what follows
	running  bool         // raft is set, and stopping it is halt's task
	shutdown hraft.Future // of raft; its first Shutdown gives the only one that waits

	closing  sync.Once
	closeErr error
}

// Open starts a node on its directory, or creates it as the only voter of a new
// log. It brings a state that is behind its snapshot up to it, and fails with
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
	if err := n.run(ctx, n.join); err != nil {
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

// run finds the place to start from, lets join judge the membership there, and
// starts raft and the goroutines beside it.
func (n *Node) run(ctx context.Context, join func(hraft.ServerAddress) error) (err error) {
	var checkpoints context.Context
	checkpoints, n.cancel = context.WithCancel(context.Background())
	n.start, err = findStart(ctx, &n.options, n.log, n.store)
	if err != nil {
		return err
	}
	lone := n.options.Transport == nil
	n.transport = n.options.Transport
	if lone {
		n.transport = newLoopback(n.options.NodeID)
	}
	if err := join(n.transport.LocalAddr()); err != nil {
		return err
	}
	n.watermark.advance(n.start.covered)
	n.fsm = &fsm{
		machine: n.options.StateMachine, watermark: n.watermark, proposals: n.proposals,
		faults: n.options.faults, ctx: checkpoints, fail: n.fail, applied: n.pokeSnapshots,
	}
	if err := n.startRaft(); err != nil {
		return err
	}
	n.tasks.Add(2)
	go n.lead()
	go n.takeSnapshots()
	if lone {
		standAtOnce(n.transport.(*hraft.InmemTransport), n.options.NodeID)
	}
	return nil
}

// join checks that the stored membership is one voter, this node; a new log
// begins with just that.
func (n *Node) join(address hraft.ServerAddress) error {
	me := hraft.Server{Suffrage: hraft.Voter, ID: hraft.ServerID(n.options.NodeID), Address: address}
	_, _, last := n.log.span()
	if last == 0 && n.start.index == 0 {
		return n.log.bootstrap(hraft.Configuration{Servers: []hraft.Server{me}})
	}
	c, err := n.start.latestConfiguration(n.log)
	if err != nil {
		return err
	}
	var voters []hraft.ServerID
	for _, s := range c.Servers {
		if s.Suffrage == hraft.Voter {
			voters = append(voters, s.ID)
		}
	}
	switch {
	case len(voters) != 1:
		return fmt.Errorf("%w: %d voters %q; this version runs one", ErrMembership, len(voters), voters)
	case voters[0] != me.ID:
		return fmt.Errorf("%w: the directory is node %q's, and this is node %q", ErrMembership, voters[0], me.ID)
	case n.start.covered > max(last, n.start.index):
		// A follower may be ahead of its own log, never of its leader's. A lone
		// voter would give the same indexes to other commands.
		return fmt.Errorf("%w: the state has applied %d, the log ends at %d; put back the log's directory",
			ErrStateAhead, n.start.covered, max(last, n.start.index))
	}
	return nil
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
	logger := raftLogger{slog: n.options.Logger}
	go func() {
		defer close(done)
		r, err := hraft.NewRaft(n.options.raftConfig(logger), n.fsm, n.log, n.log, view, n.transport)
		done <- outcome{r, err}
	}()
	made := <-done
	if made.raft == nil {
		return fmt.Errorf("start raft: %w", errors.Join(made.err, n.log.failed()))
	}
	n.stopping.Lock()
	defer n.stopping.Unlock()
	n.raft, n.running = made.raft, true
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

// Close takes no more proposals, waits within ctx for those in flight, and stops
// the node and its goroutines. What is in flight when ctx ends has an unknown
// outcome. It leaves the state machine to its owner, who must not close it
// before, and closes Options.Transport.
func (n *Node) Close(ctx context.Context) error {
	n.closing.Do(func() { n.closeErr = n.close(ctx) })
	return n.closeErr
}

func (n *Node) close(ctx context.Context) error {
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
