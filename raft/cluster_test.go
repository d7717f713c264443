package raft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// cluster is several nodes in one process, each with a disk of its own, on
// hashicorp/raft's transport in memory.
type cluster struct {
	t       *testing.T
	change  []func(*Options, *ledger)
	members []Member // that a new log begins with

	mu    sync.Mutex
	nodes map[string]*clusterNode // the ones that run
	disks map[string]*vfs.MemFS
	side  map[string]int // nodes reach those on their own side only

	holdTerm func(from, to string) // called before a question for a term is passed on; see hold
}

type clusterNode struct {
	*Node
	ledger    *ledger
	transport *hraft.InmemTransport
}

// newCluster starts nodes n1 to n<voters>, all voters.
func newCluster(t *testing.T, voters int, change ...func(*Options, *ledger)) *cluster {
	t.Helper()
	c := &cluster{
		t: t, change: change,
		nodes: map[string]*clusterNode{}, disks: map[string]*vfs.MemFS{}, side: map[string]int{},
	}
	for i := range voters {
		id := fmt.Sprint("n", i+1)
		c.members = append(c.members, Member{id, "at " + id, true})
	}
	for _, m := range c.members {
		c.open(m.ID)
	}
	return c
}

// open starts a node on its disk. One that is no first member waits to be added.
func (c *cluster) open(id string) *clusterNode {
	c.t.Helper()
	disk := c.disks[id]
	if disk == nil {
		disk = vfs.NewCrashableMem()
		c.disks[id] = disk
	}
	l, err := openLedger(disk, ledgerDir)
	must(c.t, err)
	_, transport := hraft.NewInmemTransport(hraft.ServerAddress("at " + id))
	o := Options{
		FS: disk, Dir: nodeDir, StateMachine: l, NodeID: id, Transport: transport, Logger: quiet,
		Peers: clusterPeers{c, id}, LeaderCommand: func() []byte { return []byte("leader") },
	}
	if slices.ContainsFunc(c.members, func(m Member) bool { return m.ID == id }) {
		o.Members = c.members
	}
	for _, f := range c.change {
		f(&o, l)
	}
	n, err := Open(c.t.Context(), o)
	must(c.t, err)
	c.mu.Lock()
	c.nodes[id] = &clusterNode{n, l, transport}
	c.mu.Unlock()
	c.connect()
	return c.nodes[id]
}

// hold has f called before each question for a term.
func (c *cluster) hold(f func(from, to string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holdTerm = f
}

// connect makes the transports reach whom they should.
func (c *cluster) connect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for from, a := range c.nodes {
		for to, b := range c.nodes {
			address := hraft.ServerAddress("at " + to)
			if c.side[from] == c.side[to] {
				a.transport.Connect(address, b.transport)
			} else {
				a.transport.Disconnect(address)
			}
		}
	}
}

// part puts nodes on another side than the rest; with none, all are together.
func (c *cluster) part(ids ...string) {
	c.mu.Lock()
	c.side = map[string]int{}
	for _, id := range ids {
		c.side[id] = 1
	}
	c.mu.Unlock()
	c.connect()
}

// stop closes a node in good order.
func (c *cluster) stop(id string) {
	c.t.Helper()
	n := c.nodes[id]
	must(c.t, n.Close(c.t.Context()))
	c.gone(id)
	must(c.t, n.ledger.file.Close())
}

func (c *cluster) gone(id string) *clusterNode {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.nodes[id]
	delete(c.nodes, id)
	for _, other := range c.nodes {
		other.transport.Disconnect(hraft.ServerAddress("at " + id))
	}
	return n
}

// crash ends a node without warning: what it had not synced is lost.
func (c *cluster) crash(id string) {
	c.t.Helper()
	remains := c.disks[id].CrashClone(vfs.CrashCloneCfg{})
	n := c.gone(id)
	ctx, cancel := context.WithCancel(c.t.Context())
	cancel()
	must(c.t, n.Close(ctx))
	c.disks[id] = remains
}

func (c *cluster) close() {
	for _, id := range c.ids() {
		c.stop(id)
	}
}

