package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

func TestAGroupGrowsFromOneToThreeAndShrinksAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 1)
		n := c.leader()
		load := c.load(4)
		for _, id := range []string{"n2", "n3"} {
			c.open(id)
			must(t, n.AddVoter(t.Context(), id, "at "+id))
			must(t, n.AddVoter(t.Context(), id, "at "+id)) // it is so already
			time.Sleep(100 * time.Millisecond)
		}
		if got := fmt.Sprint(n.Members()); got != "[{n1 at n1 true} {n2 at n2 true} {n3 at n3 true}]" {
			t.Error(got)
		}
		must(t, n.Demote(t.Context(), "n3"))
		must(t, n.Demote(t.Context(), "n3"))
		must(t, n.Promote(t.Context(), "n3"))
		must(t, n.Promote(t.Context(), "n3"))
		must(t, n.Remove(t.Context(), "n3"))
		must(t, n.Remove(t.Context(), "n3"))
		c.stop("n3")
		must(t, n.Remove(t.Context(), "n2"))
		c.stop("n2")
		mustServe(t, n.Node)
		load.end()
		if load.unknown.Load() > 0 || load.acked.Load() < 100 {
			t.Errorf("%d commands in doubt, %d acknowledged", load.unknown.Load(), load.acked.Load())
		}
		c.wantSame()
		c.close()
	})
}

func TestALeaderThatLeavesHasASuccessorAtOnce(t *testing.T) {
	for name, leave := range map[string]func(*Node, context.Context) error{
		"removed": func(n *Node, ctx context.Context) error { return n.Leave(ctx) },
		"demoted": func(n *Node, ctx context.Context) error { return n.Demote(ctx, n.options.NodeID) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 3)
				n := c.leader()
				load := c.load(4)
				time.Sleep(100 * time.Millisecond)
				begun := time.Now()
				must(t, leave(n.Node, t.Context()))
				next := c.leader()
				if took := time.Since(begun); took > 200*time.Millisecond || next == n {
					t.Errorf("%s leads after %v", next.options.NodeID, took)
				}
				load.end()
				if load.unknown.Load() > 0 {
					t.Errorf("%d commands in doubt", load.unknown.Load())
				}
				voter := func(m Member) bool { return m.ID == n.options.NodeID && m.Voter }
				if slices.ContainsFunc(next.Members(), voter) {
					t.Error("it is a voter still")
				}
				c.stop(n.options.NodeID)
				c.wantSame()
				c.close()
			})
		})
	}
}

func TestAChangeThatCannotBeIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 1)
		n, ctx := c.leader(), t.Context()
		for name, err := range map[string]error{
			"remove the last voter":     n.Remove(ctx, "n1"),
			"demote the last voter":     n.Demote(ctx, "n1"),
			"promote nobody":            n.Promote(ctx, "n7"),
			"demote nobody":             n.Demote(ctx, "n7"),
			"a voter as a non-voter":    n.AddNonvoter(ctx, "n1", "at n1"),
			"an address that is taken":  n.AddNonvoter(ctx, "n2", "at n1"),
			"a member without a name":   n.AddNonvoter(ctx, "", "at n2"),
			"one without an address":    n.AddVoter(ctx, "n2", ""),
			"a voter's address is lost": n.AddVoter(ctx, "n1", ""),
		} {
			if !errors.Is(err, ErrMembership) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := fmt.Sprint(n.Members()); got != "[{n1 at n1 true}]" {
			t.Error(got)
		}
		follower := c.open("n2")
		must(t, n.AddVoter(ctx, "n2", "at n2"))
		if err := follower.Remove(ctx, "n1"); !errors.Is(err, ErrNoLeader) {
			t.Errorf("by a follower: %v", err)
		}
		c.close()
		if err := n.Remove(ctx, "n2"); !errors.Is(err, ErrClosed) {
			t.Errorf("by a closed node: %v", err)
		}
	})
}

func TestANodeThatDoesNotCatchUpStaysANonVoterAndHoldsUpNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 1)
		n := c.leader()
		if err := n.AddVoter(shortly(t), "n2", "at n2"); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		mustPropose(t, n.Node, "x")
		if got := fmt.Sprint(n.Members()); got != "[{n1 at n1 true} {n2 at n2 false}]" {
			t.Error(got)
		}
		c.open("n2")
		must(t, n.AddVoter(testContext(t), "n2", "at n2"))
		c.wantSame("x")
		c.close()
	})
}

func TestAChangeWithoutAMajorityEndsWithItsContextInDoubt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3, func(o *Options, _ *ledger) {
			o.HeartbeatTimeout, o.ElectionTimeout, o.LeaderLease = 10*time.Second, 10*time.Second, 10*time.Second
		})
		n := c.leader()
		c.part(n.options.NodeID)
		if err := n.AddNonvoter(shortly(t), "n4", "at n4"); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the change: %v", err)
		}
		// The next one waits behind it, and nothing of it is done.
		if err := n.AddNonvoter(shortly(t), "n5", "at n5"); !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrNoLeader) {
			t.Errorf("the next change: %v", err)
		}
		c.part()
		c.wantSame()
		c.close()
	})
}

func TestALoneVoterThatGetsATransportCanGrow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 0)
		c.disks["n1"] = vfs.NewCrashableMem()
		lone, l := openNode(t, c.disks["n1"])
		mustPropose(t, lone, "before")
		closeNode(t, lone)
		must(t, l.file.Close())

		n := c.open("n1")
		c.leader()
		eventually(t, "the address is corrected", func() bool {
			m, _ := n.member("n1")
			return m.Address == "at n1"
		})
		c.open("n2")
		must(t, n.AddVoter(t.Context(), "n2", "at n2"))
		c.wantSame("before")
		c.close()

		// And without one it is refused from now on.
		if _, _, err := tryNode(t.Context(), c.disks["n1"]); !errors.Is(err, ErrMembership) {
			t.Error(err)
		}
	})
}

func TestADirectoryIsOneNodesForAllTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 0)
		c.open("n2")
		c.stop("n2")
		_, _, err := tryNode(t.Context(), c.disks["n2"], func(o *Options, _ *ledger) {
			_, o.Transport = hraft.NewInmemTransport("at n3")
			o.Peers, o.NodeID = noPeers{}, "n3"
		})
		if !errors.Is(err, ErrMembership) {
			t.Error(err)
		}
	})
}

func TestMembersThatCannotBeginALogAreRefused(t *testing.T) {
	me := Member{"n1", "at n1", true}
	for name, members := range map[string][]Member{
		"without this node":       {{"n2", "at n2", true}},
		"without a voter":         {{"n1", "at n1", false}},
		"at another address":      {{"n1", "at n7", true}},
		"with a name twice":       {me, {"n1", "at n1", true}},
		"with an address twice":   {me, {"n2", "at n1", true}},
		"with one without a name": {me, {"", "at n2", true}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := tryNode(t.Context(), vfs.NewMem(), func(o *Options, _ *ledger) {
				_, o.Transport = hraft.NewInmemTransport("at n1")
				o.Peers, o.Members = noPeers{}, members
			})
			if !errors.Is(err, ErrOptions) {
				t.Error(err)
			}
		})
	}
}
