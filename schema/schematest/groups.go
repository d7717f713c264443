package schematest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tupelodb/tupelo/schema"
)

// groupKinds are the usersets that relations of [Groups] store. All but the last are
// groups: they consist of members and of one another.
var groupKinds = []string{"team#member", "team#lead", "team#everyone", "guild#member", "guild#all", "team#active"}

// Groups returns a schema with little but groups: usersets that are members of
// each other, directly, in circles, and by way of permissions; documents that
// store them; and, of Options, conditions on their tuples. In some of them a userset
// that is not made of members alone is in between.
func Groups(rng *rand.Rand, opts Options) *schema.Schema {
	g := generator{rng: rng, opts: opts.withDefaults()}
	kinds := groupKinds
	if g.chance(60) {
		kinds = kinds[:len(kinds)-1]
	}
	// types draws what a relation stores: always users, and some of the others.
	types := func(percent int) string {
		list := []string{"user"}
		for _, other := range append([]string{"user:*", "bot", "bot:*"}, kinds...) {
			if g.chance(percent) {
				list = append(list, other)
			}
		}
		return strings.Join(list, " | ")
	}
	text := fmt.Sprintf(`definition user {}
definition bot {}
definition team {
	relation banned: user | bot
	relation lead: %s
	relation member: %s
	permission everyone = member + lead
	permission active = everyone - banned
	permission both = member & lead
}
definition guild {
	relation member: %s
	permission staff = member
	permission all = staff + member + nil
}
definition doc {
	relation banned: %s
	relation folder: doc
	relation owner: team | guild
	relation reader: %s
	permission read = reader + folder->read
	permission view = read - banned
	permission manage = owner->member & reader
	permission share = owner.all(member) + owner->all
}`, types(15), types(50), types(40), types(30), types(60))
	s, err := schema.Parse("groups", text)
	if err != nil {
		panic(err) // the text is ours
	}
	if opts.Caveats {
		s.Caveats = caveats()
	}
	s.Uses = g.uses()
	for _, d := range s.Definitions {
		for _, m := range d.Members {
			if r, ok := m.(*schema.Relation); ok && g.chance(75) {
				g.traits(r)
			}
		}
	}
	return s
}
