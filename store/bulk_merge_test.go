package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestChunksAreSortedAsBytes compares the order of random keys, most of which begin
// alike, with that of their bytes: few keys and many, of few bytes and of all.
func TestChunksAreSortedAsBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var spare []chunkItem
	for _, most := range []int{fewItems, manyItems, 20 * manyItems} {
		for range 30 {
			c, want := &chunk{}, [][]byte(nil)
			letters := []int{3, 255}[rng.IntN(2)]
			for range rng.IntN(most) {
				key := []byte("\x00\x01" + strings.Repeat("a", rng.IntN(30)))
				for range rng.IntN(12) {
					key = append(key, byte(1+rng.IntN(letters)))
				}
				at := len(c.bytes)
				c.bytes = append(append(c.bytes, key...), 0)
				c.added(at, len(c.bytes)-at)
				want = append(want, c.bytes[at:])
			}
			spare = c.sort(spare)
			slices.SortFunc(want, bytes.Compare)
			for i := range c.items {
				if got := c.key(&c.items[i]); !bytes.Equal(got, want[i]) {
					t.Fatalf("key %d of %d is %q, want %q", i, len(want), got, want[i])
				}
			}
		}
	}
}

// likeKeys returns keys of few different bytes, which begin alike for shorter and
// longer, many of them more than once. As of tuples, none begins with another.
func likeKeys(rng *rand.Rand, n int) (keys [][]byte) {
	letters := 1 + rng.IntN(3)
	for range n {
		key := []byte(strings.Repeat("a", rng.IntN(20)))
		for range rng.IntN(16) {
			key = append(key, byte('a'+rng.IntN(letters)))
		}
		if rng.IntN(50) == 0 {
			key = append(key, strings.Repeat("b", 200+rng.IntN(1800))...)
		}
		keys = append(keys, append(key, 0))
	}
	return keys
}

// writeRun writes keys as a run, each with itself reversed as its value.
func writeRun(t *testing.T, file *runFile, keys [][]byte) run {
	t.Helper()
	var w runWriter
	var last []byte
	w.begin(file)
	for _, key := range keys {
		value := slices.Clone(key)
		slices.Reverse(value)
		if err := w.put(key, sharedBytes(last, key), value); err != nil {
			t.Fatal(err)
		}
		last = key
	}
	r, err := w.end()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAMergeGoesThroughAllKeysInOrder merges runs of random keys, in memory and in a
// file, and looks at the order, at the values and at what the merge says that
// neighbours share.
func TestAMergeGoesThroughAllKeysInOrder(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 7))
		file, err := createRunFile(vfs.NewMem(), "runs")
		if err != nil {
			t.Fatal(err)
		}
		var want [][]byte
		var runs []run
		for range rng.IntN(12) {
			keys := likeKeys(rng, 1+rng.IntN(150))
			slices.SortFunc(keys, bytes.Compare)
			want = append(want, keys...)
			into := file
			if rng.IntN(2) == 0 {
				into = nil
			}
			runs = append(runs, writeRun(t, into, keys))
		}
		slices.SortFunc(want, bytes.Compare)
		if err := file.complete(); err != nil {
			t.Fatal(err)
		}
		if err := mergesTo(runs, want); err != nil {
			t.Errorf("seed %d: %d runs: %v", seed, len(runs), err)
		}
		if err := file.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func mergesTo(runs []run, want [][]byte) error {
	m, err := openMerge(runs)
	if err != nil {
		return err
	}
	var last []byte
	for i, key := range want {
		c, shared := m.top()
		if c == nil || !bytes.Equal(c.key, key) {
			return fmt.Errorf("key %d of %d is not %q", i, len(want), key)
		}
		value := slices.Clone(c.value)
		if slices.Reverse(value); !bytes.Equal(value, key) {
			return fmt.Errorf("key %d has the value %q", i, c.value)
		}
		if exact := sharedBytes(last, key); shared > exact || shared+wordBytes <= exact {
			return fmt.Errorf("key %d is said to share %d bytes, it shares %d", i, shared, exact)
		}
		last = key
		if err := m.pass(); err != nil {
			return err
		}
	}
	if c, _ := m.top(); c != nil {
		return fmt.Errorf("there is a key more, %q", c.key)
	}
	return nil
}

// TestADamagedRunIsToldOf changes each byte of a run in turn, and cuts it short.
func TestADamagedRunIsToldOf(t *testing.T) {
	fs := vfs.NewMem()
	file, err := createRunFile(fs, "runs")
	if err != nil {
		t.Fatal(err)
	}
	keys := [][]byte{[]byte("ab\x00"), []byte("abc\x00"), []byte("b\x00")}
	r := writeRun(t, file, keys)
	if err := file.complete(); err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(file.file)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		if err := file.close(); err != nil {
			t.Fatal(err)
		}
		if file, err = createRunFile(fs, "runs"); err != nil {
			t.Fatal(err)
		}
		damaged := slices.Clone(whole)
		damaged[at] ^= 1
		if err := errors.Join(file.write(damaged), file.complete()); err != nil {
			t.Fatal(err)
		}
		r.file = file
		if err := mergesTo([]run{r}, keys); !errors.Is(err, errDamagedRun) {
			t.Errorf("byte %d is another: %v", at, err)
		}
		short := r
		short.bytes = int64(at)
		if err := mergesTo([]run{short}, keys); err == nil {
			t.Errorf("a run of %d bytes instead of %d is taken for whole", at, len(whole))
		}
	}
	if err := file.close(); err != nil {
		t.Fatal(err)
	}
}

// TestABulkLoadFindsWhatItsFilesLost damages a file of sorted tuples before it is read.
func TestABulkLoadFindsWhatItsFilesLost(t *testing.T) {
	fs := vfs.NewMem()
	h := newBulkStore(t, fs)
	l, err := h.store.BulkLoad(BulkLoadOptions{Dir: "/node/bulk", MemoryBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := l.Sorter()
	if err := errors.Join(s.Add(h.tuple("repository:a#reader@user:b")), s.End()); err != nil {
		t.Fatal(err)
	}
	f := l.files[bulkReverse]
	if err := f.write([]byte("x")); err != nil { // what is behind the runs is nobody's
		t.Fatal(err)
	}
	before, sum, err := h.store.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	for _, runs := range [][]run{nil, {{file: f, at: 1, bytes: f.size - 1}}} {
		l.runs[bulkReverse] = runs
		if _, err := l.Finish(t.Context()); !errors.Is(err, errBulkCount) && !errors.Is(err, errDamagedRun) {
			t.Errorf("a load whose runs of an index are %v: %v", runs, err)
		}
	}
	if after, same, err := h.store.Checksum(); err != nil || after != before || same != sum {
		t.Errorf("the store has changed (%v)", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
