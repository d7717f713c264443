package tupleset

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/tupelodb/tupelo/store/tuple"
)

// membersOf are the members of teams: the kind of group in these tests.
var membersOf = tuple.Kind{Type: 3, Relation: 2}

// teamTuple says that from, a user or a team's members, is in a team from revision
// `since` on, and before `until` if that is not 0.
type teamTuple struct {
	from, team   string
	since, until uint64
}

func teamSubject(from string) tuple.Subject {
	if from == "alice" || from == "bob" {
		return tuple.Subject{Type: 2, ID: []byte(from)}
	}
	return tuple.Subject{Type: membersOf.Type, Relation: membersOf.Relation, ID: []byte(from)}
}

// teamsOf lists the teams that somebody is in at a revision, the plainest way.
func teamsOf(tuples []teamTuple, who string, revision uint64) (teams []string) {
	queue := []string{who}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, t := range tuples {
			if t.from == queue[0] && t.since <= revision && (t.until == 0 || t.until > revision) && !slices.Contains(teams, t.team) {
				teams = append(teams, t.team)
				queue = append(queue, t.team)
			}
		}
	}
	slices.Sort(teams)
	return teams
}

func teamsIn(s *Set) (teams []string) {
	section, _ := s.Section(membersOf)
	for i := range section.Len() {
		teams = append(teams, string(section.ID(i)))
	}
	return teams
}

// fillTeams builds what a load at a revision finds.
func fillTeams(b *Builder, l *GroupLoad, teams []string) {
	b.Reset(l.Newest)
	b.Begin(membersOf)
	for _, team := range teams {
		b.Add([]byte(team), tuple.Traits{})
	}
	l.Fill(b)
}

// encounter has a load, an apply and a reader of one entry meet.
type encounter struct {
	groups    *Groups
	tuples    []teamTuple
	changed   uint64
	published uint64
	wrong     []string
}

// pieces runs a function piece by piece.
func pieces(run func(pause func())) (next func(), stop func()) {
	more, stop := iter.Pull(func(yield func(struct{}) bool) {
		run(func() { yield(struct{}{}) })
	})
	return func() { more() }, stop
}

func (m *encounter) load(pause func()) {
	var v GroupView
	v.Open(m.groups, m.published)
	pause()
	m.groups.at = pause
	l, ok := v.Begin(teamSubject("alice"), membersOf)
	m.groups.at = nil
	if !ok {
		return
	}
	teams := teamsOf(m.tuples, "alice", v.revision)
	pause()
	var b Builder
	fillTeams(&b, &l, teams)
}

// apply shows the change to readers, by steps in an order: S10 and G3 want them as
// they are numbered.
func (m *encounter) apply(order [3]int, pause func()) {
	for i, step := range order {
		if i > 0 {
			pause()
		}
		switch step {
		case 0:
			m.groups.Announce(m.changed)
		case 1:
			for _, t := range m.tuples {
				if t.since == m.changed || t.until == m.changed {
					m.groups.Step(teamSubject(t.from), []tuple.Kind{membersOf})
				}
			}
		case 2:
			m.published = m.changed
		}
	}
}

func (m *encounter) read(pause func()) {
	var v GroupView
	v.Open(m.groups, m.published)
	defer v.Close()
	pause()
	s := v.Look(teamSubject("alice"), membersOf)
	if s == nil {
		return
	}
	if got, want := teamsIn(s), teamsOf(m.tuples, "alice", v.revision); !slices.Equal(got, want) {
		m.wrong = append(m.wrong, fmt.Sprintf("at %d, with %d applied: %v, want %v", v.revision, m.changed, got, want))
	}
}

// Pieces of each actor of an encounter.
const (
	loadPieces  = 6
	applyPieces = 3
	readPieces  = 2
)

