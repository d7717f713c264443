package rewrite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
)

// sieved has permissions of all forms that a list finds without checks: of users
// alone, of teams too, and by way of a folder.
const sieved = `
definition user {}
definition team {
	relation member: user
}
definition folder {
	relation viewer: user
	relation blocked: user
	permission view = viewer - blocked
}
definition document {
	relation alpha: user
	relation beta: user | team#member
	relation gamma: user | team#member
	relation folder: folder
	permission delta = folder->view
	permission without = alpha - beta
	permission both = alpha & beta
	permission three = (alpha + gamma) & beta & delta
	permission mixed = (alpha - beta) + (gamma - delta)
	permission deep = without - three
	permission all_but = (alpha + beta + gamma) - (beta & delta)
	permission same = deep
}
`

// has says by the sets that a document is in whether it is in a permission.
var has = map[string]func(a, b, c, d bool) bool{
	"without": func(a, b, c, d bool) bool { return a && !b },
	"both":    func(a, b, c, d bool) bool { return a && b },
	"three":   func(a, b, c, d bool) bool { return (a || c) && b && d },
	"mixed":   func(a, b, c, d bool) bool { return a && !b || c && !d },
	"deep":    func(a, b, c, d bool) bool { return a && !b && !((a || c) && b && d) },
	"all_but": func(a, b, c, d bool) bool { return (a || b || c) && !(b && d) },
	"same":    func(a, b, c, d bool) bool { return a && !b && !((a || c) && b && d) },
}

// siftedWorld is random sets of many documents for one user, some by many tuples,
// and of many users for one document.
type siftedWorld struct {
	*rewritetest.World
	documents, users [4]map[string]bool
}

const siftedIDs = 3000

func newSiftedWorld(t *testing.T, rng *rand.Rand) *siftedWorld {
	t.Helper()
	w := &siftedWorld{World: parse(t, sieved)}
	add := func(text string) {
		if err := w.AddText(text); err != nil {
			t.Fatal(err)
		}
	}
	for _, team := range []string{"red", "blue", "green"} {
		add("team:" + team + "#member@user:me")
	}
	add("folder:open#viewer@user:me")
	add("folder:shut#viewer@user:me")
	add("folder:shut#blocked@user:me")
	add("document:mine#folder@folder:its")
	for set, relation := range []string{"alpha", "beta", "gamma", "delta"} {
		w.documents[set], w.users[set] = make(map[string]bool), make(map[string]bool)
		for side, in := range []map[string]bool{w.documents[set], w.users[set]} {
			often := []float64{0, 0.001, 0.03, 0.5, 1}[rng.IntN(5)]
			run := 0 // ids come in runs too, so that whole pages lie between them
			for i := range siftedIDs {
				if run--; run <= 0 && rng.IntN(500) == 0 {
					run = rng.IntN(400)
				}
				if id := fmt.Sprintf("x%04d", i); rng.Float64() < often && run <= 0 {
					in[id] = true
					add(w.tupleFor(rng, side, relation, id))
				}
			}
		}
	}
	return w
}

// tupleFor is one that has me in the relation of a document, or a user in mine.
func (w *siftedWorld) tupleFor(rng *rand.Rand, side int, relation, id string) string {
	switch {
	case side == 0 && relation == "delta":
		return "document:" + id + "#folder@folder:open"
	case side == 0 && relation != "alpha" && rng.IntN(2) == 0:
		return "document:" + id + "#" + relation + "@team:" + []string{"red", "blue", "green"}[rng.IntN(3)] + "#member"
	case side == 0:
		return "document:" + id + "#" + relation + "@user:me"
	case relation == "delta":
		return "folder:its#viewer@user:" + id
	default:
		return "document:mine#" + relation + "@user:" + id
	}
}

// want is a set by its definition.
func want(of [4]map[string]bool, is func(a, b, c, d bool) bool) (all entries) {
	for i := range siftedIDs {
		if id := fmt.Sprintf("x%04d", i); is(of[0][id], of[1][id], of[2][id], of[3][id]) {
			all = append(all, id)
		}
	}
	return all
}

// TestASiftingFindsWhatIsInASet compares lists of thousands with the sets that they
// are made of, whole and from anywhere, in parts.
func TestASiftingFindsWhatIsInASet(t *testing.T) {
	worlds := 4
	if *long {
		worlds = 200
	}
	for n := range worlds {
		rng := rand.New(rand.NewPCG(9, uint64(n)))
		w := newSiftedWorld(t, rng)
		engine := rewrite.New(w.Program, rewrite.Limits{})
		engine.SiftAfter(rng.IntN(30))
		for name, is := range has {
			me := ask(t, w.World, "document:x#"+name, "user:me")
			all := want(w.documents, is)
			window := rewrite.Window{Limit: []int{0, 700, 1 + rng.IntN(50)}[rng.IntN(3)]}
			if rng.IntN(2) == 0 {
				window.Above = fmt.Appendf(nil, "x%04d", rng.IntN(siftedIDs))
				all = slices.DeleteFunc(all, func(id string) bool { return id <= string(window.Above) })
			}
			got, err := listObjects(t, engine, w.Tuples, rewrite.ObjectsQuestion{Slot: me.Slot, Subject: me.Subject, Window: window})
			if diff := cmp.Diff(all, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("world %d: the objects of %s in %+v: %v (-want +got):\n%s", n, name, window, err, diff)
			}
			mine := subjectsOf(t, w.World, "document:mine#"+name, "user:x")
			mine.Window = rewrite.Window{Limit: window.Limit}
			got, err = listSubjects(t, engine, w.Tuples, mine)
			if diff := cmp.Diff(want(w.users, is), got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("world %d: the subjects of %s in %+v: %v (-want +got):\n%s", n, name, mine.Window, err, diff)
			}
		}
	}
}

