package rewrite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Data that was made to hurt: what it costs is counted in steps, never in time.

func parse(t testing.TB, schema string, tuples ...string) *rewritetest.World {
	t.Helper()
	w, err := rewritetest.Parse(schema, tuples...)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func check(t testing.TB, e *rewrite.Engine, w *rewritetest.World, reader rewrite.Reader, userset, subject string) (rewrite.Result, error) {
	t.Helper()
	return e.Check(context.Background(), reader, ask(t, w, userset, subject))
}

// wantNo checks that a question is answered with no in at most so many steps.
func wantNo(t *testing.T, result rewrite.Result, err error, steps int) {
	t.Helper()
	if err != nil || result.Verdict != rewrite.No {
		t.Fatalf("got %v, %v; want no", result.Verdict, err)
	}
	if result.Cost.Steps > steps {
		t.Errorf("it took %d steps; at most %d are due", result.Cost.Steps, steps)
	}
}

const teams = `
definition user {}
definition team {
	relation member: user | team#member
}
definition folder {
	relation parent: folder
	relation viewer: user
	relation banned: user
	permission view = viewer + parent->view
	permission strict = viewer & parent->strict
	permission ping = viewer + parent->pong
	permission pong = parent->ping - banned
	permission alone = viewer - parent->alone
}`

// graph is a reader of objects numbered 0, 1, ... whose edges are computed:
// each stores those of one kind that next lists. It stores nothing else.
type graph struct {
	next  func(node int) (first, count int)
	kind  tuple.Kind
	reads int
	// onRead is called before each read, if it is set.
	onRead func(reads int)
}

func (g *graph) Find(tuple.Object, tuple.RelationID, tuple.Subject) (tuple.Traits, bool, error) {
	g.read()
	return tuple.Traits{}, false, nil
}

// Objects lists nothing: no test asks in which teams these teams are.
func (g *graph) Objects(_ tuple.Subject, _ tuple.TypeID, _ tuple.RelationID, _ []byte, _ int, page *tuple.Page) error {
	g.read()
	page.Reset()
	return nil
}

func (g *graph) Subjects(object tuple.Object, _ tuple.RelationID, kind tuple.Kind, after []byte, limit int, page *tuple.Page) error {
	g.read()
	page.Reset()
	if kind != g.kind {
		return nil
	}
	first, count := g.next(number(object.ID))
	for i := first; i < first+count; i++ {
		id := numbered(i)
		if after != nil && bytes.Compare(id, after) <= 0 {
			continue
		}
		if page.Len() == limit {
			page.More = true
			return nil
		}
		page.Append(id, tuple.Traits{})
	}
	return nil
}

func (g *graph) read() {
	g.reads++
	if g.onRead != nil {
		g.onRead(g.reads)
	}
}

func numbered(i int) []byte {
	id := []byte("n0000000")
	for at := len(id) - 1; i > 0; at-- {
		id[at] = byte('0' + i%10)
		i /= 10
	}
	return id
}

func number(id []byte) int {
	n, err := strconv.Atoi(string(id[1:]))
	if err != nil {
		panic(err)
	}
	return n
}

func members(t testing.TB, w *rewritetest.World) tuple.Kind {
	t.Helper()
	s, err := w.Subject("team:x#member")
	if err != nil {
		t.Fatal(err)
	}
	return s.Kind()
}

func TestAThousandTeamsThatAllContainOneAnother(t *testing.T) {
	const n, edges = 1000, 1000 * 1000
	w := parse(t, teams)
	reader := &graph{kind: members(t, w), next: func(int) (int, int) { return 0, n }}
	// With depth to spare, the search walks each edge once.
	roomy := rewrite.New(w.Program, rewrite.Limits{Depth: 2 * n})
	result, err := check(t, roomy, w, reader, "team:n0000000#member", "user:ann")
	wantNo(t, result, err, edges+n)
	if result.Cost.SubProblems != n || result.Cost.Exact {
		t.Errorf("it met %d sub-problems, exact: %t; want %d, false", result.Cost.SubProblems, result.Cost.Exact, n)
	}
	// At the default depth the search runs into the limit, although each team
	// is one hop away. The exact path knows, at a few times the price.
	usual := rewrite.New(w.Program, rewrite.Limits{})
	result, err = check(t, usual, w, reader, "team:n0000000#member", "user:ann")
	wantNo(t, result, err, 6*edges)
	if !result.Cost.Exact || result.Cost.SubProblems != n {
		t.Errorf("it met %d sub-problems, exact: %t; want %d, true", result.Cost.SubProblems, result.Cost.Exact, n)
	}
}

// ladder stores a diamond for each step: both folders of a level have both
// folders of the next as parents, so that there are 2^depth ways to the end.
func ladder(depth int) []string {
	var tuples []string
	for level := range depth {
		for _, from := range []string{"a", "b"} {
			for _, to := range []string{"a", "b"} {
				tuples = append(tuples, fmt.Sprintf("folder:%s%d#parent@folder:%s%d", from, level, to, level+1))
			}
		}
	}
	return tuples
}

func TestADiamondOfThirtyLevelsTakesLinearSteps(t *testing.T) {
	w := parse(t, teams, ladder(30)...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	result, err := check(t, engine, w, w.Tuples, "folder:a0#view", "user:ann")
	wantNo(t, result, err, 30*4*2+10)
	// With a way back from its end every level is on a cycle.
	w = parse(t, teams, append(ladder(30), "folder:a30#parent@folder:a0", "folder:b30#parent@folder:b0")...)
	engine = rewrite.New(w.Program, rewrite.Limits{Depth: 100})
	result, err = check(t, engine, w, w.Tuples, "folder:a0#view", "user:ann")
	wantNo(t, result, err, 31*4*2+20)
}

func TestADiamondOfExclusionsTakesLinearSteps(t *testing.T) {
	var tuples []string
	for level := range 31 {
		tuples = append(tuples, fmt.Sprintf("folder:a%d#viewer@user:ann", level), fmt.Sprintf("folder:b%d#viewer@user:ann", level))
	}
	w := parse(t, teams, append(tuples, ladder(30)...)...)
	result, err := check(t, rewrite.New(w.Program, rewrite.Limits{}), w, w.Tuples, "folder:a0#alone", "user:ann")
	if err != nil || result.Verdict != rewrite.Yes || result.Cost.Steps > 30*8 {
		t.Errorf("got %v, %v in %d steps; want yes in at most %d", result.Verdict, err, result.Cost.Steps, 30*8)
	}
}

func TestPermissionsThatRecurseIntoEachOtherTakeLinearSteps(t *testing.T) {
	var tuples []string
	for i := range 40 {
		for j := range 40 {
			tuples = append(tuples, fmt.Sprintf("folder:f%d#parent@folder:f%d", i, j))
		}
	}
	w := parse(t, teams, tuples...)
	result, err := check(t, rewrite.New(w.Program, rewrite.Limits{Depth: 100}), w, w.Tuples, "folder:f0#ping", "user:ann")
	wantNo(t, result, err, 2*40*40*2)
}

// An odd ring of exclusions is undefined all around, which takes the exact
// path as many rounds as it can be made to take: the chain that feeds the ring
// is settled from its end, one goal a round.
func TestARingOfExclusionsTakesQuadraticStepsAtMost(t *testing.T) {
	const n = 41
	var tuples []string
	for i := range n {
		tuples = append(tuples,
			fmt.Sprintf("folder:f%d#parent@folder:f%d", i, (i+1)%n),
			fmt.Sprintf("folder:f%d#viewer@user:ann", i))
	}
	w := parse(t, teams, tuples...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	result, err := check(t, engine, w, w.Tuples, "folder:f0#alone", "user:ann")
	wantNo(t, result, err, 20*n)
	if !result.Cost.Exact {
		t.Error("a ring of exclusions was decided by the search")
	}
	// Without ann at f40 the ring is a chain: f40 no, f39 yes, ...
	w = parse(t, teams, tuples[:len(tuples)-1]...)
	result, err = check(t, rewrite.New(w.Program, rewrite.Limits{}), w, w.Tuples, "folder:f0#alone", "user:ann")
	wantNo(t, result, err, 20*n*n)
	result, err = check(t, rewrite.New(w.Program, rewrite.Limits{}), w, w.Tuples, "folder:f1#alone", "user:ann")
	if err != nil || result.Verdict != rewrite.Yes {
		t.Errorf("got %v, %v; want yes", result.Verdict, err)
	}
}

func TestTooManySubProblemsIsAnError(t *testing.T) {
	w := parse(t, teams)
	reader := &graph{kind: members(t, w), next: func(int) (int, int) { return 0, 1000 }}
	for _, c := range []struct {
		limits rewrite.Limits
		want   rewrite.WorkError
	}{
		{rewrite.Limits{SubProblems: 100}, rewrite.WorkError{Unit: "sub-problems", Limit: 100}},
		{rewrite.Limits{Steps: 5000}, rewrite.WorkError{Unit: "steps", Limit: 5000}},
		{rewrite.Limits{Steps: 1_500_000}, rewrite.WorkError{Unit: "steps", Limit: 1_500_000}},
	} {
		result, err := check(t, rewrite.New(w.Program, c.limits), w, reader, "team:n0000000#member", "user:ann")
		var work *rewrite.WorkError
		if !errors.As(err, &work) || *work != c.want || !errors.Is(err, rewrite.ErrTooManySubProblems) {
			t.Errorf("%+v: got %v; want %v", c.limits, err, &c.want)
		}
		// A page of the tupleset may be taken in before the limit is looked at.
		if over := result.Cost.SubProblems - 1100; c.want.Unit == "sub-problems" && over > 0 {
			t.Errorf("%d sub-problems more than allowed", over)
		}
		if over := result.Cost.Steps - c.want.Limit; c.want.Unit == "steps" && over > 2000 {
			t.Errorf("%d steps more than allowed", over)
		}
	}
}

func TestTheSearchDoesNotOverflowTheStack(t *testing.T) {
	const n = 150_000
	w := parse(t, teams)
	reader := &graph{kind: members(t, w), next: func(i int) (int, int) {
		if i == n {
			return 0, 0
		}
		return i + 1, 1
	}}
	engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1 << 40})
	_, err := check(t, engine, w, reader, "team:n0000000#member", "user:ann")
	var depth *rewrite.DepthError
	if !errors.As(err, &depth) || depth.Limit >= n {
		t.Fatalf("got %v; want a depth error at a lowered limit", err)
	}
	if reader.reads < depth.Limit {
		t.Errorf("%d reads for a depth of %d: the chain was not followed", reader.reads, depth.Limit)
	}
	last := fmt.Sprintf("team:%s#member", numbered(n-depth.Limit+1000))
	result, err := check(t, engine, w, reader, last, "user:ann")
	wantNo(t, result, err, 2*n)
}

func TestTheContextEndsAnEvaluation(t *testing.T) {
	w := parse(t, teams)
	engine := rewrite.New(w.Program, rewrite.Limits{Depth: 2000})
	question := ask(t, w, "team:n0000000#member", "user:ann")
	for _, cancelAt := range []int{1, 500, 1900} {
		ctx, cancel := context.WithCancel(context.Background())
		reader := &graph{kind: members(t, w), next: func(int) (int, int) { return 0, 1000 }}
		reader.onRead = func(reads int) {
			if reads == cancelAt {
				cancel()
			}
		}
		_, err := engine.Check(ctx, reader, question)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled at read %d: got %v", cancelAt, err)
		}
		if late := reader.reads - cancelAt; late > 600 {
			t.Errorf("cancelled at read %d: %d reads after that", cancelAt, late)
		}
		err = engine.BatchCheck(ctx, reader, []rewrite.Question{question}, make([]rewrite.Answer, 1))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("a batch with an ended context: got %v", err)
		}
		if _, err := engine.Expand(ctx, reader, question.Slot, question.ObjectID, rewrite.ExpandOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("an expansion with an ended context: got %v", err)
		}
	}
}

