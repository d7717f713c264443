package bench

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// groupsSchema is nothing but teams in teams, and documents that store them.
const groupsSchema = `
definition user {}
definition team {
	relation member: user | team#member
}
definition document {
	relation viewer: user | team#member
}`

// chains adds a document that stores the tops of chains of teams, each in the next,
// and users that are in the bottoms of three of them. Those of users "in" are chains
// of the document, those of users "out" are of none.
func chains(groups, depth int, visit func(tuple.Named)) {
	add := func(text string) {
		named, err := tuple.Parse(text)
		if err != nil {
			panic(err)
		}
		visit(named)
	}
	count := max(1, groups/depth)
	chain := func(name string) {
		for level := range depth - 1 {
			add(fmt.Sprintf("team:%s-%d#member@team:%s-%d#member", name, level+1, name, level))
		}
	}
	for c := range count {
		chain(fmt.Sprintf("t%06d", c))
		add(fmt.Sprintf("document:wide#viewer@team:t%06d-%d#member", c, depth-1))
	}
	for c := range 3 {
		chain(fmt.Sprintf("other%d", c))
	}
	for u := range groupUsers {
		for c := range 3 {
			if c < count {
				add(fmt.Sprintf("team:t%06d-0#member@user:in%04d", (count/2+c)%count, u))
			}
			add(fmt.Sprintf("team:other%d-0#member@user:out%04d", c, u))
		}
	}
}

const groupUsers = 1000

// openGroups opens a node with chains of teams.
func openGroups(b testing.TB, groups, depth int) (*node, *rewrite.Engine, *schema.Program) {
	n := openCached(b, 256<<20)
	n.writeSchema(b, groupsSchema)
	n.propose(b, batches(b, n.names(b), func(visit func(tuple.Named)) { chains(groups, depth, visit) }))
	engine, program := n.compile(b, groupsSchema)
	return n, engine, program
}

// BenchmarkGroups asks whether a user is among the viewers of a document that stores
// teams, by walking, and by what is kept of groups. What it takes to ask about somebody
// for the first time, whose direct groups are known or not, is the metric first-cpu-ns:
// walking as far as it takes to notice that it is far, and finding out. Compare within
// one run.
func BenchmarkGroups(b *testing.B) {
	for _, depth := range []int{2, 8, 32} {
		for _, groups := range []int{10, 1_000, 100_000} {
			b.Run(fmt.Sprintf("depth=%d/groups=%d", depth, groups), func(b *testing.B) {
				n, engine, program := openGroups(b, groups, depth)
				walking := rewrite.New(program, rewrite.Limits{})
				for _, who := range []string{"in", "out"} {
					b.Run(who+"/walk", func(b *testing.B) { n.askGroups(b, walking, program, who, 1) })
					b.Run(who+"/kept", func(b *testing.B) { n.askGroups(b, engine, program, who, groupUsers) })
				}
			})
		}
	}
}

// askGroups asks about some users once, and then about one of them.
func (n *node) askGroups(b *testing.B, engine *rewrite.Engine, program *schema.Program, who string, users int) {
	b.Helper()
	names := n.names(b)
	want := rewrite.No
	if who == "in" {
		want = rewrite.Yes
	}
	ask := func(user int) rewrite.Cost {
		snapshot, err := n.store.Snapshot(0)
		if err != nil {
			b.Fatal(err)
		}
		defer snapshot.Close()
		q := question(b, program, names, fmt.Sprintf("document:wide#viewer@user:%s%04d", who, user))
		result, err := engine.Check(context.Background(), snapshot, q)
		if err != nil || result.Verdict != want {
			b.Fatal(result, err)
		}
		return result.Cost
	}
	for range 6 {
		ask(0) // so that tuplesets are there
	}
	start := processorTime(b)
	for user := 1; user < users; user++ {
		ask(user)
	}
	first := processorTime(b) - start
	b.ReportAllocs()
	var cost rewrite.Cost
	start = processorTime(b)
	for b.Loop() {
		cost = ask(0)
	}
	b.ReportMetric(float64(processorTime(b)-start)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(float64(cost.Reads), "reads/op")
	if users > 1 {
		b.ReportMetric(float64(first)/float64(users-1), "first-cpu-ns")
	}
}

// processorTime is what this process has had of the processors: on a machine that is
// not its own it says more than the clock.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkGroupObjects lists the documents of a user who is in three chains of teams,
// by walking up and by what is kept.
func BenchmarkGroupObjects(b *testing.B) {
	for _, depth := range []int{2, 8, 32} {
		b.Run(fmt.Sprintf("depth=%d", depth), func(b *testing.B) {
			n, engine, program := openGroups(b, 1000, depth)
			engines := map[string]*rewrite.Engine{"walk": rewrite.New(program, rewrite.Limits{}), "kept": engine}
			for _, name := range []string{"walk", "kept"} {
				b.Run(name, func(b *testing.B) { n.listByGroups(b, engines[name], program) })
			}
		})
	}
}

func (n *node) listByGroups(b *testing.B, engine *rewrite.Engine, program *schema.Program) {
	b.Helper()
	asked := question(b, program, n.names(b), "document:wide#viewer@user:in0000")
	b.ReportAllocs()
	var listing rewrite.Listing
	for b.Loop() {
		snapshot, err := n.store.Snapshot(0)
		if err != nil {
			b.Fatal(err)
		}
		found := 0
		listing, err = engine.ListObjects(b.Context(), snapshot, rewrite.ObjectsQuestion{Slot: asked.Slot, Subject: asked.Subject},
			func(rewrite.FoundObject) bool { found++; return true })
		if err != nil || found != 1 {
			b.Fatal(found, err)
		}
		snapshot.Close()
	}
	b.ReportMetric(float64(listing.Cost.Reads), "reads/op")
}
