package rewrite_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// conditionalWorld makes the n-th world of the seed in which tuples have caveats
// and expire, arrows go over all objects, and self is a subject.
func conditionalWorld(t *testing.T, n uint64) (*rewritetest.World, *rand.Rand, int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(*seed, n))
	negation := rng.IntN(2) == 0
	random := schematest.Random(rng, schematest.Options{
		NegativeRecursion: negation, Caveats: true, Expiration: true, ArrowFunctions: true, Self: true,
	})
	s := random
	objects := 1 + rng.IntN(3)
	tuples := 10 + rng.IntN(60*objects)
	switch n % 3 {
	case 1:
		s, objects = gates(t, negation), 3+rng.IntN(4)
		tuples = 2*objects + rng.IntN(6*objects)
	case 2:
		s, objects = mesh(t, rng, negation), 2+rng.IntN(2)
		tuples = 5 + rng.IntN(10*objects)
	}
	if s != random {
		s.Uses, s.Caveats = random.Uses, random.Caveats
		addTraits(rng, s)
	}
	w, err := rewritetest.New(s)
	if err != nil {
		t.Fatalf("%v\n%s", err, schema.Format(s))
	}
	if err := w.Fill(rng, objects, tuples); err != nil {
		t.Fatal(err)
	}
	return w, rng, objects
}

// addTraits puts a caveat or expiration to some kinds of tuples, makes some
// arrows ask for all, and some permissions have self.
func addTraits(rng *rand.Rand, s *schema.Schema) {
	for _, d := range s.Definitions {
		for _, m := range d.Members {
			switch m := m.(type) {
			case *schema.Relation:
				for _, t := range slices.Clone(m.Types) {
					other := *t
					if rng.IntN(3) > 0 {
						other.Caveat = s.Caveats[rng.IntN(len(s.Caveats))].Name
					}
					other.Expiration = rng.IntN(4) == 0
					switch {
					case rng.IntN(2) == 0:
						*t = other
					case other.Caveat != "" || other.Expiration:
						m.Types = append(m.Types, &other)
					}
				}
			case *schema.Permission:
				for leaf := range schema.Leaves(m.Expr) {
					if arrow, ok := leaf.(*schema.Arrow); ok && rng.IntN(3) == 0 {
						arrow.Form = schema.ArrowAll
					}
				}
				if rng.IntN(6) == 0 {
					m.Expr = &schema.Binary{Op: schema.Union, Left: m.Expr, Right: &schema.Itself{}}
				}
			}
		}
	}
}

// given makes a random request, seldom one that is wrong.
func given(rng *rand.Rand, s *schema.Schema) rewrite.Given {
	var params []*schema.Param
	for i := range schematest.CaveatParams {
		params = append(params, &schematest.CaveatParams[i])
	}
	g := rewrite.Given{NowNanos: int64(1 + rng.IntN(rewritetest.LastInstant+1))}
	if text := rewritetest.Context(rng, params); text != "" && rng.IntN(3) > 0 {
		g.Context = []byte(text)
	}
	switch rng.IntN(12) {
	case 0:
		g.NowNanos = 0
	case 1:
		g.Context = []byte(`{"count":"many","zzz":1}`)
	}
	return g
}

func plainly(g rewrite.Given) oracle.Condition {
	return rewritetest.Conditions(string(g.Context), g.NowNanos)
}

// spell is an answer as the tests compare it.
func spell(truth oracle.Truth, missing []string) string {
	switch {
	case truth == oracle.Perhaps && slices.Contains(missing, rewritetest.Unknowable):
		return "error"
	case truth == oracle.Perhaps:
		return "conditional " + strings.Join(missing, " ")
	case truth == oracle.Yes:
		return "yes"
	default:
		return "no"
	}
}

func spellResult(r rewrite.Result, err error) string {
	switch {
	case errors.Is(err, rewrite.ErrCondition):
		return "error"
	case err != nil:
		return err.Error()
	case r.Verdict == rewrite.Conditional:
		return "conditional " + strings.Join(r.Missing, " ")
	default:
		return r.Verdict.String()
	}
}

// conditioned is what a world's oracle says under a request.
type conditioned struct {
	rewrite.Given
	plain *oracle.Oracle
	also  []oracle.Object
	known map[oracle.Userset]map[oracle.Userset]oracle.Answer
}

func (c *conditioned) spell(u, subject oracle.Userset) string {
	if c.known[subject] == nil {
		c.known[subject] = c.plain.Answers(subject, c.also...)
	}
	answer := c.known[subject][u]
	return spell(answer.Truth, answer.Missing)
}

// TestConditionsAgreeWithTheOracle asks random worlds with caveats, expirations,
// .all and self under random partial contexts and instants: checks, batches and
// both lists.
func TestConditionsAgreeWithTheOracle(t *testing.T) {
	agreeUnderConditions(t, conditionalWorld, map[string]int{"yes": 3000, "no": 3000, "conditional": 300, "error": 50})
}

