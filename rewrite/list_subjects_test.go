package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// listSubjects gives a whole list, read in parts of at most limit entries each.
func listSubjects(t testing.TB, engine *rewrite.Engine, reader rewrite.Reader, q rewrite.SubjectsQuestion) (all entries, err error) {
	t.Helper()
	for {
		given := 0
		end, err := engine.ListSubjects(context.Background(), reader, q, func(s rewrite.FoundSubject) bool {
			given++
			all = append(all, entry(s.ID, s.Verdict))
			q.Above = slices.Clone(s.ID)
			return true
		})
		if err != nil || end.Complete {
			return all, err
		}
		if given == 0 || given != q.Limit {
			t.Fatalf("a part of %d entries, of which %d may be, is not complete", given, q.Limit)
		}
	}
}

// subjectsOf asks for the whole list of subjects of a kind, given as one of them.
func subjectsOf(t testing.TB, w *rewritetest.World, userset, like string) rewrite.SubjectsQuestion {
	t.Helper()
	q := ask(t, w, userset, like)
	return rewrite.SubjectsQuestion{Slot: q.Slot, ObjectID: q.ObjectID, Kind: q.Subject.Kind()}
}

// crowd answers by the oracle for every subject there is, and for one that no
// tuple speaks of.
type crowd struct {
	plain   *oracle.Oracle
	also    []oracle.Object
	answers map[oracle.Userset]oracle.Set
}

func (c *crowd) contains(u, subject oracle.Userset) bool {
	if c.answers[subject] == nil {
		c.answers[subject] = c.plain.Containing(subject, c.also...)
	}
	return c.answers[subject][u]
}

// nobody is an id that no tuple has.
const nobody = "zzz"

// want says what a list of subjects must hold, and which ids it may have on top:
// those that its wildcard covers.
func (c *crowd) want(u oracle.Userset, kind oracle.Userset, objects int) (must entries, may map[string]bool) {
	may = make(map[string]bool)
	kind.ID = nobody
	open := kind.Relation == "" && c.contains(u, kind)
	if open {
		must = append(must, tuple.WildcardID)
	}
	for i := range objects + 1 {
		kind.ID = rewritetest.ObjectID(i)
		switch member := c.contains(u, kind); {
		case open && member:
			may[kind.ID] = true
		case open:
			must = append(must, kind.ID+" no")
		case member:
			must = append(must, kind.ID)
		}
	}
	return must, may
}

// TestAListOfSubjectsIsWhatCheckAllows compares whole lists, in parts of random
// size, with the oracle.
func TestAListOfSubjectsIsWhatCheckAllows(t *testing.T) {
	found, wildcards := 0, 0
	randomWorlds(t, 10_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		engine.SiftAfter(rng.IntN(3))
		all := usersets(w, objects)
		c := crowd{oracle.New(w.Schema, w.Named), nil, make(map[oracle.Userset]oracle.Set)}
		for _, u := range all {
			c.also = append(c.also, u.Object)
		}
		kinds := []oracle.Userset{all[rng.IntN(len(all))], all[rng.IntN(len(all))]}
		for _, typ := range w.Program.Types {
			if typ.SlotCount == 0 {
				kinds = append(kinds, oracle.Userset{Object: oracle.Object{Type: typ.Name}})
			}
		}
		lists := 0
		for _, kind := range kinds {
			kind.ID = nobody
			for range 10 {
				u := all[rng.IntN(len(all))]
				q := subjectsOf(t, w, u.String(), kind.String())
				q.Limit = rng.IntN(4)
				got, err := listSubjects(t, engine, w.Tuples, q)
				must, may := c.want(u, kind, objects)
				lists++
				found += len(got)
				if len(must) > 0 && must[0] == tuple.WildcardID {
					wildcards++
				}
				unexplained := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return may[id] })
				if diff := cmp.Diff(must, unexplained); err != nil || diff != "" || !ascending(got) {
					t.Errorf("the subjects of %v like %v: %v, %v (-want +got):\n%s", u, kind, got, err, diff)
					return lists
				}
			}
		}
		return lists
	})
	if *only == 0 && !raceDetector && (found < 4_000 || wildcards < 200) {
		t.Errorf("only %d subjects were found in all lists, and %d wildcards", found, wildcards)
	}
}

// ascending reports whether each entry after a wildcard is above the one before.
func ascending(all entries) bool {
	if len(all) > 0 && all[0] == tuple.WildcardID {
		all = all[1:]
	}
	for i := 1; i < len(all); i++ {
		if all[i-1] >= all[i] {
			return false
		}
	}
	return true
}

