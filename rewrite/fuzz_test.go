package rewrite_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// FuzzGraphsOfGates reads tuples of the gates schemas from the input, two
// bytes each, and compares every answer about ann with the oracle: alone, in a
// batch, in lists, and at a depth that may be too small.
func FuzzGraphsOfGates(f *testing.F) {
	f.Add(false, uint8(1), []byte{0x00, 0x01, 0x10, 0x02, 0x30, 0x00})
	f.Add(true, uint8(2), []byte{0x10, 0x00, 0x20, 0x00, 0x11, 0x01, 0x21, 0x00})
	f.Fuzz(func(t *testing.T, negation bool, depth uint8, input []byte) {
		w, err := rewritetest.New(gates(t, negation))
		if err != nil {
			t.Fatal(err)
		}
		for ; len(input) >= 2 && len(w.Named) < 40; input = input[2:] {
			if err := w.Add(gateTuple(input[0], input[1])); err != nil {
				t.Fatal(err)
			}
		}
		truth := oracle.New(w.Schema, w.Named).Containing(named(t, "user:ann"))
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
		shallow := rewrite.New(w.Program, rewrite.Limits{Depth: int(depth%8) + 1})
		var all []posed
		for i := range 8 {
			u := oracle.Userset{Object: oracle.Object{Type: "node", ID: rewritetest.ObjectID(i)}, Relation: "inside"}
			q := posed{ask(t, w, u.String(), "user:ann"), u.String() + "@user:ann", truth[u]}
			all = append(all, q)
			result, err := engine.Check(context.Background(), w.Tuples, q.Question)
			if err != nil || result.Verdict != verdictOf(q.truth) {
				t.Fatalf("%s is %v, %v; want %v of\n%s", q.text, result.Verdict, err, verdictOf(q.truth), listed(w.Named))
			}
			result, err = shallow.Check(context.Background(), w.Tuples, q.Question)
			if !errors.Is(err, rewrite.ErrDepthExceeded) && (err != nil || result.Verdict != verdictOf(q.truth)) {
				t.Fatalf("%s is %v, %v at depth %d; want %v of\n%s", q.text, result.Verdict, err, depth%8+1, verdictOf(q.truth), listed(w.Named))
			}
		}
		compareBatch(t, engine, w, all)
		listed, err := listObjects(t, engine, w.Tuples, objectsOf(t, w, "node", "inside", "user:ann"))
		if want := allowed(w, truth, all[0].Slot); err != nil || !slices.Equal(listed, want) {
			t.Fatalf("ann is listed inside %v, %v; want %v", listed, err, want)
		}
		for _, q := range all {
			users, err := listSubjects(t, engine, w.Tuples, rewrite.SubjectsQuestion{Slot: q.Slot, ObjectID: q.ObjectID, Kind: q.Subject.Kind()})
			if err != nil || slices.Contains(users, "ann") != q.truth {
				t.Fatalf("%s: the users listed are %v, %v; want ann: %t", q.text, users, err, q.truth)
			}
		}
	})
}

// gateTuple makes one tuple over eight nodes of two bytes: its relation and
// object, and its subject.
func gateTuple(where, whom byte) tuple.Named {
	relations := []string{"member", "any", "left", "right", "any"}
	t := tuple.Named{
		ObjectType: "node", ObjectID: rewritetest.ObjectID(int(where & 7)), Relation: relations[int(where>>4)%len(relations)],
		SubjectType: "node", SubjectID: rewritetest.ObjectID(int(whom & 7)),
	}
	switch {
	case t.Relation == "member" && whom&8 == 0:
		t.SubjectType, t.SubjectID = "user", "ann"
	case t.Relation == "member":
		t.SubjectRelation = "inside"
	}
	return t
}
