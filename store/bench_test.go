package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// benchmarkStore opens a store on the machine's disk and gives it a schema.
func benchmarkStore(b *testing.B) *history {
	b.Helper()
	s, err := Open(Options{FS: vfs.Default, Dir: b.TempDir() + "/state"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	h := &history{t: b, store: s}
	h.must(gitclub())
	h.must(Upgrade{Format: formatKeys})
	return h
}

// writes returns a batch of writes of one new tuple each.
func (h *history) writes(n int, reader tuple.Tuple, keyed bool) (indexes []uint64, commands [][]byte) {
	for range n {
		h.revision++
		reader.Object.ID = fmt.Appendf(nil, "r%d", h.revision)
		w := Write{UnixMillis: int64(h.revision), Updates: []Update{{Touch, reader}}}
		if keyed {
			w.Key = fmt.Appendf(nil, "0123456789-%d", h.revision)
		}
		indexes, commands = append(indexes, h.revision), append(commands, Encode(w))
	}
	return indexes, commands
}

// BenchmarkApplyOneTuple is what a write costs the apply, in batches of 64, and
// what an idempotency key adds.
func BenchmarkApplyOneTuple(b *testing.B) {
	for name, keyed := range map[string]bool{"plain": false, "keyed": true} {
		b.Run(name, func(b *testing.B) {
			h := benchmarkStore(b)
			reader := h.tuple("repository:a#reader@user:alice")
			b.ReportAllocs()
			for left := b.N; left > 0; left -= 64 {
				b.StopTimer()
				indexes, commands := h.writes(64, reader, keyed)
				b.StartTimer()
				if _, err := h.store.Apply(indexes, commands); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApplyBesideTuplesets is what a write costs the apply, in batches of 64,
// without a cache of tuplesets, with one that holds others, and with one that holds
// those which are written.
func BenchmarkApplyBesideTuplesets(b *testing.B) {
	for _, mode := range []string{"off", "others", "all"} {
		b.Run("cache="+mode, func(b *testing.B) {
			h := benchmarkStore(b)
			if mode != "off" {
				db := h.store.current.Load().db
				db.tuplesets, db.reversed = tupleset.New(256<<20), tupleset.New(256<<20)
			}
			reader := h.tuple("repository:a#reader@user:alice")
			b.ReportAllocs()
			for left := b.N; left > 0; left -= 64 {
				b.StopTimer()
				indexes, commands := h.writes(64, reader, false)
				for _, i := range indexes {
					if id := fmt.Sprintf("repository:r%d#reader@user:alice", i); mode == "all" && h.contains(0, id) {
						b.Fatal(id)
					} else if mode == "others" && h.contains(0, "repository:x"+id[len("repository:"):]) {
						b.Fatal(id)
					}
				}
				b.StartTimer()
				if _, err := h.store.Apply(indexes, commands); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkApplyBesideCheckpoints is how long a batch of 64 writes waits at
// worst while checkpoints are taken one after the other, and while none is.
func BenchmarkApplyBesideCheckpoints(b *testing.B) {
	for _, beside := range []bool{false, true} {
		b.Run(fmt.Sprintf("checkpoints=%v", beside), func(b *testing.B) {
			h := benchmarkStore(b)
			reader := h.tuple("repository:a#reader@user:alice")
			stop := make(chan struct{})
			var wg sync.WaitGroup
			var checkpoints []time.Duration
			if beside {
				dir := b.TempDir()
				wg.Go(func() { checkpoints = takeCheckpoints(b, h.store, dir, stop) })
			}
			var waits []time.Duration
			for b.Loop() {
				indexes, commands := h.writes(64, reader, false)
				start := time.Now()
				if _, err := h.store.Apply(indexes, commands); err != nil {
					b.Fatal(err)
				}
				waits = append(waits, time.Since(start))
			}
			close(stop)
			wg.Wait()
			report(b, "apply", waits)
			report(b, "checkpoint", checkpoints)
		})
	}
}

// takeCheckpoints takes them until stop is closed, and returns how long each took.
func takeCheckpoints(b *testing.B, s *Store, dir string, stop <-chan struct{}) (took []time.Duration) {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return took
		case <-time.After(50 * time.Millisecond):
		}
		start := time.Now()
		target := fmt.Sprintf("%s/%d", dir, i)
		if err := s.Checkpoint(b.Context(), target, s.Applied()); err != nil {
			b.Error(err)
			return took
		}
		took = append(took, time.Since(start))
		if err := vfs.Default.RemoveAll(target); err != nil {
			b.Error(err)
			return took
		}
	}
}

// report gives the middle, the 99th of a hundred and the longest.
func report(b *testing.B, what string, list []time.Duration) {
	if len(list) == 0 {
		return
	}
	slices.Sort(list)
	millis := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(millis(list[len(list)/2]), what+"-p50-ms")
	b.ReportMetric(millis(list[len(list)*99/100]), what+"-p99-ms")
	b.ReportMetric(millis(list[len(list)-1]), what+"-max-ms")
}

// BenchmarkApplyBesideGroups is what a write to a team costs the apply, in batches of
// 64: a membership of a user, or of another team. Nothing is kept of groups, or what
// the users are in whose memberships are written.
func BenchmarkApplyBesideGroups(b *testing.B) {
	for name, member := range map[string]string{"user": "user:u%d", "team": "team:t%d#member"} {
		for _, kept := range []bool{false, true} {
			b.Run(fmt.Sprintf("member=%s/kept=%v", name, kept), func(b *testing.B) {
				h := benchmarkStore(b)
				db := h.store.current.Load().db
				db.tuplesets = tupleset.New(64 << 20)
				if kept {
					db.groups = tupleset.NewGroups(64<<20, 0)
					db.groups.Announce(h.revision)
				}
				b.ReportAllocs()
				for left := b.N; left > 0; left -= 64 {
					b.StopTimer()
					indexes, commands := h.memberships(64, member, kept)
					b.StartTimer()
					if _, err := h.store.Apply(indexes, commands); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// memberships returns writes of one new membership each, of somebody of whom it is
// kept what they are in, or not.
func (h *history) memberships(n int, member string, kept bool) (indexes []uint64, commands [][]byte) {
	now := h.snapshot(0)
	defer now.Close()
	for i := range n {
		who := fmt.Sprintf(member, i)
		if kept {
			h.loadTeams(now, who, func() {})
		}
		h.revision++
		w := h.write(Touch, fmt.Sprintf("team:n%d#member@%s", h.revision, who))
		indexes, commands = append(indexes, h.revision), append(commands, Encode(w))
	}
	return indexes, commands
}
