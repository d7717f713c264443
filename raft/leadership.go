package raft

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	hraft "github.com/hashicorp/raft"
)

// leadership is what this node may do in the present term. Commands pass a gate
// on their way to raft. It opens when the leader command has been handed over,
// so that this is the term's first, and it shuts before those in flight are told
// that their outcome is unknown, so that none slips through and hears nothing.
//
// Raft refuses commands during a transfer of leadership and says so to their
// futures only. Who adds transfers must shut the gate before one begins.
type leadership struct {
	gate  sync.RWMutex // held for reading while a command is handed to raft
	ended bool         // the role is the last one; guarded by gate
	role  atomic.Pointer[role]
}

// role is one state of leadership; it does not change.
type role struct {
	open    bool          // commands pass
	ready   uint64        // the term whose leader command has been applied; 0 for none
	refusal error         // why no command will pass any more
	changed chan struct{} // closed when there is another role
}

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
	if !l.role.Load().open {
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
	next.changed = make(chan struct{})
	close(l.role.Swap(&next).changed)
}

// lead follows raft's leadership until the node stops.
func (n *Node) lead() {
	defer n.tasks.Done()
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
// applied, so everything earlier leaders committed has been too. Who waits for
// an index that the log does not have waits for another history.
func (n *Node) serveTerm(term uint64) {
	n.leadership.set(role{open: true, ready: term})
	n.watermark.refuse(n.raft.LastIndex(), ErrAhead.because(nil, "wait beyond %d", n.raft.LastIndex()))
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

// ReadIndex returns an index such that a state which has applied it (see Wait)
// holds every command acknowledged before the call. It waits, within ctx, until
// this node leads and has applied a command of its own term; an earlier leader's
// last commits are not known before (Raft, section 8).
//
// With one voter no other node can lead meanwhile, and that is the whole proof.
// With more, a round of messages must prove it between reading the commit index
// and returning it; that is where it goes.
func (n *Node) ReadIndex(ctx context.Context) (uint64, error) {
	for {
		role := n.leadership.load()
		if role.ready != 0 && n.leads(role.ready) || role.open && n.options.faults.readIndexWithoutTerm {
			// Behind the leader command this log holds nothing but commands and
			// memberships, so the watermark comes to any index in it.
			return n.raft.CommitIndex(), nil
		}
		if err := n.awaitRole(ctx, role, "read index"); err != nil {
			return 0, err
		}
	}
}

// leads reports whether this node is the leader of the given term.
func (n *Node) leads(term uint64) bool {
	return n.raft.State() == hraft.Leader && n.raft.CurrentTerm() == term
}

// awaitRole waits for a change of leadership, unless another node leads: then
// the caller is better off there.
func (n *Node) awaitRole(ctx context.Context, r *role, doing string) error {
	if r.refusal != nil {
		return r.refusal
	}
	if _, id := n.raft.LeaderWithID(); id != "" && string(id) != n.options.NodeID {
		return ErrNoLeader.because(fmt.Errorf("node %s leads", id), "%s", doing)
	}
	select {
	case <-r.changed:
		return nil
	case <-ctx.Done():
		return ErrNoLeader.because(ctx.Err(), "%s", doing)
	}
}

// Wait returns when the state machine has applied every command up to index.
// On a leader an index beyond the log is ErrAhead at once. An error that is no
// *Error is ctx's.
func (n *Node) Wait(ctx context.Context, index uint64) error {
	if refusal := n.reason.Load(); refusal != nil {
		return refusal
	}
	if n.watermark.load() >= index {
		return nil
	}
	err := n.watermark.wait(ctx, index, func() error {
		last := n.raft.LastIndex()
		if role := n.leadership.load(); role.ready == 0 || !n.leads(role.ready) || index <= last {
			return nil
		}
		return ErrAhead.because(nil, "wait for %d, the log ends at %d", index, last)
	})
	if ctxErr := ctx.Err(); ctxErr != nil && err == ctxErr {
		return fmt.Errorf("wait for index %d, at %d: %w", index, n.watermark.load(), err)
	}
	return err
}
