package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Peers is how a node asks other nodes this package's own questions. An answer
// must be that of the member asked, not of another node that has taken over its
// address, and must be made after the question has arrived.
type Peers interface {
	// Term asks a member for its [Node.Term].
	Term(ctx context.Context, member Member) (uint64, error)
	// ReadIndex asks a member that is taken for the leader for its
	// [Node.LeaderReadIndex].
	ReadIndex(ctx context.Context, leader Member) (uint64, error)
}

// Term returns the newest term this node has taken part in. It is what a node
// answers to [Peers.Term]: it will vote for no leader of an earlier term, and
// take no entry from one.
func (n *Node) Term() uint64 { return n.raft.CurrentTerm() }

// ReadIndex returns an index such that a state which has applied it (see Wait)
// holds every command acknowledged before the call, by whichever node. It works
// on any node: the leader proves that it still leads, others ask it to. It
// waits, within ctx, for a leader that can. Reads that arrive together share
// the messages.
func (n *Node) ReadIndex(ctx context.Context) (uint64, error) {
	for {
		changed := n.contact.watch()
		leader, known := n.Leader()
		if !known || leader.ID == n.options.NodeID {
			index, err := n.LeaderReadIndex(ctx)
			if !errors.Is(err, ErrNoLeader) || ctx.Err() != nil {
				return index, err
			}
			// Another node leads by now, or this one knows that it does not.
			if err := n.pause(ctx, changed, err); err != nil {
				return 0, err
			}
			continue
		}
		index, err := n.asks.share(ctx, n, func() (uint64, error) { return n.askLeader(leader) })
		if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrFailed) {
			return index, err
		}
		if err := n.pause(ctx, changed, err); err != nil {
			return 0, err
		}
	}
}

// pause waits for another leader after a failed try, or a little before the
// next one. cause is why it failed.
func (n *Node) pause(ctx context.Context, changed <-chan struct{}, cause error) error {
	timer := time.NewTimer(n.options.HeartbeatTimeout / 10)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-n.stopped:
		return n.reason.Load()
	case <-ctx.Done():
		return ErrNoLeader.because(errors.Join(ctx.Err(), cause), "read index")
	}
	return nil
}

func (n *Node) askLeader(leader Member) (uint64, error) {
	ctx, cancel := context.WithTimeout(n.life, n.options.HeartbeatTimeout+n.options.ElectionTimeout)
	defer cancel()
	index, err := n.options.Peers.ReadIndex(ctx, leader)
	if err != nil {
		return 0, fmt.Errorf("ask node %s: %w", leader.ID, err)
	}
	return index, nil
}

// LeaderReadIndex is ReadIndex for the leader alone: it is what a node answers
// to [Peers.ReadIndex]. While no node leads it waits, within ctx; if another
// does, it says ErrNoLeader at once.
//
// The order is what makes it right: the read has arrived; a command of this
// term has been applied, so that all that earlier leaders committed is known
// (Raft, section 8); the commit index is taken; then a majority of the voters
// says, after all that, that it knows of no later term. A leader of a later one
// would have had one of that majority vote for it before it could acknowledge
// anything.
func (n *Node) LeaderReadIndex(ctx context.Context) (uint64, error) {
	for {
		changed, role := n.contact.watch(), n.leadership.load()
		if role.ready == 0 && role.open && n.options.faults.readIndexWithoutTerm {
			return n.raft.CommitIndex(), nil
		}
		if role.ready == 0 || !n.leads(role.ready) {
			if err := n.awaitRole(ctx, changed, role, "read index"); err != nil {
				return 0, err
			}
			continue
		}
		if n.alone() {
			if index := n.raft.CommitIndex(); n.leads(role.ready) {
				return index, nil
			}
			continue
		}
		index, err := n.rounds.share(ctx, n, n.prove)
		if err == nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrFailed) {
			return index, err
		}
		if err := n.pause(ctx, changed, err); err != nil {
			return 0, err
		}
	}
}

