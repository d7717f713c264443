package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	hraft "github.com/hashicorp/raft"
)

// The changes of the membership are made one at a time, by the leader; on any
// other node they fail with ErrNoLeader, naming the leader if one is known. A
// change that is so already is no error. ErrMembership says what cannot be, and
// that nothing was done. After ErrOutcomeUnknown, look at Members.

// AddVoter makes a node a voter. One that is new is a non-voter until it has
// caught up, so that it does not hold up commits meanwhile; if ctx ends before,
// it stays one, and AddVoter can be called again. A voter's address changes at
// once.
func (n *Node) AddVoter(ctx context.Context, id, address string) error {
	m, there := n.member(id)
	if there && m.Voter {
		return n.change(ctx, id, "change the address of", func(left time.Duration) (hraft.IndexFuture, error) {
			if m, there := n.member(id); !there || !m.Voter || m.Address == address {
				return nil, nil
			}
			return n.raft.AddVoter(hraft.ServerID(id), hraft.ServerAddress(address), 0, left), nil
		})
	}
	if err := n.AddNonvoter(ctx, id, address); err != nil {
		return err
	}
	return n.Promote(ctx, id)
}

// AddNonvoter has a node receive the log, or changes the address of one that does.
func (n *Node) AddNonvoter(ctx context.Context, id, address string) error {
	return n.change(ctx, id, "add", func(left time.Duration) (hraft.IndexFuture, error) {
		m, there := n.member(id)
		switch {
		case id == "" || address == "":
			return nil, fmt.Errorf("%w: a member needs an id and an address", ErrMembership)
		case there && m.Voter:
			return nil, fmt.Errorf("%w: node %s is a voter; demote it first", ErrMembership, id)
		case there && m.Address == address:
			return nil, nil
		}
		return n.raft.AddNonvoter(hraft.ServerID(id), hraft.ServerAddress(address), 0, left), nil
	})
}

// Promote makes a non-voter a voter, once it has caught up.
func (n *Node) Promote(ctx context.Context, id string) error {
	if m, there := n.member(id); there && !m.Voter {
		if err := n.catchUp(ctx, id); err != nil {
			return fmt.Errorf("promote %s: it is a non-voter still: %w", id, err)
		}
	}
	return n.change(ctx, id, "promote", func(left time.Duration) (hraft.IndexFuture, error) {
		m, there := n.member(id)
		switch {
		case !there:
			return nil, noMember(id)
		case m.Voter:
			return nil, nil
		}
		return n.raft.AddVoter(hraft.ServerID(id), hraft.ServerAddress(m.Address), 0, left), nil
	})
}

// Demote makes a voter a non-voter. If it is this node, another leads afterwards.
func (n *Node) Demote(ctx context.Context, id string) error {
	return n.changeVote(ctx, id, "demote", func(left time.Duration) (hraft.IndexFuture, error) {
		m, there := n.member(id)
		switch {
		case !there:
			return nil, noMember(id)
		case !m.Voter:
			return nil, nil
		}
		return n.raft.DemoteVoter(hraft.ServerID(id), 0, left), n.othersVote(id)
	})
}

// Remove takes a node out of the group. If it is this node, another leads
// afterwards. The removed node may or may not learn of it.
func (n *Node) Remove(ctx context.Context, id string) error {
	return n.changeVote(ctx, id, "remove", func(left time.Duration) (hraft.IndexFuture, error) {
		if _, there := n.member(id); !there {
			return nil, nil
		}
		if err := n.othersVote(id); err != nil {
			return nil, err
		}
		return n.raft.RemoveServer(hraft.ServerID(id), 0, left), nil
	})
}

// Leave takes this node, which must be the leader, out of the group; any other
// node asks its leader to Remove it.
func (n *Node) Leave(ctx context.Context) error { return n.Remove(ctx, n.options.NodeID) }

func noMember(id string) error { return fmt.Errorf("%w: node %q is no member", ErrMembership, id) }

// othersVote returns an error if nobody but the given node votes.
func (n *Node) othersVote(id string) error {
	if slices.ContainsFunc(n.Members(), func(m Member) bool { return m.Voter && m.ID != id }) {
		return nil
	}
	return fmt.Errorf("%w: node %s is the only voter", ErrMembership, id)
}

