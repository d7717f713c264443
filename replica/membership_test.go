package replica

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// grown is a lone node that others have joined.
func grown(t *testing.T) []*testNode {
	t.Helper()
	addresses := freeAddresses(t, 3)
	lone := testOptions(addresses, 0)
	port := lone.Peer
	lone.Peer = nil
	n := open(t, lone)
	n.mustBeReady(t)
	n.mustWriteSchema(t)
	n.mustWrite(t, "doc:old#reader@user:ann")
	n.stop(t)

	n.options.Peer = port
	n.start(t)
	nodes := []*testNode{n}
	for i := 1; i < 3; i++ {
		o := testOptions(addresses, i)
		o.Join = addresses[:1]
		nodes = append(nodes, open(t, o))
	}
	return nodes
}

func TestALoneNodeGrowsIntoAClusterByWhoJoins(t *testing.T) {
	nodes := grown(t)
	eventually(t, "they do not all vote", func() bool {
		all := nodes[0].Log().Members()
		return len(all) == 3 && !slices.ContainsFunc(all, func(m raft.Member) bool { return !m.Voter })
	})
	for _, m := range nodes[0].Log().Members() {
		i := slices.IndexFunc(nodes, func(n *testNode) bool { return n.options.NodeID == m.ID })
		if m.Address != nodes[i].Address() {
			t.Errorf("%s is at %s for the others, and listens at %s", m.ID, m.Address, nodes[i].Address())
		}
	}
	for _, n := range nodes {
		n.mustHave(t, "doc:old#reader@user:ann", fullyConsistent())
	}
	// What it was alone with goes on without it.
	nodes[0].stop(t)
	nodes[1].mustWrite(t, "doc:new#reader@user:ann")
	nodes[0].start(t)
	nodes[0].mustHave(t, "doc:new#reader@user:ann", fullyConsistent())
}

func TestAMemberOfAClusterIsNotOpenedWithoutItsPort(t *testing.T) {
	nodes := bootstrap(t, 2)
	nodes[0].stop(t)
	o := nodes[0].options
	o.Peer, o.Join, o.BootstrapExpect = nil, nil, 0
	if _, err := Open(t.Context(), o); !errors.Is(err, raft.ErrMembership) {
		t.Errorf("opening: %v", err)
	}
}

func TestAReadReplicaAnswersWithoutAVoteAndLeavesWhenItIsClosed(t *testing.T) {
	nodes := bootstrap(t, 1)
	nodes[0].mustWriteSchema(t)
	o := testOptions(freeAddresses(t, 1), 0)
	o.NodeID, o.Join, o.ReadReplica, o.LeaveOnClose = "reader", []string{nodes[0].Address()}, true, true
	reader := open(t, o)
	zookie := nodes[0].mustWrite(t, "doc:a#reader@user:ann")
	reader.mustHave(t, "doc:a#reader@user:ann", atLeastAsFresh(zookie))
	reader.mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
	reader.mustHave(t, "doc:a#reader@user:ann", nil)
	reader.mustWrite(t, "doc:b#reader@user:ann")
	time.Sleep(10 * o.stableAfter) // what would be given a vote has one by now
	if m, ok := memberOf(nodes[0].Log(), "reader"); !ok || m.Voter {
		t.Errorf("it is the member %+v, %t", m, ok)
	}
	reader.stop(t)
	if m, ok := memberOf(nodes[0].Log(), "reader"); ok {
		t.Errorf("it is a member after it has left: %+v", m)
	}
}

func TestALeaderThatLeavesHandsOver(t *testing.T) {
	nodes := bootstrap(t, 3)
	nodes[0].mustWriteSchema(t)
	leaving := leader(t, nodes)
	rest := slices.DeleteFunc(slices.Clone(nodes), func(n *testNode) bool { return n == leaving })
	ctx, cancel := contextFor(t, patience)
	defer cancel()
	if err := leaving.Leave(ctx); err != nil {
		t.Error(err)
	}
	leaving.stop(t)
	rest[0].mustWrite(t, "doc:a#reader@user:ann")
	rest[1].mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
	for _, n := range rest {
		eventually(t, "it is a member after it has left", func() bool {
			_, there := memberOf(n.Log(), leaving.options.NodeID)
			return !there
		})
	}
}

func TestTheOnlyVoterCannotLeave(t *testing.T) {
	nodes := bootstrap(t, 1)
	if err := nodes[0].Leave(t.Context()); !errors.Is(err, raft.ErrMembership) {
		t.Errorf("leaving: %v", err)
	}
}

func TestANameIsNotTakenFromANodeThatAnswers(t *testing.T) {
	nodes := bootstrapWith(t, 2, calm)
	l, other := leaderAndOther(t, nodes)
	asking := testOptions(freeAddresses(t, 1), 0).Peer.Address
	err := l.admit(t.Context(), raft.Member{ID: other.options.NodeID, Address: asking, Voter: true})
	var kind interface{ Kind() string }
	if !errors.As(err, &kind) || kind.Kind() != peer.KindRefused {
		t.Errorf("its name is given away: %v", err)
	}
	if err := l.admit(t.Context(), raft.Member{ID: other.options.NodeID, Address: other.Address()}); !errors.As(err, &kind) || kind.Kind() != peer.KindRefused {
		t.Errorf("its vote is taken: %v", err)
	}
	if err := l.admit(t.Context(), other.self()); err != nil {
		t.Errorf("a member that asks again: %v", err)
	}
	if err := other.admit(t.Context(), other.self()); !errors.As(err, &kind) || kind.Kind() != peer.KindNoLeader {
		t.Errorf("a follower admits: %v", err)
	}
}

// A node that has moved tells the others itself.
func TestANodeAtAnotherAddressIsFoundThere(t *testing.T) {
	nodes := bootstrap(t, 3)
	nodes[0].mustWriteSchema(t)
	moving := follower(t, nodes)
	moving.stop(t)
	moving.options.Peer = &peer.Options{Address: freeAddresses(t, 1)[0]}
	moving.start(t)
	eventually(t, "it is not found", func() bool {
		m, _ := memberOf(leader(t, nodes).Log(), moving.options.NodeID)
		return m.Address == moving.Address() && m.Voter
	})
	moving.mustWrite(t, "doc:a#reader@user:ann")
	moving.mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
}
