package bench

import (
	"flag"
	"fmt"
	"math"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

var curveTuples = flag.Int("curve-tuples", 1_000_000, "the largest data set of BenchmarkWarmCheck")

// warmQuestions is how many questions BenchmarkWarmCheck asks in turn: with what
// answers them, more than a processor's caches hold.
const warmQuestions = 1 << 16

// BenchmarkWarmCheck is what a check costs that the cache of tuplesets answers, by
// how many tuples are stored. The working set is the same organizations whatever is
// stored beside them, those of the first ten thousand tuples; or it is spread over
// all that is stored, and so grows with it, until there is another organization in
// each question. The first says what stored data costs, the second what a larger
// working set costs the processor's caches.
func BenchmarkWarmCheck(b *testing.B) {
	const fewest = 10_000
	for size := fewest; size <= *curveTuples; size *= 10 {
		b.Run(fmt.Sprintf("tuples=%d", size), func(b *testing.B) {
			n := openBulk(b, size)
			engine, program := n.engine(b)
			names := n.names(b)
			for _, set := range []struct {
				name   string
				within int // the tuples that the questions are about
			}{{"same", fewest}, {"spread", size}} {
				b.Run("set="+set.name, func(b *testing.B) {
					n.benchWarm(b, engine, warm(b, program, names, size, set.within))
				})
			}
		})
	}
}

// benchWarm asks all questions until their tuplesets are in the cache, and then
// again and again.
func (n *node) benchWarm(b *testing.B, engine *rewrite.Engine, questions []rewrite.Question) {
	for range 8 { // a large tupleset is loaded once it has been asked for some times
		for _, q := range questions {
			if _, err := n.check(engine, q); err != nil {
				b.Fatal(err)
			}
		}
	}
	before := n.store.Metrics().Tuplesets
	b.ReportAllocs()
	// The least of all rounds, as what else the machine does only adds to it.
	least, began := cpuTime(math.MaxInt64), startCPU()
	i := 0
	for b.Loop() {
		if _, err := n.check(engine, questions[i%len(questions)]); err != nil {
			b.Fatal(err)
		}
		if i++; i%len(questions) == 0 {
			now := startCPU()
			least, began = min(least, now-began), now
		}
	}
	if i >= len(questions) {
		b.ReportMetric(float64(least)/float64(len(questions)), "cpu-ns/check")
	}
	after := n.store.Metrics().Tuplesets
	b.ReportMetric(float64(after.Misses-before.Misses)/float64(b.N), "misses/op")
	b.ReportMetric(float64(after.Bytes)/(1<<20), "cached-MiB")
}

// warm returns questions about runs of the first tuples of a data set, by users of
// theirs.
func warm(b *testing.B, program *schema.Program, names *tuple.Names, size, within int) []rewrite.Question {
	b.Helper()
	var runs, users []string
	seen := 0
	dataset.GitClub(size, func(t tuple.Named) {
		if seen++; seen > within {
			return
		}
		switch t.ObjectType {
		case "run":
			runs = append(runs, "run:"+t.ObjectID)
		case "organization":
			users = append(users, "user:"+t.SubjectID)
		}
	})
	list := make([]rewrite.Question, warmQuestions)
	for i := range list {
		list[i] = question(b, program, names, runs[i*7919%len(runs)]+"#cancel@"+users[i*104729%len(users)])
	}
	return list
}

// openBulk opens a node that has so many tuples of GitClub, past the log, and a
// cache of tuplesets that holds all that is asked for.
func openBulk(b *testing.B, tuples int) *node {
	b.Helper()
	n := openNode(b)
	names := n.names(b)
	dir := b.TempDir()
	bare := copyOf(b, n, dir)
	l, err := bare.BulkLoad(store.BulkLoadOptions{Dir: b.TempDir() + "/bulk", Sorters: 1})
	if err != nil {
		b.Fatal(err)
	}
	s := l.Sorter()
	dataset.GitClub(tuples, func(named tuple.Named) {
		t, _ := names.Tuple(named)
		if err := s.Add(t); err != nil {
			b.Fatal(err)
		}
	})
	if err := s.End(); err != nil {
		b.Fatal(err)
	}
	if _, err := l.Finish(b.Context()); err != nil {
		b.Fatal(err)
	}
	for _, end := range []func() error{l.Close, bare.Close} {
		if err := end(); err != nil {
			b.Fatal(err)
		}
	}
	st, err := store.Open(store.Options{FS: vfs.Default, Dir: dir, TuplesetCacheBytes: 4 << 30})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	return &node{store: st}
}
