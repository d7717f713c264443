package validate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// pages reads everything that a reader has of a world, in pages of a few.
func pages(t *testing.T, w *rewritetest.World, reader rewrite.Reader, objects, limit int) (all []string) {
	t.Helper()
	note := func(page *tuple.Page, read func(above []byte) error, label string) {
		var above []byte
		for page.More = true; page.More; {
			if err := read(above); err != nil {
				t.Fatal(err)
			}
			if page.More && page.Len() == 0 {
				t.Fatal("there is more after an empty page")
			}
			for i := range page.Len() {
				all = append(all, fmt.Sprintf("%s %s %v", label, page.ID(i), page.Traits(i)))
				above = append(above[:0], page.ID(i)...)
			}
		}
	}
	var page tuple.Page
	for _, s := range w.Program.Slots {
		object := tuple.Object{Type: tuple.TypeID(w.Program.Types[s.Type].Number)}
		relation := tuple.RelationID(s.Number)
		for i := range s.Direct {
			kind := kindOf(&s.Direct[i])
			for n := range objects {
				object.ID = []byte(rewritetest.ObjectID(n))
				note(&page, func(above []byte) error { return reader.Subjects(object, relation, kind, above, limit, &page) }, fmt.Sprint(s.Name, object, kind))
				subject := tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: []byte(rewritetest.ObjectID(n))}
				if kind.Relation == tuple.Wildcard {
					subject.ID = []byte(tuple.WildcardID)
				}
				note(&page, func(above []byte) error { return reader.Objects(subject, object.Type, relation, above, limit, &page) }, fmt.Sprint(s.Name, subject))
				traits, found, err := reader.Find(object, relation, subject)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, fmt.Sprint(s.Name, object, subject, found, traits))
			}
		}
	}
	return all
}

// TestATypeOfSubjectThatIsGoneLeavesNoTuple takes shapes of tuples out of random
// worlds: the reader must be as one of a world that never had them, and one that
// takes a caveat as true as one whose tuples have none.
func TestATypeOfSubjectThatIsGoneLeavesNoTuple(t *testing.T) {
	gone, freed := 0, 0
	for n := uint64(1); n <= 20; n++ {
		rng := rand.New(rand.NewPCG(7, n))
		w, err := rewritetest.New(schematest.Random(rng, schematest.Options{Caveats: true, Expiration: true}))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(rng, 6, 150); err != nil {
			t.Fatal(err)
		}
		shape := tupleOf(t, w, rng).Shape()
		holds := tuple.CaveatID(1 + rng.IntN(len(w.Schema.Caveats)))
		var without, uncaveated rewritetest.Tuples
		for _, named := range w.Named {
			tp, _ := w.Names.Tuple(named)
			if tp.Shape() == shape {
				gone++
			} else {
				without.Add(tp)
			}
			if tp.Traits.Caveat == holds {
				tp.Traits.Caveat, tp.Traits.Context = 0, nil
				freed++
			}
			uncaveated.Add(tp)
		}
		for _, limit := range []int{1, 2, 100} {
			if !slices.Equal(pages(t, w, &without, 6, limit), pages(t, w, &altered{Reader: w.Tuples, gone: shape}, 6, limit)) {
				t.Errorf("world %d, pages of %d: %s is not gone", n, limit, w.Names.ShapeText(shape))
			}
			if !slices.Equal(pages(t, w, &uncaveated, 6, limit), pages(t, w, &altered{Reader: w.Tuples, holds: holds}, 6, limit)) {
				t.Errorf("world %d, pages of %d: caveat %d is not taken as true", n, limit, holds)
			}
		}
	}
	if gone < 50 || freed < 50 {
		t.Errorf("only %d tuples were taken away, and %d freed of their caveat", gone, freed)
	}
}

// tupleOf is one of a world's tuples.
func tupleOf(t *testing.T, w *rewritetest.World, rng *rand.Rand) tuple.Tuple {
	t.Helper()
	found, ok := w.Names.Tuple(w.Named[rng.IntN(len(w.Named))])
	if !ok {
		t.Fatal("a stored tuple has unknown names")
	}
	return found
}
