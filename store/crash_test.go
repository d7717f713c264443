package store

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestCrashLeavesAPrefix cuts the disk off at random moments of a history with
// flushes and restores. What is left is the state of some revision at or above
// the newest that was durable, whole, as a replay of the log up to there shows.
func TestCrashLeavesAPrefix(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			fs := vfs.NewCrashableMem()
			h := &history{t: t, store: openTest(t, fs)}
			r := &randomHistory{rng: rng, model: newModel(), full: gitclub()}
			r.start(h)
			for range 150 {
				c := r.command()
				h.apply(c)
				r.model.apply(c)
				h.disturbWithoutClosing(rng)
				if rng.IntN(6) == 0 {
					h.checkCrash(fs, rng)
				}
			}
		})
	}
}

func (h *history) disturbWithoutClosing(rng *rand.Rand) {
	h.t.Helper()
	switch rng.IntN(30) {
	case 0:
		if err := h.store.current.Load().db.Flush(); err != nil {
			h.t.Fatal(err)
		}
	case 1:
		dir := fmt.Sprintf("/checkpoint-%d", h.revision)
		if err := h.store.Checkpoint(h.t.Context(), dir, h.revision); err != nil {
			h.t.Fatal(err)
		}
		if err := h.store.Restore(dir); err != nil {
			h.t.Fatal(err)
		}
	}
}

// checkCrash opens what a crash now would leave.
func (h *history) checkCrash(fs *vfs.MemFS, rng *rand.Rand) {
	h.t.Helper()
	synced, err := flushedRevision(h.store)
	if err != nil {
		h.t.Fatal(err)
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	crashed, err := Open(Options{FS: clone, Dir: "/node/state", CacheBytes: 1 << 20})
	if err != nil {
		h.t.Fatalf("revision %d: opening after a crash: %v", h.revision, err)
	}
	defer func() { _ = crashed.Close() }()
	revision, sum, err := crashed.Checksum()
	if err != nil {
		h.t.Fatal(err)
	}
	if revision < synced || revision > h.revision {
		h.t.Fatalf("the crash left revision %d; durable was %d, applied %d", revision, synced, h.revision)
	}
	replay := openTest(h.t, vfs.NewMem())
	for i := range int(revision) {
		if _, err := replay.Apply(h.indexes[i:i+1], h.log[i:i+1]); err != nil {
			h.t.Fatal(err)
		}
	}
	if _, want, err := replay.Checksum(); err != nil || want != sum {
		h.t.Fatalf("after a crash at %d the state of revision %d differs from a replay (%v)", h.revision, revision, err)
	}
}

// flushedRevision returns the newest revision that a crash would leave.
func flushedRevision(s *Store) (revision uint64, err error) {
	flushed := &pebble.IterOptions{LowerBound: metaApplied, UpperBound: after(metaApplied), OnlyReadGuaranteedDurable: true}
	err = scan(s.current.Load().db, flushed, func(key, value []byte) (bool, error) {
		revision, err = decodeUint64(key, value)
		return false, err
	})
	return revision, err
}

// TestABatchCommitsWholeCommandsOnly looks at what is committed after each
// command of a batch, when some have had the batch flushed: it is what a flush
// of Pebble's may make durable at that moment, so it is the state of a revision.
func TestABatchCommitsWholeCommandsOnly(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { testBatchCommits(t, seed) })
	}
}

func testBatchCommits(t *testing.T, seed uint64) {
	h, r := startRandom(t, seed, smallCache)
	sums := make(map[uint64][sha256.Size]byte)
	note := func() {
		revision, sum, err := h.store.Checksum()
		if err != nil {
			t.Fatal(err)
		}
		sums[revision] = sum
	}
	note()
	for range 250 {
		c := r.command()
		h.apply(c)
		r.model.apply(c)
		note()
	}
	other := openTest(t, vfs.NewMem())
	_, sums[0], _ = other.Checksum()
	for from := 0; from < len(h.log); {
		to := min(from+1+r.rng.IntN(10), len(h.log))
		b := newBatch(other)
		for i := from; i < to; i++ {
			if _, err := b.apply(h.indexes[i], h.log[i]); err != nil {
				t.Fatal(err)
			}
			revision, sum, err := other.Checksum()
			if err != nil || sum != sums[revision] {
				t.Fatalf("within revision %d, %x: what is committed is not revision %d (%v)", h.indexes[i], h.log[i], revision, err)
			}
		}
		if err := b.commit(); err != nil {
			t.Fatal(err)
		}
		b.close()
		from = to
	}
}
