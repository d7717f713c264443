package rewrite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	seed = flag.Uint64("seed", 1, "seed of the random worlds")
	only = flag.Uint64("world", 0, "run only this random world, counted from 1")
	long = flag.Bool("long", false, "ask twenty times as many questions of random worlds, and measure lists of a million")
)

// randomWorld makes the n-th world of the seed, by turns from a schema that a
// person could have written, from a mesh, and from gates. Half of each have
// recursion through the excluded side of an exclusion.
func randomWorld(t *testing.T, n uint64) (*rewritetest.World, *rand.Rand, int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(*seed, n))
	negation := rng.IntN(2) == 0
	var s *schema.Schema
	var objects, tuples int
	switch n % 6 {
	case 0:
		s = schematest.Random(rng, schematest.Options{NegativeRecursion: negation})
		objects = 1 + rng.IntN(3)
		tuples = 10 + rng.IntN(100*objects)
	case 1, 2, 3:
		s = gates(t, negation)
		objects = 3 + rng.IntN(5)
		tuples = 2*objects + rng.IntN(6*objects)
	default:
		s = mesh(t, rng, negation)
		objects = 2 + rng.IntN(3)
		tuples = 5 + rng.IntN(10*objects)
	}
	w, err := rewritetest.New(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Fill(rng, objects, tuples); err != nil {
		t.Fatal(err)
	}
	return w, rng, objects
}

// scaled is how much of what a test asks by default is asked in this run.
func scaled(enough int) int {
	switch {
	case *long:
		return enough * 20
	case raceDetector:
		return enough / 4 // the detector looks for races, of which one goroutine has none
	default:
		return enough
	}
}

// randomWorlds visits worlds until `enough` of what visit counts is done.
func randomWorlds(t *testing.T, enough int, visit func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int) {
	t.Helper()
	enough, done := scaled(enough), 0
	for n := uint64(1); done < enough && !t.Failed(); n++ {
		if *only != 0 {
			n, done = *only, enough
		}
		w, rng, objects := randomWorld(t, n)
		done += visit(t, w, rng, objects)
		if t.Failed() {
			t.Logf("again with: go test -run '%s' -seed %d -world %d", t.Name(), *seed, n)
			t.Logf("the world:\n%s\n%s", schema.Format(w.Schema), listed(w.Named))
		}
	}
	t.Logf("%d questions", done)
}

func listed(tuples []tuple.Named) string {
	var text strings.Builder
	for _, t := range tuples {
		fmt.Fprintln(&text, t)
	}
	return text.String()
}

// usersets lists every relation and permission of every object, one object
// that no tuple speaks of among them.
func usersets(w *rewritetest.World, objects int) []oracle.Userset {
	var all []oracle.Userset
	for _, s := range w.Program.Slots {
		for i := range objects + 1 {
			object := oracle.Object{Type: w.Program.Types[s.Type].Name, ID: rewritetest.ObjectID(i)}
			all = append(all, oracle.Userset{Object: object, Relation: s.Name})
		}
	}
	return all
}

// subjects lists the objects of some types, those without relations always,
// and some usersets.
func subjects(w *rewritetest.World, rng *rand.Rand, objects int) []oracle.Userset {
	all := usersets(w, objects)
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	all = all[:min(len(all), 6)]
	for _, t := range w.Program.Types {
		if t.SlotCount > 0 && rng.IntN(4) > 0 {
			continue // an object that has relations is seldom the subject of one
		}
		for i := range objects + 1 {
			all = append(all, oracle.Userset{Object: oracle.Object{Type: t.Name, ID: rewritetest.ObjectID(i)}})
		}
	}
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// posed is a question with what the oracle says of it.
type posed struct {
	rewrite.Question
	text  string
	truth bool
}

// pose asks for every userset and the given subjects.
func pose(t *testing.T, w *rewritetest.World, objects int, subjects []oracle.Userset) []posed {
	t.Helper()
	plain := oracle.New(w.Schema, w.Named)
	var all []posed
	usersets := usersets(w, objects)
	var also []oracle.Object
	for _, u := range usersets {
		also = append(also, u.Object)
	}
	for _, s := range subjects {
		truth := plain.Containing(s, also...)
		for _, u := range usersets {
			all = append(all, posed{ask(t, w, u.String(), s.String()), u.String() + "@" + s.String(), truth[u]})
		}
	}
	return all
}

func verdictOf(truth bool) rewrite.Verdict {
	if truth {
		return rewrite.Yes
	}
	return rewrite.No
}

// TestTheEngineAgreesWithTheOracle asks random worlds for every userset, one
// question at a time and as a shuffled batch with a shared memo.
func TestTheEngineAgreesWithTheOracle(t *testing.T) {
	yes, exact := 0, 0
	randomWorlds(t, 400_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		all := pose(t, w, objects, subjects(w, rng, objects))
		for _, q := range all {
			result, err := engine.Check(context.Background(), w.Tuples, q.Question)
			if err != nil || result.Verdict != verdictOf(q.truth) {
				t.Errorf("%s is %v, %v; want %v", q.text, result.Verdict, err, verdictOf(q.truth))
				break
			}
			if q.truth {
				yes++
			}
			if result.Cost.Exact {
				exact++
			}
		}
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		compareBatch(t, engine, w, all)
		return 2 * len(all)
	})
	t.Logf("%d yes, %d exact", yes, exact)
	// The worlds must not become dull without anybody noticing.
	if *only == 0 && !raceDetector && (yes < 10_000 || exact < 200) {
		t.Errorf("only %d questions were answered with yes, and %d on the exact path", yes, exact)
	}
}

