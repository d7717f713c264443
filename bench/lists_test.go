package bench

import (
	"fmt"
	"testing"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// listed are how many entries a list has.
var listed = []struct {
	name    string
	entries int
}{{"10", 10}, {"10k", 10_000}, {"1M", 1_000_000}}

// loadLists brings in, for each size, a user who sees that many repositories by
// way of a team within a team, and a repository that as many users may read.
func (n *node) loadLists(b *testing.B) {
	b.Helper()
	n.propose(b, batches(b, n.names(b), func(visit func(tuple.Named)) {
		tupleOf := func(objectType, objectID, relation, subjectType, subjectID, subjectRelation string) {
			visit(tuple.Named{ObjectType: objectType, ObjectID: objectID, Relation: relation,
				SubjectType: subjectType, SubjectID: subjectID, SubjectRelation: subjectRelation})
		}
		for _, size := range listed {
			sees, read := "sees"+size.name, "readers"+size.name
			tupleOf("team", sees, "member", "user", sees, "")
			tupleOf("team", sees+"-outer", "member", "team", sees, "member")
			tupleOf("repository", read, "reader", "team", read+"-outer", "member")
			tupleOf("team", read+"-outer", "member", "team", read, "member")
			for i := range size.entries {
				tupleOf("repository", fmt.Sprintf("%s-%07d", sees, i), "maintainer", "team", sees+"-outer", "member")
				tupleOf("team", read, "member", "user", fmt.Sprintf("m%07d", i), "")
			}
		}
		dataset.GitClub(100_000, visit)
	}))
}

// BenchmarkLists is what a list costs in process, from a snapshot's opening to
// its closing: the time until its first entry, and the entries of the whole.
func BenchmarkLists(b *testing.B) {
	n := openNode(b)
	n.loadLists(b)
	engine, program := n.engine(b)
	names := n.names(b)
	for _, size := range listed {
		mine := question(b, program, names, "repository:x#read@user:sees"+size.name)
		objects := func(s *store.Snapshot, found func() bool) error {
			q := rewrite.ObjectsQuestion{Slot: mine.Slot, Subject: mine.Subject}
			_, err := engine.ListObjects(b.Context(), s, q, func(rewrite.FoundObject) bool { return found() })
			return err
		}
		n.benchList(b, "objects="+size.name, size.entries, objects)
	}
	for _, size := range listed {
		theirs := question(b, program, names, "repository:readers"+size.name+"#read@user:x")
		subjects := func(s *store.Snapshot, found func() bool) error {
			q := rewrite.SubjectsQuestion{Slot: theirs.Slot, ObjectID: theirs.ObjectID, Kind: theirs.Subject.Kind()}
			_, err := engine.ListSubjects(b.Context(), s, q, func(rewrite.FoundSubject) bool { return found() })
			return err
		}
		n.benchList(b, "subjects="+size.name, size.entries, subjects)
	}
	n.benchPages(b)
}

// benchPages measures a page of the longest list: the first, one from its middle
// and its last.
func (n *node) benchPages(b *testing.B) {
	b.Helper()
	const page = 100
	engine, program := n.engine(b)
	longest := listed[len(listed)-1]
	mine := question(b, program, n.names(b), "repository:x#read@user:sees"+longest.name)
	for _, from := range []struct {
		name  string
		above int
	}{{"first", -1}, {"middle", longest.entries / 2}, {"last", longest.entries - page - 1}} {
		q := rewrite.ObjectsQuestion{Slot: mine.Slot, Subject: mine.Subject, Window: rewrite.Window{Limit: page}}
		if from.above >= 0 {
			q.Above = fmt.Appendf(nil, "sees%s-%07d", longest.name, from.above)
		}
		b.Run("objects="+longest.name+"/page="+from.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				snapshot, err := n.store.Snapshot(0)
				if err != nil {
					b.Fatal(err)
				}
				got := 0
				_, err = engine.ListObjects(b.Context(), snapshot, q, func(rewrite.FoundObject) bool { got++; return true })
				snapshot.Close()
				if err != nil || got != page {
					b.Fatalf("%d entries, %v; want %d", got, err, page)
				}
			}
		})
	}
}

