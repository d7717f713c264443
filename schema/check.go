package schema

import (
	"fmt"
	"slices"
)

// Limits of a schema's size. They bound the memory and the time that compiling
// takes, which grow with the square of the relations and permissions.
const (
	// MaxDefinitions is how many definitions a schema may have.
	MaxDefinitions = 5_000
	// MaxMembers is how many relations and permissions a schema may have in all.
	MaxMembers = 5_000
	// MaxArrowTargets is how many types the arrows of a schema may lead to,
	// counted for each arrow by the types that its relation takes.
	MaxArrowTargets = 1 << 20
)

// Check finds what the names of a schema mean and reports what they cannot
// mean. An error is an *Errors with every problem found. A schema that passes
// is one that [Compile] takes.
func Check(s *Schema) error {
	c := checker{
		report:      &reporter{source: s.source},
		definitions: make(map[string]*scope, len(s.Definitions)),
		arrows:      make(map[arrowOver]bool),
	}
	if c.withinLimits(s) {
		for _, d := range s.Definitions {
			c.declare(d)
		}
		for _, sc := range c.order {
			c.members(sc)
			c.cycles(sc)
		}
	}
	if c.arrowTargets > MaxArrowTargets {
		c.report.at(Position{}, 0, fmt.Sprintf("the arrows of the schema lead to %d types in all, at most %d are allowed",
			c.arrowTargets, MaxArrowTargets), "")
	}
	return c.report.err()
}

type checker struct {
	report      *reporter
	definitions map[string]*scope
	order       []*scope // also those whose name is taken
	names       []string // of all definitions, for suggestions
	arrows      map[arrowOver]bool

	arrowTargets int // of all arrows
}

// arrowOver is an arrow over a relation, to a target.
type arrowOver struct {
	relation *Relation
	target   string
}

// scope is a definition with its members by name.
type scope struct {
	*Definition
	members map[string]Member
}

func (c *checker) withinLimits(s *Schema) bool {
	members := 0
	for _, d := range s.Definitions {
		members += len(d.Members)
	}
	if len(s.Definitions) > MaxDefinitions {
		c.report.at(Position{}, 0, fmt.Sprintf("the schema has %d definitions, at most %d are allowed",
			len(s.Definitions), MaxDefinitions), "")
	}
	if members > MaxMembers {
		c.report.at(Position{}, 0, fmt.Sprintf("the schema has %d relations and permissions, at most %d are allowed",
			members, MaxMembers), "")
	}
	return !c.report.failed()
}

// declare enters a definition and its members into the tables of names.
func (c *checker) declare(d *Definition) {
	if problem := definitionNameProblem(d.Name); problem != "" {
		c.report.name(d.Pos, d.Name, nil, "bad name `%s`: %s", d.Name, problem)
	}
	sc := &scope{d, make(map[string]Member, len(d.Members))}
	c.order = append(c.order, sc)
	if first, ok := c.definitions[d.Name]; ok {
		c.report.name(d.Pos, d.Name, firstAt(first.Pos), "`%s` is defined twice", d.Name)
	} else {
		c.definitions[d.Name] = sc
		c.names = append(c.names, d.Name)
	}
	for _, m := range d.Members {
		c.declareMember(sc, m)
	}
}

func (c *checker) declareMember(sc *scope, m Member) {
	name := m.MemberName()
	if problem := nameProblem(name); problem != "" {
		c.report.name(m.MemberPos(), name, nil, "bad name `%s`: %s", name, problem)
	}
	if first, ok := sc.members[name]; ok {
		c.report.name(m.MemberPos(), name, firstAt(first.MemberPos()),
			"`%s` has `%s` twice; relations and permissions share their names", sc.Name, name)
		return
	}
	sc.members[name] = m
}

func firstAt(pos Position) func() string {
	if pos.Line == 0 {
		return nil
	}
	return func() string { return fmt.Sprintf("the first is in line %d", pos.Line) }
}

// members checks what the members of a definition refer to.
func (c *checker) members(sc *scope) {
	for _, m := range sc.Members {
		switch m := m.(type) {
		case *Relation:
			c.relation(sc, m)
		case *Permission:
			c.permission(sc, m)
		}
	}
}

func (c *checker) relation(sc *scope, r *Relation) {
	if len(r.Types) == 0 {
		c.report.name(r.Pos, r.Name, nil, "relation `%s` has no type restriction", r.Name)
	}
	seen := make(map[string]bool, len(r.Types))
	for _, t := range r.Types {
		restriction := t.String()
		if seen[restriction] {
			c.report.name(t.Pos, t.Type, nil, "relation `%s` takes `%s` twice", r.Name, restriction)
			continue
		}
		seen[restriction] = true
		c.typeRef(sc, r, t)
	}
}