// encounters plays all orders of the pieces, over some changes, and returns what was
// wrong, and how often something was read.
func encounters(faults GroupFaults, order [3]int) (wrong []string, read int64) {
	before := []teamTuple{
		{"alice", "core", 1, 0}, {"core", "infra", 1, 0}, {"infra", "all", 1, 0},
		{"bob", "other", 1, 0}, {"other", "all", 1, 0},
	}
	changes := map[string]func(list []teamTuple) []teamTuple{
		"a first step goes":      func(l []teamTuple) []teamTuple { l[0].until = 5; return l },
		"a first step comes":     func(l []teamTuple) []teamTuple { return append(l, teamTuple{"alice", "other", 5, 0}) },
		"an edge goes":           func(l []teamTuple) []teamTuple { l[1].until = 5; return l },
		"an edge comes":          func(l []teamTuple) []teamTuple { return append(l, teamTuple{"infra", "other", 5, 0}) },
		"another's edge changes": func(l []teamTuple) []teamTuple { return append(l, teamTuple{"other", "last", 5, 0}) },
		"two edges come": func(l []teamTuple) []teamTuple {
			return append(l, teamTuple{"new", "last", 5, 0}, teamTuple{"all", "new", 5, 0})
		},
	}
	for name, change := range changes {
		eachOrder([]int{loadPieces, applyPieces, readPieces}, func(turns []int) {
			m := &encounter{groups: NewGroups(1<<20, 0), tuples: change(slices.Clone(before)), changed: 5, published: 4}
			m.groups.Break(faults)
			m.groups.Announce(1)
			load, stopLoad := pieces(m.load)
			apply, stopApply := pieces(func(pause func()) { m.apply(order, pause) })
			reader, stopReader := pieces(m.read)
			for _, who := range turns {
				[]func(){load, apply, reader}[who]()
			}
			for range 2 { // who comes after
				m.read(func() {})
			}
			read += m.groups.Stats().Hits
			for _, w := range m.wrong {
				wrong = append(wrong, fmt.Sprintf("%s, turns %v: %s", name, turns, w))
			}
			stopLoad()
			stopApply()
			stopReader()
		})
	}
	return wrong, read
}

// eachOrder visits all orders of as many turns as each actor has.
func eachOrder(left []int, visit func(turns []int)) {
	var turns []int
	var step func()
	step = func() {
		done := true
		for who := range left {
			if left[who] == 0 {
				continue
			}
			done = false
			left[who]--
			turns = append(turns, who)
			step()
			turns = turns[:len(turns)-1]
			left[who]++
		}
		if done {
			visit(turns)
		}
	}
	step()
}

var rightOrder = [3]int{0, 1, 2}

func TestGroupsAreNeverWrongInAnyOrderOfALoadAnApplyAndAReader(t *testing.T) {
	wrong, read := encounters(GroupFaults{}, rightOrder)
	for i, w := range wrong {
		if i < 10 {
			t.Error(w)
		}
	}
	t.Logf("%d entries were used", read)
	if read < 1000 {
		t.Errorf("only %d entries were used", read)
	}
}

func TestBrokenPromisesOfGroupsAreNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		faults GroupFaults
		order  [3]int
	}{
		"first steps end nothing":           {GroupFaults{Keep: true}, rightOrder},
		"the log is not looked at":          {GroupFaults{Trust: true}, rightOrder},
		"a load is behind":                  {GroupFaults{Behind: true}, rightOrder},
		"a place is taken late":             {GroupFaults{Late: true}, rightOrder},
		"entries end after it is seen":      {GroupFaults{}, [3]int{0, 2, 1}},
		"entries end before it is told":     {GroupFaults{}, [3]int{1, 0, 2}},
		"it is told after entries are seen": {GroupFaults{}, [3]int{1, 2, 0}},
	} {
		wrong, _ := encounters(test.faults, test.order)
		if len(wrong) == 0 {
			t.Errorf("%s, and nobody noticed", name)
			continue
		}
		t.Logf("%s: %d wrong answers, such as %s", name, len(wrong), wrong[0])
	}
}

// TestGroupsBehindTheLogAreEnded has more edges change than the log keeps.
func TestGroupsBehindTheLogAreEnded(t *testing.T) {
	tuples := []teamTuple{{"alice", "core", 1, 0}}
	for edges, want := range map[int]bool{0: true, 1: true, keptEdges: true, keptEdges + 1: false, 3 * keptEdges: false} {
		g := NewGroups(1<<20, 0)
		var v GroupView
		v.Open(g, 1)
		l, _ := v.Begin(teamSubject("alice"), membersOf)
		var b Builder
		fillTeams(&b, &l, teamsOf(tuples, "alice", 1))
		for i := range edges {
			g.Step(teamSubject(fmt.Sprintf("other%d", i)), nil)
		}
		for range 2 {
			if got := v.Look(teamSubject("alice"), membersOf) != nil; got != want {
				t.Errorf("after %d edges: %v, want %v", edges, got, want)
			}
		}
	}
}