// benchList measures a list of so many entries to its first and to its last.
func (n *node) benchList(b *testing.B, name string, entries int, list func(s *store.Snapshot, found func() bool) error) {
	b.Helper()
	for _, part := range []struct {
		name string
		want int
	}{{"first", 1}, {"all", entries}} {
		b.Run(name+"/"+part.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				snapshot, err := n.store.Snapshot(0)
				if err != nil {
					b.Fatal(err)
				}
				got := 0
				err = list(snapshot, func() bool { got++; return got < part.want })
				snapshot.Close()
				if err != nil || got != part.want {
					b.Fatalf("%d entries, %v; want %d", got, err, part.want)
				}
			}
			if part.want == entries {
				b.ReportMetric(float64(b.N)*float64(entries)/b.Elapsed().Seconds(), "results/s")
			}
		})
	}
}

// siftedSchema adds projects of which some readers are banned, and what hangs on
// more than one tuple, or on one that expires.
const siftedSchema = "use expiration\n" + dataset.GitClubSchema + `
definition project {
	relation reader: user | team#member
	relation banned: user | team#member
	relation chosen: user
	relation guest: user with expiration
	relation parent: project
	permission read = reader - banned
	permission pick = reader & chosen
	permission visit = guest
}
`

// BenchmarkSiftedLists lists what follows from two sets, of which no one alone
// proves an entry: 10,000 and 100,000 projects that a user reads, but for every
// hundredth; a hundredth of them; and those that a user reads for a time.
func BenchmarkSiftedLists(b *testing.B) {
	n := openNode(b)
	engine, program := n.use(b, siftedSchema)
	names := n.names(b)
	sizes := []struct {
		name     string
		projects int
	}{{"10k", 10_000}, {"100k", 100_000}}
	n.propose(b, batches(b, names, func(visit func(tuple.Named)) {
		for _, size := range sizes {
			user, team := "of"+size.name, "team"+size.name
			visit(named(b, "team:"+team+"#member@user:"+user))
			for i := range size.projects {
				project := fmt.Sprintf("project:%s-%06d", size.name, i)
				visit(named(b, project+"#reader@team:"+team+"#member"))
				visit(named(b, project+"#guest@user:"+user+"[expiration:2100-01-01T00:00:00Z]"))
				if i%100 == 0 {
					visit(named(b, project+"#banned@user:"+user))
					visit(named(b, project+"#chosen@user:"+user))
				}
				visit(named(b, fmt.Sprintf("project:all%s#reader@user:u%06d", size.name, i)))
				if i%100 == 0 {
					visit(named(b, fmt.Sprintf("project:all%s#banned@user:u%06d", size.name, i)))
				}
			}
		}
	}))
	for _, size := range sizes {
		for permission, entries := range map[string]int{"read": size.projects * 99 / 100, "pick": size.projects / 100, "visit": size.projects} {
			mine := question(b, program, names, "project:x#"+permission+"@user:of"+size.name)
			n.benchList(b, permission+"/objects="+size.name, entries, func(s *store.Snapshot, found func() bool) error {
				q := rewrite.ObjectsQuestion{Slot: mine.Slot, Subject: mine.Subject, Given: rewrite.Given{NowNanos: 1}}
				_, err := engine.ListObjects(b.Context(), s, q, func(rewrite.FoundObject) bool { return found() })
				return err
			})
		}
		theirs := question(b, program, names, "project:all"+size.name+"#read@user:x")
		n.benchList(b, "read/subjects="+size.name, size.projects*99/100, func(s *store.Snapshot, found func() bool) error {
			q := rewrite.SubjectsQuestion{Slot: theirs.Slot, ObjectID: theirs.ObjectID, Kind: theirs.Subject.Kind()}
			_, err := engine.ListSubjects(b.Context(), s, q, func(rewrite.FoundSubject) bool { return found() })
			return err
		})
	}
}

// caveatSchema adds what may be done from a network, up to a limit.
const caveatSchema = dataset.GitClubSchema + `
caveat from_network(network string, ip ipaddress) { ip.in_cidr(network) }
caveat within(limit int, used int) { used < limit }
definition environment {
	relation deployer: user with from_network | user with within
	permission deploy = deployer
}
`

