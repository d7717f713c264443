package replica

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

func member(id string) raft.Member {
	return raft.Member{ID: id, Address: id + ":1", Voter: true}
}

func members(ids ...string) []raft.Member {
	var all []raft.Member
	for _, id := range ids {
		all = append(all, member(id))
	}
	return all
}

// says is what a node without a log says that names founders.
func says(id string, founders ...string) peer.Status {
	s := peer.Status{Address: id + ":1"}
	s.NodeID, s.Members = id, members(founders...)
	return s
}

func withLog(s peer.Status) peer.Status {
	s.Term = 1
	return s
}

func TestANodeMakesALogOnlyWithAllFoundersOfOneMind(t *testing.T) {
	moved := says("b", "a", "b", "c")
	moved.Address = "elsewhere:1"
	for _, test := range []struct {
		name   string
		self   string
		others []peer.Status
		silent []string
		named  []raft.Member
		want   then
		names  []raft.Member
		err    error
	}{
		{name: "nobody else is there", self: "a", want: lookAgain},
		{name: "one is missing", self: "a", others: []peer.Status{says("b")}, want: lookAgain},
		{name: "an address is silent", self: "a", others: []peer.Status{says("b", "a", "b", "c"), says("c", "a", "b", "c")}, silent: []string{"d:1"}, want: lookAgain},
		{name: "the others do not name anybody yet", self: "a", others: []peer.Status{says("b"), says("c")}, want: lookAgain, names: members("a", "b", "c")},
		{name: "one names others", self: "a", others: []peer.Status{says("b", "a", "b", "c"), says("c", "a", "c", "d")}, want: lookAgain, names: members("a", "b", "c")},
		{name: "all name the same", self: "a", others: []peer.Status{says("b", "a", "b", "c"), says("c", "a", "b", "c")}, want: makeLog, names: members("a", "b", "c")},
		{name: "the list has this node too", self: "a", others: []peer.Status{says("a"), says("b", "a", "b", "c"), says("c", "a", "b", "c")}, want: makeLog, names: members("a", "b", "c")},
		{name: "another one is smaller", self: "b", others: []peer.Status{says("a", "a", "b", "c"), says("c", "a", "b", "c")}, want: lookAgain, names: members("a", "b", "c")},
		{name: "one has a log", self: "a", others: []peer.Status{withLog(says("b", "b", "c"))}, silent: []string{"c:1"}, want: followLog},
		{name: "one has a log in which this node votes", self: "a", others: []peer.Status{withLog(says("b", "a", "b", "c"))}, err: ErrLostLog},
		{name: "one has the log that this node has named", self: "a", others: []peer.Status{withLog(says("b", "a", "b", "c"))}, named: members("a", "b", "c"), want: followLog, names: members("a", "b", "c")},
		{name: "there are too many", self: "a", others: []peer.Status{says("b"), says("c"), says("d")}, err: ErrBootstrap},
		{name: "two have one name", self: "a", others: []peer.Status{says("b"), moved}, err: ErrBootstrap},
		{name: "one has changed", self: "a", others: []peer.Status{says("b"), says("d")}, named: members("a", "b", "c"), err: ErrBootstrap},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := look{self: member(test.self), expect: 3, others: test.others, silent: test.silent}
			got, err := l.judge(test.named)
			if !errors.Is(err, test.err) || test.err == nil && (got.then != test.want || !slices.Equal(got.founders, test.names)) {
				t.Errorf("it is judged %+v, %v", got, err)
			}
			if err == nil && got.then == lookAgain && got.missing == "" {
				t.Error("it is not said what is waited for")
			}
		})
	}
}

// Nodes whose lists differ, that see each other in any order and now and then
// not at all, must not make logs that have a node in common.
func TestNoNodeIsAFounderOfTwoClusters(t *testing.T) {
	made := 0
	for seed := range uint64(3000) {
		random := rand.New(rand.NewPCG(seed, 0))
		world := newFoundingWorld(random)
		for range 60 {
			if err := world.step(random); err != nil && !errors.Is(err, ErrBootstrap) {
				t.Fatal(err)
			}
		}
		owner := map[string]int{}
		for i, founders := range world.logs {
			for _, m := range founders {
				if before, ok := owner[m.ID]; ok {
					t.Fatalf("seed %d: %s is a founder of %v and of %v", seed, m.ID, names(world.logs[before]), names(founders))
				}
				owner[m.ID] = i
			}
		}
		made += len(world.logs)
	}
	if made < 500 {
		t.Errorf("only %d logs were made: the test tests little", made)
	}
}

