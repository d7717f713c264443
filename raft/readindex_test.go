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
)

// leaderOfThePast is a group whose first leader, with three non-voters beside
// it, is cut off from the other voters, and believes in its lease for longer
// than they wait with an election, as one does that has been paused. They have
// a leader and have acknowledged a command.
type leaderOfThePast struct {
	*cluster
	old    *clusterNode
	missed uint64 // the index of the command it has not heard of
}

func newLeaderOfThePast(t *testing.T, f faults) *leaderOfThePast {
	c := newCluster(t, 3, func(o *Options, _ *ledger) {
		o.faults = f
		if o.NodeID == "n1" {
			o.HeartbeatTimeout, o.ElectionTimeout, o.LeaderLease = 20*time.Second, 20*time.Second, 20*time.Second
		}
	})
	must(t, c.leader().Transfer(t.Context(), "n1"))
	old := c.leader("n1")
	for _, id := range []string{"m1", "m2", "m3"} {
		c.open(id)
		must(t, old.AddNonvoter(t.Context(), id, "at "+id))
	}
	mustPropose(t, old.Node, "seen by all")
	c.part("n1", "m1", "m2", "m3")
	mustPropose(t, c.leader("n2", "n3").Node, "missed by the old leader")
	if s := old.Status(); !s.Serving || len(s.Members) != 6 {
		t.Fatalf("the old leader is not one of the past: %+v", s)
	}
	return &leaderOfThePast{c, old, c.leader("n2", "n3").ledger.Applied()}
}

// answersStale asks the old leader, and a node that believes in it, for a read
// index, and reports whether one was older than an acknowledged command.
func answersStale(t *testing.T, f faults) (stale bool) {
	inBubble(t, func(t *testing.T) {
		p := newLeaderOfThePast(t, f)
		for _, id := range []string{"n1", "m1"} {
			index, err := p.nodes[id].ReadIndex(shortly(t))
			if err == nil && index < p.missed {
				stale = true
			}
			if err != nil && !errors.Is(err, ErrNoLeader) {
				t.Error(err)
			}
		}
		// Those on the other side are served meanwhile.
		for _, id := range []string{"n2", "n3"} {
			if index := mustServe(t, p.nodes[id].Node); index < p.missed {
				t.Errorf("%s: read index %d, %d was acknowledged", id, index, p.missed)
			}
		}
		p.part()
		for _, id := range p.ids() {
			if f != (faults{}) {
				break
			}
			if index := mustServe(t, p.nodes[id].Node); index < p.missed {
				t.Errorf("%s: read index %d, %d was acknowledged", id, index, p.missed)
			}
		}
		p.close()
	})
	return stale
}

func TestALeaderOfThePastAnswersNoRead(t *testing.T) {
	// The second is hashicorp/raft's own proof.
	kept(t, answersStale, faults{skipProof: true}, faults{trustVerifyLeader: true})
}

func TestALeaderOfThePastLearnsFromTheTermOfOneVoter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newLeaderOfThePast(t, faults{})
		// Questions pass again, raft's messages do not.
		p.mu.Lock()
		p.side = map[string]int{}
		p.mu.Unlock()
		begun := time.Now()
		if _, err := p.old.prove(); !errors.Is(err, ErrNoLeader) || time.Since(begun) != 0 {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		p.part()
		p.close()
	})
}

func TestALeaderOfThePastCallsNoIndexAhead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newLeaderOfThePast(t, faults{})
		if err := p.old.Wait(shortly(t), p.missed); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		p.part()
		must(t, p.old.Wait(testContext(t), p.missed))
		p.close()
	})
}

// lateAnswers are peers whose answers to one node are long on their way.
type lateAnswers struct {
	Peers
	arrive chan struct{}
}

func (l lateAnswers) Term(ctx context.Context, m Member) (uint64, error) {
	term, err := l.Peers.Term(ctx, m)
	<-l.arrive
	return term, err
}

// refusesLatecomers has somebody come to wait for a command of the next leader while
// the last one's first proof is under way, for which all have answered before there
// was a next one. It reports whether that command is called ahead of all there are.
func refusesLatecomers(t *testing.T, f faults) (refused bool) {
	inBubble(t, func(t *testing.T) {
		arrive := make(chan struct{})
		c := newCluster(t, 3, func(o *Options, _ *ledger) {
			if o.NodeID == "n1" {
				o.faults, o.Peers = f, lateAnswers{o.Peers, arrive}
				o.HeartbeatTimeout, o.ElectionTimeout, o.LeaderLease = 20*time.Second, 20*time.Second, 20*time.Second
			}
		})
		must(t, c.leader().Transfer(t.Context(), "n1"))
		old := c.leader("n1")
		synctest.Wait()
		c.part("n1")
		next := c.leader("n2", "n3")
		mustPropose(t, next.Node, "missed by the old leader")
		missed := next.ledger.Applied()
		done := make(chan error, 1)
		go func() { done <- old.Wait(testContext(t), missed) }()
		synctest.Wait()
		close(arrive)
		synctest.Wait()
		c.part()
		err := <-done
		if refused = errors.Is(err, ErrAhead); !refused {
			must(t, err)
		}
		c.close()
	})
	return refused
}

func TestWhoComesToWaitWhileALeaderProvesItselfIsNotRefusedByThatProof(t *testing.T) {
	if refusesLatecomers(t, faults{}) {
		t.Error("it is")
	}
	if !refusesLatecomers(t, faults{refuseLatecomers: true}) {
		t.Error("the broken promise was not noticed")
	}
}

