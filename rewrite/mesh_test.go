package rewrite_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/schema"
)

// mesh returns a schema made for trouble: one type whose objects link to one
// another, whose relations store usersets of all its permissions, and whose
// permissions combine all of that at random. With a few objects nearly every
// goal lies on a cycle, and with negation on many through exclusions.
func mesh(t *testing.T, rng *rand.Rand, negation bool) *schema.Schema {
	t.Helper()
	const permissions = 4
	usersets := "node#member | node#guest"
	for i := range permissions {
		usersets += fmt.Sprintf(" | node#perm%d", i)
	}
	var text strings.Builder
	fmt.Fprintf(&text, `definition user {}
definition node {
	relation link: node | node#member
	relation member: user | user:* | node:* | %s
	relation guest: user | %s
`, usersets, usersets)
	for i := range permissions {
		fmt.Fprintf(&text, "\tpermission perm%d = %s\n", i, meshExpression(rng, i, 2, negation))
	}
	text.WriteString("}\n")
	s, err := schema.Parse("mesh", text.String())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// meshExpression may refer to permissions below the i-th at the same object,
// and to all across a link.
func meshExpression(rng *rand.Rand, i, depth int, negation bool) string {
	if depth > 0 && rng.IntN(4) > 0 {
		operators := "++&&"
		if negation {
			operators = "+&--"
		}
		operator := operators[rng.IntN(len(operators))]
		return fmt.Sprintf("(%s %c %s)",
			meshExpression(rng, i, depth-1, negation), operator, meshExpression(rng, i, depth-1, negation))
	}
	switch n := rng.IntN(10); {
	case n < 3:
		return "member"
	case n < 5:
		return "guest"
	case n < 7 && i > 0:
		return fmt.Sprintf("perm%d", rng.IntN(i))
	default:
		return fmt.Sprintf("link->perm%d", rng.IntN(4))
	}
}

// gates is a schema whose tuples make graphs of gates: a node is in by a
// member, by any of some nodes, and by two more together: both of them, or,
// with negation, one and not the other. Few tuples make the deepest knots.
func gates(t *testing.T, negation bool) *schema.Schema {
	t.Helper()
	operator := "&"
	if negation {
		operator = "-"
	}
	s, err := schema.Parse("gates", `definition user {}
definition node {
	relation any: node
	relation left: node
	relation right: node
	relation member: user | node#inside
	permission inside = member + any->inside + (left->inside `+operator+` right->inside)
}`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