func (c *cluster) ids() (ids []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.nodes {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// leader waits for one of the given nodes, or of all, to serve as leader.
func (c *cluster) leader(among ...string) *clusterNode {
	c.t.Helper()
	if len(among) == 0 {
		among = c.ids()
	}
	var found *clusterNode
	eventually(c.t, "a leader", func() bool {
		for _, id := range among {
			if n := c.nodes[id]; n.Status().Serving {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

// others returns the nodes that run besides one, by id.
func (c *cluster) others(n *clusterNode) (others []*clusterNode) {
	for _, id := range c.ids() {
		if id != n.options.NodeID {
			others = append(others, c.nodes[id])
		}
	}
	return others
}

// wantSame waits until all nodes have applied what the group has acknowledged,
// and compares their ledgers.
func (c *cluster) wantSame(commands ...string) {
	c.t.Helper()
	var index uint64
	for _, id := range c.ids() {
		index = max(index, mustServe(c.t, c.nodes[id].Node))
	}
	leader := c.leader()
	want := leader.ledger.commands()
	if len(commands) > 0 && !slices.Equal(want, commands) {
		c.t.Errorf("the group has %.200q, not %.200q", want, commands)
	}
	for _, id := range c.ids() {
		n := c.nodes[id]
		must(c.t, n.Wait(testContext(c.t), index))
		got := n.ledger.commands()
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				c.t.Errorf("node %s has %d commands, the leader %d; they differ at %d", id, len(got), len(want), i)
				break
			}
		}
	}
}

// clusterPeers asks the other nodes of a cluster, as far as they are in reach.
type clusterPeers struct {
	c    *cluster
	from string
}

var errOutOfReach = errors.New("out of reach")

func (p clusterPeers) reach(to string) (*clusterNode, error) {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	if n := p.c.nodes[to]; n != nil && p.c.side[p.from] == p.c.side[to] {
		return n, nil
	}
	return nil, errOutOfReach
}

func (p clusterPeers) Term(_ context.Context, m Member) (uint64, error) {
	p.c.mu.Lock()
	hold := p.c.holdTerm
	p.c.mu.Unlock()
	if hold != nil {
		hold(p.from, m.ID)
	}
	n, err := p.reach(m.ID)
	if err != nil {
		return 0, err
	}
	return n.Term(), nil
}

func (p clusterPeers) ReadIndex(ctx context.Context, leader Member) (uint64, error) {
	n, err := p.reach(leader.ID)
	if err != nil {
		return 0, err
	}
	return n.LeaderReadIndex(ctx)
}

func TestThreeVotersElectALeaderAndApplyTheSame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		mustPropose(t, n.Node, "a", "b", "c")
		c.wantSame("a", "b", "c")
		for _, other := range c.others(n) {
			_, err := other.Propose(t.Context(), []byte("x"))
			if leader, ok := other.Leader(); !errors.Is(err, ErrNoLeader) || !ok || leader.ID != n.options.NodeID {
				t.Errorf("a proposal to a follower: %v; it takes %v for the leader", err, leader)
			}
		}
		if got := fmt.Sprint(n.Members()); got != "[{n1 at n1 true} {n2 at n2 true} {n3 at n3 true}]" {
			t.Error(got)
		}
		c.close()
	})
}

func TestAMinorityAcknowledgesNothingAndTheMajorityGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		old := c.leader()
		mustPropose(t, old.Node, "before")
		c.part(old.options.NodeID)
		lost := proposeLater(t.Context(), old.Node, "lost")
		var rest []string
		for _, n := range c.others(old) {
			rest = append(rest, n.options.NodeID)
		}
		mustPropose(t, c.leader(rest...).Node, "meanwhile")
		if err := <-lost; !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("what the minority was given: %v", err)
		}
		if _, err := old.Propose(shortly(t), []byte("x")); !errors.Is(err, ErrNoLeader) {
			t.Errorf("a minority took a proposal: %v", err)
		}
		c.part()
		c.wantSame("before", "meanwhile")
		c.close()
	})
}

// shortly is a context for what must fail with its end.
func shortly(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestEveryNodeCanCrashInTurn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		var want []string
		for i := range 9 {
			id := fmt.Sprint("n", i%3+1)
			c.crash(id)
			n := c.leader()
			want = append(want, fmt.Sprint(i))
			mustPropose(t, n.Node, want[i])
			c.open(id)
		}
		c.wantSame(want...)
		c.close()
	})
}

func TestAllNodesCanCrashAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		var want []string
		for i := range 4 {
			want = append(want, fmt.Sprint(i))
			mustPropose(t, c.leader().Node, want[i])
			for _, id := range []string{"n1", "n2", "n3"} {
				c.crash(id)
			}
			for _, id := range []string{"n1", "n2", "n3"} {
				c.open(id)
			}
		}
		c.wantSame(want...)
		c.close()
	})
}

