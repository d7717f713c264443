package raft

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// departures are what a leader does that is to be without a vote.
var departures = map[string]func(*Node, context.Context) error{
	"removed": func(n *Node, ctx context.Context) error { return n.Leave(ctx) },
	"demoted": func(n *Node, ctx context.Context) error { return n.Demote(ctx, n.options.NodeID) },
}

// A leader whose removal nobody else has heard of has the longest log, and no vote
// of its own: without it nobody is elected, and by itself it does not stand.
func TestALeaderWhoseDepartureNobodyHasHeardOfBringsItToItsEnd(t *testing.T) {
	for name, depart := range departures {
		for _, crashes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, crashes: %v", name, crashes), func(t *testing.T) {
				departsUnheard(t, depart, crashes, faults{})
			})
		}
		t.Run(name+", and never stands", func(t *testing.T) {
			departsUnheard(t, depart, false, faults{neverStand: true})
		})
	}
}

func departsUnheard(t *testing.T, depart func(*Node, context.Context) error, crashes bool, f faults) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 2, func(o *Options, _ *ledger) { o.faults = f })
		n := c.leader()
		other := c.others(n)[0].options.NodeID
		mustPropose(t, n.Node, "before")
		c.part(n.options.NodeID)
		if err := depart(n.Node, shortly(t)); !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the departure: %v", err)
		}
		time.Sleep(3 * time.Second) // neither leads
		if crashes {
			c.crash(n.options.NodeID)
			c.open(n.options.NodeID)
		}
		c.part()
		if f.neverStand {
			time.Sleep(patience)
			if c.nodes[other].Status().Serving {
				t.Error("a leader is elected without; is it needed?")
			}
			c.close()
			return
		}
		next := c.leader(other)
		for _, m := range next.Members() {
			if m.Voter != (m.ID == other) {
				t.Errorf("%+v is a member", m)
			}
		}
		mustPropose(t, next.Node, "after")
		c.stop(n.options.NodeID)
		c.wantSame("before", "after")
		c.close()
	})
}

// Who has gone, and has not heard that this is committed, disturbs nobody.
func TestWhoHasGoneDoesNotStand(t *testing.T) {
	for name, depart := range map[string]func(*Node, context.Context, string) error{
		"removed": (*Node).Remove, "demoted": (*Node).Demote,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				c := newCluster(t, 3)
				n := c.leader()
				gone := c.others(n)[0]
				must(t, depart(n.Node, t.Context(), gone.options.NodeID))
				time.Sleep(time.Second)
				// It has the membership, and nothing tells it any more that it is committed.
				_, index, err := gone.log.configuration(gone.raft.LastIndex())
				must(t, err)
				c.part(gone.options.NodeID)
				c.crash(gone.options.NodeID)
				gone = c.open(gone.options.NodeID)
				time.Sleep(time.Minute)
				if q, voters := gone.departing(); len(voters) == 0 || q.LastLogIndex != index {
					t.Errorf("it is not about to stand: %+v, %v", q, voters)
				}
				term := n.Term()
				c.part()
				time.Sleep(time.Minute)
				if now := c.leader(); now != n || n.Term() != term {
					t.Errorf("%s leads in term %d, %s did in %d", now.options.NodeID, now.Term(), n.options.NodeID, term)
				}
				c.stop(gone.options.NodeID)
				c.close()
			})
		})
	}
}