// alone reports whether this node is the only voter, and so its own majority.
// Without a transport it cannot be otherwise: nobody else catches up.
func (n *Node) alone() bool {
	if n.options.Transport == nil {
		return true
	}
	alone := false
	for _, s := range n.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage != hraft.Voter {
			continue
		}
		if string(s.ID) != n.options.NodeID {
			return false
		}
		alone = true
	}
	return alone
}

// prove takes the commit index and proves that this node led when it did.
//
// Behind the leader command this log holds nothing but commands and
// memberships, so the watermark comes to any index in it.
func (n *Node) prove() (uint64, error) {
	term := n.leadership.load().ready
	index := n.raft.CommitIndex()
	var err error
	switch {
	case term == 0:
	case n.options.faults.skipProof:
	case n.options.faults.trustVerifyLeader:
		err = n.raft.VerifyLeader().Error()
	default:
		err = n.askVoters(term)
	}
	if err != nil {
		return 0, ErrNoLeader.because(err, "prove leadership")
	}
	if term == 0 || !n.leads(term) {
		return 0, ErrNoLeader.because(nil, "prove leadership")
	}
	return index, nil
}

// askVoters returns nil once a majority of the voters, this node included if it
// is one, has said that the given term is its own.
func (n *Node) askVoters(term uint64) error {
	ctx, cancel := context.WithTimeout(n.life, n.options.HeartbeatTimeout)
	defer cancel()
	type answer struct {
		member Member
		term   uint64
		err    error
	}
	members := n.Members()
	answers := make(chan answer, len(members))
	voters, asked, agree := 0, 0, 0
	for _, m := range members {
		if !m.Voter {
			continue
		}
		voters++
		if m.ID == n.options.NodeID {
			agree++
			continue
		}
		asked++
		n.tasks.Go(func() {
			t, err := n.options.Peers.Term(ctx, m)
			answers <- answer{m, t, err}
		})
	}
	var failures []error
	for agree <= voters/2 {
		if agree+asked <= voters/2 {
			return errors.Join(failures...)
		}
		a := <-answers
		asked--
		switch {
		case a.err != nil:
			failures = append(failures, fmt.Errorf("voter %s: %w", a.member.ID, a.err))
		case a.term > term:
			return fmt.Errorf("voter %s is in term %d already, not in %d", a.member.ID, a.term, term)
		case a.term == term:
			agree++
		default:
			failures = append(failures, fmt.Errorf("voter %s is in term %d still, not in %d", a.member.ID, a.term, term))
		}
	}
	return nil
}

// batch lets callers who come while one run is under way share the next. A run
// serves only who was there before it began.
type batch struct {
	mu      sync.Mutex
	next    *run // will begin when current is done
	current *run // has begun, and perhaps ended; nil before the first
}

type run struct {
	done  chan struct{}
	index uint64
	err   error
}

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// share waits, within ctx, for a run of f that begins after the call. If several
// share one, the f of the first of them is run.
func (b *batch) share(ctx context.Context, n *Node, f func() (uint64, error)) (uint64, error) {
	r := b.enter(n, f)
	if r == nil {
		return 0, n.reason.Load()
	}
	select {
	case <-r.done:
		return r.index, r.err
	case <-n.stopped:
		return 0, n.reason.Load()
	case <-ctx.Done():
		return 0, ErrNoLeader.because(ctx.Err(), "read index")
	}
}

// enter returns the run that is yet to begin; nil if the node has stopped.
func (b *batch) enter(n *Node, f func() (uint64, error)) *run {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.options.faults.shareLateRounds && b.current != nil && !b.current.ended() {
		return b.current
	}
	if b.next != nil {
		return b.next
	}
	r, previous := &run{done: make(chan struct{})}, b.current
	if !n.spawn(func() { b.run(previous, r, f) }) {
		return nil
	}
	b.next = r
	return r
}

// run waits for the run before, closes this one to newcomers, and does it.
func (b *batch) run(previous, r *run, f func() (uint64, error)) {
	if previous != nil {
		<-previous.done
	}
	b.mu.Lock()
	b.next, b.current = nil, r
	b.mu.Unlock()
	r.index, r.err = f()
	close(r.done)
}
