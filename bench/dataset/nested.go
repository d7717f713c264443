package dataset

import (
	"fmt"
	"math/rand/v2"
)

// nestedSchema has documents that teams edit, which are in teams.
const nestedSchema = `
definition user {}

definition team {
	relation member: user | team#member
}

definition document {
	relation editor: user | team#member
	relation viewer: user | team#member
	permission edit = editor
	permission view = viewer + edit
}
`

// The proportions of one company: a chain of teams, each within the one before it,
// with users in each; all of the chain view its documents, and from half of it on
// they edit them.
const (
	nestedLevels    = 16
	nestedEditors   = 8 // the first level that edits
	nestedUsers     = 4 // of a level
	nestedDocuments = 8
	nestedTuples    = nestedLevels*nestedUsers + nestedLevels - 1 + 2*nestedDocuments
)

type nestedWorld struct {
	companies int
	seed      uint64
}

func nested(n int, seed uint64) *world {
	w := nestedWorld{places(n, nestedTuples), seed}
	return &world{
		schema:  nestedSchema,
		count:   w.companies * nestedTuples,
		tuples:  placesOf(w.companies, w.company),
		reads:   reads{w.check, w.listObjects, w.listSubjects},
		written: written{"document", "viewer", "view"},
	}
}

func (w nestedWorld) user(company, level, i int) string {
	return userID((company*nestedLevels+level)*nestedUsers+i, w.seed)
}

func nestedTeam(company, level int) string      { return fmt.Sprintf("c%d-level%d", company, level) }
func nestedDocument(company, number int) string { return fmt.Sprintf("c%d-doc%d", company, number) }

func (w nestedWorld) company(c int, add adder) {
	for level := range nestedLevels {
		if level > 0 {
			add("team", nestedTeam(c, level-1), "member", "team", nestedTeam(c, level), "member")
		}
		for i := range nestedUsers {
			add("team", nestedTeam(c, level), "member", "user", w.user(c, level, i), "")
		}
	}
	for d := range nestedDocuments {
		add("document", nestedDocument(c, d), "viewer", "team", nestedTeam(c, 0), "member")
		add("document", nestedDocument(c, d), "editor", "team", nestedTeam(c, nestedEditors), "member")
	}
}

// check asks about somebody of the company three times in four, for view and edit.
func (w nestedWorld) check(r *rand.Rand) Operation {
	company, level := r.IntN(w.companies), r.IntN(nestedLevels)
	of := company
	if r.IntN(4) == 0 {
		of = r.IntN(w.companies)
	}
	user, document := w.user(of, level, r.IntN(nestedUsers)), nestedDocument(company, r.IntN(nestedDocuments))
	if r.IntN(2) == 0 {
		return check("document", document, "view", "user", user, of == company)
	}
	return check("document", document, "edit", "user", user, of == company && level >= nestedEditors)
}

func (w nestedWorld) listObjects(r *rand.Rand) Operation {
	var want Listed
	company := r.IntN(w.companies)
	for d := range nestedDocuments {
		want.Add(nestedDocument(company, d))
	}
	return listObjects("document", "view", "user", w.user(company, r.IntN(nestedLevels), r.IntN(nestedUsers)), want)
}

func (w nestedWorld) listSubjects(r *rand.Rand) Operation {
	var want Listed
	company, relation, first := r.IntN(w.companies), "view", 0
	if r.IntN(2) == 0 {
		relation, first = "edit", nestedEditors
	}
	for level := first; level < nestedLevels; level++ {
		for i := range nestedUsers {
			want.Add(w.user(company, level, i))
		}
	}
	return listSubjects("document", nestedDocument(company, r.IntN(nestedDocuments)), relation, "user", want)
}
