package rewrite

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// TestTheExactPathAloneAgreesWithTheOracle answers everything by circuit, in
// full and as far as is needed, although the search could have.
func TestTheExactPathAloneAgreesWithTheOracle(t *testing.T) {
	for n := range uint64(60) {
		rng := rand.New(rand.NewPCG(7, n))
		w := denseWorld(t, rng, n%2 == 0)
		engine, plain := New(w.Program, Limits{Depth: 1000}), oracle.New(w.Schema, w.Named)
		for _, name := range []string{"user:o0", "user:o1", "team:o0#member"} {
			subject, err := w.Subject(name)
			if err != nil {
				continue // not every schema has teams
			}
			truth := plain.Containing(usersetNamed(t, name))
			for slot, s := range w.Program.Slots {
				u := usersetNamed(t, w.Program.Types[s.Type].Name+":o0#"+s.Name)
				q := Question{Slot: int32(slot), ObjectID: []byte("o0"), Subject: subject}
				for _, full := range []bool{false, true} {
					got, err := answerByCircuit(engine, w, &q, full)
					if err != nil || (got == Yes) != truth[u] {
						t.Fatalf("world %d: %v@%s is %v, %v (full: %t); want %t", n, u, name, got, err, full, truth[u])
					}
				}
			}
		}
	}
}

// TestTheSearchLeavesNothingBehind looks at the scratch after each answer: no
// goal is in progress, none is provisional, and the trail is empty.
func TestTheSearchLeavesNothingBehind(t *testing.T) {
	for n := range uint64(60) {
		rng := rand.New(rand.NewPCG(11, n))
		w := denseWorld(t, rng, n%2 == 0)
		engine := New(w.Program, Limits{Depth: 1 + int(n%7)})
		r := engine.acquire(context.Background(), w.Tuples)
		subject, err := w.Subject("user:o0")
		if err != nil {
			t.Fatal(err)
		}
		r.begin(subject, Given{})
		for slot := range w.Program.Slots {
			_, _ = r.answer(&Question{Slot: int32(slot), ObjectID: []byte("o1"), Subject: subject})
			if len(r.trail) != 0 || r.depth != 0 {
				t.Fatalf("world %d: %d goals are on the trail, %d in progress", n, len(r.trail), r.depth)
			}
			for _, g := range r.goals.list {
				if g.state == active || g.state == provisional {
					t.Fatalf("world %d: a goal is left in state %d", n, g.state)
				}
			}
		}
		engine.release(r)
	}
}

func denseWorld(t *testing.T, rng *rand.Rand, negation bool) *rewritetest.World {
	t.Helper()
	w, err := rewritetest.New(schematest.Random(rng, schematest.Options{NegativeRecursion: negation}))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Fill(rng, 2, 150); err != nil {
		t.Fatal(err)
	}
	return w
}

func answerByCircuit(e *Engine, w *rewritetest.World, q *Question, full bool) (Verdict, error) {
	r := e.acquire(context.Background(), w.Tuples)
	defer e.release(r)
	r.begin(q.Subject, Given{})
	r.cost, r.pauseAt, r.maxGoals = Cost{}, 0, e.limits.SubProblems
	if !r.reaches(q.Slot) {
		return No, nil
	}
	verdict, _, err := r.layOut(r.goals.at(q.Slot, q.ObjectID), full)
	return verdict, err
}

func usersetNamed(t *testing.T, text string) oracle.Userset {
	t.Helper()
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return oracle.Userset{Object: oracle.Object{Type: typeName, ID: id}, Relation: relation}
}