func (c *checker) typeRef(sc *scope, r *Relation, t *TypeRef) {
	target, ok := c.definitions[t.Type]
	switch {
	case !ok:
		c.unknownType(sc, t)
	case t.Wildcard && t.Relation != "":
		c.report.name(t.Pos, t.Type, nil, "relation `%s`: the wildcard `%s:*` cannot have a relation", r.Name, t.Type)
	case t.Relation != "" && target.members[t.Relation] == nil:
		hint := func() string { return didYouMean(t.Relation, target.MemberNames()) }
		c.report.name(t.RelationPos, t.Relation, hint, "`%s` has no relation or permission `%s`", t.Type, t.Relation)
	}
}

// unknownType reports a type that has no definition. A frequent slip is to
// name a relation where its types are wanted.
func (c *checker) unknownType(sc *scope, t *TypeRef) {
	hint := func() string {
		if _, ok := sc.members[t.Type]; ok {
			return fmt.Sprintf("a type is wanted; `%s` is a relation or permission: write `%s#%s` for its members",
				t.Type, sc.Name, t.Type)
		}
		return didYouMean(t.Type, c.names)
	}
	c.report.name(t.Pos, t.Type, hint, "unknown type `%s`", t.Type)
}

func (c *checker) permission(sc *scope, p *Permission) {
	for leaf := range Leaves(p.Expr) {
		switch e := leaf.(type) {
		case *Ref:
			c.ref(sc, e)
		case *Arrow:
			c.arrow(sc, e)
		case nil: // only in a tree that was not parsed
			c.report.name(p.Pos, p.Name, nil, "permission `%s` lacks an expression or an operand", p.Name)
		}
	}
}

func (c *checker) ref(sc *scope, e *Ref) {
	if _, ok := sc.members[e.Name]; ok {
		return
	}
	hint := func() string {
		if _, ok := c.definitions[e.Name]; ok {
			return fmt.Sprintf("`%s` is a type; a permission is computed from relations and permissions of `%s`", e.Name, sc.Name)
		}
		return didYouMean(e.Name, sc.MemberNames())
	}
	c.report.name(e.Pos, e.Name, hint, "`%s` has no relation or permission `%s`", sc.Name, e.Name)
}

// arrow checks that the left side is a relation whose subjects have the right side.
func (c *checker) arrow(sc *scope, e *Arrow) {
	r, ok := sc.members[e.Relation].(*Relation)
	if !ok {
		c.arrowLeft(sc, e)
		return
	}
	c.arrowTargets += len(r.Types)
	for _, t := range r.Types {
		if t.Wildcard {
			c.report.name(e.Pos, e.Relation, nil, "`->` cannot follow `%s`, which takes the wildcard `%s`", r.Name, t)
			return
		}
	}
	if !c.targetExists(r, e.Target) {
		hint := func() string { return didYouMean(e.Target, c.targetNames(r)) }
		c.report.name(e.TargetPos, e.Target, hint,
			"no type that `%s` takes has a relation or permission `%s`", r.Name, e.Target)
	}
}

// targetExists reports whether a type that r takes has the target; true too if
// r's types have problems of their own. The answers are kept: a schema may
// repeat an arrow over a relation of many types very often.
func (c *checker) targetExists(r *Relation, target string) bool {
	key := arrowOver{r, target}
	exists, known := c.arrows[key]
	if !known {
		exists = len(r.Types) == 0 || slices.ContainsFunc(r.Types, func(t *TypeRef) bool {
			d, ok := c.definitions[t.Type]
			return !ok || d.members[target] != nil
		})
		c.arrows[key] = exists
	}
	return exists
}

// targetNames lists the names that an arrow over r can point to.
func (c *checker) targetNames(r *Relation) (names []string) {
	for _, t := range r.Types {
		if target, ok := c.definitions[t.Type]; ok {
			names = append(names, target.MemberNames()...)
		}
	}
	return names
}

// arrowLeft reports an arrow whose left side is no relation.
func (c *checker) arrowLeft(sc *scope, e *Arrow) {
	if _, ok := sc.members[e.Relation]; ok {
		c.report.name(e.Pos, e.Relation, func() string { return "an arrow follows stored tuples" },
			"the left side of `->` must be a relation; `%s` is a permission", e.Relation)
		return
	}
	hint := func() string {
		var relations []string
		for r := range sc.Relations() {
			relations = append(relations, r.Name)
		}
		return didYouMean(e.Relation, relations)
	}
	c.report.name(e.Pos, e.Relation, hint, "`%s` has no relation `%s`", sc.Name, e.Relation)
}
