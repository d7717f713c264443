package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

const (
	// joinLimit bounds one attempt to join.
	joinLimit = 15 * time.Second
	// joinPause is how long it is waited for what joining comes to, and
	// joinRetry for another attempt after one that was refused.
	joinPause = 500 * time.Millisecond
	joinRetry = 10 * time.Second
)

// self is this node as a member of its cluster, as its options have it.
func (r *Replica) self() raft.Member {
	m := raft.Member{ID: r.options.NodeID, Voter: !r.options.ReadReplica}
	switch {
	case r.port != nil:
		m.Address = r.port.Address()
	case r.options.Wiring != nil:
		m.Address = string(r.options.Wiring.Transport.LocalAddr())
	}
	return m
}

// join asks for the membership that the options say until this node's own log
// has it: it is new, or has moved. A read replica may have been removed while it
// was closed, because nobody heard from it, without its log knowing: it asks until
// it has heard from a leader.
func (r *Replica) join() {
	for !r.isMember() || r.options.ReadReplica && r.log.LastContact().IsZero() {
		if len(r.others()) == 0 {
			r.options.Logger.Warn("this node is in no cluster, and is told of no other node to ask: it waits to be added", "address", r.self().Address)
			return
		}
		pause := joinPause
		if err := r.askToJoin(); errors.Is(err, peer.ErrRefused) {
			pause = joinRetry
		}
		select {
		case <-time.After(pause):
		case <-r.life.Done():
			return
		}
	}
}

// isMember reports whether this node's log has it as its options do.
func (r *Replica) isMember() bool { return slices.Contains(r.log.Members(), r.self()) }

func (r *Replica) askToJoin() error {
	ctx, cancel := context.WithTimeout(r.life, joinLimit)
	defer cancel()
	addresses := r.others()
	err := r.port.Join(ctx, addresses, r.self())
	if err != nil && r.life.Err() == nil {
		r.options.Logger.Warn("this node has not joined the cluster", "addresses", addresses, "error", err)
	}
	return err
}

// others returns the addresses by which other nodes may be reached: those that
// the log has, and those that this node was told.
func (r *Replica) others() []string {
	var addresses []string
	if leader, ok := r.log.Leader(); ok {
		addresses = append(addresses, leader.Address)
	}
	for _, m := range r.log.Members() {
		if m.ID != r.options.NodeID {
			addresses = append(addresses, m.Address)
		}
	}
	addresses = append(addresses, r.options.Join...)
	var once []string
	for _, a := range addresses {
		if a != r.self().Address && !slices.Contains(once, a) {
			once = append(once, a)
		}
	}
	return once
}

// Leave ends this node's membership, for good unless it is opened again to join.
// If it leads, another one leads afterwards. The only voter cannot leave.
func (r *Replica) Leave(ctx context.Context) error {
	if r.port == nil {
		return fmt.Errorf("%w: without Peer there is nothing to leave", ErrOptions)
	}
	if leader, ok := r.log.Leader(); ok && leader.ID == r.options.NodeID {
		if err := r.log.Leave(ctx); !errors.Is(err, raft.ErrNoLeader) {
			return err
		}
	}
	return r.port.Leave(ctx, r.others(), r.options.NodeID)
}

// leads returns the log if this node leads.
func (r *Replica) leads() (*raft.Node, error) {
	log := r.late.now()
	if log == nil {
		return nil, noLeader("this node is in no cluster yet")
	}
	if leader, ok := log.Leader(); !ok || leader.ID != r.options.NodeID {
		return nil, noLeader("this node does not lead")
	}
	return log, nil
}

// admit makes a node a member, if this one leads. One that wants to vote does so
// once it has caught up and is well; see steering.
func (r *Replica) admit(ctx context.Context, m raft.Member) error {
	log, err := r.leads()
	if err != nil {
		return err
	}
	known, there := memberOf(log, m.ID)
	switch {
	case there && known.Voter && !m.Voter:
		return refused("node %s has a vote, and is to be a read replica; demote it first", m.ID)
	case there && known.Address != m.Address && m.ID != r.options.NodeID:
		if r.answersAt(ctx, known) {
			return refused("node %s is at %s, and answers there; another node needs another name", m.ID, known.Address)
		}
	}
	if there && known.Voter {
		return toPeer(log.AddVoter(ctx, m.ID, m.Address))
	}
	if err := log.AddNonvoter(ctx, m.ID, m.Address); err != nil {
		return toPeer(err)
	}
	r.steering.wish(m.ID, m.Voter)
	return nil
}

// answersAt reports whether a member is where the log has it.
func (r *Replica) answersAt(ctx context.Context, m raft.Member) bool {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	status, err := r.port.Status(ctx, m.Address)
	return err == nil && status.NodeID == m.ID
}

// dismiss ends a node's membership, if this one leads.
func (r *Replica) dismiss(ctx context.Context, id string) error {
	log, err := r.leads()
	if err != nil {
		return err
	}
	r.steering.wish(id, false)
	return toPeer(log.Remove(ctx, id))
}

func memberOf(log *raft.Node, id string) (raft.Member, bool) {
	members := log.Members()
	i := slices.IndexFunc(members, func(m raft.Member) bool { return m.ID == id })
	if i < 0 {
		return raft.Member{}, false
	}
	return members[i], true
}
