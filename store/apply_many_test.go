package store

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestManyUpdatesAreDoneAsFewAre applies random histories in batches to stores that
// do every write in the order of keys, each with its way of looking them up, and to
// one that does none so: results, to the text of the error, and states are the same.
func TestManyUpdatesAreDoneAsFewAre(t *testing.T) {
	for _, trials := range []int{0, 1, gapTrials, math.MaxInt} {
		for seed := range uint64(6) {
			t.Run(fmt.Sprintf("trials=%d/seed=%d", trials, seed), func(t *testing.T) { manyAsFew(t, trials, seed) })
		}
	}
}

func manyAsFew(t *testing.T, trials int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 11))
	one, other := openTest(t, vfs.NewMem()), openTest(t, vfs.NewMem())
	one.manyUpdates, other.manyUpdates = 1, math.MaxInt
	one.gapTrials = trials
	h := &history{t: t, store: openTest(t, vfs.NewMem())}
	r := &randomHistory{rng: rng, model: newModel(), full: gitclub()}
	r.start(h)
	for range 400 {
		c := r.command()
		h.apply(c)
		r.model.apply(c)
	}
	for from := 0; from < len(h.log); {
		to := min(from+1+rng.IntN(12), len(h.log))
		a, err := one.Apply(h.indexes[from:to], h.log[from:to])
		if err != nil {
			t.Fatal(err)
		}
		b, err := other.Apply(h.indexes[from:to], h.log[from:to])
		if err != nil {
			t.Fatal(err)
		}
		for i := range a {
			if got, want := fmt.Sprintf("%+v", a[i]), fmt.Sprintf("%+v", b[i]); got != want {
				t.Fatalf("revision %d: %s, want %s", h.indexes[from+i], got, want)
			}
		}
		from = to
	}
	_, sum, err := one.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	if _, want, err := other.Checksum(); err != nil || sum != want {
		t.Errorf("the states differ (%v)", err)
	}
}

// TestTuplesThatLieTogetherAreLookedUpAtOnce counts the seeks for tuples in one gap,
// and for tuples that are scattered, which after some trials are sought one by one.
func TestTuplesThatLieTogetherAreLookedUpAtOnce(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	for i := range 100 {
		h.must(h.write(Touch, fmt.Sprintf("repository:r%02d#reader@user:alice", i)))
	}
	for _, c := range []struct {
		format string // of the ids that are looked up
		seeks  int
		alone  bool
	}{{"r50-%02d", 1, false}, {"s%02d", 1, false}, {"r%02d-a", gapTrials + 1, true}} {
		b := newBatch(h.store)
		g := gaps{trials: gapTrials}
		for i := range 100 {
			key := appendForward(nil, h.tuple(fmt.Sprintf("repository:"+c.format+"#reader@user:bob", i)))
			if v, err := b.findNext(&g, key); err != nil || v.revision != 0 {
				t.Fatalf("%s: %+v, %v", key, v, err)
			}
		}
		if g.sought != c.seeks || g.scatter != c.alone {
			t.Errorf("%s: %d seeks, one by one: %v; want %d, %v", c.format, g.sought, g.scatter, c.seeks, c.alone)
		}
		b.close()
	}
}
