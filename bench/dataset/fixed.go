package dataset

import (
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Question asks object#relation@subject, and what the answer is.
type Question struct {
	Name  string
	Text  string // as a tuple's text form
	Yes   bool
	setUp []string
}

// FixedQuestions returns questions of known depth and fan-out, with the
// tuples that they need beside any data set.
func FixedQuestions() (questions []Question, tuples []tuple.Named) {
	questions = append(questions, depths()...)
	questions = append(questions, fans()...)
	seen := make(map[string]bool)
	for _, q := range questions {
		for _, text := range q.setUp {
			t, err := tuple.Parse(text)
			if err != nil {
				panic(err) // the texts of this file are well formed
			}
			if !seen[text] {
				seen[text] = true
				tuples = append(tuples, t)
			}
		}
	}
	return questions, tuples
}

// depths asks about users who are one, four and eight objects away: a role on
// the repository itself; a run's job's repository's team; and four more teams,
// each within the next.
func depths() []Question {
	path := []string{
		"repository:deep#maintainer@user:near",
		"repository:deep#maintainer@team:d0#member",
		"team:d0#member@user:four",
		"job:deep#repo@repository:deep",
		"run:deep#job@job:deep",
		"team:d0#member@team:d1#member", "team:d1#member@team:d2#member",
		"team:d2#member@team:d3#member", "team:d3#member@team:d4#member",
		"team:d4#member@user:eight",
	}
	shallow := []string{"repository:flat#maintainer@user:near"}
	return []Question{
		{"levels=1/yes", "repository:flat#maintain@user:near", true, shallow},
		{"levels=1/no", "repository:flat#maintain@user:nobody", false, shallow},
		{"levels=4/yes", "run:deep#cancel@user:four", true, path},
		{"levels=8/yes", "run:deep#cancel@user:eight", true, path},
		{"levels=8/no", "run:deep#cancel@user:nobody", false, path},
	}
}

// fans asks about repositories that 10 and 1,000 teams may read: whether a
// member of the last team may, and one of none.
func fans() []Question {
	var list []Question
	for _, n := range []int{10, 1000} {
		var tuples []string
		for i := range n {
			team := fmt.Sprintf("team:fan%d-%04d", n, i)
			tuples = append(tuples,
				fmt.Sprintf("repository:fan%d#reader@%s#member", n, team),
				fmt.Sprintf("%s#member@user:f%d", team, i))
		}
		list = append(list,
			Question{fmt.Sprintf("teams=%d/yes", n), fmt.Sprintf("repository:fan%d#read@user:f%d", n, n-1), true, tuples},
			Question{fmt.Sprintf("teams=%d/no", n), fmt.Sprintf("repository:fan%d#read@user:nobody", n), false, tuples})
	}
	return list
}
