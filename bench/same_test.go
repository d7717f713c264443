package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// TestAnswersAreTheSameWhateverTheCache applies one random log to stores without a
// cache of tuplesets, with one that is too small and with one that holds all, and
// asks each the same at the newest revision and at past ones, while horizons go by
// and compactions run.
func TestAnswersAreTheSameWhateverTheCache(t *testing.T) {
	worlds := []*cachedWorld{openWorld(t, 0), openWorld(t, 4<<10), openWorld(t, 64<<20)}
	rng := rand.New(rand.NewPCG(7, 7))
	verdicts := make(map[rewrite.Verdict]int)
	for round := range 400 {
		command := randomWrite(t, rng, worlds[0].names)
		if round%50 == 49 {
			command = store.Encode(store.AdvanceHorizon{Revision: worlds[0].store.Applied() - 20})
		}
		for _, w := range worlds {
			w.apply(t, command)
			if round%100 == 99 {
				if err := w.store.Compact(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		newest, horizon := worlds[0].store.Applied(), max(worlds[0].store.Horizon(), 1)
		for _, revision := range []uint64{newest, newest, horizon + rng.Uint64N(newest-horizon+1)} {
			text := fmt.Sprintf("run:x%d#%s@user:u%d", rng.IntN(3), []string{"view", "cancel"}[rng.IntN(2)], rng.IntN(4))
			verdicts[sameAnswer(t, worlds, text, revision)]++
		}
	}
	if verdicts[rewrite.Yes] < 100 || verdicts[rewrite.No] < 100 {
		t.Errorf("the answers are nearly all the same: %v", verdicts)
	}
	if st := worlds[2].store.Metrics().Tuplesets; st.Hits < 1000 || st.Endings < 100 {
		t.Errorf("the cache had little to do: %+v", st)
	}
	if st := worlds[1].store.Metrics().Tuplesets; st.Evictions < 100 {
		t.Errorf("the small cache is not too small: %+v", st)
	}
}

// cachedWorld is a store with a cache of some size and who evaluates over it.
type cachedWorld struct {
	*node
	names *tuple.Names
	ask   func(text string, revision uint64) (rewrite.Result, error)
}

func openWorld(t *testing.T, tuplesetBytes int64) *cachedWorld {
	t.Helper()
	st, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "state", CacheBytes: 8 << 20, TuplesetCacheBytes: tuplesetBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &cachedWorld{node: &node{store: st}}
	w.apply(t, schemaCommand())
	w.names = w.node.names(t)
	engine, program := w.engine(t)
	w.ask = func(text string, revision uint64) (r rewrite.Result, err error) {
		snapshot, err := st.Snapshot(revision)
		if err != nil {
			return r, err
		}
		defer snapshot.Close()
		return engine.Check(t.Context(), snapshot, question(t, program, w.names, text))
	}
	return w
}

func (w *cachedWorld) apply(t *testing.T, command []byte) {
	t.Helper()
	results, err := w.store.Apply([]uint64{w.store.Applied() + 1}, [][]byte{command})
	if err == nil {
		err = results[0].(store.Result).Err
	}
	if err != nil {
		t.Fatal(err)
	}
}

// schemaCommand has the relations of the data set, without the text.
func schemaCommand() []byte {
	user := store.Allowed{SubjectType: "user"}
	members := store.Allowed{SubjectType: "team", SubjectRelation: "member"}
	object := func(t string) store.Allowed { return store.Allowed{SubjectType: t} }
	on := func(relation string, list ...store.Allowed) (allowed []store.Allowed) {
		for _, a := range list {
			a.Relation = relation
			allowed = append(allowed, a)
		}
		return allowed
	}
	define := func(typ string, relations []string, allowed ...[]store.Allowed) store.Definition {
		d := store.Definition{Type: typ, Relations: relations}
		for _, a := range allowed {
			d.Allowed = append(d.Allowed, a...)
		}
		return d
	}
	return store.Encode(store.WriteSchema{Text: dataset.GitClubSchema, Definitions: []store.Definition{
		define("user", nil),
		define("team", []string{"member"}, on("member", user, members)),
		define("organization", []string{"owner", "member", "administer", "read"}, on("owner", user), on("member", user)),
		define("repository", []string{"org", "reader", "maintainer", "admin", "administer", "maintain", "read"},
			on("org", object("organization")), on("reader", user, members), on("maintainer", user, members), on("admin", user, members)),
		define("job", []string{"repo", "creator", "view", "cancel"}, on("repo", object("repository")), on("creator", user)),
		define("run", []string{"job", "view", "cancel"}, on("job", object("job"))),
	}})
}

// randomWrite touches and deletes a few tuples of few objects.
func randomWrite(t *testing.T, rng *rand.Rand, names *tuple.Names) []byte {
	t.Helper()
	var w store.Write
	seen := make(map[string]bool)
	for range 1 + rng.IntN(6) {
		n := func() int { return rng.IntN(3) }
		text := []string{
			fmt.Sprintf("run:x%d#job@job:x%d", n(), n()), fmt.Sprintf("job:x%d#repo@repository:x%d", n(), n()),
			fmt.Sprintf("repository:x%d#org@organization:x%d", n(), n()),
			fmt.Sprintf("repository:x%d#%s@team:x%d#member", n(), []string{"reader", "maintainer", "admin"}[n()], n()),
			fmt.Sprintf("team:x%d#member@team:x%d#member", n(), n()), fmt.Sprintf("team:x%d#member@user:u%d", n(), n()),
			fmt.Sprintf("organization:x%d#member@user:u%d", n(), n()),
		}[rng.IntN(7)]
		if seen[text] {
			continue
		}
		seen[text] = true
		named, err := tuple.Parse(text)
		tp, ok := names.Tuple(named)
		if err != nil || !ok {
			t.Fatal(text, err)
		}
		w.Updates = append(w.Updates, store.Update{Op: []store.Op{store.Touch, store.Touch, store.Delete}[n()], Tuple: tp})
	}
	return store.Encode(w)
}

// sameAnswer asks every world and returns the answer of the first. What it costs may
// differ: who keeps groups walks through fewer of them.
func sameAnswer(t *testing.T, worlds []*cachedWorld, text string, revision uint64) rewrite.Verdict {
	t.Helper()
	want, err := worlds[0].ask(text, revision)
	for _, w := range worlds[1:] {
		got, err2 := w.ask(text, revision)
		if err := errors.Join(err, err2); err != nil || got.Verdict != want.Verdict || !slices.Equal(got.Missing, want.Missing) {
			t.Fatalf("at %d, %s: %+v with a cache, %+v without, %v", revision, text, got, want, err)
		}
	}
	return want.Verdict
}
