package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/schema/caveat"
)

// Limits of a schema's size. They bound the memory and the time that compiling
// takes, which grow with the square of the relations and permissions.
const (
	// MaxDefinitions is how many definitions a schema may have.
	MaxDefinitions = 5_000
	// MaxMembers is how many relations and permissions a schema may have in all.
	MaxMembers = 5_000
	// MaxCaveats is how many caveats a schema may have.
	MaxCaveats = 1_000
	// MaxArrowTargets is how many types the arrows of a schema may lead to,
	// counted for each arrow by the types that its relation takes.
	MaxArrowTargets = 1 << 20
)

// Check finds what the names of a schema mean and reports what they cannot
// mean. An error is an *Errors with every problem found. A schema that passes
// is one that [Compile] takes.
func Check(s *Schema) error {
	c := newChecker(s)
	c.run()
	return c.report.err()
}

// Doubts returns what a schema that passes [Check] says and hardly means: its
// problems are of kinds that say so. There may be none.
func Doubts(s *Schema) *Errors {
	c := newChecker(s)
	c.run()
	return c.doubts.list()
}

func newChecker(s *Schema) *checker {
	return &checker{
		Schema:      s,
		report:      &reporter{sources: s.sources},
		doubts:      &reporter{sources: s.sources},
		tops:        make(map[string]Position),
		definitions: make(map[string]*scope, len(s.Definitions)),
		partials:    make(map[string]*Partial),
		caveats:     make(map[string]*Caveat),
		compiled:    make(map[string]*caveat.Caveat),
		arrows:      make(map[arrowOver]bool),
	}
}

// run checks the whole schema.
func (c *checker) run() {
	if !c.withinLimits() {
		return
	}
	c.files()
	for _, t := range c.statements() {
		c.declare(t)
	}
	for _, p := range c.Partials {
		c.includes(&p.Body)
	}
	c.partialCycles()
	for _, sc := range c.order {
		c.includes(&sc.Body)
		c.members(sc)
		c.cycles(sc)
	}
	if c.arrowTargets > MaxArrowTargets {
		c.report.at(Position{}, 0, fmt.Sprintf("the arrows of the schema lead to %d types in all, at most %d are allowed",
			c.arrowTargets, MaxArrowTargets), "")
	}
	if !c.report.failed() {
		c.annotations()
	}
}

