package bench

import (
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// importTuples is how many tuples the benchmarks of imports bring: several
// memtables full, so that flushes and compactions are in what they cost.
const importTuples = 1_000_000

// BenchmarkImport brings GitClub's tuples through the log, a thousand to a
// command, into an empty store.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := openNode(b)
		commands := batches(b, n.names(b), func(visit func(tuple.Named)) { dataset.GitClub(importTuples, visit) })
		b.StartTimer()
		c := startCPU()
		n.propose(b, commands)
		c.report(b, importTuples)
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

// BenchmarkImportApply is the part of an import that one goroutine does: the
// apply, of four commands at a time.
func BenchmarkImportApply(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := openNode(b)
		commands := batches(b, n.names(b), func(visit func(tuple.Named)) { dataset.GitClub(importTuples, visit) })
		st := copyOf(b, n)
		b.StartTimer()
		c := startCPU()
		applyAll(b, st, st.Applied()+1, commands)
		c.report(b, importTuples)
		b.StopTimer()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

// copyOf returns a store that has what a node's has, and no log.
func copyOf(b *testing.B, n *node) *store.Store {
	b.Helper()
	st, err := store.Open(store.Options{FS: vfs.Default, Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir() + "/checkpoint"
	if err := n.store.Checkpoint(b.Context(), dir, n.store.Applied()); err != nil {
		b.Fatal(err)
	}
	if err := st.Restore(dir); err != nil {
		b.Fatal(err)
	}
	return st
}

// applyAll applies commands from a revision on, and checks their results.
func applyAll(b *testing.B, st *store.Store, revision uint64, commands [][]byte) {
	b.Helper()
	for len(commands) > 0 {
		some := commands[:min(4, len(commands))]
		commands = commands[len(some):]
		indexes := make([]uint64, len(some))
		for i := range indexes {
			indexes[i] = revision
			revision++
		}
		results, err := st.Apply(indexes, some)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if err := r.(store.Result).Err; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// cpuTime is the processor time of this process at some moment.
type cpuTime time.Duration

func startCPU() cpuTime {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for oneself
	return cpuTime(u.Utime.Nano() + u.Stime.Nano())
}

// report reports what was used since then, for each of n tuples.
func (c cpuTime) report(b *testing.B, n int) {
	b.ReportMetric(float64(startCPU()-c)/1000/float64(n), "cpu-µs/tuple")
}

// BenchmarkImportBulk sorts GitClub's tuples, writes their tables and has a store
// take them in: an offline import without the reading of its files.
func BenchmarkImportBulk(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := openNode(b)
		names := n.names(b)
		var list []tuple.Tuple
		dataset.GitClub(importTuples, func(named tuple.Named) {
			t, _ := names.Tuple(named)
			list = append(list, t)
		})
		st := copyOf(b, n)
		b.StartTimer()
		c := startCPU()
		bulkLoad(b, st, list)
		c.report(b, len(list))
		b.StopTimer()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

func bulkLoad(b *testing.B, st *store.Store, list []tuple.Tuple) {
	b.Helper()
	const sorters = 2
	l, err := st.BulkLoad(store.BulkLoadOptions{Dir: b.TempDir() + "/bulk", Sorters: sorters})
	if err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	for i := range sorters {
		group.Go(func() error {
			s := l.Sorter()
			for _, t := range list[i*len(list)/sorters : (i+1)*len(list)/sorters] {
				if err := s.Add(t); err != nil {
					return err
				}
			}
			return s.End()
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	loaded, err := l.Finish(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(loaded.Bytes)/float64(len(list)), "bytes/tuple")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
