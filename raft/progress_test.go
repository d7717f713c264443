package raft

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

func TestTheLeaderSaysHowFarItsFollowersAre(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		c.open("m1")
		must(t, n.AddNonvoter(t.Context(), "m1", "at m1"))
		mustPropose(t, n.Node, "x")
		c.wantSame()
		time.Sleep(time.Second)
		s := n.Status()
		if len(s.Followers) != 3 || len(s.Members) != 4 {
			t.Fatalf("%+v", s)
		}
		for _, f := range s.Followers {
			if f.Match != s.LastIndex || f.Lag != 0 || f.Behind != 0 || time.Since(f.Contact) > time.Second || f.Voter != (f.ID != "m1") {
				t.Errorf("%+v", f)
			}
		}
		c.crash("m1")
		time.Sleep(time.Second)
		mustPropose(t, n.Node, "one", "two")
		time.Sleep(time.Minute)
		for _, f := range n.Status().Followers {
			if f.ID != "m1" {
				continue
			}
			if f.Match != s.LastIndex || f.Lag != 2 || f.Behind != time.Minute || time.Since(f.Contact) < time.Minute {
				t.Errorf("%+v", f)
			}
		}
		if s := c.others(n)[0].Status(); s.Followers != nil || len(s.Members) != 4 {
			t.Errorf("a follower: %+v", s)
		}
		c.close()
	})
}

func TestTheLastContactIsTheLastOneWithALeader(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		time.Sleep(time.Second)
		ago := func(n *clusterNode) time.Duration { return time.Since(n.LastContact()) }
		for _, id := range c.ids() {
			if got := ago(c.nodes[id]); got > 300*time.Millisecond {
				t.Errorf("%s: %v", id, got)
			}
		}
		// The leader and a follower are each alone; the follower keeps standing.
		follower := c.others(n)[0]
		c.part(n.options.NodeID)
		c.mu.Lock()
		c.side[follower.options.NodeID] = 2
		c.mu.Unlock()
		c.connect()
		for range 20 {
			time.Sleep(time.Second)
		}
		for name, n := range map[string]*clusterNode{"leader": n, "follower": follower} {
			if got := ago(n); got < 20*time.Second || got > 21*time.Second {
				t.Errorf("the %s that is alone: %v", name, got)
			}
		}
		c.part()
		c.leader()
		time.Sleep(time.Second)
		for _, id := range c.ids() {
			if got := ago(c.nodes[id]); got > 300*time.Millisecond {
				t.Errorf("%s, together again: %v", id, got)
			}
		}
		c.close()
	})
}

func TestALoneVoterIsAlwaysInContact(t *testing.T) {
	n, _ := openNode(t, vfs.NewMem())
	mustServe(t, n)
	if s := n.Status(); time.Since(s.LastContact) > time.Minute || len(s.Followers) != 0 {
		t.Errorf("%+v", s)
	}
}

// commitsUncompared leaves a follower with an entry of an old leader, and lets
// it hear from the next that this index is committed, with a message that does
// not bring the entry. It reports whether the follower applied its own.
func commitsUncompared(t *testing.T, transport func(*hraft.InmemTransport) hraft.Transport) (applied bool) {
	inBubble(t, func(t *testing.T) {
		_, here := hraft.NewInmemTransport("at n1")
		_, there := hraft.NewInmemTransport("at n2")
		here.Connect("at n2", there)
		follower, l := openFollower(t, vfs.NewMem(), "n2", there)
		send := func(q hraft.AppendEntriesRequest) {
			t.Helper()
			q.RPCHeader = hraft.RPCHeader{ProtocolVersion: hraft.ProtocolVersionMax, ID: []byte("n1"), Addr: []byte("at n1")}
			var a hraft.AppendEntriesResponse
			must(t, transport(here).AppendEntries("n2", "at n2", &q, &a))
			if !a.Success {
				t.Fatalf("refused: %+v", a)
			}
		}
		entries := []*hraft.Log{
			{Index: 1, Term: 1, Type: hraft.LogConfiguration, Data: hraft.EncodeConfiguration(membership("n1", "n2", "n3"))},
			{Index: 2, Term: 1, Data: []byte("common")},
			{Index: 3, Term: 1, Data: []byte("of the old leader")},
		}
		send(hraft.AppendEntriesRequest{Term: 1, Entries: entries, LeaderCommitIndex: 2})
		send(hraft.AppendEntriesRequest{Term: 2, PrevLogEntry: 2, PrevLogTerm: 1, LeaderCommitIndex: 3})
		synctest.Wait()
		applied = fmt.Sprint(l.commands()) != "[common]"
		stopFollower(t, follower, l)
	})
	return applied
}

func TestAFollowerCommitsNothingItHasNotCompared(t *testing.T) {
	watched := func(inner *hraft.InmemTransport) hraft.Transport {
		return &watchedTransport{Transport: inner, WithPreVote: inner, progress: &progress{}, log: &logStore{}}
	}
	if commitsUncompared(t, watched) {
		t.Error("it did")
	}
	if !commitsUncompared(t, func(inner *hraft.InmemTransport) hraft.Transport { return inner }) {
		t.Error("hashicorp/raft bounds the commit index by itself now; boundCommit can go")
	}
}
