package schema

import (
	"fmt"
	"slices"
)

// ChangeKind says what a change does. The values are stable: programs may
// depend on them.
type ChangeKind string

// The kinds of changes. A relation is wider if it takes more kinds of tuples,
// a permission if whoever had it before has it still, and perhaps more do.
// A permission that is neither wider nor narrower, as far as the two
// expressions show, is changed.
const (
	CaveatAdded        ChangeKind = "caveat-added"
	CaveatRemoved      ChangeKind = "caveat-removed"
	CaveatChanged      ChangeKind = "caveat-changed"
	TypeAdded          ChangeKind = "type-added"
	TypeRemoved        ChangeKind = "type-removed"
	RelationAdded      ChangeKind = "relation-added"
	RelationRemoved    ChangeKind = "relation-removed"
	RelationWidened    ChangeKind = "relation-widened"
	RelationNarrowed   ChangeKind = "relation-narrowed"
	PermissionAdded    ChangeKind = "permission-added"
	PermissionRemoved  ChangeKind = "permission-removed"
	PermissionWidened  ChangeKind = "permission-widened"
	PermissionNarrowed ChangeKind = "permission-narrowed"
	PermissionChanged  ChangeKind = "permission-changed"
)

// Change is one difference in what two schemas mean.
type Change struct {
	Kind ChangeKind
	// Type is the definition, "" for caveats. Name is the relation, permission or
	// caveat, "" for definitions.
	Type, Name string
	// Before and After are what the change is about: the restriction that a relation
	// does not take any more or takes now, or the two expressions. One may be "".
	Before, After string
}

// Strands reports whether tuples that are stored may have no place in the
// schema after the change.
func (c Change) Strands() bool {
	return c.Kind == TypeRemoved || c.Kind == RelationRemoved || c.Kind == RelationNarrowed
}

// String describes the change in a line.
func (c Change) String() string {
	name := "`" + c.Type + "#" + c.Name + "`"
	switch c.Kind {
	case CaveatAdded:
		return fmt.Sprintf("caveat `%s` is new", c.Name)
	case CaveatRemoved:
		return fmt.Sprintf("caveat `%s` is gone", c.Name)
	case CaveatChanged:
		return fmt.Sprintf("caveat `%s` is another: `%s`, before `%s`", c.Name, c.After, c.Before)
	case TypeAdded:
		return fmt.Sprintf("type `%s` is new", c.Type)
	case TypeRemoved:
		return fmt.Sprintf("type `%s` is gone", c.Type)
	case RelationAdded:
		return fmt.Sprintf("relation %s is new", name)
	case RelationRemoved:
		return fmt.Sprintf("relation %s is gone", name)
	case RelationWidened:
		return fmt.Sprintf("relation %s takes `%s`", name, c.After)
	case RelationNarrowed:
		return fmt.Sprintf("relation %s does not take `%s` any more", name, c.Before)
	case PermissionAdded:
		return fmt.Sprintf("permission %s is new: `%s`", name, c.After)
	case PermissionRemoved:
		return fmt.Sprintf("permission %s is gone", name)
	case PermissionWidened:
		return fmt.Sprintf("permission %s is wider: `%s`, before `%s`", name, c.After, c.Before)
	case PermissionNarrowed:
		return fmt.Sprintf("permission %s is narrower: `%s`, before `%s`", name, c.After, c.Before)
	}
	return fmt.Sprintf("permission %s is another: `%s`, before `%s`", name, c.After, c.Before)
}

// Disallowed lists the kinds of tuples that one schema allows and the other one
// does not, as repository#maintainer@team#member, in the order of the first: those
// that are stored would be stranded by the change. Both schemas must pass [Check].
func Disallowed(before, after *Schema) []string {
	allowed := make(map[string]bool)
	for _, kind := range tupleKinds(after) {
		allowed[kind] = true
	}
	return slices.DeleteFunc(tupleKinds(before), func(kind string) bool { return allowed[kind] })
}

// tupleKinds spells the kinds of tuples that a schema allows.
func tupleKinds(s *Schema) (kinds []string) {
	for _, d := range s.Definitions {
		for _, m := range d.Members {
			r, ok := m.(*Relation)
			if !ok {
				continue
			}
			for _, t := range r.Types {
				kinds = append(kinds, d.Name+"#"+r.Name+"@"+t.String())
			}
		}
	}
	return kinds
}

// Diff returns what changes in meaning from one schema to another: caveats,
// then types with their members. Order, layout, comments, how expressions are
// grouped and where partials and imports bring something from make no
// difference. Each change is told where it is made: a permission that follows
// from one that changes is not a change of its own. Both schemas must pass
// [Check].
func Diff(before, after *Schema) []Change {
	var d differ
	d.caveats(before, after)
	for _, old := range before.Definitions {
		if _, ok := after.Definition(old.Name); !ok {
			d.add(Change{Kind: TypeRemoved, Type: old.Name})
		}
	}
	for _, now := range after.Definitions {
		old, ok := before.Definition(now.Name)
		if !ok {
			d.add(Change{Kind: TypeAdded, Type: now.Name})
			continue
		}
		d.members(old, now)
	}
	return d.changes
}

