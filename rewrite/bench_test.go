package rewrite_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// The benchmarks read from memory: what they show is the evaluation itself.

const benchSchema = `
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
	permission maintain = maintainer + org->administer
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
definition folder {
	relation parent: folder
	relation viewer: user
	permission view = viewer + parent->view
}`

func benchCheck(b *testing.B, w *rewritetest.World, userset, subject string, want rewrite.Verdict) {
	b.Helper()
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := ask(b, w, userset, subject)
	b.ReportAllocs()
	var cost rewrite.Cost
	for b.Loop() {
		result, err := engine.Check(context.Background(), w.Tuples, q)
		if err != nil || result.Verdict != want {
			b.Fatalf("%s@%s: got %v, %v; want %v", userset, subject, result.Verdict, err, want)
		}
		cost = result.Cost
	}
	b.ReportMetric(float64(cost.Steps), "steps/op")
	b.ReportMetric(float64(cost.Reads), "reads/op")
}

// BenchmarkCheckGitClub asks what the jobs service asks: run to job to
// repository to organization or nested teams.
func BenchmarkCheckGitClub(b *testing.B) {
	w := parse(b, benchSchema,
		"organization:acme#owner@user:olga", "organization:acme#member@user:mel",
		"team:core#member@user:cora", "team:infra#member@team:core#member", "team:infra#member@user:ivan",
		"repository:gitclub#org@organization:acme", "repository:gitclub#maintainer@team:infra#member",
		"repository:gitclub#reader@user:rob", "job:build#repo@repository:gitclub",
		"job:build#creator@user:carl", "run:42#job@job:build")
	for _, c := range []struct {
		name, userset, subject string
		want                   rewrite.Verdict
	}{
		{"Creator", "run:42#cancel", "user:carl", rewrite.Yes},
		{"Maintainer", "run:42#cancel", "user:ivan", rewrite.Yes},
		{"NestedTeam", "run:42#cancel", "user:cora", rewrite.Yes},
		{"Owner", "run:42#cancel", "user:olga", rewrite.Yes},
		{"Stranger", "run:42#cancel", "user:zoe", rewrite.No},
		{"StrangerViews", "run:42#view", "user:zoe", rewrite.No},
	} {
		b.Run(c.name, func(b *testing.B) { benchCheck(b, w, c.userset, c.subject, c.want) })
	}
}

func BenchmarkCheckByDepth(b *testing.B) {
	for _, levels := range []int{1, 4, 8} {
		w := parse(b, benchSchema, append(chain(levels-1), fmt.Sprintf("folder:f%d#viewer@user:ann", levels-1))...)
		b.Run(fmt.Sprintf("%dLevels/Yes", levels), func(b *testing.B) { benchCheck(b, w, "folder:f0#view", "user:ann", rewrite.Yes) })
		b.Run(fmt.Sprintf("%dLevels/No", levels), func(b *testing.B) { benchCheck(b, w, "folder:f0#view", "user:bob", rewrite.No) })
	}
}

func BenchmarkCheckByFanOut(b *testing.B) {
	for _, n := range []int{10, 1000} {
		w := parse(b, benchSchema)
		for i := range n {
			team := fmt.Sprintf("t%04d", i)
			for _, t := range []tuple.Named{
				{ObjectType: "repository", ObjectID: "gitclub", Relation: "reader", SubjectType: "team", SubjectID: team, SubjectRelation: "member"},
				{ObjectType: "team", ObjectID: team, Relation: "member", SubjectType: "user", SubjectID: "user-of-" + team},
			} {
				if err := w.Add(t); err != nil {
					b.Fatal(err)
				}
			}
		}
		middle := fmt.Sprintf("user:user-of-t%04d", n/2)
		b.Run(fmt.Sprintf("%dTeams/Yes", n), func(b *testing.B) { benchCheck(b, w, "repository:gitclub#read", middle, rewrite.Yes) })
		b.Run(fmt.Sprintf("%dTeams/No", n), func(b *testing.B) { benchCheck(b, w, "repository:gitclub#read", "user:zoe", rewrite.No) })
	}
}

// BenchmarkBatchCheck asks for 1,000 runs of 100 jobs in 10 repositories, as a
// page that lists runs does: one subject, most of whose way is shared.
func BenchmarkBatchCheck(b *testing.B) {
	w := parse(b, benchSchema, "team:core#member@user:cora", "organization:acme#member@user:mel")
	for i := range 1000 {
		for _, text := range []string{
			fmt.Sprintf("run:r%d#job@job:j%d", i, i/10),
			fmt.Sprintf("job:j%d#repo@repository:p%d", i/10, i/100),
			fmt.Sprintf("repository:p%d#org@organization:acme", i/100),
			fmt.Sprintf("repository:p%d#maintainer@team:core#member", i/200*2),
		} {
			t, err := tuple.Parse(text)
			if err != nil {
				b.Fatal(err)
			}
			if err := w.Add(t); err != nil {
				b.Fatal(err)
			}
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	questions := make([]rewrite.Question, 1000)
	for i := range questions {
		questions[i] = ask(b, w, fmt.Sprintf("run:r%d#cancel", i), "user:cora")
	}
	answers := make([]rewrite.Answer, len(questions))
	b.ReportAllocs()
	for b.Loop() {
		if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(questions))*float64(b.N)/b.Elapsed().Seconds(), "checks/s")
	yes := 0
	for _, a := range answers {
		if a.Err != nil {
			b.Fatal(a.Err)
		}
		if a.Verdict == rewrite.Yes {
			yes++
		}
	}
	if yes != 500 {
		b.Fatalf("%d answers are yes; want 500", yes)
	}
}
