package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// TestExplanationsAreSound explains random questions: the verdict is the
// oracle's, a yes stands on tuples that are stored, and what is said to make a
// no a yes does.
func TestExplanationsAreSound(t *testing.T) {
	yes, remedies, exchanges := 0, 0, 0
	for n := uint64(1); n <= uint64(scaled(150)) && !t.Failed(); n++ {
		w, rng, objects := conditionalWorld(t, n)
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		all := usersets(w, objects)
		g := given(rng, w.Schema)
		for _, s := range subjects(w, rng, objects)[:3] {
			var also []oracle.Object
			for _, u := range all {
				also = append(also, u.Object)
			}
			truth := oracle.Under(w.Schema, w.Named, plainly(g)).Answers(s, also...)
			for _, u := range all {
				q := ask(t, w, u.String(), s.String())
				q.Given = g
				want := spell(truth[u].Truth, truth[u].Missing)
				e, err := engine.Explain(context.Background(), w.Tuples, q, rewrite.ExplainOptions{})
				if err != nil {
					if got := spellResult(rewrite.Result{}, err); got != want {
						t.Errorf("world %d: %v@%v: %s; want %s", n, u, s, got, want)
					}
					continue
				}
				if got := spellResult(e.Result, nil); got != want || e.Root.Verdict != e.Verdict {
					t.Errorf("world %d: %v@%v is %s, and %v at the root; want %s", n, u, s, got, e.Root.Verdict, want)
				}
				if err := consistent(e.Root, make(map[string]bool)); err != nil {
					t.Errorf("world %d: %v@%v: %v\n%s\n%s\n%s", n, u, s, err, e.Text(w.Names), schema.Format(w.Schema), listed(w.Named))
				}
				if e.Verdict == rewrite.Yes {
					yes++
					if err := grounded(w, e.Root); err != nil {
						t.Errorf("world %d: %v@%v: %v\n%s\n%s\n%s", n, u, s, err, e.Text(w.Names), schema.Format(w.Schema), listed(w.Named))
					}
				}
				for _, m := range e.Remedies {
					remedies++
					if len(m.Add) > 0 && len(m.Remove) > 0 {
						exchanges++
					}
					if got := remedied(t, w, g, m, u, s); got != oracle.Yes {
						t.Errorf("world %d: %v@%v is %v after its remedy\n%s", n, u, s, got, e.Text(w.Names))
					}
				}
				if t.Failed() {
					return
				}
			}
		}
	}
	t.Logf("%d yes, %d remedies, of which %d add and remove", yes, remedies, exchanges)
	if !raceDetector && (yes < 200 || remedies < 200 || exchanges < 5) {
		t.Errorf("only %d answers were yes, and %d remedies were found, of which %d add and remove", yes, remedies, exchanges)
	}
}

// consistent reports why the steps of an explanation do not fit together: the reads
// of each are its own and those of its children, and what is said to be shown above
// is.
func consistent(s *rewrite.Step, above map[string]bool) error {
	own := s.Reads
	for _, child := range s.Children {
		own -= child.Reads
	}
	switch s.Kind {
	case rewrite.TupleStep:
		own--
	case rewrite.StoredStep, rewrite.ArrowStep, rewrite.EveryArrowStep:
		own = min(own, 0) // as many as they have pages
	}
	if own != 0 {
		return fmt.Errorf("step %+v has %d reads too many", s, own)
	}
	name := fmt.Sprint(s.Object, s.Relation)
	if s.Note == rewrite.ShownAbove && !above[name] {
		return fmt.Errorf("step %+v is not shown above", s)
	}
	for _, child := range s.Children {
		if err := consistent(child, above); err != nil {
			return err
		}
	}
	if s.Kind == rewrite.UsersetStep && len(s.Children) > 0 {
		above[name] = true
	}
	return nil
}

// grounded reports why a yes does not stand on stored tuples.
func grounded(w *rewritetest.World, s *rewrite.Step) error {
	if s.Verdict != rewrite.Yes {
		return fmt.Errorf("a step of a yes is %v", s.Verdict)
	}
	if s.Tuple != nil {
		if _, found, _ := w.Tuples.Find(s.Tuple.Object, s.Tuple.Relation, s.Tuple.Subject); !found {
			return fmt.Errorf("%v is not stored", w.Names.Named(*s.Tuple))
		}
	}
	if s.Note == rewrite.Unexplained {
		return nil // by its limit on steps
	}
	if s.Note != rewrite.NoNote && s.Note != rewrite.ShownAbove {
		return fmt.Errorf("a step of a yes has note %d", s.Note)
	}
	switch s.Kind {
	case rewrite.TupleStep, rewrite.SelfStep:
		return nil
	case rewrite.ExclusionStep:
		return grounded(w, s.Children[0])
	}
	if len(s.Children) == 0 && s.Note == rewrite.NoNote {
		return errors.New("a step of a yes has no reason")
	}
	forCertain := func(c *rewrite.Step) bool { return c.Counts == rewrite.Yes }
	if s.Kind == rewrite.EveryArrowStep && !slices.ContainsFunc(s.Children, forCertain) {
		return errors.New("there is no object for certain")
	}
	for _, child := range s.Children {
		if s.Kind == rewrite.EveryArrowStep && !forCertain(child) {
			continue
		}
		if err := grounded(w, child); err != nil {
			return err
		}
	}
	return nil
}