// foundingWorld is nodes that judge what they have seen of each other.
type foundingWorld struct {
	ids    []string
	lists  map[string][]string
	expect map[string]int
	named  map[string][]raft.Member
	begun  map[string][]raft.Member // of the log that a node has
	failed map[string]bool
	logs   [][]raft.Member
}

func newFoundingWorld(random *rand.Rand) *foundingWorld {
	w := &foundingWorld{
		ids: []string{"a", "b", "c", "d"}, lists: map[string][]string{}, expect: map[string]int{},
		named: map[string][]raft.Member{}, begun: map[string][]raft.Member{}, failed: map[string]bool{},
	}
	common := w.draw(random)
	for _, id := range w.ids {
		w.lists[id] = common
		if random.IntN(4) == 0 {
			w.lists[id] = w.draw(random)
		}
		w.expect[id] = 1 + len(slices.DeleteFunc(slices.Clone(w.lists[id]), func(other string) bool { return other == id }))
	}
	return w
}

func (w *foundingWorld) draw(random *rand.Rand) []string {
	return slices.DeleteFunc(slices.Clone(w.ids), func(string) bool { return random.IntN(4) == 0 })
}

// step has one node look at the others.
func (w *foundingWorld) step(random *rand.Rand) error {
	id := w.ids[random.IntN(len(w.ids))]
	if w.begun[id] != nil || w.failed[id] {
		return nil
	}
	l := look{self: member(id), expect: w.expect[id]}
	for _, other := range w.lists[id] {
		if random.IntN(8) == 0 {
			l.silent = append(l.silent, other)
			continue
		}
		s := peer.Status{Address: other + ":1"}
		s.NodeID, s.Members = other, w.named[other]
		if log := w.begun[other]; log != nil {
			s.Members = log
			s = withLog(s)
		}
		l.others = append(l.others, s)
	}
	got, err := l.judge(w.named[id])
	if errors.Is(err, ErrLostLog) {
		return fmt.Errorf("%s, which has lost nothing: %w", id, err)
	}
	if err != nil {
		w.failed[id] = true
		return err
	}
	w.named[id] = got.founders
	switch got.then {
	case makeLog:
		w.logs = append(w.logs, got.founders)
		w.begun[id] = got.founders
	case followLog:
		w.begun[id] = l.others[slices.IndexFunc(l.others, hasLog)].Members
	}
	return nil
}

func TestTwoNodesOfOneNameDoNotMakeACluster(t *testing.T) {
	addresses := freeAddresses(t, 2)
	ended := make(chan error, 2)
	for i := range 2 {
		o := testOptions(addresses, i)
		o.NodeID, o.Join, o.BootstrapExpect = "same", addresses, 2
		go func() {
			r, err := Open(t.Context(), o)
			if r != nil {
				_ = r.Close(t.Context())
			}
			ended <- err
		}()
	}
	if err := <-ended; !errors.Is(err, ErrBootstrap) || !strings.Contains(err.Error(), "same name") {
		t.Errorf("opening: %v", err)
	}
}