// joinsLate lets a read arrive while a proof is under way that began before a
// command was acknowledged, and reports whether the read missed the command.
func joinsLate(t *testing.T, f faults) (missed bool) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3, func(o *Options, _ *ledger) { o.faults = f })
		n := c.leader()
		release := make(chan struct{})
		c.hold(func(string, string) { <-release })
		read := func(into *uint64) func() {
			return func() { *into, _ = n.ReadIndex(testContext(t)) }
		}
		var first, second uint64
		var reads sync.WaitGroup
		reads.Go(read(&first))
		synctest.Wait()
		mustPropose(t, n.Node, "x")
		acknowledged := n.ledger.Applied()
		reads.Go(read(&second))
		synctest.Wait()
		close(release)
		reads.Wait()
		if first == 0 || second == 0 {
			t.Errorf("read indexes %d and %d", first, second)
		}
		missed = second < acknowledged
		c.close()
	})
	return missed
}

func TestAReadJoinsNoProofThatBeganBefore(t *testing.T) {
	kept(t, joinsLate, faults{shareLateRounds: true})
}

func TestReadsThatArriveTogetherShareTheMessages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		// One voter is asked for the read that came first, and for the others; by a
		// follower the leader too.
		for asked, most := range map[*clusterNode]int64{n: 2, c.others(n)[0]: 4} {
			mustServe(t, asked.Node)
			synctest.Wait()
			var questions atomic.Int64
			release := make(chan struct{})
			c.hold(func(string, string) { questions.Add(1); <-release })
			var reads sync.WaitGroup
			for range 100 {
				reads.Go(func() { mustServe(t, asked.Node) })
			}
			synctest.Wait()
			close(release)
			reads.Wait()
			synctest.Wait()
			if got := questions.Load(); got > most {
				t.Errorf("%d questions", got)
			}
			c.hold(nil)
		}
		c.close()
	})
}

func TestAVoterThatIsSlowOrFailsHoldsUpOneReadForAMoment(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		moment := n.options.HeartbeatTimeout / slowVoter
		for _, slow := range c.others(n) {
			mustServe(t, n.Node)
			c.hold(func(_, to string) {
				if to == slow.options.NodeID {
					time.Sleep(time.Minute)
				}
			})
			begun := time.Now()
			for range 10 {
				mustServe(t, n.Node)
			}
			if took := time.Since(begun); took > moment {
				t.Errorf("with %s slow it took %v", slow.options.NodeID, took)
			}
		}
		c.hold(nil)
		gone := c.others(n)[0].options.NodeID
		c.part(gone)
		begun := time.Now()
		for range 10 {
			mustServe(t, n.Node)
		}
		if took := time.Since(begun); took > moment {
			t.Errorf("without %s it took %v", gone, took)
		}
		c.part()
		c.close()
	})
}

func TestAProofAsksNoMoreVotersThanItNeeds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 5)
		n := c.leader()
		var questions atomic.Int64
		c.hold(func(string, string) { questions.Add(1) })
		for range 10 {
			mustServe(t, n.Node)
		}
		if got := questions.Load(); got != 10*2 {
			t.Errorf("10 proofs among 5 voters asked %d questions", got)
		}
		c.hold(nil)
		c.close()
	})
}

func TestAReadOnAFollowerWaitsForTheNextLeader(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		mustPropose(t, n.Node, "x")
		acknowledged := n.ledger.Applied()
		others := c.others(n)
		c.crash(n.options.NodeID)
		for _, other := range others {
			if index := mustServe(t, other.Node); index < acknowledged {
				t.Errorf("read index %d, %d was acknowledged", index, acknowledged)
			}
		}
		c.part(others[0].options.NodeID)
		if _, err := others[0].ReadIndex(shortly(t)); !errors.Is(err, ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("without a majority: %v", err)
		}
		c.part()
		c.close()
		if _, err := others[0].ReadIndex(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestReadsOnAnyNodeSeeEveryWriteAcknowledgedBefore lets leaders change, by
// order and by partition, while commands are proposed and read on all nodes.
func TestReadsOnAnyNodeSeeEveryWriteAcknowledgedBefore(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		ctx, cancel := context.WithCancel(t.Context())
		var acked, reads atomic.Int64
		var clients sync.WaitGroup
		clients.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				n := c.nodes[fmt.Sprint("n", i%3+1)]
				if _, err := n.Propose(ctx, fmt.Append(nil, i)); err == nil {
					acked.Add(1)
				}
				time.Sleep(7 * time.Millisecond)
			}
		})
		for _, id := range c.ids() {
			n := c.nodes[id]
			clients.Go(func() {
				for ctx.Err() == nil {
					before := acked.Load()
					index, err := n.ReadIndex(ctx)
					if err == nil && n.Wait(ctx, index) == nil {
						reads.Add(1)
						if got := int64(len(n.ledger.commands())); got < before {
							t.Errorf("%s: %d commands, %d were acknowledged", id, got, before)
							return
						}
					}
					time.Sleep(3 * time.Millisecond)
				}
			})
		}
		for i := range 6 {
			time.Sleep(3 * time.Second)
			id := fmt.Sprint("n", i%3+1)
			if i < 3 {
				c.part(id)
				time.Sleep(3 * time.Second)
				c.part()
			} else if n := c.leader(); n.options.NodeID != id {
				must(t, n.Transfer(ctx, id))
			}
		}
		cancel()
		clients.Wait()
		if acked.Load() < 100 || reads.Load() < 1000 {
			t.Errorf("%d commands and %d reads only", acked.Load(), reads.Load())
		}
		c.wantSame()
		c.close()
	})
}
