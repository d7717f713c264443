package bench

import (
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Schema is GitClub's and GitClub Jobs' policy.
const Schema = `
definition user {}

definition team {
	relation member: user | team#member
}

definition organization {
	relation owner: user
	relation member: user
	permission administer = owner
	permission read = member + owner
}

definition repository {
	relation org: organization
	relation reader: user | team#member
	relation maintainer: user | team#member
	relation admin: user | team#member
	permission administer = admin + org->administer
	permission maintain = maintainer + administer
	permission read = reader + maintain + org->read
}

definition job {
	relation repo: repository
	relation creator: user
	permission view = repo->read
	permission cancel = creator + repo->maintain
}

definition run {
	relation job: job
	permission view = job->view
	permission cancel = job->cancel
}
`

// The proportions of one organization.
const (
	orgMembers   = 6
	teams        = 4
	teamMembers  = 6
	repositories = 10
	jobsOfRepo   = 3
	runsOfJob    = 5
)

// GitClub calls visit for at least n tuples, organization by organization, and
// returns how many there were. Equal n give equal tuples.
func GitClub(n int, visit func(tuple.Named)) int {
	count := 0
	add := func(object, relation, subject string) {
		count++
		t, err := tuple.Parse(object + "#" + relation + "@" + subject)
		if err != nil {
			panic(err) // the names above are well formed
		}
		visit(t)
	}
	for org := 0; count < n; org++ {
		organization(org, add)
	}
	return count
}

// organization adds one organization. Users belong to two, so that groups overlap.
func organization(org int, add func(object, relation, subject string)) {
	user := func(i int) string { return fmt.Sprintf("user:u%d", (org*orgMembers/2+i)*7919%10_000_000) }
	o := fmt.Sprintf("organization:org%d", org)
	add(o, "owner", user(0))
	for i := range orgMembers {
		add(o, "member", user(i))
	}
	team := func(i int) string { return fmt.Sprintf("team:org%d-team%d", org, i) }
	for i := range teams {
		for j := range teamMembers {
			add(team(i), "member", user(i+j))
		}
		if i > 0 {
			add(team(i-1), "member", team(i)+"#member")
		}
	}
	for i := range repositories {
		repository(fmt.Sprintf("org%d-repo%d", org, i), o, team(i%teams), user, add)
	}
}

func repository(id, org, team string, user func(int) string, add func(object, relation, subject string)) {
	r := "repository:" + id
	add(r, "org", org)
	add(r, "reader", team+"#member")
	add(r, "maintainer", user(1))
	for i := range jobsOfRepo {
		job := fmt.Sprintf("job:%s-job%d", id, i)
		add(job, "repo", r)
		add(job, "creator", user(2+i))
		for j := range runsOfJob {
			add(fmt.Sprintf("run:%s-job%d-run%d", id, i, j), "job", job)
		}
	}
}

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
