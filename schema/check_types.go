package schema

import (
	"fmt"
	"slices"
	"strings"
)

// annotations checks, if the schema asks for it with `use typechecking`, that
// each permission names all types of subject that it can have. The object
// itself, by `self`, needs no mention. The names of the schema are known good.
func (c *checker) annotations() {
	if !c.uses("typechecking") {
		return
	}
	var found []annotated
	for _, sc := range c.order {
		for p := range sc.Permissions() {
			if len(p.Types) > 0 {
				found = append(found, annotated{sc, p})
			}
		}
	}
	if len(found) == 0 {
		return
	}
	program, err := c.withoutSelf()
	if err != nil { // for want of names that fit, as good names do
		c.report.at(Position{}, 0, err.Error(), "")
		return
	}
	for _, a := range found {
		c.annotation(a, program)
	}
}

// annotated is a permission that names its types.
type annotated struct {
	*scope
	*Permission
}

func (c *checker) annotation(a annotated, program *Program) {
	named := make(map[string]bool, len(a.Types))
	for _, t := range a.Types {
		named[t.Name] = true
		if c.definitions[t.Name] == nil {
			hint := func() string { return didYouMean(t.Name, c.typeNames()) }
			c.report.meaning(About{UnknownType, "", "", t.Name}, t.Pos, t.Name, hint, "unknown type `%s`", t.Name)
		}
	}
	typeIndex, _ := program.TypeByName(a.scope.Name)
	slot, _ := program.Slot(typeIndex, a.Permission.Name)
	var missing []string
	for _, t := range program.Types {
		if !named[t.Name] && program.Reaches(slot, t.Number, selfNumber) {
			missing = append(missing, t.Name)
		}
	}
	if len(missing) > 0 {
		hint := func() string { return fmt.Sprintf("add `| %s`", strings.Join(missing, " | ")) }
		about := About{IncompleteAnnotation, a.scope.Name, "", a.Permission.Name}
		c.report.meaning(about, a.Permission.Pos, a.Permission.Name, hint,
			"permission `%s` of `%s` can have subjects of types that it does not name", a.Permission.Name, a.scope.Name)
	}
}

// withoutSelf compiles the schema as if `self` were nobody.
func (c *checker) withoutSelf() (*Program, error) {
	return build(c.Schema, inOrder{c.Schema}, func(p *Program) {
		for i := range p.Nodes {
			if p.Nodes[i].Op == Self {
				p.Nodes[i].Op = Nothing
			}
		}
	})
}

// inOrder numbers the names of a schema in the order of the text.
type inOrder struct{ schema *Schema }

func (o inOrder) TypeNumber(name string) (uint16, bool) {
	i := slices.IndexFunc(o.schema.Definitions, func(d *Definition) bool { return d.Name == name })
	return uint16(i + 1), i >= 0
}

func (o inOrder) RelationNumber(typeName, name string) (uint16, bool) {
	d, ok := o.schema.Definition(typeName)
	if !ok {
		return 0, false
	}
	i := slices.IndexFunc(d.Members, func(m Member) bool { return m.MemberName() == name })
	return uint16(i) + firstNumber, i >= 0
}

func (o inOrder) CaveatNumber(name string) (uint16, bool) {
	i := slices.IndexFunc(o.schema.Caveats, func(c *Caveat) bool { return c.Name == name })
	return uint16(i + 1), i >= 0
}