type checker struct {
	*Schema
	report      *reporter
	doubts      *reporter           // what is allowed, and hardly meant
	tops        map[string]Position // of definitions, caveats and partials, which share their names
	definitions map[string]*scope
	partials    map[string]*Partial
	caveats     map[string]*Caveat
	compiled    map[string]*caveat.Caveat // those that have no problem
	order       []*scope                  // also those whose name is taken
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

func (c *checker) withinLimits() bool {
	members := 0
	for _, d := range c.Definitions {
		members += len(d.Members)
	}
	limit := func(n, most int, what string) {
		if n > most {
			c.report.at(Position{}, 0, fmt.Sprintf("the schema has %d %s, at most %d are allowed", n, what, most), "")
		}
	}
	limit(len(c.Definitions), MaxDefinitions, "definitions")
	limit(len(c.Partials), MaxDefinitions, "partials")
	limit(len(c.Caveats), MaxCaveats, "caveats")
	limit(members, MaxMembers, "relations and permissions")
	if c.overgrown && !c.report.failed() {
		c.report.at(Position{}, 0, fmt.Sprintf("partials bring more than %d relations and permissions in all", maxIncluded), "")
	}
	return !c.report.failed()
}

// files reports imports that were not followed. Where a schema is given as a
// text, as to a server, there are no files to follow them to.
func (c *checker) files() {
	for _, i := range c.Imports {
		c.report.at(i.Pos, len(i.Path)+2, fmt.Sprintf("import `%s` cannot be followed here", i.Path),
			"the schema must be one text: `import` works where files are read, and what it imports can be pasted instead")
	}
}

// declare enters a statement into the tables of names.
func (c *checker) declare(t topStatement) {
	switch node := t.node.(type) {
	case *Use:
		if useFlags[node.Flag] == nil {
			c.report.name(node.Pos, node.Flag, func() string { return featureHint(node.Flag) }, "unknown feature `%s`", node.Flag)
		}
	case *Caveat:
		if c.declareTop(node.Name, node.Pos, ruleNameProblem) {
			c.caveats[node.Name] = node
		}
		c.caveat(node)
	case *Partial:
		c.needs("partial", "partials need", node.Pos, node.Name)
		if c.declareTop(node.Name, node.Pos, ruleNameProblem) {
			c.partials[node.Name] = node
		}
		for _, m := range node.Members {
			c.memberName(m)
		}
	case *Definition:
		sc := &scope{node, make(map[string]Member, len(node.Members))}
		if c.declareTop(node.Name, node.Pos, definitionNameProblem) {
			c.definitions[node.Name] = sc
		}
		c.order = append(c.order, sc)
		for i, m := range node.Members {
			c.declareMember(sc, i, m)
		}
	}
}

// declareTop enters the name of a definition, a caveat or a partial, and
// reports whether it was free. The problem is what is wrong with a name.
func (c *checker) declareTop(name string, pos Position, problem func(name string) string) (free bool) {
	if problem := problem(name); problem != "" {
		c.report.name(pos, name, nil, "bad name `%s`: %s", name, problem)
	}
	for segment := range strings.SplitSeq(name, "/") {
		c.notKeyword(segment, pos)
	}
	if first, ok := c.tops[name]; ok {
		c.report.name(pos, name, c.firstAt(first, pos), "`%s` is defined twice", name)
		return false
	}
	c.tops[name] = pos
	return true
}

// notKeyword reports a name that a `use` line makes a keyword. In one text
// such a name is never read; another file of the schema may have it.
func (c *checker) notKeyword(name string, pos Position) {
	for _, u := range c.Uses {
		if slices.Contains(useFlags[u.Flag], name) {
			c.report.name(pos, name, nil, "bad name `%s`: `use %s` makes it a reserved word", name, u.Flag)
		}
	}
}

// needs reports something that is in the tree without its `use` line.
func (c *checker) needs(flag, what string, pos Position, name string) {
	if !c.uses(flag) {
		c.report.name(pos, name, nil, "%s `use %s`", what, flag)
	}
}

// memberName checks the name of a relation or permission.
func (c *checker) memberName(m Member) {
	name := m.MemberName()
	if problem := nameProblem(name); problem != "" {
		c.report.name(m.MemberPos(), name, nil, "bad name `%s`: %s", name, problem)
	}
	c.notKeyword(name, m.MemberPos())
}

func (c *checker) declareMember(sc *scope, index int, m Member) {
	c.memberName(m)
	name := m.MemberName()
	first, ok := sc.members[name]
	if !ok {
		sc.members[name] = m
		return
	}
	twice := About{RepeatedMember, sc.Name, "", name}
	if i := sc.includedBy(index); i != nil {
		c.report.meaning(twice, i.Pos, i.Name, nil, "`%s` has `%s` twice: partial `%s` brings one more", sc.Name, name, i.Name)
		return
	}
	c.report.meaning(twice, m.MemberPos(), name, c.firstAt(first.MemberPos(), m.MemberPos()),
		"`%s` has `%s` twice; relations and permissions share their names", sc.Name, name)
}

// firstAt returns a hint on where a name stands for the first time.
func (c *checker) firstAt(first, again Position) func() string {
	switch {
	case first.Line == 0:
		return nil
	case first.File != again.File && first.File < len(c.sources):
		return func() string {
			return fmt.Sprintf("the first is in line %d of %s", first.Line, c.sources[first.File].name)
		}
	}
	return func() string { return fmt.Sprintf("the first is in line %d", first.Line) }
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
		c.report.meaning(About{MissingRestriction, sc.Name, "", r.Name}, r.Pos, r.Name, nil, "relation `%s` has no type restriction", r.Name)
	}
	seen := make(map[string]bool, len(r.Types))
	for _, t := range r.Types {
		restriction := t.String()
		if seen[restriction] {
			c.report.meaning(About{RepeatedRestriction, sc.Name, r.Name, restriction}, t.Pos, t.Type, nil,
				"relation `%s` takes `%s` twice", r.Name, restriction)
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
	case t.Caveat != "" && c.caveats[t.Caveat] == nil:
		c.unknownCaveat(t)
	case t.Expiration && !c.uses("expiration"):
		c.needs("expiration", "tuples that expire need", t.Pos, t.Type)
	case t.Wildcard && t.Relation != "":
		c.report.name(t.Pos, t.Type, nil, "relation `%s`: the wildcard `%s:*` cannot have a relation", r.Name, t.Type)
	case t.Relation != "" && target.members[t.Relation] == nil:
		hint := func() string { return didYouMean(t.Relation, target.MemberNames()) }
		c.report.meaning(aboutName(About{UnknownMember, t.Type, "", t.Relation}, nameProblem), t.RelationPos, t.Relation, hint,
			"`%s` has no relation or permission `%s`", t.Type, t.Relation)
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
		if c.caveats[t.Type] != nil {
			return fmt.Sprintf("`%s` is a caveat: write `type with %s`", t.Type, t.Type)
		}
		return didYouMean(t.Type, c.typeNames())
	}
	c.report.meaning(aboutName(About{UnknownType, "", "", t.Type}, definitionNameProblem), t.Pos, t.Type, hint, "unknown type `%s`", t.Type)
}

// aboutName is what a problem with a name that there is not is about. A text with a
// name that nothing can have is malformed, whatever it would mean.
func aboutName(a About, problem func(name string) string) About {
	if problem(a.Name) != "" {
		return About{}
	}
	return a
}

func (c *checker) typeNames() (names []string) {
	for _, d := range c.Definitions {
		names = append(names, d.Name)
	}
	return names
}

func (c *checker) unknownCaveat(t *TypeRef) {
	hint := func() string {
		if t.Caveat == "expiration" {
			return withoutExpiration
		}
		var names []string
		for _, caveat := range c.Caveats {
			names = append(names, caveat.Name)
		}
		return didYouMean(t.Caveat, names)
	}
	c.report.meaning(About{UnknownCaveat, "", "", t.Caveat}, t.CaveatPos, t.Caveat, hint, "unknown caveat `%s`", t.Caveat)
}

func (c *checker) permission(sc *scope, p *Permission) {
	for leaf := range Leaves(p.Expr) {
		switch e := leaf.(type) {
		case *Ref:
			c.ref(sc, e)
		case *Arrow:
			c.arrow(sc, p, e)
		case *Itself:
			c.needs("self", "`self` needs", e.Pos, "self")
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
		if e.Name == "self" {
			return "write `use self` at the top of the file for the object itself"
		}
		if _, ok := c.definitions[e.Name]; ok {
			return fmt.Sprintf("`%s` is a type; a permission is computed from relations and permissions of `%s`", e.Name, sc.Name)
		}
		return didYouMean(e.Name, sc.MemberNames())
	}
	c.report.meaning(aboutName(About{UnknownMember, sc.Name, "", e.Name}, nameProblem), e.Pos, e.Name, hint,
		"`%s` has no relation or permission `%s`", sc.Name, e.Name)
}

// arrow checks that the left side is a relation, and doubts that it is meant if no
// subject of it has the right side.
func (c *checker) arrow(sc *scope, p *Permission, e *Arrow) {
	r, ok := sc.members[e.Relation].(*Relation)
	if !ok {
		c.arrowLeft(sc, p, e)
		return
	}
	c.arrowTargets += len(r.Types)
	for _, t := range r.Types {
		if t.Wildcard {
			c.report.meaning(About{ArrowOverWildcard, sc.Name, p.Name, r.Name}, e.Pos, e.Relation, nil,
				"`->` cannot follow `%s`, which takes the wildcard `%s`", r.Name, t)
			return
		}
	}
	if !c.targetExists(r, e.Target) {
		hint := func() string { return didYouMean(e.Target, c.targetNames(r)) }
		report := c.doubts // it may lead somewhere one day
		if nameProblem(e.Target) != "" {
			report = c.report
		}
		report.meaning(aboutName(About{ArrowToNothing, sc.Name, p.Name, e.Target}, nameProblem), e.TargetPos, e.Target, hint,
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
func (c *checker) arrowLeft(sc *scope, p *Permission, e *Arrow) {
	if _, ok := sc.members[e.Relation]; ok {
		c.report.meaning(About{ArrowOverPermission, sc.Name, p.Name, e.Relation}, e.Pos, e.Relation,
			func() string { return "an arrow follows stored tuples" },
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
	c.report.meaning(aboutName(About{UnknownMember, sc.Name, "", e.Relation}, nameProblem), e.Pos, e.Relation, hint,
		"`%s` has no relation `%s`", sc.Name, e.Relation)
}