// agreeUnderConditions asks worlds until there were enough questions, and that there
// was at least so much of each answer.
func agreeUnderConditions(t *testing.T, world func(*testing.T, uint64) (*rewritetest.World, *rand.Rand, int), least map[string]int) {
	t.Helper()
	enough, asked, lists := scaled(100_000), 0, 0
	tally := make(map[string]int)
	for n := uint64(1); asked < enough && !t.Failed(); n++ {
		if *only != 0 {
			n, asked = *only, enough
		}
		w, rng, objects := world(t, n)
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		engine.UseGroups(1)
		engine.SiftAfter(rng.IntN(3))
		all := usersets(w, objects)
		who := subjects(w, rng, objects)
		var questions []rewrite.Question
		var want []string
		for range 2 {
			c := conditioned{Given: given(rng, w.Schema), known: make(map[oracle.Userset]map[oracle.Userset]oracle.Answer)}
			c.plain = oracle.Under(w.Schema, w.Named, plainly(c.Given))
			for _, u := range all {
				c.also = append(c.also, u.Object)
			}
			for _, s := range who {
				for _, u := range all {
					q := ask(t, w, u.String(), s.String())
					q.Given = c.Given
					questions = append(questions, q)
					truth := c.spell(u, s)
					want = append(want, truth)
					word, _, _ := strings.Cut(truth, " ")
					tally[word]++
					if got := spellResult(engine.Check(context.Background(), w.Tuples, q)); got != truth {
						t.Fatalf("world %d: %v@%v with %s at %d is %s; want %s\n%s\n%s", n, u, s, c.Context, c.NowNanos, got, truth, schema.Format(w.Schema), listed(w.Named))
					}
				}
				compareObjects(t, engine, w, &c, rng, s, all)
				lists += len(w.Program.Slots)
			}
			for range 5 {
				compareSubjects(t, engine, w, &c, rng, all, objects)
				lists++
			}
		}
		compareAnswers(t, engine, w, questions, want)
		asked += 2 * len(questions)
		if t.Failed() {
			t.Logf("again with: go test -run '%s' -seed %d -world %d\n%s\n%s", t.Name(), *seed, n, schema.Format(w.Schema), listed(w.Named))
		}
	}
	t.Logf("%d questions, alone and in batches, and %d lists: %v", asked, lists, tally)
	for word, least := range least {
		if *only == 0 && !raceDetector && tally[word] < least {
			t.Errorf("only %d answers are %s", tally[word], word)
		}
	}
}

func compareAnswers(t *testing.T, engine *rewrite.Engine, w *rewritetest.World, questions []rewrite.Question, want []string) {
	t.Helper()
	answers := make([]rewrite.Answer, len(questions))
	if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if got := spellResult(a.Result, a.Err); got != want[i] {
			t.Errorf("question %d is %s in a batch; want %s", i, got, want[i])
			return
		}
	}
}

// compareObjects lists the objects of a subject for every slot.
func compareObjects(t *testing.T, engine *rewrite.Engine, w *rewritetest.World, c *conditioned, rng *rand.Rand, s oracle.Userset, all []oracle.Userset) {
	t.Helper()
	for slot := range int32(len(w.Program.Slots)) {
		name, typeName := w.Program.Slots[slot].Name, w.Program.Types[w.Program.Slots[slot].Type].Name
		var want []string
		broken := false
		for _, u := range all {
			if u.Type != typeName || u.Relation != name {
				continue
			}
			switch truth := c.spell(u, s); truth {
			case "no":
			case "error":
				broken = true
			default:
				want = append(want, u.ID+" "+truth)
			}
		}
		q := rewrite.ObjectsQuestion{Slot: slot, Subject: subject(t, w, s.String()), Given: c.Given}
		q.Limit = rng.IntN(4)
		var got []string
		err := inParts(func() (rewrite.Listing, error) {
			return engine.ListObjects(context.Background(), w.Tuples, q, func(o rewrite.FoundObject) bool {
				got = append(got, string(o.ID)+" "+spellResult(o.Result, nil))
				q.Above = bytes.Clone(o.ID)
				return true
			})
		})
		compareList(t, name+" of "+s.String(), broken, err, want, got)
	}
}

// inParts asks for the parts of a list until it is complete.
func inParts(part func() (rewrite.Listing, error)) error {
	for {
		if end, err := part(); err != nil || end.Complete {
			return err
		}
	}
}

// compareSubjects lists the subjects of a userset.
func compareSubjects(t *testing.T, engine *rewrite.Engine, w *rewritetest.World, c *conditioned, rng *rand.Rand, all []oracle.Userset, objects int) {
	t.Helper()
	u, kind := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
	if rng.IntN(2) == 0 {
		kind.Relation = ""
	}
	kind.ID = nobody
	others := "no"
	if kind.Relation == "" {
		others = c.spell(u, kind)
	}
	q := subjectsOf(t, w, u.String(), kind.String())
	q.Given, q.Limit = c.Given, rng.IntN(4)
	got := make(map[string]string)
	err := inParts(func() (rewrite.Listing, error) {
		return engine.ListSubjects(context.Background(), w.Tuples, q, func(s rewrite.FoundSubject) bool {
			got[string(s.ID)] = spellResult(s.Result, nil)
			q.Above = bytes.Clone(s.ID)
			return true
		})
	})
	broken := others == "error"
	var want, listed []string
	if others != "no" {
		want = append(want, tuple.WildcardID+" "+others)
		listed = append(listed, tuple.WildcardID+" "+got[tuple.WildcardID])
	}
	for i := range objects + 1 {
		kind.ID = rewritetest.ObjectID(i)
		truth, found := c.spell(u, kind), got[kind.ID]
		broken = broken || truth == "error"
		if found == "" {
			found = others // the wildcard covers it
		}
		want, listed = append(want, kind.ID+" "+truth), append(listed, kind.ID+" "+found)
	}
	compareList(t, "subjects of "+u.String()+" like "+kind.String(), broken, err, want, listed)
}

func compareList(t *testing.T, what string, broken bool, err error, want, got []string) {
	t.Helper()
	switch {
	case broken && errors.Is(err, rewrite.ErrCondition):
	case broken || err != nil:
		t.Errorf("%s: %v; want an error: %t", what, err, broken)
	default:
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}
