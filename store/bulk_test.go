package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/store/tuple"
)

// bulkTexts returns random tuples, some of them more than once.
func bulkTexts(rng *rand.Rand, n int) []string {
	ids := []string{"a", "ab", "a-b", "A/b|c=d+e_", strings.Repeat("x", 900), "0"}
	id := func() string {
		if rng.IntN(3) == 0 {
			return ids[rng.IntN(len(ids))]
		}
		return fmt.Sprintf("org%d-repo%d", rng.IntN(40), rng.IntN(30))
	}
	traits := []string{"", "[office_hours]", `[office_hours:{"from":9}]`, "[expiration:2030-01-01T00:00:00Z]"}
	seen := make(map[string]bool)
	var list []string
	for len(list) < n {
		var text string
		switch rng.IntN(5) {
		case 0:
			text = "team:" + id() + "#member@team:" + id() + "#member"
		case 1:
			text = "repository:" + id() + "#reader@user:*"
		case 2:
			text = "repository:" + id() + "#maintainer@team:" + id() + "#member"
		case 3:
			text = "repository:" + id() + "#maintainer@user:" + id()
		default:
			text = "repository:" + id() + "#reader@user:" + id()
		}
		if !seen[text] {
			seen[text] = true
			switch {
			case strings.Contains(text, "#maintainer@user:"):
				text += "[office_hours][expiration:2031-01-01T00:00:00.5Z]"
			case strings.Contains(text, "#reader@user:") && !strings.HasSuffix(text, "*"):
				text += traits[rng.IntN(len(traits))]
			}
			list = append(list, text)
		}
		if len(list) > 0 && rng.IntN(10) == 0 {
			list = append(list, list[rng.IntN(len(list))])
		}
	}
	return list
}

// newBulkStore returns a store with a schema and nothing else.
func newBulkStore(t *testing.T, fs vfs.FS) *history {
	h := &history{t: t, store: openCached(t, fs, 0)}
	h.must(gitclub())
	h.must(Upgrade{Format: MaxFormat})
	return h
}

// bulkLoad loads tuples by some sorters.
func bulkLoad(h *history, texts []string, memory int64, sorters int) (BulkLoaded, error) {
	l, err := h.store.BulkLoad(BulkLoadOptions{Dir: "/node/bulk", MemoryBytes: memory, Sorters: sorters})
	if err != nil {
		return BulkLoaded{}, err
	}
	defer func() {
		if err := l.Close(); err != nil {
			h.t.Error(err)
		}
	}()
	if memory == 1 {
		l.fanIn = 3
	}
	for i := range sorters {
		s := l.Sorter()
		for j := i; j < len(texts); j += sorters {
			if err := s.Add(h.tuple(texts[j])); err != nil {
				return BulkLoaded{}, err
			}
		}
		if err := s.End(); err != nil {
			return BulkLoaded{}, err
		}
	}
	return l.Finish(h.t.Context())
}

