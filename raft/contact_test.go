package raft

import (
	"testing"
	"testing/synctest"
	"time"

	hraft "github.com/hashicorp/raft"
)

// stranger is who sends a node what its leader would, from nowhere in its group.
type stranger struct {
	t    *testing.T
	from *hraft.InmemTransport
	to   *clusterNode
	term uint64
}

func newStranger(t *testing.T, to *clusterNode) *stranger {
	_, from := hraft.NewInmemTransport("at nowhere")
	from.Connect(to.transport.LocalAddr(), to.transport)
	return &stranger{t, from, to, to.Term() + 10}
}

func (s *stranger) header() hraft.RPCHeader {
	return hraft.RPCHeader{ProtocolVersion: hraft.ProtocolVersionMax, ID: []byte("n2"), Addr: []byte("at n2")}
}

// stands asks for a vote that cannot be refused.
func (s *stranger) stands() {
	s.t.Helper()
	var a hraft.RequestVoteResponse
	must(s.t, s.from.RequestVote("", s.to.transport.LocalAddr(), &hraft.RequestVoteRequest{
		RPCHeader: s.header(), Term: s.term, LastLogIndex: 1000, LastLogTerm: s.term, LeadershipTransfer: true,
	}, &a))
	if !a.Granted {
		s.t.Errorf("the vote is refused: %+v", a)
	}
}

// leads sends a message of a leader, with nothing new after an entry.
func (s *stranger) leads(after, term uint64) (taken bool) {
	s.t.Helper()
	var a hraft.AppendEntriesResponse
	must(s.t, s.from.AppendEntries("", s.to.transport.LocalAddr(), &hraft.AppendEntriesRequest{
		RPCHeader: s.header(), Term: s.term, PrevLogEntry: after, PrevLogTerm: term,
	}, &a))
	synctest.Wait()
	if leader, ok := s.to.Leader(); !ok || leader.ID != "n2" {
		s.t.Errorf("it takes %v for the leader", leader)
	}
	return a.Success
}

// A node that was away votes, and hears of a leader before it has what that leader
// has committed. It was heard from neither by voting nor by ceasing to lead.
func TestALeaderIsHeardOnceAMessageOfItIsTaken(t *testing.T) {
	for name, c := range map[string]struct{ follows, votes bool }{
		"a follower that was away and votes": {true, true},
		"a leader that was away":             {false, false},
		"a leader that was away and votes":   {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				group := newCluster(t, 3, func(o *Options, _ *ledger) {
					if o.NodeID == "n1" {
						o.HeartbeatTimeout, o.ElectionTimeout, o.LeaderLease = time.Minute, time.Minute, time.Minute
					}
				})
				n1 := group.nodes["n1"]
				leads := group.leader()
				if !c.follows {
					must(t, leads.Transfer(t.Context(), "n1"))
					leads = group.leader("n1")
				}
				mustPropose(t, leads.Node, "x")
				group.wantSame()
				index, term := n1.Status().LastIndex, n1.Term()
				time.Sleep(time.Second)
				group.part("n1")
				cut := time.Now()
				time.Sleep(20 * time.Second)
				ago := func() time.Duration { return time.Since(n1.LastContact()) }
				wantOld := func(when string) {
					t.Helper()
					if got, least := ago(), time.Since(cut); got < least {
						t.Errorf("%s: %v ago, it was cut off %v ago", when, got, least)
					}
				}
				wantOld("alone")
				s := newStranger(t, n1)
				if c.votes {
					s.stands()
					wantOld("after its vote")
				}
				if s.leads(1000, s.term) {
					t.Error("a message is taken that comes after what it has not")
				}
				wantOld("after a message that is refused")
				time.Sleep(time.Second)
				if !s.leads(index, term) {
					t.Error("a message is refused that comes after what it has")
				}
				if got := ago(); got != 0 {
					t.Errorf("after a message that is taken: %v ago", got)
				}
				group.part()
				group.leader()
				group.close()
			})
		})
	}
}
