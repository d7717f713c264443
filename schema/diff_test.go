package schema

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/internal/golden"
)

func diffText(changes []Change) string {
	var lines []string
	for _, c := range changes {
		line := string(c.Kind) + ": " + c.String()
		if c.Strands() {
			line += " (may strand tuples)"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// The input of a case is two schemas with a line `===>` between them.
func TestDifferencesOfSchemas(t *testing.T) {
	golden.Cases(t, "testdata/diff.txt", func(t *testing.T, input string) string {
		before, after, ok := strings.Cut(input, "===>\n")
		if !ok {
			t.Fatal("no line ===>")
		}
		first, second := mustLoad(t, before), mustLoad(t, after)
		text := diffText(Diff(first, second))
		for _, kind := range Disallowed(first, second) {
			text += "\nallowed no more: " + kind
		}
		return text
	})
}

// What holds of the kinds of changes holds of the sets: over all assignments of
// three relations, whoever is in a narrower expression is in the wider one.
func TestWiderPermissionsHaveNoOneLess(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	counts := map[ChangeKind]int{}
	for range 20_000 {
		before, after := randomExpr(rng, 3), randomExpr(rng, 3)
		if rng.IntN(2) == 0 { // near enough to be comparable
			after = &Binary{Op: []Op{Union, Intersection, Exclusion}[rng.IntN(3)], Left: before, Right: randomExpr(rng, 1)}
		}
		var d differ
		d.permission("doc", &Permission{Name: "view", Expr: before}, &Permission{Name: "view", Expr: after})
		kind := ChangeKind("same")
		if len(d.changes) > 0 {
			kind = d.changes[0].Kind
		}
		counts[kind]++
		for world := range 8 {
			was, is := holds(before, world), holds(after, world)
			if kind == "same" && was != is || kind == PermissionWidened && was && !is || kind == PermissionNarrowed && is && !was {
				t.Fatalf("%s is said to be %s than %s, and world %03b goes from %t to %t", spell(after), kind, spell(before), world, was, is)
			}
		}
	}
	for _, kind := range []ChangeKind{"same", PermissionWidened, PermissionNarrowed, PermissionChanged} {
		if counts[kind] < 500 {
			t.Errorf("%s occurs %d times", kind, counts[kind])
		}
	}
}

// names of relations; bit i of a world says whether the subject is in the one of index i.
var threeNames = []string{"aaa", "bbb", "ccc"}

func randomExpr(rng *rand.Rand, depth int) Expr {
	if depth == 0 || rng.IntN(4) == 0 {
		if rng.IntN(12) == 0 {
			return &Nil{}
		}
		return &Ref{Name: threeNames[rng.IntN(3)]}
	}
	return &Binary{Op: []Op{Union, Intersection, Exclusion}[rng.IntN(3)], Left: randomExpr(rng, depth-1), Right: randomExpr(rng, depth-1)}
}

func holds(e Expr, world int) bool {
	switch e := e.(type) {
	case *Ref:
		for i, name := range threeNames {
			if name == e.Name {
				return world>>i&1 == 1
			}
		}
	case *Binary:
		left, right := holds(e.Left, world), holds(e.Right, world)
		switch e.Op {
		case Union:
			return left || right
		case Intersection:
			return left && right
		}
		return left && !right
	}
	return false
}

func TestAHostileComparisonEnds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	before, after := randomExpr(rng, 0), randomExpr(rng, 0)
	for i := range 2000 {
		op := []Op{Union, Intersection}[i%2]
		before = &Binary{Op: op, Left: before, Right: &Ref{Name: "aaa"}}
		after = &Binary{Op: op, Left: &Binary{Op: op, Left: &Ref{Name: "bbb"}, Right: after}, Right: &Ref{Name: "ccc"}}
	}
	var d differ
	d.permission("doc", &Permission{Name: "view", Expr: before}, &Permission{Name: "view", Expr: after})
	if diff := cmp.Diff(1, len(d.changes)); diff != "" {
		t.Error(diff)
	}
}