// liveSum is a hash of the live tuples in both indexes and of the expirations,
// whatever revisions wrote them.
func (h *history) liveSum() (sum [sha256.Size]byte) {
	h.t.Helper()
	hash := sha256.New()
	db := h.store.current.Load().db
	for _, tag := range []byte{tagForward, tagReverse} {
		bounds := &pebble.IterOptions{LowerBound: []byte{tag}, UpperBound: []byte{tag + 1}}
		var newest []byte
		err := scan(db, bounds, func(key, value []byte) (bool, error) {
			if plain := withoutRevision(key); !bytes.Equal(plain, newest) {
				newest = append(newest[:0], plain...)
				if isLive(value) {
					fmt.Fprintf(hash, "%x=%x\n", plain, value)
				}
			}
			return true, nil
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	err := scanTag(db, tagExpiry, func(key, _ []byte) error {
		fmt.Fprintf(hash, "%x\n", key)
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// online applies the tuples as writes, each once.
func online(h *history, texts []string) {
	seen := make(map[string]bool)
	var w Write
	for _, text := range texts {
		if seen[text] {
			continue
		}
		seen[text] = true
		w.Updates = append(w.Updates, Update{Touch, h.tuple(text)})
		if len(w.Updates) == 50 {
			h.must(w)
			w.Updates = nil
		}
	}
	if len(w.Updates) > 0 {
		h.must(w)
	}
}

func present(counters map[tuple.Shape]uint64) map[tuple.Shape]uint64 {
	maps.DeleteFunc(counters, func(_ tuple.Shape, n uint64) bool { return n == 0 })
	return counters
}

// TestABulkLoadComesToWhatTheLogDoes loads random tuples in random order, with
// memory for all, for some and for next to none, which takes several passes of merging,
// by one sorter and by several, and compares
// indexes, counters and reads with those of a store that was written to; and goes
// on writing to both.
func TestABulkLoadComesToWhatTheLogDoes(t *testing.T) {
	for seed := range uint64(9) {
		memory := []int64{0, 40_000, 1}[seed%3]
		t.Run(fmt.Sprintf("seed=%d/memory=%d", seed, memory), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			texts := bulkTexts(rng, []int{1500, 1500, 60}[seed%3])
			fs := vfs.NewMem()
			a, b := newBulkStore(t, vfs.NewMem()), newBulkStore(t, fs)
			online(a, texts)
			shuffled := slices.Clone(texts)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			loaded, err := bulkLoad(b, shuffled, memory, 1+rng.IntN(4))
			if err != nil {
				t.Fatal(err)
			}
			distinct := len(slices.Compact(slices.Sorted(slices.Values(texts))))
			if got := int(loaded.Repeated); got != len(texts)-distinct {
				t.Errorf("%d repeated, want %d", got, len(texts)-distinct)
			}
			if (loaded.Spills > 0) != (memory > 0) {
				t.Errorf("%d spills with %d bytes of memory", loaded.Spills, memory)
			}
			compareStores(t, a, b, loaded)
			for _, text := range texts[:20] {
				u := Update{Delete, a.tuple(text)}
				a.must(Write{Updates: []Update{u}})
				b.must(Write{Updates: []Update{u}})
			}
			b.must(AdvanceHorizon{Revision: b.revision})
			if a.liveSum() != b.liveSum() {
				t.Error("after deletions the indexes differ")
			}
			if list, err := fs.List("/node/bulk"); err == nil {
				t.Errorf("the load left %v", list)
			}
		})
	}
}

func compareStores(t *testing.T, a, b *history, loaded BulkLoaded) {
	t.Helper()
	if a.liveSum() != b.liveSum() {
		t.Error("the indexes differ")
	}
	want, _ := a.store.Counters()
	got, _ := b.store.Counters()
	if !maps.Equal(present(want), got) || !maps.Equal(got, loaded.Tuples) {
		t.Errorf("counters %v, reported %v, want %v", got, loaded.Tuples, want)
	}
	if a, b := a.read(0, tuple.Filter{}, 100), b.read(0, tuple.Filter{}, 100); !slices.Equal(a, b) {
		t.Errorf("%d tuples are read, want %d", len(b), len(a))
	}
	if horizon := b.store.Horizon(); horizon != b.revision {
		t.Errorf("the horizon is %d, the revision %d", horizon, b.revision)
	}
	var below *HorizonError
	if _, _, err := b.store.Changes(t.Context(), b.revision-1, nil); !errors.As(err, &below) {
		t.Errorf("a watcher from before the load: %v", err)
	}
}

// TestABulkLoadIsRefused has loads that cannot be, and finds the store as it was.
func TestABulkLoadIsRefused(t *testing.T) {
	var twice *ContradictionError
	h := newBulkStore(t, vfs.NewMem())
	before, sum, err := h.store.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	_, err = bulkLoad(h, []string{"repository:a#reader@user:b", "repository:a#reader@user:b[office_hours]"}, 1, 2)
	if !errors.As(err, &twice) || twice.Tuple.String() != "repository:a#reader@user:b" {
		t.Errorf("a tuple with different traits: %v", err)
	}
	var not *NotAllowedError
	if _, err = bulkLoad(h, []string{"repository:a#reader@repository:b"}, 0, 1); !errors.As(err, &not) {
		t.Errorf("a tuple that the schema does not allow: %v", err)
	}
	l, err := h.store.BulkLoad(BulkLoadOptions{Dir: "/node/bulk"})
	if err != nil {
		t.Fatal(err)
	}
	s := l.Sorter()
	if err := errors.Join(s.Add(h.tuple("repository:a#reader@user:b")), s.End()); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := l.Finish(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("a load whose context ended: %v", err)
	}
	l.counted.add(tuple.Shape{Type: 9}, 1)
	if _, err := l.Finish(t.Context()); !errors.Is(err, errBulkCount) {
		t.Errorf("a load that lost a tuple: %v", err)
	}
	if after, same, err := h.store.Checksum(); err != nil || after != before || same != sum {
		t.Errorf("the store has changed (%v)", err)
	}
	h.must(Write{Updates: []Update{{Touch, h.tuple("repository:a#reader@user:b")}}})
	if _, err := bulkLoad(h, nil, 0, 1); !errors.Is(err, ErrNotEmpty) {
		t.Errorf("a store with tuples: %v", err)
	}
	bare := openCached(t, vfs.NewMem(), 0)
	if _, err := bare.BulkLoad(BulkLoadOptions{Dir: "/node/bulk"}); !errors.Is(err, ErrNoSchema) {
		t.Errorf("a store without a schema: %v", err)
	}
}