// remedied asks the oracle with the changes of a remedy.
func remedied(t *testing.T, w *rewritetest.World, g rewrite.Given, m rewrite.Remedy, u, s oracle.Userset) oracle.Truth {
	t.Helper()
	var tuples []tuple.Named
	for _, named := range w.Named {
		stored, ok := w.Names.Tuple(named)
		if !ok {
			t.Fatal(named)
		}
		if !slices.ContainsFunc(m.Add, stored.Equal) && !slices.ContainsFunc(m.Remove, stored.Equal) {
			tuples = append(tuples, named)
		}
	}
	for _, added := range m.Add {
		tuples = append(tuples, w.Names.Named(added))
	}
	return oracle.Under(w.Schema, tuples, plainly(g)).Answers(s, u.Object)[u].Truth
}

func TestAnExplanationOfManyBranchesIsCut(t *testing.T) {
	w := parse(t, teams)
	for i := range 3000 {
		if err := w.Add(member("team", "all", "member", "team", fmt.Sprintf("t%04d", i), "member")); err != nil {
			t.Fatal(err)
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	e, err := engine.Explain(context.Background(), w.Tuples, ask(t, w, "team:all#member", "user:ann"), rewrite.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := e.Text(w.Names)
	if lines := strings.Count(text, "\n"); lines > 100 || !strings.Contains(text, "more\n") {
		t.Errorf("got %d lines:\n%s", lines, text)
	}
	if err := w.Add(member("team", "t2999", "member", "user", "ann", "")); err != nil {
		t.Fatal(err)
	}
	e, err = engine.Explain(context.Background(), w.Tuples, ask(t, w, "team:all#member", "user:ann"), rewrite.ExplainOptions{})
	if err != nil || grounded(w, e.Root) != nil || !strings.Contains(e.Text(w.Names), "team:t2999#member@user:ann") {
		t.Errorf("the one way is not shown: %v\n%s", err, e.Text(w.Names))
	}
}

func TestAnExplanationTellsTheTimeOfItsSteps(t *testing.T) {
	w := parse(t, teams, "folder:a#parent@folder:b", "folder:b#viewer@user:ann")
	now := time.Unix(0, 0)
	clock := func() time.Time { now = now.Add(time.Millisecond); return now }
	e, err := rewrite.New(w.Program, rewrite.Limits{}).Explain(context.Background(), w.Tuples,
		ask(t, w, "folder:a#view", "user:ann"), rewrite.ExplainOptions{Clock: clock})
	if err != nil || e.Root.Elapsed == 0 || !strings.Contains(e.Text(w.Names), "ms") {
		t.Errorf("got %v, %v; want times\n%s", e.Root.Elapsed, err, e.Text(w.Names))
	}
}

func TestABadQuestionIsNotExplained(t *testing.T) {
	w := parse(t, teams, chain(60)...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	if _, err := engine.Explain(context.Background(), w.Tuples, rewrite.Question{}, rewrite.ExplainOptions{}); !errors.Is(err, rewrite.ErrQuestion) {
		t.Errorf("got %v; want %v", err, rewrite.ErrQuestion)
	}
	if _, err := engine.Explain(context.Background(), w.Tuples, ask(t, w, "folder:f0#view", "user:ann"), rewrite.ExplainOptions{}); !errors.Is(err, rewrite.ErrDepthExceeded) {
		t.Errorf("got %v; want %v", err, rewrite.ErrDepthExceeded)
	}
	for reads := range 8 {
		w := parse(t, teams, append(chain(2), "folder:f2#viewer@user:ann")...)
		_, err := engine.Explain(context.Background(), &broken{Reader: w.Tuples, left: reads}, ask(t, w, "folder:f0#view", "user:ann"), rewrite.ExplainOptions{})
		if !errors.Is(err, errDisk) {
			t.Errorf("after %d reads: got %v; want %v", reads, err, errDisk)
		}
	}
}

func TestWhatIsNotShownIsNotSaidToBeShownAbove(t *testing.T) {
	w := parse(t, `
caveat flagged(flag bool) { flag }
definition user {}
definition team {
	relation member: user with flagged
}
definition document {
	relation team: team
	relation lead: team
	relation viewer: user
	relation editor: user
	relation banned: user
	relation barred: user
	permission view = team->member + lead->member
	permission edit = (viewer - (editor & banned)) + (viewer - (editor + banned + barred))
}`, "document:1#lead@team:t24", "document:1#editor@user:ann")
	for i := range 25 {
		team := fmt.Sprintf("t%02d", i)
		led := member("team", team, "member", "user", "ann", "")
		led.Caveat = "flagged"
		if err := errors.Join(w.Add(member("document", "1", "team", "team", team, "")), w.Add(led)); err != nil {
			t.Fatal(err)
		}
	}
	for _, question := range []string{"document:1#view", "document:1#edit"} {
		e, err := rewrite.New(w.Program, rewrite.Limits{}).Explain(context.Background(), w.Tuples, ask(t, w, question, "user:ann"), rewrite.ExplainOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := consistent(e.Root, make(map[string]bool)); err != nil {
			t.Errorf("%s: %v\n%s", question, err, e.Text(w.Names))
		}
	}
}
