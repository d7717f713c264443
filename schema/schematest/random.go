package schematest

import (
	"math/rand/v2"
	"slices"

	"github.com/tupelodb/tupelo/schema"
)

// Options bounds a random schema. A zero value takes the default.
type Options struct {
	MaxResources   int // types of resources; default 3, at most 5
	MaxRelations   int // of one type, beside those that every type has; default 3, at most 5
	MaxPermissions int // of one type; default 4, at most 6
	MaxDepth       int // of one permission's expression; default 3

	// NegativeRecursion allows permissions that depend on themselves through
	// the excluded side of an exclusion: `permission ok = all - parent->ok`.
	// With cyclic data such a permission has no meaning of its own.
	NegativeRecursion bool

	Caveats        bool // some kinds of tuples have one; their parameters are those of [CaveatParams]
	Expiration     bool // some kinds of tuples expire
	ArrowFunctions bool // some arrows are `.any` or `.all`
	Self           bool // some operands are `self`
}

// The names that schemas draw from. Types share them, so that an arrow often
// has targets in several types.
var (
	resourceNames   = []string{"folder", "doc", "repo", "job", "gitclub/run"}
	relationNames   = []string{"owner", "writer", "reader", "auditor", "creator"}
	permissionNames = []string{"view", "edit", "admin", "share", "cancel", "restart"}
)

// Relations that types of groups and resources always have.
const (
	memberRelation = "member" // of groups: subjects, and members of other groups
	parentRelation = "parent" // of resources: what arrows follow
	lackedTarget   = "lacked" // of no type: where some arrows point
	bannedRelation = "banned" // concrete subjects only, for exclusions that end
)

// Random returns a schema that passes Check. Across a few dozen, every operator
// and restriction occurs: recursion through usersets and arrows, wildcards,
// usersets of permissions, arrows over usersets and to types that lack the target.
func Random(rng *rand.Rand, opts Options) *schema.Schema {
	g := generator{rng: rng, opts: opts.withDefaults()}
	g.plan()
	s := &schema.Schema{Uses: g.uses()}
	if opts.Caveats {
		s.Caveats = caveats()
	}
	for _, t := range g.types {
		s.Definitions = append(s.Definitions, g.definition(t))
	}
	if !opts.NegativeRecursion {
		stratify(s)
	}
	return s
}

func (o Options) withDefaults() Options {
	bound := func(n *int, otherwise, atMost int) {
		if *n <= 0 {
			*n = otherwise
		}
		*n = min(*n, atMost)
	}
	bound(&o.MaxResources, 3, len(resourceNames))
	bound(&o.MaxRelations, 3, len(relationNames))
	bound(&o.MaxPermissions, 4, len(permissionNames))
	bound(&o.MaxDepth, 3, 8)
	return o
}

// generator holds the plan: all names are chosen first, so that every type can
// refer to every other.
type generator struct {
	rng   *rand.Rand
	opts  Options
	types []*plannedType

	leaves, groups, resources []*plannedType
}

type plannedType struct {
	name                   string
	relations, permissions []string
}

// members returns the names of all relations and permissions.
func (t *plannedType) members() []string { return slices.Concat(t.relations, t.permissions) }

func (g *generator) plan() {
	g.leaves = append(g.leaves, &plannedType{name: "user"})
	if g.chance(50) {
		g.leaves = append(g.leaves, &plannedType{name: "bot"})
	}
	team := &plannedType{name: "team", relations: []string{memberRelation, bannedRelation}}
	g.groups = append(g.groups, g.planMembers(team))
	for _, name := range g.some(resourceNames, 1, g.opts.MaxResources) {
		t := &plannedType{name: name, relations: []string{parentRelation, bannedRelation}}
		g.resources = append(g.resources, g.planMembers(t))
	}
	g.types = slices.Concat(g.leaves, g.groups, g.resources)
}

func (g *generator) planMembers(t *plannedType) *plannedType {
	t.relations = append(t.relations, g.some(relationNames, 1, g.opts.MaxRelations)...)
	t.permissions = g.some(permissionNames, 1, g.opts.MaxPermissions)
	return t
}

func (g *generator) definition(t *plannedType) *schema.Definition {
	d := &schema.Definition{Name: t.name}
	var parents []*schema.TypeRef
	for _, name := range t.relations {
		r := &schema.Relation{Name: name, Types: g.restrictions(t, name)}
		if name == parentRelation {
			parents = r.Types
		}
		g.traits(r)
		d.Members = append(d.Members, r)
	}
	for i, name := range t.permissions {
		// What stands before may be referred to: cycles without data cannot arise.
		e := expressions{generator: g, names: slices.Concat(t.relations, t.permissions[:i]), parents: parents}
		d.Members = append(d.Members, &schema.Permission{Name: name, Expr: e.random(g.opts.MaxDepth)})
	}
	return d
}

// restrictions returns the types of a relation.
func (g *generator) restrictions(of *plannedType, name string) []*schema.TypeRef {
	var refs []*schema.TypeRef
	add := func(r schema.TypeRef) {
		if !slices.ContainsFunc(refs, func(o *schema.TypeRef) bool { return o.String() == r.String() }) {
			refs = append(refs, &r)
		}
	}
	user := schema.TypeRef{Type: g.leaves[0].name}
	switch name {
	case bannedRelation:
		add(user)
	case memberRelation:
		add(user)
		add(schema.TypeRef{Type: of.name, Relation: memberRelation})
	case parentRelation:
		for _, t := range g.someTypes(slices.Concat(g.groups, g.resources)) {
			add(schema.TypeRef{Type: t.name})
		}
		if g.chance(20) { // an arrow follows the object of a userset, too
			add(g.userset(one(g, g.groups)))
		}
		return refs
	}
	for range 1 + g.rng.IntN(3) {
		if name != bannedRelation || g.chance(30) {
			add(g.restriction(name == bannedRelation))
		}
	}
	return refs
}

// restriction returns one restriction of a relation that arrows do not follow.
func (g *generator) restriction(concrete bool) schema.TypeRef {
	n := g.rng.IntN(100)
	switch {
	case n < 40 || concrete && n < 70:
		return schema.TypeRef{Type: one(g, g.leaves).name}
	case n < 55 || concrete:
		return schema.TypeRef{Type: one(g, g.leaves).name, Wildcard: true}
	case n < 85:
		return g.userset(one(g, g.groups))
	case n < 95:
		return g.userset(one(g, g.resources))
	}
	return schema.TypeRef{Type: one(g, g.resources).name}
}

func (g *generator) userset(t *plannedType) schema.TypeRef {
	return schema.TypeRef{Type: t.name, Relation: one(g, t.members())}
}

func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// some returns between low and high of the names, in their order.
func (g *generator) some(names []string, low, high int) []string {
	keep := g.rng.Perm(len(names))[:low+g.rng.IntN(high-low+1)]
	slices.Sort(keep)
	var chosen []string
	for _, i := range keep {
		chosen = append(chosen, names[i])
	}
	return chosen
}

// someTypes returns at least one of the types, in their order.
func (g *generator) someTypes(types []*plannedType) []*plannedType {
	var chosen []*plannedType
	for _, t := range types {
		if g.chance(50) {
			chosen = append(chosen, t)
		}
	}
	if chosen == nil {
		chosen = append(chosen, one(g, types))
	}
	return chosen
}

func one[T any](g *generator, from []T) T { return from[g.rng.IntN(len(from))] }
