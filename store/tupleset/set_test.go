package tupleset

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/store/tuple"
)

// plainSet is the naive set.
type plainSet map[tuple.Kind]map[string]tuple.Traits

func randomTraits(rng *rand.Rand) (t tuple.Traits) {
	if rng.IntN(3) > 0 {
		return t
	}
	t.Caveat = tuple.CaveatID(rng.IntN(3))
	if t.Caveat != 0 && rng.IntN(2) == 0 {
		t.Context = []byte("\x00context\x00")
	}
	if t.Caveat == 0 || rng.IntN(2) == 0 {
		t.ExpiresNanos = 1 + rng.Int64N(1<<62)
	}
	return t
}

// randomSet makes a set and what it is to say; kinds that are nil are not held.
func randomSet(rng *rand.Rand, b *Builder) (Set, plainSet) {
	want := make(plainSet)
	b.Reset(uint64(rng.IntN(5)))
	for typ := range rng.IntN(5) {
		kind := tuple.Kind{Type: tuple.TypeID(1 + 2*typ), Relation: tuple.RelationID(rng.IntN(3))}
		b.Begin(kind)
		subjects := make(map[string]tuple.Traits)
		for range rng.IntN(9) {
			subjects[fmt.Sprintf("%c%d", 'a'+rng.IntN(3), rng.IntN(12))] = randomTraits(rng)
		}
		for _, id := range slices.Sorted(maps.Keys(subjects)) {
			b.Add([]byte(id), subjects[id])
		}
		want[kind] = subjects
		if rng.IntN(4) == 0 {
			b.Leave()
			want[kind] = nil
		}
	}
	return b.set(), want
}

func TestASetSaysWhatWasPutIn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var b Builder
	var page tuple.Page
	for range 3000 {
		set, want := randomSet(rng, &b)
		for typ := range tuple.TypeID(12) {
			for relation := range tuple.RelationID(3) {
				kind := tuple.Kind{Type: typ, Relation: relation}
				subjects, known := want[kind]
				checkKind(t, &set, kind, subjects, !known || subjects != nil)
				above := fmt.Sprintf("%c%d", 'a'+rng.IntN(3), rng.IntN(12))
				checkPage(t, &set, kind, subjects, above, 1+rng.IntN(5), &page)
			}
		}
	}
}

func checkKind(t *testing.T, set *Set, kind tuple.Kind, subjects map[string]tuple.Traits, wantHeld bool) {
	t.Helper()
	for _, id := range []string{"a1", "a11", "b0", "c", "d"} {
		want, in := subjects[id]
		traits, found, held := set.Find(kind, []byte(id))
		if held != wantHeld || found != in || !traits.Equal(want) {
			t.Fatalf("%v %s: %+v %v %v, want %+v %v %v", kind, id, traits, found, held, want, in, wantHeld)
		}
	}
	if set.holds(kind) != wantHeld {
		t.Fatalf("%v: holds is %v", kind, !wantHeld)
	}
}

func checkPage(t *testing.T, set *Set, kind tuple.Kind, subjects map[string]tuple.Traits, above string, limit int, page *tuple.Page) {
	t.Helper()
	page.Reset()
	if !set.Page(kind, []byte(above), limit, page) {
		return // checkKind has said whether that is right
	}
	ids := slices.DeleteFunc(slices.Sorted(maps.Keys(subjects)), func(id string) bool { return id <= above })
	if page.More != (len(ids) > limit) || page.Len() != min(limit, len(ids)) {
		t.Fatalf("%v above %s: %d and more %v, of %v by %d", kind, above, page.Len(), page.More, ids, limit)
	}
	for i := range page.Len() {
		if id := string(page.ID(i)); id != ids[i] || !page.Traits(i).Equal(subjects[id]) {
			t.Fatalf("%v above %s: %d. is %s %+v", kind, above, i, id, page.Traits(i))
		}
	}
}
