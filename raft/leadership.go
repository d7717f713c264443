package raft

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	hraft "github.com/hashicorp/raft"
)

// leadership is what this node may do in the present term. Commands pass a gate
// on their way to raft. It opens when the leader command has been handed over,
// so that this is the term's first, and it shuts before those in flight are told
// that their outcome is unknown, so that none slips through and hears nothing.
//
// The gate can also be held shut for a while, during a transfer of leadership and
// while the leader's own vote is taken: see transfer.go and changes.go.
type leadership struct {
	gate  sync.RWMutex // held for reading while a command is handed to raft
	ended bool         // the role is the last one; guarded by gate
	role  atomic.Pointer[role]
}

// role is one state of leadership; it does not change.
type role struct {
	open    bool          // commands pass, unless they are held
	held    int           // transfers and changes that are under way: commands wait
	ready   uint64        // the term whose leader command has been applied; 0 for none
	refusal error         // why no command will pass any more
	changed chan struct{} // closed when there is another role
}

func (r *role) passes() bool { return r.open && r.held == 0 }

func newLeadership() *leadership {
	l := &leadership{}
	l.role.Store(&role{changed: make(chan struct{})})
	return l
}

func (l *leadership) load() *role { return l.role.Load() }

// pass runs f with the gate held open; it returns nothing if the gate is shut.
func (l *leadership) pass(f func() (*proposal, error)) (*proposal, error) {
	l.gate.RLock()
	defer l.gate.RUnlock()
	if !l.role.Load().passes() {
		return nil, nil
	}
	return f()
}

// set changes the role, once nobody is passing the gate.
func (l *leadership) set(next role) {
	l.gate.Lock()
	defer l.gate.Unlock()
	if l.ended {
		return
	}
	l.ended = next.refusal != nil
	next.held = l.role.Load().held
	next.changed = make(chan struct{})
	close(l.role.Swap(&next).changed)
}

// hold shuts the gate for commands that are not in flight yet, whatever the role
// becomes meanwhile, until everybody who holds it has called what it returned.
func (l *leadership) hold() (release func()) {
	l.change(1)
	return func() { l.change(-1) }
}

func (l *leadership) change(holders int) {
	l.gate.Lock()
	defer l.gate.Unlock()
	next := *l.role.Load()
	next.held += holders
	next.changed = make(chan struct{})
	close(l.role.Swap(&next).changed)
}

// lead follows raft's leadership until the node stops.
func (n *Node) lead() {
	var first *proposal // this term's leader command, until it is applied
	for {
		var applied <-chan struct{}
		if first != nil {
			applied = first.done
		}
		select {
		case leading := <-n.raft.LeaderCh():
			// Raft drops a signal nobody has taken, so two in a row may say
			// "leading" with a loss between them: each begins a term.
			n.stepDown()
			first = nil
			if leading {
				first = n.beginTerm()
			} else {
				n.contact.yielded(n.raft.LastContact())
			}
		case <-applied:
			if first.err == nil {
				n.serveTerm(first.term)
			}
			first = nil
		case <-n.stopped:
			return
		}
	}
}

// beginTerm proposes the leader command and lets others follow it.
func (n *Node) beginTerm() *proposal {
	p, err := n.submit(n.options.LeaderCommand(), true)
	if err != nil {
		n.fail(fmt.Errorf("propose the leader command: %w", err))
		return nil
	}
	n.leadership.set(role{open: true})
	return p
}

// serveTerm opens the door for reads: a command of this node's own term has been
// applied, so everything earlier leaders committed has been too.
func (n *Node) serveTerm(term uint64) {
	n.leadership.set(role{open: true, ready: term})
	n.spawn(n.refuseAhead)
	n.spawn(func() { n.correctAddress(term) })
}

// refuseAhead tells who waits for an index that the log does not have that it is
// of another history. The proof comes first: this node may be a leader of the
// past, and the index one of its successor's. So may that of who comes to wait after
// the proof has begun; Wait asks for another one then.
func (n *Node) refuseAhead() {
	first := n.watermark.count()
	if n.options.faults.refuseLatecomers {
		first = math.MaxUint64
	}
	proven, err := n.LeaderReadIndex(n.life)
	if err != nil {
		return // there will be another term
	}
	last := max(proven, n.raft.LastIndex())
	n.watermark.refuse(first, last, ErrAhead.because(nil, "wait beyond %d", last))
}

// stepDown shuts the gate, and then tells those in flight that they may or may
// not have been committed.
func (n *Node) stepDown() {
	n.leadership.set(role{})
	lost, cause := ErrOutcomeUnknown, hraft.ErrLeadershipLost
	if reason := n.reason.Load(); reason != nil {
		cause = reason // the loss is only what stopping the node looks like
	}
	if n.options.faults.unknownAsNotDone {
		lost = ErrNoLeader
	}
	n.proposals.abandon(lost.because(cause, "propose"))
}

// leads reports whether this node is the leader of the given term.
func (n *Node) leads(term uint64) bool {
	return n.raft.State() == hraft.Leader && n.raft.CurrentTerm() == term
}

// awaitRole waits for a change of leadership, unless another node leads: then
// the caller is better off there. changed is from before the role was read.
func (n *Node) awaitRole(ctx context.Context, changed <-chan struct{}, r *role, doing string) error {
	if r.refusal != nil {
		return r.refusal
	}
	if leader, known := n.Leader(); known && leader.ID != n.options.NodeID {
		return ErrNoLeader.because(fmt.Errorf("node %s leads", leader.ID), "%s", doing)
	}
	select {
	case <-r.changed:
		return nil
	case <-changed:
		return nil
	case <-ctx.Done():
		return ErrNoLeader.because(ctx.Err(), "%s", doing)
	}
}

// Wait returns when the state machine has applied every command up to index.
// On a leader an index beyond the log is ErrAhead, as soon as it has proved that
// it leads. An error that is no *Error is ctx's.
func (n *Node) Wait(ctx context.Context, index uint64) error {
	if refusal := n.reason.Load(); refusal != nil {
		return refusal
	}
	if n.watermark.load() >= index {
		return nil
	}
	err := n.watermark.wait(ctx, index, func() error { return n.ahead(ctx, index) })
	if ctxErr := ctx.Err(); ctxErr != nil && err == ctxErr {
		return fmt.Errorf("wait for index %d, at %d: %w", index, n.watermark.load(), err)
	}
	return err
}

// ahead returns ErrAhead if this node leads and the index is beyond its log.
func (n *Node) ahead(ctx context.Context, index uint64) error {
	role := n.leadership.load()
	if role.ready == 0 || !n.leads(role.ready) || index <= n.raft.LastIndex() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.options.HeartbeatTimeout)
	defer cancel()
	proven, err := n.LeaderReadIndex(ctx)
	if last := max(proven, n.raft.LastIndex()); err == nil && index > last {
		return ErrAhead.because(nil, "wait for %d, the log ends at %d", index, last)
	}
	return nil // this node does not know; whoever leads will tell it
}