// Each a_i is yes by way of a_(i-1), but first looks into a knot, which looks
// back at all of them: each a_i in turn makes the search forget the knot.
func TestAKnotThatIsForgottenOverAndOverIsLeftToTheExactPath(t *testing.T) {
	const n, knot = 150, 150
	var tuples []string
	store := func(object, relation, subject string) {
		tuples = append(tuples, fmt.Sprintf("node:%s#%s@node:%s", object, relation, subject))
	}
	for i := range n {
		a, p, c, root := fmt.Sprint("a", i), fmt.Sprint("p", i), fmt.Sprint("c", i), fmt.Sprint("root", i)
		store(root, "left", a)
		store(root, "right", fmt.Sprint("root", i+1))
		store(a, "any", "k0")
		store(a, "any", p)
		store(p, "right", "z")
		if i > 0 {
			store(p, "left", fmt.Sprint("a", i-1))
		} else {
			store(p, "left", "z")
		}
		store("k0", "any", c)
		store(c, "left", a)
		store(c, "right", "never")
	}
	for i := range knot {
		for j := range knot {
			store(fmt.Sprint("k", i), "any", fmt.Sprint("k", j))
		}
	}
	w, err := rewritetest.New(gates(t, false))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(tuples, "node:z#member@user:ann", fmt.Sprintf("node:root%d#member@user:ann", n)) {
		parsed, err := tuple.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Add(parsed); err != nil {
			t.Fatal(err)
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{Depth: 10_000})
	result, err := check(t, engine, w, w.Tuples, "node:root0#inside", "user:ann")
	if err != nil || result.Verdict != rewrite.Yes {
		t.Fatalf("got %v, %v; want yes", result.Verdict, err)
	}
	if due := 30 * len(tuples); result.Cost.Steps > due {
		t.Errorf("it took %d steps for %d tuples; at most %d are due", result.Cost.Steps, len(tuples), due)
	}
}
