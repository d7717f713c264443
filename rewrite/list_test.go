package rewrite_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// entries are what a list gave, in its order, as "id" or "id verdict".
type entries []string

func entry(id []byte, v rewrite.Verdict) string {
	if v == rewrite.Yes {
		return string(id)
	}
	return string(id) + " " + v.String()
}

// listObjects gives a whole list, read in parts of at most limit entries each.
func listObjects(t testing.TB, engine *rewrite.Engine, reader rewrite.Reader, q rewrite.ObjectsQuestion) (all entries, err error) {
	t.Helper()
	for {
		given := 0
		end, err := engine.ListObjects(context.Background(), reader, q, func(o rewrite.FoundObject) bool {
			given++
			all = append(all, entry(o.ID, o.Verdict))
			q.Above = slices.Clone(o.ID)
			return true
		})
		if err != nil || end.Complete {
			return all, err
		}
		if given == 0 || given != q.Limit {
			t.Fatalf("a part of %d entries, of which %d may be, is not complete", given, q.Limit)
		}
	}
}

// allowed lists the objects that a slot has for a subject by the oracle.
func allowed(w *rewritetest.World, contained oracle.Set, slot int32) (all entries) {
	s := &w.Program.Slots[slot]
	for u := range contained {
		if u.Type == w.Program.Types[s.Type].Name && u.Relation == s.Name {
			all = append(all, u.ID)
		}
	}
	slices.Sort(all)
	return all
}

// TestAListOfObjectsIsWhatCheckAllows compares whole lists, in parts of random
// size, with the oracle.
func TestAListOfObjectsIsWhatCheckAllows(t *testing.T) {
	found := 0
	randomWorlds(t, 40_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		engine.SiftAfter(rng.IntN(3))
		plain := oracle.New(w.Schema, w.Named)
		lists := 0
		for _, s := range subjects(w, rng, objects) {
			truth := plain.Containing(s)
			for slot := range int32(len(w.Program.Slots)) {
				q := rewrite.ObjectsQuestion{Slot: slot, Subject: subject(t, w, s.String()), Window: rewrite.Window{Limit: rng.IntN(4)}}
				got, err := listObjects(t, engine, w.Tuples, q)
				want := allowed(w, truth, slot)
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("the %s of %v: %v (-want +got):\n%s", w.Program.Slots[slot].Name, s, err, diff)
					return lists
				}
				found += len(got)
				lists++
			}
		}
		return lists
	})
	if *only == 0 && !raceDetector && found < 10_000 {
		t.Errorf("only %d objects were found in all lists", found)
	}
}

// TestAListAtItsDepthLimitIsRightOrAnError holds lists to Check with limits that
// are too small: an object that is left out is one that Check says no to.
func TestAListAtItsDepthLimitIsRightOrAnError(t *testing.T) {
	failed, whole := 0, 0
	randomWorlds(t, 20_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1 + rng.IntN(3)})
		engine.SiftAfter(rng.IntN(3))
		plain := oracle.New(w.Schema, w.Named)
		lists := 0
		for _, s := range subjects(w, rng, objects)[:3] {
			truth := plain.Containing(s)
			for slot := range int32(len(w.Program.Slots)) {
				q := rewrite.ObjectsQuestion{Slot: slot, Subject: subject(t, w, s.String())}
				got, err := listObjects(t, engine, w.Tuples, q)
				lists++
				exceeded := false
				for i := range objects {
					id := rewritetest.ObjectID(i)
					_, alone := engine.Check(context.Background(), w.Tuples, rewrite.Question{Slot: slot, ObjectID: []byte(id), Subject: q.Subject})
					exceeded = exceeded || alone != nil
					listed, member := slices.Contains(got, id), slices.Contains(allowed(w, truth, slot), id)
					if listed && !member || !listed && err == nil && member {
						t.Errorf("the %s of %v: %s is listed: %t; a member: %t (%v, check: %v)",
							w.Program.Slots[slot].Name, s, id, listed, member, err, alone)
					}
				}
				switch {
				case err == nil:
					whole++
				case !errors.Is(err, rewrite.ErrDepthExceeded) || !exceeded:
					t.Errorf("the %s of %v: %v, but no check says so", w.Program.Slots[slot].Name, s, err)
				default:
					failed++
				}
			}
		}
		return lists
	})
	if *only == 0 && !raceDetector && (failed < 100 || whole < 1000) {
		t.Errorf("only %d lists failed for their depth, and %d did not", failed, whole)
	}
}

func subject(t testing.TB, w *rewritetest.World, text string) tuple.Subject {
	t.Helper()
	s, err := w.Subject(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// member is a tuple by its parts.
func member(objectType, objectID, relation, subjectType, subjectID, subjectRelation string) tuple.Named {
	return tuple.Named{
		ObjectType: objectType, ObjectID: objectID, Relation: relation,
		SubjectType: subjectType, SubjectID: subjectID, SubjectRelation: subjectRelation,
	}
}
