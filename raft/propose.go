package raft

import (
	"context"
	"encoding/binary"
	"sync"

	hraft "github.com/hashicorp/raft"
)

// proposals are the commands on their way through the log whose fate somebody
// waits for.
//
// hashicorp/raft has futures for that, and they do not hold: when raft shuts
// down, a future whose entry is in one of its queues is never answered, and
// nothing can wait for a future and a context at once. So the futures are left
// alone. A command carries a ticket (in the entry's Extensions, which are kept
// in memory only), by which the apply finds who waits; who is still waiting when
// leadership or the node ends is told that the outcome is unknown.
type proposals struct {
	maxCount int
	maxBytes int

	mu      sync.Mutex
	waiting map[uint64]*proposal
	tickets uint64
	bytes   int
	drained chan struct{} // closed, and nil again, when nothing is waiting
}

// proposal is one of them. It is done once, under the lock of proposals.
type proposal struct {
	ticket uint64
	bytes  int
	done   chan struct{}

	result any // valid once done is closed
	term   uint64
	err    error
}

func newProposals(o *Options) *proposals {
	return &proposals{
		maxCount: o.MaxInFlight, maxBytes: o.MaxInFlightBytes,
		waiting: map[uint64]*proposal{},
	}
}

// enter admits a command, or refuses it with ErrOverloaded. A leader command is
// always admitted.
func (ps *proposals) enter(command []byte, always bool) (*proposal, error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	n, bytes := len(ps.waiting), ps.bytes+len(command)
	if !always && (n >= ps.maxCount || bytes > ps.maxBytes) {
		return nil, ErrOverloaded.because(nil, "propose with %d proposals and %d bytes in flight", n, ps.bytes)
	}
	ps.tickets++
	p := &proposal{ticket: ps.tickets, bytes: len(command), done: make(chan struct{})}
	ps.waiting[p.ticket] = p
	ps.bytes = bytes
	return p, nil
}

// applied answers the proposals among a batch of applied entries.
func (ps *proposals) applied(logs []*hraft.Log, answers []any) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for i, l := range logs {
		if len(l.Extensions) != ticketBytes {
			continue
		}
		p := ps.waiting[binary.BigEndian.Uint64(l.Extensions)]
		if p == nil {
			continue
		}
		p.result, p.term = answers[i], l.Term
		if answers[i] == errApplied {
			p.result, p.err = nil, ErrOutcomeUnknown.because(errApplied, "propose at %d", l.Index)
		}
		ps.finish(p)
	}
}

// abandon answers everybody with the same error.
func (ps *proposals) abandon(err error) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.waiting {
		p.err = err
		ps.finish(p)
	}
}

func (ps *proposals) finish(p *proposal) {
	delete(ps.waiting, p.ticket)
	ps.bytes -= p.bytes
	close(p.done)
	if len(ps.waiting) == 0 && ps.drained != nil {
		close(ps.drained)
		ps.drained = nil
	}
}

// empty returns a channel that is closed when nobody waits any more.
func (ps *proposals) empty() <-chan struct{} {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.drained == nil {
		ps.drained = make(chan struct{})
		if len(ps.waiting) == 0 {
			done := ps.drained
			close(done)
			ps.drained = nil
			return done
		}
	}
	return ps.drained
}

func (ps *proposals) count() (n, bytes int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.waiting), ps.bytes
}

const ticketBytes = 8

// log returns the entry that carries the proposal.
func (p *proposal) log(command []byte) hraft.Log {
	return hraft.Log{Data: command, Extensions: binary.BigEndian.AppendUint64(nil, p.ticket)}
}

// Propose puts a command through the log and returns what the state machine made
// of it, once the command is durable and applied. The command must not be
// changed afterwards, not even after an error.
//
// While no node leads it waits for one, within ctx. An error of kind
// outcome-unknown says that the command may be applied, now or later; after any
// other error it never will be. An error that is no *Error is ctx's, from before
// the command was handed over.
func (n *Node) Propose(ctx context.Context, command []byte) (any, error) {
	if len(command) > n.options.MaxCommandBytes {
		return nil, ErrTooLarge.because(nil, "propose %d bytes; at most %d", len(command), n.options.MaxCommandBytes)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := n.handOver(ctx, command)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
	}
	select {
	case <-p.done: // both at once: say what is known
		return p.result, p.err
	default:
		return nil, ErrOutcomeUnknown.because(ctx.Err(), "propose")
	}
}

// handOver gives a command to raft as soon as this node leads.
func (n *Node) handOver(ctx context.Context, command []byte) (*proposal, error) {
	for {
		changed, role := n.contact.watch(), n.leadership.load()
		if role.passes() {
			p, err := n.leadership.pass(func() (*proposal, error) { return n.submit(command, false) })
			if p != nil || err != nil {
				return p, err
			}
			continue // the gate was shut between load and pass
		}
		if err := n.awaitRole(ctx, changed, role, "propose"); err != nil {
			return nil, err
		}
	}
}

// submit hands a command to raft. It does not block: raft's queue has room for
// every proposal that is admitted.
func (n *Node) submit(command []byte, always bool) (*proposal, error) {
	p, err := n.proposals.enter(command, always)
	if err != nil {
		return nil, err
	}
	n.raft.ApplyLog(p.log(command), 0)
	return p, nil
}