// TestGroupsWithReadersAndChangesAtOnce has a writer change tuples among few teams,
// and readers that load and look at the same time, and compares what they find with
// what was stored at their revision.
func TestGroupsWithReadersAndChangesAtOnce(t *testing.T) {
	g := NewGroups(64<<10, 0)
	var mu sync.RWMutex // guards tuples and published, as the database's snapshots do
	var tuples []teamTuple
	published := uint64(1)
	g.Announce(published)
	const revisions = 3000
	var wg sync.WaitGroup
	wg.Go(func() {
		rng := rand.New(rand.NewPCG(1, 1))
		teams := []string{"a", "b", "c", "d", "e"}
		for w := uint64(2); w < revisions; w++ {
			from, team := append(teams, "alice", "bob")[rng.IntN(7)], teams[rng.IntN(5)]
			mu.Lock()
			at := slices.IndexFunc(tuples, func(t teamTuple) bool { return t.from == from && t.team == team && t.until == 0 })
			if at >= 0 {
				tuples[at].until = w
			} else {
				tuples = append(tuples, teamTuple{from, team, w, 0})
			}
			mu.Unlock()
			g.Announce(w)
			g.Step(teamSubject(from), []tuple.Kind{membersOf})
			mu.Lock()
			published = w
			mu.Unlock()
		}
	})
	var used [2]int
	for i, who := range []string{"alice", "bob"} {
		wg.Go(func() {
			var v GroupView
			var b Builder
			for {
				mu.RLock()
				revision := published
				mu.RUnlock()
				if revision == revisions-1 {
					return
				}
				v.Open(g, revision)
				s := v.Look(teamSubject(who), membersOf)
				mu.RLock()
				want := teamsOf(tuples, who, revision)
				mu.RUnlock()
				if s != nil {
					used[i]++
					if got := teamsIn(s); !slices.Equal(got, want) {
						t.Errorf("%s at %d: %v, want %v", who, revision, got, want)
						return
					}
				} else if l, ok := v.Begin(teamSubject(who), membersOf); ok {
					fillTeams(&b, &l, want)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%v entries were used", used)
}

func TestALookForGroupsAllocatesNothing(t *testing.T) {
	g := NewGroups(1<<20, 0)
	var v GroupView
	v.Open(g, 1)
	l, _ := v.Begin(teamSubject("alice"), membersOf)
	var b Builder
	fillTeams(&b, &l, []string{"all", "core", "infra"})
	who, other := teamSubject("alice"), teamSubject("bob")
	if got := testing.AllocsPerRun(100, func() {
		v.Open(g, 1)
		if v.Look(who, membersOf) == nil || v.Look(other, membersOf) != nil {
			t.Fatal("not as it was filled")
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// BenchmarkBytesOfGroups is the memory that is kept for 100,000 users in eight teams
// each, as it is counted and by the heap.
func BenchmarkBytesOfGroups(b *testing.B) {
	const users = 100_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		g := NewGroups(1<<30, 0)
		var v GroupView
		v.Open(g, 1)
		var builder Builder
		for i := range users {
			l, _ := v.Begin(tuple.Subject{Type: 2, ID: fmt.Appendf(nil, "user%06d", i)}, membersOf)
			var teams []string
			for team := range 8 {
				teams = append(teams, fmt.Sprintf("team%d%05d", team, i/8))
			}
			fillTeams(&builder, &l, teams)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(g.Stats().Bytes)/users, "bytes/user")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/users, "heap-bytes/user")
		runtime.KeepAlive(g)
	}
}

// BenchmarkStepOfGroups is what a change costs the apply: of a membership of a user of
// whom something is kept or not, and between groups.
func BenchmarkStepOfGroups(b *testing.B) {
	targets := []tuple.Kind{membersOf}
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprintf("user/kept=%v", kept), func(b *testing.B) {
			g := NewGroups(1<<30, 0)
			var v GroupView
			v.Open(g, 1)
			var builder Builder
			who := make([]tuple.Subject, b.N)
			for i := range who {
				who[i] = tuple.Subject{Type: 2, ID: fmt.Appendf(nil, "user%06d", i)}
				if kept {
					l, _ := v.Begin(who[i], membersOf)
					fillTeams(&builder, &l, []string{"core", "infra"})
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range who {
				g.Step(who[i], targets)
			}
		})
	}
	b.Run("edge", func(b *testing.B) {
		g, from := NewGroups(1<<20, 0), teamSubject("core")
		b.ReportAllocs()
		for b.Loop() {
			g.Step(from, targets)
		}
	})
}