// change makes one change, within ctx. start judges the membership as it is
// then, and hands the change to raft, for which raft has the given time; it
// returns nothing if the change is made already.
func (n *Node) change(ctx context.Context, id, doing string, start func(left time.Duration) (hraft.IndexFuture, error)) error {
	doing += " " + id
	release, err := n.beginChange(ctx, doing)
	if err != nil {
		return err
	}
	defer release()
	left := time.Duration(0) // no limit
	if end, ok := ctx.Deadline(); ok {
		left = max(time.Until(end), time.Nanosecond)
	}
	done := make(chan error, 1)
	// Raft leaves a change that is in one of its queues when it shuts down
	// without an answer, so nobody waits for this goroutine.
	go func() {
		future, err := start(left)
		if future == nil || err != nil {
			done <- err
			return
		}
		done <- n.changeError(future.Error(), doing)
	}()
	select {
	case err = <-done:
		return err
	case <-n.stopped:
		return ErrOutcomeUnknown.because(n.reason.Load(), "%s", doing)
	case <-ctx.Done():
		return ErrOutcomeUnknown.because(ctx.Err(), "%s", doing)
	}
}

// changeVote is change for one that may take this node's own vote, and with it
// leadership. Then commands are held back, and those in flight get an election
// timeout to come through, before it begins; and a successor is told to stand
// once it is made, so that none waits for a timeout.
func (n *Node) changeVote(ctx context.Context, id, doing string, start func(left time.Duration) (hraft.IndexFuture, error)) error {
	term := n.raft.CurrentTerm()
	if id != n.options.NodeID || !n.leads(term) {
		return n.change(ctx, id, doing, start)
	}
	defer n.leadership.hold()()
	drain, cancel := n.within(ctx, 1)
	defer cancel()
	select {
	case <-n.proposals.empty():
	case <-n.stopped:
	case <-drain.Done():
	}
	if err := n.change(ctx, id, doing, start); err != nil {
		return err
	}
	if m, ok := n.member(id); ok && m.Voter {
		return nil
	}
	if m, ok := n.successor(term); ok {
		go n.tellToStand(m) // as long as the transport takes
	}
	n.steppedDown(ctx, term)
	return nil
}

// beginChange waits, within ctx, for its turn and until this node leads.
func (n *Node) beginChange(ctx context.Context, doing string) (release func(), err error) {
	select {
	case n.changing <- struct{}{}:
	case <-n.stopped:
		return nil, n.reason.Load()
	case <-ctx.Done():
		return nil, ErrNoLeader.because(ctx.Err(), "%s", doing)
	}
	release = func() { <-n.changing }
	for {
		changed, role := n.contact.watch(), n.leadership.load()
		if role.ready != 0 && n.leads(role.ready) {
			return release, nil
		}
		if err := n.awaitRole(ctx, changed, role, doing); err != nil {
			release()
			return nil, err
		}
	}
}

// changeError says in this package's terms how raft took a change.
func (n *Node) changeError(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, hraft.ErrNotLeader), errors.Is(err, hraft.ErrEnqueueTimeout):
		return ErrNoLeader.because(err, "%s", doing)
	case errors.Is(err, hraft.ErrLeadershipLost), errors.Is(err, hraft.ErrRaftShutdown), n.log.failed() != nil:
		return ErrOutcomeUnknown.because(err, "%s", doing)
	}
	return fmt.Errorf("%w: %s: %v", ErrMembership, doing, err)
}

// correctAddress writes this node's address into the membership if it has
// another one there: it was a lone voter without a transport, or has moved.
func (n *Node) correctAddress(term uint64) {
	address := string(n.transport.LocalAddr())
	m, ok := n.member(n.options.NodeID)
	if !ok || !m.Voter || m.Address == address || !n.leads(term) {
		return
	}
	if err := n.AddVoter(n.life, m.ID, address); err != nil {
		n.options.Logger.Warn("raft: the membership has another address of this node", "there", m.Address, "here", address, "error", err)
	}
}