func TestSubjectsAreFoundThroughEveryOperator(t *testing.T) {
	w := parse(t, `
definition user {}
definition team {
	relation member: user | team#member
}
definition folder {
	relation parent: folder
	relation viewer: user | team#member
	relation banned: user | team#member
	permission view = (viewer + parent->view) - banned
}
definition document {
	relation folder: folder
	relation reader: user | user:*
	relation signed: user | user:*
	relation blocked: user
	permission read = reader + folder->view
	permission sign = read & signed
	permission open = reader - (blocked - signed)
}`,
		"team:core#member@user:ann", "team:outer#member@team:core#member", "team:outer#member@user:bob",
		"folder:a#viewer@team:outer#member", "folder:b#parent@folder:a", "folder:b#banned@user:bob",
		"folder:c#viewer@team:outer#member", "folder:c#banned@team:core#member",
		"document:1#folder@folder:b", "document:1#signed@user:*",
		"document:2#reader@user:*", "document:2#signed@user:cid", "document:2#blocked@user:ann", "document:2#blocked@user:cid")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for _, c := range []struct {
		userset, like string
		want          entries
	}{
		{"team:outer#member", "user:x", entries{"ann", "bob"}},
		{"team:outer#member", "team:x#member", entries{"core", "outer"}},
		{"team:new#member", "team:x#member", entries{"new"}}, // though nothing is stored of it
		{"team:outer#member", "team:x", nil},                 // a team is not its members
		{"folder:a#view", "folder:x#view", entries{"a"}},
		{"folder:b#view", "folder:x#view", entries{"a", "b"}},
		{"folder:b#view", "user:x", entries{"ann"}},
		{"folder:c#view", "team:x#member", entries{"outer"}},
		{"document:1#read", "user:x", entries{"ann"}},
		{"document:1#sign", "user:x", entries{"ann"}},
		{"document:2#read", "user:x", entries{"*"}},
		{"document:2#sign", "user:x", entries{"cid"}},
		{"document:2#open", "user:x", entries{"*", "ann no", "cid"}},
	} {
		got, err := listSubjects(t, engine, w.Tuples, subjectsOf(t, w, c.userset, c.like))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s like %s: %v (-want +got):\n%s", c.userset, c.like, err, diff)
		}
	}
}

func TestABadQuestionForSubjectsIsRefusedWithATypedError(t *testing.T) {
	w := parse(t, teams)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	good := subjectsOf(t, w, "team:red#member", "user:ann")
	for _, c := range []struct {
		change func(q *rewrite.SubjectsQuestion)
		want   error
	}{
		{func(q *rewrite.SubjectsQuestion) { q.Slot = 99 }, rewrite.ErrQuestion},
		{func(q *rewrite.SubjectsQuestion) { q.ObjectID = nil }, rewrite.ErrQuestion},
		{func(q *rewrite.SubjectsQuestion) { q.Kind.Type = 0 }, rewrite.ErrQuestion},
		{func(q *rewrite.SubjectsQuestion) { q.Kind.Relation = tuple.Wildcard }, rewrite.ErrWildcardSubject},
	} {
		q := good
		c.change(&q)
		if _, err := listSubjects(t, engine, w.Tuples, q); !errors.Is(err, c.want) {
			t.Errorf("%+v: got %v; want %v", q, err, c.want)
		}
	}
	stranger := good
	stranger.Kind.Type = 99
	if got, err := listSubjects(t, engine, w.Tuples, stranger); err != nil || len(got) > 0 {
		t.Errorf("a type that the program does not know: got %v, %v; want nothing", got, err)
	}
}

func TestSubjectsBeyondTheDepthLimitAreAnErrorAndNotAShortList(t *testing.T) {
	w := parse(t, teams, append(chain(60), "folder:f3#viewer@user:near")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := subjectsOf(t, w, "folder:f0#view", "user:x")
	if got, err := listSubjects(t, engine, w.Tuples, q); err != nil || len(got) != 1 {
		t.Errorf("got %v, %v; want the one user there is", got, err)
	}
	far, err := tuple.Parse("folder:f51#viewer@user:far")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(far); err != nil {
		t.Fatal(err)
	}
	if _, err := listSubjects(t, engine, w.Tuples, q); !errors.Is(err, rewrite.ErrDepthExceeded) {
		t.Errorf("got %v; want %v", err, rewrite.ErrDepthExceeded)
	}
}

func TestAReadersErrorEndsAListOfSubjects(t *testing.T) {
	w := parse(t, teams, append(chain(3), "folder:f3#viewer@user:ann")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := subjectsOf(t, w, "folder:f0#view", "user:ann")
	for reads := range 6 {
		if _, err := listSubjects(t, engine, &broken{Reader: w.Tuples, left: reads}, q); !errors.Is(err, errDisk) {
			t.Errorf("after %d reads: got %v; want %v", reads, err, errDisk)
		}
	}
	if _, err := listSubjects(t, engine, &broken{Reader: w.Tuples, left: 100, pages: true}, q); !errors.Is(err, rewrite.ErrReader) {
		t.Errorf("got %v; want %v", err, rewrite.ErrReader)
	}
}

func BenchmarkListSubjects(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		w := parse(b, benchSchema, "repository:gitclub#reader@team:all#member")
		for i := range n {
			if err := w.Add(member("team", "all", "member", "user", fmt.Sprintf("u%07d", i), "")); err != nil {
				b.Fatal(err)
			}
		}
		engine := rewrite.New(w.Program, rewrite.Limits{})
		q := subjectsOf(b, w, "repository:gitclub#read", "user:x")
		for name, more := range map[string]bool{"First": false, "All": true} {
			b.Run(fmt.Sprintf("%dMembers/%s", n, name), func(b *testing.B) {
				b.ReportAllocs()
				given := 0
				for b.Loop() {
					if _, err := engine.ListSubjects(context.Background(), w.Tuples, q, func(rewrite.FoundSubject) bool { given++; return more }); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(given)/b.Elapsed().Seconds(), "results/s")
			})
		}
		if n == 10_000 && !*long {
			return // it takes minutes to store more in memory
		}
	}
}