// BenchmarkCheckCaveat is a check that hangs on one tuple with a caveat. The
// request's context is the same each time, another one each time, or empty.
func BenchmarkCheckCaveat(b *testing.B) {
	n := openNode(b)
	engine, program := n.use(b, caveatSchema)
	names := n.names(b)
	n.propose(b, batches(b, names, func(visit func(tuple.Named)) {
		visit(named(b, `environment:prod#deployer@user:ann[from_network:{"network":"10.0.0.0/8"}]`))
		visit(named(b, `environment:prod#deployer@user:bob[within:{"limit":5}]`))
		dataset.GitClub(100_000, visit)
	}))
	for _, c := range []struct {
		name, user string
		context    func(i int) string
		want       rewrite.Verdict
	}{
		{"network/again", "ann", func(int) string { return `{"ip":"10.1.2.3"}` }, rewrite.Yes},
		{"network/another", "ann", func(i int) string { return fmt.Sprintf(`{"ip":"10.1.%d.%d"}`, i>>8&255, i&255) }, rewrite.Yes},
		{"limit/again", "bob", func(int) string { return `{"used":3}` }, rewrite.Yes},
		{"limit/another", "bob", func(i int) string { return fmt.Sprintf(`{"used":%d}`, -i) }, rewrite.Yes},
		{"limit/open", "bob", func(int) string { return "" }, rewrite.Conditional},
	} {
		contexts := make([][]byte, 1<<16)
		for i := range contexts {
			contexts[i] = []byte(c.context(i))
		}
		q := question(b, program, names, "environment:prod#deploy@user:"+c.user)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				q.Context = contexts[i%len(contexts)]
				result, err := n.check(engine, q)
				if err != nil || result.Verdict != c.want {
					b.Fatal(result, err)
				}
			}
		})
	}
}

// BenchmarkCheckCurve is how the cost of a check grows with the levels of teams
// within teams, and with the number of teams that may read a repository, for the
// member of the last team and for somebody else.
func BenchmarkCheckCurve(b *testing.B) {
	n := openNode(b)
	levels, widths := []int{1, 2, 4, 8, 16, 32}, []int{10, 100, 1000, 10_000}
	n.propose(b, batches(b, n.names(b), func(visit func(tuple.Named)) {
		for _, count := range levels {
			visit(named(b, fmt.Sprintf("repository:deep%d#reader@team:deep%d-0#member", count, count)))
			for i := range count - 1 {
				visit(named(b, fmt.Sprintf("team:deep%d-%d#member@team:deep%d-%d#member", count, i, count, i+1)))
			}
			visit(named(b, fmt.Sprintf("team:deep%d-%d#member@user:last", count, count-1)))
		}
		for _, count := range widths {
			for i := range count {
				visit(named(b, fmt.Sprintf("repository:wide%d#reader@team:wide%d-%05d#member", count, count, i)))
				visit(named(b, fmt.Sprintf("team:wide%d-%05d#member@user:of%d", count, i, i)))
			}
			visit(named(b, fmt.Sprintf("team:wide%d-%05d#member@user:last", count, count-1)))
		}
		dataset.GitClub(100_000, visit)
	}))
	engine, program := n.engine(b)
	names := n.names(b)
	ask := func(name, repository string) {
		for user, yes := range map[string]bool{"last": true, "nobody": false} {
			b.Run(fmt.Sprintf("%s/%s", name, user), func(b *testing.B) {
				n.benchCheck(b, engine, question(b, program, names, "repository:"+repository+"#read@user:"+user), yes)
			})
		}
	}
	for _, count := range levels {
		ask(fmt.Sprintf("levels=%d", count), fmt.Sprintf("deep%d", count))
	}
	for _, count := range widths {
		ask(fmt.Sprintf("teams=%d", count), fmt.Sprintf("wide%d", count))
	}
}

// use writes another schema and compiles it.
func (n *node) use(b *testing.B, text string) (*rewrite.Engine, *schema.Program) {
	b.Helper()
	n.writeSchema(b, text)
	return n.compile(b, text)
}

func named(b *testing.B, text string) tuple.Named {
	b.Helper()
	t, err := tuple.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	return t
}
