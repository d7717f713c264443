package schematest

import (
	"slices"

	"github.com/tupelodb/tupelo/schema"
)

// CaveatParams are the names and types of the parameters of random caveats, of
// which each has some: contexts of such names and types fit.
var CaveatParams = []schema.Param{
	{Name: "count", Type: &schema.ParamType{Name: "int"}},
	{Name: "flag", Type: &schema.ParamType{Name: "bool"}},
	{Name: "place", Type: &schema.ParamType{Name: "string"}},
}

// caveats returns the caveats of a random schema: one for each number of
// parameters, and one that is like another but by its name.
func caveats() []*schema.Caveat {
	params := func(indexes ...int) (list []*schema.Param) {
		for _, i := range indexes {
			p := CaveatParams[i]
			list = append(list, &p)
		}
		return list
	}
	return []*schema.Caveat{
		{Name: "small", Params: params(0), Expression: "count < 3"},
		{Name: "flagged", Params: params(1), Expression: "flag"},
		{Name: "unflagged", Params: params(1), Expression: "!flag"},
		{Name: "gitclub/nearby", Params: params(0, 2), Expression: "count > 1 &&\n\tplace in [\"here\", \"there\"]"},
		{Name: "any_of", Params: params(0, 1, 2), Expression: "flag || count == 2 || place == \"here\""},
	}
}

// uses returns the lines that the options need.
func (g *generator) uses() (list []*schema.Use) {
	if g.opts.Expiration {
		list = append(list, &schema.Use{Flag: "expiration"})
	}
	if g.opts.Self {
		list = append(list, &schema.Use{Flag: "self"})
	}
	return list
}

// traits gives kinds of tuples of a relation a caveat or an expiration, and
// sometimes one kind both with and without. The banned relation stays plain.
func (g *generator) traits(r *schema.Relation) {
	if !g.opts.Caveats && !g.opts.Expiration || r.Name == bannedRelation {
		return
	}
	for _, t := range slices.Clone(r.Types) {
		if g.chance(50) {
			continue
		}
		other := *t
		if g.opts.Caveats && g.chance(70) {
			other.Caveat = one(g, caveats()).Name
		}
		other.Expiration = g.opts.Expiration && g.chance(40)
		if g.chance(50) {
			*t = other
		} else if other.String() != t.String() {
			r.Types = append(r.Types, &other)
		}
	}
}
