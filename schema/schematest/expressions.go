package schematest

import (
	"slices"

	"github.com/tupelodb/tupelo/schema"
)

// expressions makes the expressions of one permission.
type expressions struct {
	*generator
	names   []string          // members of the type that may be referred to
	parents []*schema.TypeRef // what the type's parent relation takes, if it has one
}

func (e expressions) random(depth int) schema.Expr {
	if depth == 0 || e.chance(20) {
		return e.leaf()
	}
	left, right := e.random(depth-1), e.random(depth-1)
	n := e.rng.IntN(100)
	switch {
	case n < 55:
		return &schema.Binary{Op: schema.Union, Left: left, Right: right}
	case n < 75:
		return &schema.Binary{Op: schema.Intersection, Left: left, Right: right}
	}
	if e.chance(50) {
		right = &schema.Ref{Name: bannedRelation}
	}
	return &schema.Binary{Op: schema.Exclusion, Left: left, Right: right}
}

func (e expressions) leaf() schema.Expr {
	n := e.rng.IntN(100)
	switch {
	case n < 3:
		return &schema.Nil{}
	case n < 8 && e.opts.Self:
		return &schema.Itself{}
	case n < 45 && len(e.parents) > 0:
		return e.arrow()
	}
	return &schema.Ref{Name: one(e.generator, e.names)}
}

// arrow points from the parent relation to any member of any type that it takes:
// often one that its other types lack, and rarely one that all of them do.
func (e expressions) arrow() schema.Expr {
	t := e.named(one(e.generator, e.parents).Type)
	a := &schema.Arrow{Relation: parentRelation, Target: one(e.generator, t.members())}
	if e.chance(4) {
		a.Target = lackedTarget
	}
	if e.opts.ArrowFunctions && e.chance(50) {
		a.Form = schema.ArrowAll
		if e.chance(20) {
			a.Form = schema.ArrowAny
		}
	}
	return a
}

func (g *generator) named(name string) *plannedType {
	i := slices.IndexFunc(g.types, func(t *plannedType) bool { return t.name == name })
	return g.types[i]
}