// TestAListAsksForFewOfItsEntries holds lists to what they are to cost: about what
// the cheaper of two sets has, in pages, however many entries there are.
func TestAListAsksForFewOfItsEntries(t *testing.T) {
	w := parse(t, sieved)
	for i := range siftedIDs {
		for _, text := range []string{"document:x%04d#alpha@user:me", "document:mine#alpha@user:x%04d"} {
			if err := w.AddText(fmt.Sprintf(text, i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, text := range []string{"document:x1111#beta@user:me", "document:x2222#beta@user:me", "document:mine#beta@user:x1111", "document:mine#beta@user:x2222"} {
		if err := w.AddText(text); err != nil {
			t.Fatal(err)
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for name, most := range map[string]struct{ entries, reads int }{"both": {2, 200}, "without": {siftedIDs - 2, 200}} {
		me := ask(t, w, "document:x#"+name, "user:me")
		entries := 0
		objects, err := engine.ListObjects(context.Background(), w.Tuples, rewrite.ObjectsQuestion{Slot: me.Slot, Subject: me.Subject},
			func(rewrite.FoundObject) bool { entries++; return true })
		if err != nil || entries != most.entries || objects.Cost.Reads > most.reads {
			t.Errorf("the objects of %s: %d entries, %+v, %v; want %+v", name, entries, objects.Cost, err, most)
		}
		entries = 0
		subjects, err := engine.ListSubjects(context.Background(), w.Tuples, subjectsOf(t, w, "document:mine#"+name, "user:x"),
			func(rewrite.FoundSubject) bool { entries++; return true })
		if err != nil || entries != most.entries || subjects.Cost.Reads > most.reads {
			t.Errorf("the subjects of %s: %d entries, %+v, %v; want %+v", name, entries, subjects.Cost, err, most)
		}
	}
}

// TestASetThatTakesALongWalkIsAskedAbout has what is taken away hang on thousands of
// teams, for a list of a few.
func TestASetThatTakesALongWalkIsAskedAbout(t *testing.T) {
	w := parse(t, sieved)
	for i := range siftedIDs {
		if err := w.AddText(fmt.Sprintf("team:t%d#member@user:me", i)); err != nil {
			t.Fatal(err)
		}
	}
	var all entries
	for i := range 60 {
		id := fmt.Sprintf("x%04d", i)
		texts := []string{"document:" + id + "#alpha@user:me", fmt.Sprintf("document:%s#beta@team:t%d#member", id, i)}
		if i%2 == 0 {
			texts, all = texts[:1], append(all, id)
		}
		for _, text := range texts {
			if err := w.AddText(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	me := ask(t, w, "document:x#without", "user:me")
	var got entries
	end, err := engine.ListObjects(context.Background(), w.Tuples, rewrite.ObjectsQuestion{Slot: me.Slot, Subject: me.Subject},
		func(o rewrite.FoundObject) bool { got = append(got, string(o.ID)); return true })
	if diff := cmp.Diff(all, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if end.Cost.Steps > 1000 {
		t.Errorf("it took %d steps: the walk was not given up", end.Cost.Steps)
	}
}

// TestAWildcardIsInNoRun has everybody be in what is taken away, or given back,
// without a tuple of their own that says so.
func TestAWildcardIsInNoRun(t *testing.T) {
	w := parse(t, `
use expiration
definition user {}
definition document {
	relation reader: user
	relation shown: user:* | user with expiration
	relation banned: user:*
	permission view = reader - banned
	permission look = shown & reader
}`, "document:d#reader@user:ann", "document:d#reader@user:bob", "document:d#banned@user:*",
		"document:d#shown@user:*", "document:d#shown@user:ann[expiration:1970-01-01T00:00:00.000000001Z]")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	engine.SiftAfter(0)
	for userset, want := range map[string]entries{"document:d#view": nil, "document:d#look": {"ann", "bob"}, "document:d#shown": {"*", "ann"}} {
		q := subjectsOf(t, w, userset, "user:x")
		q.NowNanos = 2
		if got, err := listSubjects(t, engine, w.Tuples, q); err != nil || !slices.Equal(got, want) {
			t.Errorf("the subjects of %s: %v, %v; want %v", userset, got, err, want)
		}
	}
}