func TestAFollowerThatWasAwayForLongGetsASnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		away := c.others(n)[0].options.NodeID
		c.stop(away)
		time.Sleep(2 * time.Minute) // nothing is kept for who is out of touch that long
		for i := range 40 {
			mustPropose(t, n.Node, fmt.Sprint(i))
			if i%10 == 0 {
				must(t, n.Snapshot(t.Context()))
			}
		}
		if s := n.Status(); s.FirstIndex < 20 {
			t.Errorf("the log begins at %d", s.FirstIndex)
		}
		back := c.open(away)
		c.wantSame()
		if _, taken := back.ledger.counts(); taken > 25 {
			t.Errorf("%d commands came one by one", taken)
		}
		c.close()
	})
}

func TestTheLogIsKeptForAFollowerThatLags(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		away := c.others(n)[0].options.NodeID
		c.wantSame()
		at := n.progress.of(n.Term(), away).match
		c.stop(away)
		for i := range 10 {
			mustPropose(t, n.Node, fmt.Sprint(i))
			must(t, n.Snapshot(t.Context()))
		}
		if s := n.Status(); s.FirstIndex == 0 || s.FirstIndex > at {
			t.Errorf("the log begins at %d, the follower has %d", s.FirstIndex, at)
		}
		back := c.open(away)
		c.wantSame()
		if _, taken := back.ledger.counts(); taken != 10 {
			t.Errorf("%d commands came one by one", taken)
		}
		c.close()
	})
}

func TestANodeWithoutMembersWaitsToBeAdded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 1)
		n := c.leader()
		mustPropose(t, n.Node, "a")
		waiting := c.open("n2")
		time.Sleep(10 * time.Second)
		if s := waiting.Status(); s.Role != "follower" || s.Term != 0 || s.LastIndex != 0 || !s.LastContact.IsZero() {
			t.Errorf("%+v", s)
		}
		must(t, n.AddNonvoter(t.Context(), "n2", "at n2"))
		c.wantSame("a")
		c.stop("n2")
		mustPropose(t, n.Node, "b")
		c.open("n2")
		c.wantSame("a", "b")
		c.close()
	})
}

func TestASnapshotReplacesALogThatWentFurtherAndWasOverruled(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		old := c.leader()
		mustPropose(t, old.Node, "common")
		c.wantSame("common")
		c.part(old.options.NodeID)
		for i := range 100 {
			proposeLater(t.Context(), old.Node, fmt.Sprint("overruled ", i))
		}
		var rest []string
		for _, n := range c.others(old) {
			rest = append(rest, n.options.NodeID)
		}
		n := c.leader(rest...)
		time.Sleep(2 * time.Minute)
		for i := range 10 {
			mustPropose(t, n.Node, fmt.Sprint(i))
			must(t, n.Snapshot(t.Context()))
		}
		if mine, theirs := old.Status().LastIndex, n.Status().LastIndex; mine <= theirs {
			t.Errorf("the overruled log ends at %d, that of the leader at %d", mine, theirs)
		}
		c.part()
		c.wantSame("common", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
		mustPropose(t, n.Node, "after")
		c.wantSame("common", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "after")
		if s := old.Status(); s.LastIndex != n.Status().LastIndex || s.FirstIndex <= 5 {
			t.Errorf("%+v", s)
		}
		c.close()
	})
}

// The budget is two seconds from the death of the leader to the first command
// that is acknowledged after it. Time is virtual here: this is
// what the timeouts make of it, on a machine that is never busy.
func TestAnotherLeaderServesWithinTwoSeconds(t *testing.T) {
	var took []time.Duration
	for range 40 {
		inBubble(t, func(t *testing.T) {
			c := newCluster(t, 3)
			n := c.leader()
			mustPropose(t, n.Node, "x")
			c.wantSame()
			c.crash(n.options.NodeID)
			begun := time.Now()
			mustPropose(t, c.leader().Node, "y")
			took = append(took, time.Since(begun))
			c.close()
		})
	}
	slices.Sort(took)
	most := took[len(took)-1]
	t.Logf("median %v, most %v of %d", took[len(took)/2], most, len(took))
	if most > 2*time.Second {
		t.Errorf("%v", took)
	}
}
