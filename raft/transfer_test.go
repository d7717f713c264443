package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// loadRun is clients who propose all the time, each to the node that leads.
type loadRun struct {
	stop    context.CancelFunc
	clients sync.WaitGroup
	acked   atomic.Int64
	unknown atomic.Int64
}

func (c *cluster) load(clients int) *loadRun {
	ctx, cancel := context.WithCancel(context.Background())
	r := &loadRun{stop: cancel}
	for client := range clients {
		r.clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				c.proposeSomewhere(ctx, r, fmt.Sprintf("%d/%d", client, i))
				time.Sleep(time.Millisecond)
			}
		})
	}
	return r
}

// proposeSomewhere goes from node to node until one has taken the command.
func (c *cluster) proposeSomewhere(ctx context.Context, r *loadRun, command string) {
	for ctx.Err() == nil {
		for _, id := range c.ids() {
			c.mu.Lock()
			n := c.nodes[id]
			c.mu.Unlock()
			if n == nil {
				continue
			}
			switch _, err := n.Propose(ctx, []byte(command)); {
			case err == nil:
				r.acked.Add(1)
				return
			case errors.Is(err, ErrOutcomeUnknown) && ctx.Err() == nil:
				r.unknown.Add(1)
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}

func (r *loadRun) end() {
	r.stop()
	r.clients.Wait()
}

func TestLeadershipGoesWhereItIsSentAndNoCommandIsInDoubt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.leader()
		load := c.load(8)
		for i := range 9 {
			time.Sleep(100 * time.Millisecond)
			id := fmt.Sprint("n", i%3+1)
			n := c.leader()
			begun := time.Now()
			must(t, n.Transfer(t.Context(), id))
			if got := c.leader().options.NodeID; got != id {
				t.Errorf("%s leads, not %s", got, id)
			}
			if took := time.Since(begun); took > 200*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		}
		must(t, c.leader().Transfer(t.Context(), ""))
		load.end()
		if load.unknown.Load() > 0 || load.acked.Load() < 1000 {
			t.Errorf("%d commands in doubt, %d acknowledged", load.unknown.Load(), load.acked.Load())
		}
		c.wantSame()
		c.close()
	})
}

func TestLeadershipGoesToNobodyWhoCannotTakeIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		c.open("m1")
		must(t, n.AddNonvoter(t.Context(), "m1", "at m1"))
		for _, id := range []string{"m1", "nobody"} {
			if err := n.Transfer(t.Context(), id); !errors.Is(err, ErrMembership) {
				t.Errorf("to %s: %v", id, err)
			}
		}
		must(t, n.Transfer(t.Context(), n.options.NodeID))
		if err := c.others(n)[0].Transfer(t.Context(), ""); !errors.Is(err, ErrNoLeader) {
			t.Errorf("from a follower: %v", err)
		}
		away := c.others(n)[1].options.NodeID // m1 is the first
		c.crash(away)
		mustPropose(t, n.Node, "x")
		load := c.load(1)
		begun := time.Now()
		err := n.Transfer(t.Context(), away)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 10*n.options.ElectionTimeout {
			t.Errorf("to one that is away: %v after %v", err, time.Since(begun))
		}
		load.end()
		if load.acked.Load() < 1000 {
			t.Errorf("only %d commands while it was waited for", load.acked.Load())
		}
		c.open(away)
		c.close()
	})
}

// deafTransport never gets the message to stand through, nor an answer to it.
// Who asks for it in a bubble waits outlastsIt before the end.
type deafTransport struct{ *hraft.InmemTransport }

func (d deafTransport) TimeoutNow(hraft.ServerID, hraft.ServerAddress, *hraft.TimeoutNowRequest, *hraft.TimeoutNowResponse) error {
	time.Sleep(time.Hour)
	return errors.New("no answer")
}

const outlastsIt = 2 * time.Hour

// refusesAfterTransfer hands over to a node that does not answer, and reports
// whether the leader refuses commands afterwards.
func refusesAfterTransfer(t *testing.T, f faults) (refuses bool) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3, func(o *Options, _ *ledger) {
			o.Transport = deafTransport{o.Transport.(*hraft.InmemTransport)}
			o.faults = f
		})
		n := c.leader()
		for range 3 {
			begun := time.Now()
			err := n.Transfer(t.Context(), c.others(n)[0].options.NodeID)
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 3*time.Second {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
			_, err = n.Propose(shortly(t), []byte("after"))
			refuses = refuses || err != nil
		}
		// Nor in a later term.
		term := n.Term()
		c.part(n.options.NodeID)
		time.Sleep(5 * time.Second)
		c.part()
		for c.leader() != n {
			c.crash(c.leader().options.NodeID)
			for _, id := range []string{"n1", "n2", "n3"} {
				if c.nodes[id] == nil {
					c.open(id)
				}
			}
		}
		_, err := n.Propose(shortly(t), []byte("later"))
		refuses = refuses || err != nil
		if n.Term() <= term {
			t.Error("it is the same term")
		}
		c.close()
		time.Sleep(outlastsIt)
	})
	return refuses
}

func TestATransferToWhoDoesNotAnswerLeavesALeaderThatTakesCommands(t *testing.T) {
	kept(t, refusesAfterTransfer, faults{keepGateShut: true})
}

func TestCommandsWaitWhileATransferIsUnderWay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3, func(o *Options, _ *ledger) {
			o.Transport = deafTransport{o.Transport.(*hraft.InmemTransport)}
		})
		n := c.leader()
		done := make(chan error, 1)
		go func() { done <- n.Transfer(t.Context(), "") }()
		time.Sleep(time.Second)
		waiting := proposeLater(t.Context(), n.Node, "x")
		synctest.Wait()
		select {
		case err := <-waiting:
			t.Errorf("it did not wait: %v", err)
		default:
		}
		mustServe(t, n.Node) // reads do not
		<-done
		must(t, <-waiting)
		c.close()
		time.Sleep(outlastsIt)
	})
}

func TestANodeThatClosesHandsLeadershipOver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		c.leader()
		load := c.load(8)
		for range 3 {
			time.Sleep(50 * time.Millisecond)
			n := c.leader()
			id := n.options.NodeID
			begun := time.Now()
			c.stop(id)
			c.leader()
			if took := time.Since(begun); took > 200*time.Millisecond {
				t.Errorf("the next leader served after %v", took)
			}
			back := c.open(id)
			must(t, back.Wait(testContext(t), mustServe(t, back.Node)))
		}
		load.end()
		c.wantSame()
		if load.unknown.Load() > 0 {
			t.Errorf("%d commands in doubt", load.unknown.Load())
		}
		c.close()
	})
}

func TestALoneVoterClosesWithoutLookingForASuccessor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, _ := openNode(t, vfs.NewMem())
		mustServe(t, n)
		begun := time.Now()
		closeNode(t, n)
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}