type differ struct{ changes []Change }

func (d *differ) add(c Change) { d.changes = append(d.changes, c) }

func (d *differ) caveats(before, after *Schema) {
	for _, old := range before.Caveats {
		if _, ok := after.Caveat(old.Name); !ok {
			d.add(Change{Kind: CaveatRemoved, Name: old.Name})
		}
	}
	for _, now := range after.Caveats {
		old, ok := before.Caveat(now.Name)
		switch {
		case !ok:
			d.add(Change{Kind: CaveatAdded, Name: now.Name})
		case !sameCaveat(old, now):
			d.add(Change{Kind: CaveatChanged, Name: now.Name, Before: old.signature(), After: now.signature()})
		}
	}
}

// sameCaveat reports whether two caveats mean the same, however they are written.
func sameCaveat(a, b *Caveat) bool {
	first, err := a.compile()
	second, err2 := b.compile()
	if err != nil || err2 != nil { // only in schemas that Check refuses
		return a.signature() == b.signature()
	}
	return first.Fingerprint() == second.Fingerprint()
}

// CanonicalExpression returns the expression in one way of writing it: two that
// differ in spaces, comments and needless parentheses only have the same. One that
// Check refuses is returned as it is.
func (m *Caveat) CanonicalExpression() string {
	compiled, err := m.compile()
	if err != nil {
		return m.Expression
	}
	return compiled.Expression()
}

// signature spells a caveat without its name.
func (m *Caveat) signature() string {
	text := "("
	for i, p := range m.Params {
		if i > 0 {
			text += ", "
		}
		text += p.Name + " " + p.Type.String()
	}
	return text + ") { " + m.Expression + " }"
}

func (d *differ) members(before, after *Definition) {
	now := make(map[string]Member, len(after.Members))
	for _, m := range after.Members {
		now[m.MemberName()] = m
	}
	old := make(map[string]Member, len(before.Members))
	for _, m := range before.Members {
		old[m.MemberName()] = m
		if !sameSort(m, now[m.MemberName()]) {
			d.removed(before.Name, m)
		}
	}
	for _, m := range after.Members {
		was := old[m.MemberName()]
		switch m := m.(type) {
		case *Relation:
			if was, ok := was.(*Relation); ok {
				d.relation(after.Name, was, m)
			} else {
				d.add(Change{Kind: RelationAdded, Type: after.Name, Name: m.Name})
			}
		case *Permission:
			if was, ok := was.(*Permission); ok {
				d.permission(after.Name, was, m)
			} else {
				d.add(Change{Kind: PermissionAdded, Type: after.Name, Name: m.Name, After: expressionText(m.Expr)})
			}
		}
	}
}

// sameSort reports whether two members are both relations or both permissions.
func sameSort(a, b Member) bool {
	_, first := a.(*Relation)
	_, second := b.(*Relation)
	return b != nil && first == second
}

func (d *differ) removed(typeName string, m Member) {
	kind := PermissionRemoved
	if _, ok := m.(*Relation); ok {
		kind = RelationRemoved
	}
	d.add(Change{Kind: kind, Type: typeName, Name: m.MemberName()})
}

func (d *differ) relation(typeName string, before, after *Relation) {
	takes := func(r *Relation, restriction string) bool {
		return slices.ContainsFunc(r.Types, func(t *TypeRef) bool { return t.String() == restriction })
	}
	for _, t := range before.Types {
		if !takes(after, t.String()) {
			d.add(Change{Kind: RelationNarrowed, Type: typeName, Name: after.Name, Before: t.String()})
		}
	}
	for _, t := range after.Types {
		if !takes(before, t.String()) {
			d.add(Change{Kind: RelationWidened, Type: typeName, Name: after.Name, After: t.String()})
		}
	}
}

func (d *differ) permission(typeName string, before, after *Permission) {
	old, now := newForm(before.Expr), newForm(after.Expr)
	if old.text == now.text {
		return
	}
	c := Change{
		Kind: PermissionChanged, Type: typeName, Name: after.Name,
		Before: expressionText(before.Expr), After: expressionText(after.Expr),
	}
	wider, narrower := (&comparison{}).within(old, now), (&comparison{}).within(now, old)
	switch {
	case wider && narrower: // two ways to write one set
		return
	case wider:
		c.Kind = PermissionWidened
	case narrower:
		c.Kind = PermissionNarrowed
	}
	d.add(c)
}

// expressionText spells an expression on one line, without its comments.
func expressionText(e Expr) string {
	b, ok := e.(*Binary)
	if !ok {
		return leafText(e)
	}
	left, right := expressionText(b.Left), expressionText(b.Right)
	if leftGrouped(b) {
		left = "(" + left + ")"
	}
	if rightGrouped(b) {
		right = "(" + right + ")"
	}
	return left + " " + b.Op.String() + " " + right
}

func leafText(e Expr) string {
	switch e := e.(type) {
	case *Ref:
		return e.Name
	case *Arrow:
		return e.String()
	case *Itself:
		return "self"
	}
	return "nil"
}