// compareBatch asks all questions at once.
func compareBatch(t *testing.T, engine *rewrite.Engine, w *rewritetest.World, all []posed) {
	t.Helper()
	questions := make([]rewrite.Question, len(all))
	for i := range all {
		questions[i] = all[i].Question
	}
	answers := make([]rewrite.Answer, len(all))
	if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if a.Err != nil || a.Verdict != verdictOf(all[i].truth) {
			t.Errorf("%s is %v, %v in a batch; want %v", all[i].text, a.Verdict, a.Err, verdictOf(all[i].truth))
			return
		}
	}
}

// TestADepthLimitGivesTheRightAnswerOrAnError asks with limits that are too
// small. The outcome may not depend on the order in which operands are tried,
// and a larger limit may only turn errors into answers.
func TestADepthLimitGivesTheRightAnswerOrAnError(t *testing.T) {
	exceeded := 0
	randomWorlds(t, 100_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		all := pose(t, w, objects, subjects(w, rng, objects)[:3])
		asked := 0
		answered := make([]bool, len(all))
		for depth := 1; depth <= 3; depth++ {
			limits := rewrite.Limits{Depth: depth}
			first := rewrite.New(w.Program, limits)
			second := rewrite.New(reordered(w.Program, rng), limits)
			for i, q := range all {
				_, err := first.Check(context.Background(), w.Tuples, q.Question)
				if answered[i] && err != nil {
					t.Errorf("depth %d: %s: %v, but less depth was enough", depth, q.text, err)
				}
				for _, engine := range []*rewrite.Engine{first, second} {
					result, again := engine.Check(context.Background(), w.Tuples, q.Question)
					if errors.Is(again, rewrite.ErrDepthExceeded) != errors.Is(err, rewrite.ErrDepthExceeded) {
						t.Errorf("depth %d: %s: %v in one order, %v in another", depth, q.text, err, again)
					}
					if again == nil && result.Verdict != verdictOf(q.truth) {
						t.Errorf("depth %d: %s is %v; want %v", depth, q.text, result.Verdict, verdictOf(q.truth))
					}
					asked++
				}
				answered[i] = err == nil
				if err != nil {
					exceeded++
				}
				if t.Failed() {
					return asked
				}
			}
		}
		return asked
	})
	if *only == 0 && !raceDetector && exceeded < 1000 {
		t.Errorf("only %d questions exceeded the depth", exceeded)
	}
}

// TestABatchAtItsDepthLimitIsRightOrAnError is the same for a shared memo,
// which may know more and never less than a question alone.
func TestABatchAtItsDepthLimitIsRightOrAnError(t *testing.T) {
	randomWorlds(t, 40_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		all := pose(t, w, objects, subjects(w, rng, objects))
		questions := make([]rewrite.Question, len(all))
		for i := range all {
			questions[i] = all[i].Question
		}
		answers := make([]rewrite.Answer, len(all))
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1 + rng.IntN(3)})
		if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
			t.Fatal(err)
		}
		for i, a := range answers {
			_, alone := engine.Check(context.Background(), w.Tuples, questions[i])
			switch {
			case a.Err == nil && a.Verdict != verdictOf(all[i].truth):
				t.Errorf("%s is %v in a batch; want %v", all[i].text, a.Verdict, verdictOf(all[i].truth))
			case a.Err != nil && (!errors.Is(a.Err, rewrite.ErrDepthExceeded) || alone == nil):
				t.Errorf("%s: %v in a batch, %v alone", all[i].text, a.Err, alone)
			}
		}
		return len(all)
	})
}

// reordered returns the program with its operands tried in a random order.
func reordered(p *schema.Program, rng *rand.Rand) *schema.Program {
	other := *p
	other.Nodes = append([]schema.Node(nil), p.Nodes...)
	for i := range other.Nodes {
		node := &other.Nodes[i]
		if node.Op != schema.UnionOf && node.Op != schema.IntersectionOf {
			continue
		}
		node.Cheap = append([]int32(nil), node.Cheap...)
		rng.Shuffle(len(node.Cheap), func(i, j int) { node.Cheap[i], node.Cheap[j] = node.Cheap[j], node.Cheap[i] })
	}
	return &other
}
