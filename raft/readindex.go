package raft

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Peers is how a node asks other nodes this package's own questions. An answer
// must be that of the member asked, not of another node that has taken over its
// address, and must be made after the question has arrived.
type Peers interface {
	// Term asks a member for its [Node.Term]. Every fully consistent read waits
	// for such a question, so it should cost little.
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
// waits for a leader that can, for no more than a few milliseconds once ctx has
// ended. Reads that arrive together share the messages.
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
		if !n.accompanied.Load() {
			// Before it is looked who votes: as long as nobody else does, nobody
			// else can have acknowledged more.
			index := n.raft.CommitIndex()
			if n.alone() && n.leads(role.ready) {
				return index, nil
			}
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
//
// It asks no more of them than are needed, those first that have answered last,
// and the others when one fails or is slow.
func (n *Node) askVoters(term uint64) error {
	ctx, cancel := context.WithTimeout(n.life, n.options.HeartbeatTimeout)
	defer cancel()
	p := n.newPoll(ctx, term)
	slow := time.NewTimer(n.options.HeartbeatTimeout / slowVoter)
	defer slow.Stop()
	for p.agree < p.majority {
		for p.agree+p.asked < p.majority && p.askNext() {
		}
		if p.agree+p.asked < p.majority {
			return errors.Join(p.failures...)
		}
		select {
		case a := <-p.answers:
			if err := p.take(a); err != nil {
				return err
			}
		case <-slow.C:
			for p.askNext() {
			}
		case <-ctx.Done():
			return errors.Join(append(p.failures, ctx.Err())...)
		}
	}
	return nil
}

// slowVoter is the part of the heartbeat timeout after which a voter is taken for
// slow: by default 30 ms, which is long beside an answer and short beside a wait.
const slowVoter = 20

// poll is one proof of leadership under way.
type poll struct {
	node     *Node
	ctx      context.Context
	term     uint64
	majority int // of the voters

	others   []Member // voters to ask yet, those that have answered last at the end
	asked    int      // who have not answered yet
	agree    int
	answers  chan voterAnswer // has room for all
	failures []error
}

type voterAnswer struct {
	member Member
	term   uint64
	err    error
}

func (n *Node) newPoll(ctx context.Context, term uint64) *poll {
	p := &poll{node: n, ctx: ctx, term: term}
	voters := 0
	for _, m := range n.Members() {
		switch {
		case !m.Voter:
			continue
		case m.ID == n.options.NodeID:
			p.agree++
		default:
			p.others = append(p.others, m)
		}
		voters++
	}
	p.majority = voters/2 + 1
	n.accompanied.Store(len(p.others) > 0)
	p.answers = make(chan voterAnswer, len(p.others))
	n.answered.sort(p.others)
	return p
}

// answered ranks voters by how lately they have answered a proof in time.
type answered struct {
	mu    sync.Mutex
	count uint64
	last  map[string]uint64 // by id: count at its last answer
}

func (a *answered) note(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = map[string]uint64{}
	}
	a.count++
	a.last[id] = a.count
}

// sort puts those that have answered last at the end.
func (a *answered) sort(members []Member) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slices.SortStableFunc(members, func(m, o Member) int { return cmp.Compare(a.last[m.ID], a.last[o.ID]) })
}

// askNext asks one voter more; it reports false if all have been asked.
func (p *poll) askNext() bool {
	if len(p.others) == 0 {
		return false
	}
	m := p.others[len(p.others)-1]
	p.others = p.others[:len(p.others)-1]
	p.asked++
	p.node.tasks.Go(func() {
		t, err := p.node.options.Peers.Term(p.ctx, m)
		p.answers <- voterAnswer{m, t, err}
	})
	return true
}

// take counts an answer. Its error ends the poll: this node does not lead.
func (p *poll) take(a voterAnswer) error {
	p.asked--
	if a.err == nil {
		p.node.answered.note(a.member.ID)
	}
	switch {
	case a.err != nil:
		p.failures = append(p.failures, fmt.Errorf("voter %s: %w", a.member.ID, a.err))
	case a.term > p.term:
		return fmt.Errorf("voter %s is in term %d already, not in %d", a.member.ID, a.term, p.term)
	case a.term == p.term:
		p.agree++
	default:
		p.failures = append(p.failures, fmt.Errorf("voter %s is in term %d still, not in %d", a.member.ID, a.term, p.term))
	}
	return nil
}
