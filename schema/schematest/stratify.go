package schematest

import (
	"github.com/tupelodb/tupelo/schema"
)

// stratify replaces the excluded side of an exclusion by the banned relation
// wherever the evaluation of that side could come back to the permission.
func stratify(s *schema.Schema) {
	g := newDependencies(s)
	for _, d := range s.Definitions {
		for p := range d.Permissions() {
			g.stratify(d, p, p.Expr)
		}
	}
}

// Stratified reports whether no permission depends on itself through the
// excluded side of an exclusion. The schema must pass Check.
func Stratified(s *schema.Schema) bool {
	g := newDependencies(s)
	for _, d := range s.Definitions {
		for p := range d.Permissions() {
			if !g.stratified(d, p, p.Expr) {
				return false
			}
		}
	}
	return true
}

// dependencies is, for each member, the members that its evaluation can come to.
type dependencies map[member][]member

// member is a relation or permission of a type.
type member struct{ typeName, name string }

func newDependencies(s *schema.Schema) dependencies {
	g := make(dependencies)
	for _, d := range s.Definitions {
		for r := range d.Relations() {
			for _, t := range r.Types {
				if t.Relation != "" {
					from := member{d.Name, r.Name}
					g[from] = append(g[from], member{t.Type, t.Relation})
				}
			}
		}
		for p := range d.Permissions() {
			g[member{d.Name, p.Name}] = operands(d, p.Expr)
		}
	}
	return g
}

// operands returns the members that an expression of d evaluates directly.
// Targets that an arrow does not find are among them; they lead nowhere.
func operands(d *schema.Definition, e schema.Expr) (to []member) {
	for leaf := range schema.Leaves(e) {
		switch leaf := leaf.(type) {
		case *schema.Ref:
			to = append(to, member{d.Name, leaf.Name})
		case *schema.Arrow:
			m, _ := d.Member(leaf.Relation)
			for _, t := range m.(*schema.Relation).Types {
				to = append(to, member{t.Type, leaf.Target})
			}
		}
	}
	return to
}

func (g dependencies) stratify(d *schema.Definition, p *schema.Permission, e schema.Expr) {
	b, ok := e.(*schema.Binary)
	if !ok {
		return
	}
	g.stratify(d, p, b.Left)
	g.stratify(d, p, b.Right)
	if b.Op == schema.Exclusion && g.comesTo(operands(d, b.Right), member{d.Name, p.Name}) {
		b.Right = &schema.Ref{Name: bannedRelation}
	}
}

func (g dependencies) stratified(d *schema.Definition, p *schema.Permission, e schema.Expr) bool {
	b, ok := e.(*schema.Binary)
	if !ok {
		return true
	}
	if b.Op == schema.Exclusion && g.comesTo(operands(d, b.Right), member{d.Name, p.Name}) {
		return false
	}
	return g.stratified(d, p, b.Left) && g.stratified(d, p, b.Right)
}

// comesTo reports whether the evaluation of any of from can come to target.
func (g dependencies) comesTo(from []member, target member) bool {
	seen := make(map[member]bool)
	for len(from) > 0 {
		m := from[len(from)-1]
		from = from[:len(from)-1]
		if m == target {
			return true
		}
		if !seen[m] {
			seen[m] = true
			from = append(from, g[m]...)
		}
	}
	return false
}
