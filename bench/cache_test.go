package bench

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// caches are the sizes of the cache of tuplesets that reads are compared by:
// none, one that what is spread over a million tuples does not fit into, and one
// that holds all.
var caches = []struct {
	name  string
	bytes int64
}{{"off", 0}, {"1MiB", 1 << 20}, {"1GiB", 1 << 30}}

// BenchmarkCachedCheck is BenchmarkCheck by the size of the cache of tuplesets.
// Compare within one run.
func BenchmarkCachedCheck(b *testing.B) {
	for _, size := range sizes {
		for _, cache := range caches {
			b.Run(fmt.Sprintf("tuples=%s/cache=%s", size.name, cache.name), func(b *testing.B) {
				n := openCached(b, cache.bytes)
				questions := n.load(b, size.tuples)
				engine, program := n.engine(b)
				names := n.names(b)
				for _, q := range questions {
					b.Run(q.Name, func(b *testing.B) {
						n.benchCheck(b, engine, question(b, program, names, q.Text), q.Yes)
					})
				}
				b.Run("spread", func(b *testing.B) { n.benchSpread(b, engine, program, names, size.tuples) })
			})
		}
	}
}

// BenchmarkCachedBatch is BenchmarkBatchCheck by the size of the cache.
func BenchmarkCachedBatch(b *testing.B) {
	for _, cache := range caches {
		b.Run("cache="+cache.name, func(b *testing.B) { benchBatch(b, openCached(b, cache.bytes)) })
	}
}

func (n *node) find(b *testing.B, t tuple.Tuple) {
	snapshot, err := n.store.Snapshot(0)
	if err != nil {
		b.Fatal(err)
	}
	defer snapshot.Close()
	if _, _, err := snapshot.Find(t.Object, t.Relation, t.Subject); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkBytesPerCachedTuple is the memory that the cache takes for a million
// tuples when every tupleset of theirs is in it, as it counts it and by the heap.
func BenchmarkBytesPerCachedTuple(b *testing.B) {
	const tuples = 1_000_000
	for b.Loop() {
		n := openCached(b, 4<<30)
		n.load(b, tuples)
		names := n.names(b)
		before := heapBytes()
		dataset.GitClub(tuples, func(named tuple.Named) {
			t, _ := names.Tuple(named)
			n.find(b, t)
		})
		st := n.store.Metrics().Tuplesets
		b.ReportMetric(float64(st.Bytes)/tuples, "bytes/tuple")
		b.ReportMetric(float64(heapBytes()-before)/tuples, "heap-bytes/tuple")
		b.ReportMetric(float64(st.Entries), "tuplesets")
		runtime.KeepAlive(n)
	}
}

func heapBytes() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkCachedLists is what a user of a few nested teams may read, some dozens of
// repositories, by the size of the cache: asked again and again, and in turn with a
// thousand others.
func BenchmarkCachedLists(b *testing.B) {
	const users, repositories = 1000, 30
	for _, cache := range caches {
		n := openCached(b, cache.bytes)
		n.propose(b, batches(b, n.names(b), func(visit func(tuple.Named)) {
			for u := range users {
				for i := range 4 {
					visit(named(b, fmt.Sprintf("team:l%d-%d#member@user:l%d", u, i, u)))
					visit(named(b, fmt.Sprintf("team:o%d-%d#member@team:l%d-%d#member", u, i, u, i)))
				}
				for i := range repositories {
					visit(named(b, fmt.Sprintf("repository:l%d-%02d#reader@team:o%d-%d#member", u, i, u, i%4)))
				}
			}
			dataset.GitClub(100_000, visit)
		}))
		engine, program := n.engine(b)
		names := n.names(b)
		for name, others := range map[string]int{"again": 1, "spread": users} {
			questions := make([]rewrite.ObjectsQuestion, others)
			for u := range questions {
				q := question(b, program, names, fmt.Sprintf("repository:x#read@user:l%d", u))
				questions[u] = rewrite.ObjectsQuestion{Slot: q.Slot, Subject: q.Subject}
			}
			b.Run(fmt.Sprintf("cache=%s/%s", cache.name, name), func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					snapshot, err := n.store.Snapshot(0)
					if err != nil {
						b.Fatal(err)
					}
					got := 0
					_, err = engine.ListObjects(b.Context(), snapshot, questions[i%others], func(rewrite.FoundObject) bool { got++; return true })
					snapshot.Close()
					if err != nil || got != repositories {
						b.Fatalf("%d entries, %v; want %d", got, err, repositories)
					}
				}
			})
		}
	}
}
