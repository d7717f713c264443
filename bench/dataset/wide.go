package dataset

import (
	"fmt"
	"math/rand/v2"
)

// wideSchema has documents that teams read.
const wideSchema = `
definition user {}

definition team {
	relation member: user
}

definition document {
	relation reader: user | team#member
	permission read = reader
}
`

// The proportions of one house: a document, 10,000 teams that read it (fewer in a
// set that has no room for them), and a tenth as many that do not.
const (
	wideTeams   = 10_000
	wideMembers = 3 // of a team that reads, and how many such teams a user is in
	wideOthers  = 10
)

type wideWorld struct {
	houses, teams, others int
	seed                  uint64
}

func wide(n int, seed uint64) *world {
	// A team takes its members and its place on the document, and a tenth of another;
	// two more make up for what is rounded off.
	teams := min(wideTeams, n*wideOthers/((wideMembers+1)*wideOthers+1)+2)
	teams = max(teams, wideOthers)
	w := wideWorld{teams: teams, others: teams / wideOthers, seed: seed}
	perHouse := teams*(wideMembers+1) + w.others
	w.houses = places(n, perHouse)
	return &world{
		schema:  wideSchema,
		count:   w.houses * perHouse,
		tuples:  placesOf(w.houses, w.house),
		reads:   reads{w.check, w.listObjects, w.listSubjects},
		written: written{"document", "reader", "read"},
	}
}

// user is the i-th of a house: as many as there are teams that read, and then those
// of the other teams.
func (w wideWorld) user(house, i int) string { return userID(house*(w.teams+w.others)+i, w.seed) }

func wideDocument(house int) string { return fmt.Sprintf("wide%d", house) }

func (w wideWorld) house(h int, add adder) {
	for t := range w.teams {
		team := fmt.Sprintf("wide%d-team%d", h, t)
		add("document", wideDocument(h), "reader", "team", team, "member")
		for i := range wideMembers {
			add("team", team, "member", "user", w.user(h, (t+i)%w.teams), "")
		}
	}
	for t := range w.others {
		add("team", fmt.Sprintf("wide%d-other%d", h, t), "member", "user", w.user(h, w.teams+t), "")
	}
}

// check asks about a reader every second time, and else about one of the house's
// others or of another house.
func (w wideWorld) check(r *rand.Rand) Operation {
	house := r.IntN(w.houses)
	ask := func(of, i int, yes bool) Operation {
		return check("document", wideDocument(house), "read", "user", w.user(of, i), yes)
	}
	switch r.IntN(4) {
	case 0, 1:
		return ask(house, r.IntN(w.teams), true)
	case 2:
		return ask(house, w.teams+r.IntN(w.others), false)
	default:
		of := r.IntN(w.houses)
		return ask(of, r.IntN(w.teams), of == house)
	}
}

func (w wideWorld) listObjects(r *rand.Rand) Operation {
	var want Listed
	house := r.IntN(w.houses)
	want.Add(wideDocument(house))
	return listObjects("document", "read", "user", w.user(house, r.IntN(w.teams)), want)
}

func (w wideWorld) listSubjects(r *rand.Rand) Operation {
	var want Listed
	house := r.IntN(w.houses)
	for i := range w.teams {
		want.Add(w.user(house, i))
	}
	return listSubjects("document", wideDocument(house), "read", "user", want)
}
