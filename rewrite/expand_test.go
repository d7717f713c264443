package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

func expand(t *testing.T, e *rewrite.Engine, w *rewritetest.World, userset string, options rewrite.ExpandOptions) *rewrite.Tree {
	t.Helper()
	slot, id, err := w.Userset(userset)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := e.Expand(context.Background(), w.Tuples, slot, id, options)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestABadExpansionIsRefusedWithATypedError(t *testing.T) {
	w := parse(t, teams)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for name, ask := range map[string]struct {
		slot int32
		id   string
	}{
		"no such slot": {99, "x"}, "a negative slot": {-1, "x"}, "no object": {0, ""},
	} {
		_, err := engine.Expand(context.Background(), w.Tuples, ask.slot, []byte(ask.id), rewrite.ExpandOptions{})
		if !errors.Is(err, rewrite.ErrQuestion) {
			t.Errorf("%s: got %v; want %v", name, err, rewrite.ErrQuestion)
		}
	}
}

func TestATreeSaysWhenSubjectsAreMissing(t *testing.T) {
	w := parse(t, teams)
	for i := range 700 {
		if err := w.Add(tuple.Named{
			ObjectType: "team", ObjectID: "all", Relation: "member", SubjectType: "user", SubjectID: fmt.Sprintf("u%03d", i),
		}); err != nil {
			t.Fatal(err)
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for _, limit := range []int{1, 255, 256, 257, 699, 700, 701, 0} {
		tree := expand(t, engine, w, "team:all#member", rewrite.ExpandOptions{MaxSubjects: limit})
		want := 700
		if limit > 0 {
			want = min(limit, 700)
		}
		stored := tree.Children[0]
		if len(stored.Subjects) != want || tree.Truncated() != (want < 700) {
			t.Errorf("limit %d: %d subjects, truncated: %t", limit, len(stored.Subjects), tree.Truncated())
		}
		if said := strings.Contains(tree.Text(w.Names), "more: the limit"); said != (want < 700) {
			t.Errorf("limit %d: the text says that subjects are missing: %t", limit, said)
		}
	}
}

const signatures = `caveat flagged(flag bool) { flag }
definition user {}
definition note {
	relation about: user
}
definition team {
	relation member: user
}
definition doc {
	relation team: team | note | note#about | note with flagged
	permission sign = team.all(member)
	permission some = team.any(member)
}`

func TestAnArrowOverAllShowsTheObjectsOfWhichNobodyIsInTheTarget(t *testing.T) {
	w := parse(t, signatures, "team:red#member@user:ann", "doc:x#team@team:red", "doc:x#team@note:n[flagged]", "doc:x#team@note:n#about")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	const every = `
doc:x#sign
└── team.all(member)
    ├── note:n[flagged] (has no such relation)
    ├── note:n (has no such relation)
    └── team:red#member
        └── user:ann
`
	if got := expand(t, engine, w, "doc:x#sign", rewrite.ExpandOptions{}).Text(w.Names); got != every[1:] {
		t.Errorf("the tree is\n%swant%s", got, every)
	}
	const some = `
doc:x#some
└── team->member
    └── team:red#member
        └── user:ann
`
	if got := expand(t, engine, w, "doc:x#some", rewrite.ExpandOptions{}).Text(w.Names); got != some[1:] {
		t.Errorf("the tree is\n%swant%s", got, some)
	}
}

func TestObjectsWithoutTheTargetCountAmongTheSubjectsOfATree(t *testing.T) {
	w := parse(t, signatures, "doc:x#team@note:a", "doc:x#team@note:b", "doc:x#team@note:c")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for limit := 1; limit <= 4; limit++ {
		tree := expand(t, engine, w, "doc:x#sign", rewrite.ExpandOptions{MaxSubjects: limit})
		if got := withoutTarget(tree); got != min(limit, 3) || tree.Truncated() != (limit < 3) {
			t.Errorf("limit %d: %d objects, truncated: %t", limit, got, tree.Truncated())
		}
	}
}

func TestAnExpansionEndsOnDenseData(t *testing.T) {
	var tuples []string
	for i := range 30 {
		for j := range 30 {
			tuples = append(tuples, fmt.Sprintf("team:t%d#member@team:t%d#member", i, j))
		}
	}
	w := parse(t, teams, append(tuples, ladder(30)...)...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for userset, want := range map[string]int{
		"team:t0#member": 30 * 30,
		"folder:a0#view": 30 * 4,
	} {
		tree := expand(t, engine, w, userset, rewrite.ExpandOptions{Depth: 1000})
		if got := usersetsIn(tree) - 1; got > 2*want || tree.Truncated() {
			t.Errorf("%s: the tree shows %d usersets; %d tuples are stored", userset, got, want)
		}
	}
}

func usersetsIn(tree *rewrite.Tree) int {
	n := 0
	if tree.Kind == rewrite.UsersetTree {
		n++
	}
	for _, child := range tree.Children {
		n += usersetsIn(child)
	}
	return n
}

// TestExpandAgreesWithCheck reads the answer to every question out of fully
// opened trees of random worlds without exclusions over cycles.
func TestExpandAgreesWithCheck(t *testing.T) {
	compared, lacking := 0, 0
	for n := range uint64(40) {
		rng := rand.New(rand.NewPCG(*seed, n))
		w, err := rewritetest.New(schematest.Random(rng, schematest.Options{ArrowFunctions: true, Self: true}))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(rng, 2, 40); err != nil {
			t.Fatal(err)
		}
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		for _, s := range subjects(w, rng, 2)[:4] {
			subject, err := w.Subject(s.String())
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range usersets(w, 2) {
				tree := expand(t, engine, w, u.String(), rewrite.ExpandOptions{Depth: 1000})
				result, err := engine.Check(context.Background(), w.Tuples, ask(t, w, u.String(), s.String()))
				if err != nil {
					t.Fatal(err)
				}
				if got := newReading(tree, subject).root(tree); got != (result.Verdict == rewrite.Yes) {
					t.Fatalf("world %d: %s@%s: the tree says %t, Check %v\n%s", n, u, s, got, result.Verdict, tree.Text(w.Names))
				}
				compared++
				lacking += withoutTarget(tree)
			}
		}
	}
	if compared < 5000 || lacking < 500 {
		t.Errorf("only %d answers were compared, by trees with %d objects that lack the target", compared, lacking)
	}
}

// withoutTarget counts the objects of a tree whose type lacks the target of an arrow.
func withoutTarget(tree *rewrite.Tree) int {
	n := 0
	if tree.Kind == rewrite.UsersetTree && tree.Relation == 0 {
		n++
	}
	for _, child := range tree.Children {
		n += withoutTarget(child)
	}
	return n
}

// reading reads a tree for one subject: which of its usersets contain it.
type reading struct {
	subject tuple.Subject
	opened  map[string]*rewrite.Tree
	in      map[string]bool
	// exclusions looks up what has been found in a complete reading below.
	stable map[string]bool
}

func key(o tuple.Object, r tuple.RelationID) string { return fmt.Sprintf("%d:%s#%d", o.Type, o.ID, r) }

func newReading(tree *rewrite.Tree, subject tuple.Subject) *reading {
	r := &reading{subject: subject, opened: make(map[string]*rewrite.Tree), in: make(map[string]bool)}
	r.collect(tree)
	// Exclusions are settled from the inside out: each round of a least
	// fixpoint takes the one before for what is excluded. Data and schemas
	// without exclusions over cycles come to rest.
	for range len(r.opened) + 2 {
		r.stable, r.in = r.in, make(map[string]bool)
		for size := -1; size < len(r.in); {
			size = len(r.in)
			for name, t := range r.opened {
				if r.contains(t) {
					r.in[name] = true
				}
			}
		}
		if cmp.Equal(r.stable, r.in) {
			break
		}
	}
	return r
}

func (r *reading) collect(t *rewrite.Tree) {
	if t.Kind == rewrite.UsersetTree && t.Cut == rewrite.Whole {
		r.opened[key(t.Object, t.Relation)] = t
	}
	for _, child := range t.Children {
		r.collect(child)
	}
}

func (r *reading) root(t *rewrite.Tree) bool { return r.in[key(t.Object, t.Relation)] }

// contains reads one opened userset.
func (r *reading) contains(t *rewrite.Tree) bool {
	self := t.Object.Type == r.subject.Type && t.Relation == r.subject.Relation && string(t.Object.ID) == string(r.subject.ID)
	return self || r.node(t.Children[0], r.in)
}

// node reads an expression with the usersets in `in`.
func (r *reading) node(t *rewrite.Tree, in map[string]bool) bool {
	switch t.Kind {
	case rewrite.UsersetTree:
		return in[key(t.Object, t.Relation)]
	case rewrite.ExclusionTree:
		return r.node(t.Children[0], in) && !r.node(t.Children[1], r.stable)
	case rewrite.SelfTree:
		return r.subject.Relation == tuple.Self && t.Object.Type == r.subject.Type && string(t.Object.ID) == string(r.subject.ID)
	case rewrite.IntersectionTree, rewrite.EveryArrowTree:
		for _, child := range t.Children {
			if !r.node(child, in) {
				return false
			}
		}
		return len(t.Children) > 0
	}
	for _, s := range t.Subjects {
		exact := s.Kind() == r.subject.Kind() && string(s.ID) == string(r.subject.ID)
		if exact || s.Relation == tuple.Wildcard && s.Type == r.subject.Type && r.subject.Relation == tuple.Self {
			return true
		}
	}
	for _, child := range t.Children {
		if r.node(child, in) {
			return true
		}
	}
	return false
}