// The maker of the log may be stopped at any time between its decision and the
// log; it must not decide again, since the others may have changed.
func TestAFounderThatWasStoppedBeforeItsLogMakesTheSameOne(t *testing.T) {
	addresses := freeAddresses(t, 1)
	o := testOptions(addresses, 0)
	decided := &Replica{options: o}
	if err := o.FS.MkdirAll(o.Dir, 0o750); err != nil {
		t.Fatal(err)
	}
	founders := []raft.Member{{ID: "n1", Address: addresses[0], Voter: true}}
	if err := decided.keepFounders(founders); err != nil {
		t.Fatal(err)
	}
	n := open(t, o) // which need not say it again
	n.mustBeReady(t)
	if got := n.Log().Members(); !slices.Equal(got, founders) {
		t.Errorf("the members are %v", got)
	}
	if kept, err := n.keptFounders(); kept != nil || err != nil {
		t.Errorf("the founders are kept when the log has them: %v, %v", kept, err)
	}
	n.stop(t)
	file, err := o.FS.Create("tupelo/founders", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(file, "{"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrBootstrap) {
		t.Errorf("with a damaged decision: %v", err)
	}
}

// The directory of the log is made before the log is.
func TestAFounderThatWasStoppedWhileItMadeItsLogMakesIt(t *testing.T) {
	addresses := freeAddresses(t, 1)
	o := testOptions(addresses, 0)
	decided := &Replica{options: o}
	if err := o.FS.MkdirAll("tupelo/raft", 0o750); err != nil {
		t.Fatal(err)
	}
	if err := decided.keepFounders([]raft.Member{{ID: "n1", Address: addresses[0], Voter: true}}); err != nil {
		t.Fatal(err)
	}
	open(t, o).mustBeReady(t)
}

// What it has acknowledged is gone: with its vote, a majority could be without.
func TestAVoterThatHasLostItsDirectoryIsRefused(t *testing.T) {
	nodes := bootstrap(t, 3)
	lost := follower(t, nodes)
	lost.stop(t)
	lost.options.FS = vfs.NewMem()
	for _, expect := range []int{3, 0} {
		o := lost.options
		o.BootstrapExpect = expect
		if _, err := Open(t.Context(), o); !errors.Is(err, ErrLostLog) {
			t.Errorf("opening with %d founders: %v", expect, err)
		}
	}
	eventually(t, "no leader removes it", func() bool {
		return leader(t, nodes).dismiss(t.Context(), lost.options.NodeID) == nil
	})
	lost.options.FS = vfs.NewMem()
	eventually(t, "the others have not heard of it", func() bool {
		return !slices.ContainsFunc(nodes, func(n *testNode) bool {
			if n == lost {
				return false
			}
			_, there := memberOf(n.Log(), lost.options.NodeID)
			return there
		})
	})
	lost.start(t)
	lost.mustBeReady(t)
	eventually(t, "it has no vote", func() bool {
		m, ok := memberOf(leader(t, nodes).Log(), lost.options.NodeID)
		return ok && m.Voter
	})
}

// A node that has been in a cluster never makes another one, whatever it is told.
func TestANodeOfAClusterDoesNotMakeAnotherOne(t *testing.T) {
	nodes := bootstrap(t, 2)
	nodes[0].mustWriteSchema(t)
	nodes[0].mustWrite(t, "doc:a#reader@user:ann")
	nodes[0].stop(t)
	nodes[0].options.Join, nodes[0].options.BootstrapExpect = nil, 1
	nodes[0].start(t)
	nodes[0].mustBeReady(t)
	if got := nodes[0].Log().Members(); len(got) != 2 {
		t.Errorf("the members are %v", got)
	}
	nodes[1].mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
}

// A node that comes late with the list of the founders joins them.
func TestANodeThatFindsAClusterJoinsIt(t *testing.T) {
	nodes := bootstrap(t, 2)
	addresses := append(freeAddresses(t, 1), nodes[0].Address(), nodes[1].Address())
	o := testOptions(addresses, 0)
	o.NodeID, o.Join, o.BootstrapExpect = "late", addresses, 3
	late := open(t, o)
	late.mustBeReady(t)
	eventually(t, "it has no vote", func() bool {
		m, ok := memberOf(nodes[0].Log(), "late")
		return ok && m.Voter
	})
	nodes[0].mustWriteSchema(t)
	late.mustHave(t, late.wrote(t, "doc:a#reader@user:ann"), fullyConsistent())
}

func (n *testNode) wrote(t *testing.T, text string) string {
	t.Helper()
	n.mustWrite(t, text)
	return text
}

func TestLookingForFoundersEndsWithItsContext(t *testing.T) {
	addresses := freeAddresses(t, 2)
	o := testOptions(addresses, 0)
	o.Join, o.BootstrapExpect = addresses[1:], 2
	ctx, cancel := contextFor(t, 300*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, o); err == nil || !strings.Contains(err.Error(), "no answer from "+addresses[1]) {
		t.Errorf("opening: %v", err)
	}
}
