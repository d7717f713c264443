package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/store/tuple"
)

// openBuild opens a store as a build that knows formats up to newest.
func openBuild(t *testing.T, fs vfs.FS, newest uint64) *Store {
	t.Helper()
	s, err := Open(Options{FS: fs, Dir: "/node/state", CacheBytes: 8 << 20, MaxFormat: newest})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestAFormatIsRaisedByTheLogAndNeverLowered(t *testing.T) {
	h := newHistory(t)
	fs := h.store.options.FS
	if got := h.store.Format(); got != 1 {
		t.Fatalf("a new store has format %d", got)
	}
	for _, c := range []struct{ to, want uint64 }{{1, 1}, {2, 2}, {2, 2}, {1, 2}, {3, 3}} {
		h.must(Upgrade{Format: c.to})
		if got := h.store.Format(); got != c.want {
			t.Errorf("upgraded to %d: %d, want %d", c.to, got, c.want)
		}
	}
	if err := errors.Join(h.store.current.Load().db.Flush(), h.store.Close()); err != nil {
		t.Fatal(err)
	}
	if got := openTest(t, fs).Format(); got != 3 {
		t.Errorf("after a restart: %d", got)
	}
}

// TestACommandIsRefusedUntilItsFormatIsActive also holds that it is refused
// alike wherever batches begin.
func TestACommandIsRefusedUntilItsFormatIsActive(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	keyed := h.keyed("k", 1, Touch, "repository:a#reader@user:alice")
	var early *FormatError
	if result := h.apply(keyed); !errors.As(result.Err, &early) || *early != (FormatError{Needed: 2, Active: 1}) {
		t.Errorf("before: %+v", result)
	}
	r := h.revision
	results, err := h.store.Apply([]uint64{r + 1, r + 2, r + 3}, [][]byte{Encode(keyed), Encode(Upgrade{Format: 2}), Encode(keyed)})
	if err != nil {
		t.Fatal(err)
	}
	if before, after := results[0].(Result), results[2].(Result); !errors.As(before.Err, &early) || after.Err != nil || after.Repeated {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

func TestPrefixesAndCountersAreRefusedUntilTheirFormatIsActive(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(Upgrade{Format: 2})
	byPrefix := tuple.Filter{ObjectIDPrefix: "a"}
	guarded := withPrecondition(h.write(Touch, "repository:a#reader@user:alice"), byPrefix, false)
	deletion := DeleteByFilter{Filter: byPrefix, ReadAt: h.revision, Limit: 5}
	for _, c := range []Command{guarded, deletion, RegisterCounter{Name: "a"}, UnregisterCounter{Name: "a"}} {
		var early *FormatError
		if result := h.apply(c); !errors.As(result.Err, &early) || *early != (FormatError{Needed: 3, Active: 2}) {
			t.Errorf("%T: %+v", c, result)
		}
	}
	h.must(Upgrade{Format: 3})
	h.must(guarded)
	if result := h.apply(deletion); result.Err != nil || result.Deleted != 1 {
		t.Errorf("then: %+v", result)
	}
}

func TestAnOlderBuildStopsAtWhatItDoesNotKnow(t *testing.T) {
	for name, c := range map[string]struct {
		newest  uint64
		command Command
		want    error
	}{
		"an upgrade in a build without them": {1, Upgrade{Format: 2}, ErrCommandVersion},
		"a key in a build without them":      {1, Write{Key: []byte("k")}, ErrCommandVersion},
		"an upgrade to a later format":       {2, Upgrade{Format: 3}, ErrFormat},
		"a prefix in a build without them":   {2, DeleteByFilter{Filter: tuple.Filter{ObjectIDPrefix: "a"}}, ErrCommandVersion},
	} {
		s := openBuild(t, vfs.NewMem(), c.newest)
		if _, err := s.Apply([]uint64{1, 2}, [][]byte{Encode(Lead{}), Encode(c.command)}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if s.Applied() != 0 || s.Format() != 1 {
			t.Errorf("%s: it went on to revision %d in format %d", name, s.Applied(), s.Format())
		}
	}
}

func TestAnOlderBuildRefusesAStateOfALaterFormat(t *testing.T) {
	fs := vfs.NewMem()
	h := &history{t: t, store: openTest(t, fs)}
	h.must(Upgrade{Format: 2})
	if err := errors.Join(h.store.Checkpoint(t.Context(), "/checkpoint", h.revision), h.store.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Options{FS: fs, Dir: "/node/state", MaxFormat: 1}); !errors.Is(err, ErrFormat) {
		t.Errorf("opening it: %v", err)
	}
	if _, err := Open(Options{FS: fs, Dir: "/node/state", MaxFormat: MaxFormat + 1}); !errors.Is(err, ErrFormat) {
		t.Errorf("posing as a build of the future: %v", err)
	}
	old, err := Open(Options{FS: fs, Dir: "/old/state", CacheBytes: 8 << 20, MaxFormat: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = old.Close() }()
	if err := old.Restore("/checkpoint"); !errors.Is(err, ErrFormat) {
		t.Errorf("restoring it: %v", err)
	}
	if old.Applied() != 0 {
		t.Error("a refused restore replaced the state")
	}
}

// TestStatesAreGolden holds every key and value that a log leaves in each
// format: what replicas of two builds must have in common.
func TestStatesAreGolden(t *testing.T) {
	for _, format := range []uint64{1, 2, 3} {
		h := newHistory(t)
		h.must(Lead{UnixMillis: 1, ClusterID: [16]byte{1, 2, 3}})
		schema := gitclub()
		schema.UnixMillis = 2
		h.must(schema)
		if format > 1 {
			h.must(Upgrade{UnixMillis: 3, Format: format})
		}
		const a, b = "repository:a#reader@user:alice", "repository:b#maintainer@team:core#member"
		w := h.write(Touch, a, b, `repository:a#maintainer@user:bob[office_hours:{"from":9}][expiration:2030-01-01T00:00:00Z]`)
		w.UnixMillis, w.Metadata = 4, []byte("why")
		d := DeleteByFilter{UnixMillis: 5, Filter: filterOf(b), ReadAt: h.revision, Limit: 5}
		if format >= formatKeys {
			w.Key, d.Key = []byte("write"), []byte("delete")
		}
		h.must(w)
		h.must(d)
		if format >= formatCounters {
			h.must(RegisterCounter{UnixMillis: 5, Name: "all", Filter: tuple.Filter{Relation: "reader", ObjectIDPrefix: "git"}})
			h.must(RegisterCounter{UnixMillis: 5, Name: "none", Filter: filterOf(a)})
			h.must(UnregisterCounter{UnixMillis: 5, Name: "none"})
		}
		h.must(AdvanceHorizon{UnixMillis: 6, Revision: 2})
		goldenLines(t, fmt.Sprintf("state_format%d.golden", format), dump(t, h.store))
	}
}

// dump spells every key and value of a store.
func dump(t *testing.T, s *Store) (lines []string) {
	t.Helper()
	err := scan(s.current.Load().db, nil, func(key, value []byte) (bool, error) {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%x %x", key, value), " "))
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}
