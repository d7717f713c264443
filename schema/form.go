package schema

import (
	"slices"
	"strings"
)

// form is an expression in a normal form: unions and intersections are flat,
// sorted and without repetitions, and nil is taken out where it says nothing.
type form struct {
	op       Op // 0 for a leaf
	operands []*form
	leaf     Expr
	text     string // equal for equal forms
}

const nilText = "nil"

func newForm(e Expr) *form {
	b, ok := e.(*Binary)
	if !ok {
		if a, ok := e.(*Arrow); ok && a.Form == ArrowAny {
			e = &Arrow{Relation: a.Relation, Target: a.Target}
		}
		return &form{leaf: e, text: leafText(e)}
	}
	if b.Op == Exclusion {
		return exclusionForm(newForm(b.Left), newForm(b.Right))
	}
	return setForm(b.Op, chain(b, nil))
}

// chain appends the forms of the operands that a chain of one operator joins,
// however it is grouped.
func chain(b *Binary, to []*form) []*form {
	for _, side := range []Expr{b.Left, b.Right} {
		if inner, ok := side.(*Binary); ok && inner.Op == b.Op {
			to = chain(inner, to)
		} else {
			to = append(to, newForm(side))
		}
	}
	return to
}

func exclusionForm(base, excluded *form) *form {
	switch {
	case base.text == nilText || excluded.text == nilText:
		return base
	case base.text == excluded.text:
		return &form{leaf: &Nil{}, text: nilText}
	}
	return &form{op: Exclusion, operands: []*form{base, excluded}, text: "(" + base.text + " - " + excluded.text + ")"}
}

// setForm returns the union or intersection of forms.
func setForm(op Op, sides []*form) *form {
	f := &form{op: op}
	for _, side := range sides {
		switch {
		case side.text == nilText && op == Intersection:
			return side
		case side.text == nilText:
		case side.op == op:
			f.operands = append(f.operands, side.operands...)
		default:
			f.operands = append(f.operands, side)
		}
	}
	slices.SortFunc(f.operands, func(a, b *form) int { return strings.Compare(a.text, b.text) })
	f.operands = slices.CompactFunc(f.operands, func(a, b *form) bool { return a.text == b.text })
	switch len(f.operands) {
	case 0:
		return &form{leaf: &Nil{}, text: nilText}
	case 1:
		return f.operands[0]
	}
	texts := make([]string, len(f.operands))
	for i, operand := range f.operands {
		texts[i] = operand.text
	}
	f.text = "(" + strings.Join(texts, " "+op.String()+" ") + ")"
	return f
}

// maxComparisonSteps bounds how long two expressions are compared.
const maxComparisonSteps = 100_000

// comparison asks whether one set is always within another. A false may mean
// that the expressions do not show it, or that it took too many steps.
type comparison struct{ steps int }

func (c *comparison) within(a, b *form) bool {
	if c.steps++; c.steps > maxComparisonSteps {
		return false
	}
	switch {
	case a.text == b.text, a.text == nilText, a.allOf(b):
		return true
	case a.op == Union:
		return every(a.operands, func(x *form) bool { return c.within(x, b) })
	case b.op == Intersection:
		return every(b.operands, func(x *form) bool { return c.within(a, x) })
	case b.op == Exclusion && a.op == Exclusion &&
		c.within(a.operands[0], b.operands[0]) && c.within(b.operands[1], a.operands[1]):
		return true
	case b.op == Union && slices.ContainsFunc(b.operands, func(x *form) bool { return c.within(a, x) }):
		return true
	case a.op == Intersection:
		return slices.ContainsFunc(a.operands, func(x *form) bool { return c.within(x, b) })
	case a.op == Exclusion:
		return c.within(a.operands[0], b)
	}
	return false
}

func every(forms []*form, ok func(*form) bool) bool {
	return !slices.ContainsFunc(forms, func(f *form) bool { return !ok(f) })
}

// allOf reports whether a is `relation.all(target)` and b `relation->target`:
// who is in all, and there is one, is in one of them.
func (a *form) allOf(b *form) bool {
	first, ok := a.leaf.(*Arrow)
	second, ok2 := b.leaf.(*Arrow)
	return ok && ok2 && first.All() && first.Relation == second.Relation && first.Target == second.Target
}
