package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
)

// objectsOf asks for the whole list of objects, as "type#relation" of a subject.
func objectsOf(t testing.TB, w *rewritetest.World, typeName, relation, of string) rewrite.ObjectsQuestion {
	t.Helper()
	slot, _, err := w.Userset(typeName + ":x#" + relation)
	if err != nil {
		t.Fatal(err)
	}
	return rewrite.ObjectsQuestion{Slot: slot, Subject: subject(t, w, of)}
}

func TestObjectsAreFoundThroughEveryOperator(t *testing.T) {
	w := parse(t, `
definition user {}
definition team {
	relation member: user | user:* | team#member
}
definition folder {
	relation parent: folder
	relation viewer: user | team#member
	relation banned: user
	permission view = (viewer + parent->view) - banned
}
definition document {
	relation folder: folder
	relation signed: user | user:*
	relation reader: user | document#read
	permission read = reader + folder->view
	permission sign = read & signed
}`,
		"team:all#member@user:*", "team:core#member@user:ann", "team:outer#member@team:core#member",
		"folder:a#viewer@team:outer#member", "folder:b#parent@folder:a", "folder:c#parent@folder:b",
		"folder:c#banned@user:ann", "folder:d#parent@folder:c", "folder:e#viewer@team:all#member",
		"document:1#folder@folder:b", "document:2#folder@folder:c", "document:3#folder@folder:e",
		"document:4#reader@user:ann", "document:5#reader@document:4#read", "document:6#reader@document:6#read",
		"document:1#signed@user:*", "document:2#signed@user:ann", "document:3#signed@user:bob", "document:4#signed@user:ann")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for _, c := range []struct {
		typeName, relation, of string
		want                   entries
	}{
		{"team", "member", "user:ann", entries{"all", "core", "outer"}},
		{"team", "member", "user:zoe", entries{"all"}},
		{"team", "member", "team:core#member", entries{"core", "outer"}}, // a userset is a member of itself, and no user
		{"folder", "view", "user:ann", entries{"a", "b", "e"}},           // not c, and nothing through c
		{"folder", "view", "team:core#member", entries{"a", "b", "c", "d"}},
		{"document", "read", "user:ann", entries{"1", "3", "4", "5"}},
		{"document", "sign", "user:ann", entries{"1", "4"}},
		{"document", "read", "document:4#read", entries{"4", "5"}},
		{"document", "read", "document:9#read", entries{"9"}}, // though nothing is stored of it
		{"document", "sign", "document:9#read", nil},
		{"document", "read", "team:core", nil}, // the team is not its members
	} {
		got, err := listObjects(t, engine, w.Tuples, objectsOf(t, w, c.typeName, c.relation, c.of))
		if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s#%s of %s: %v (-want +got):\n%s", c.typeName, c.relation, c.of, err, diff)
		}
	}
}

func TestABadListQuestionIsRefusedWithATypedError(t *testing.T) {
	w := parse(t, teams)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	good := objectsOf(t, w, "team", "member", "user:ann")
	for _, c := range []struct {
		change func(q *rewrite.ObjectsQuestion)
		want   error
	}{
		{func(q *rewrite.ObjectsQuestion) { q.Slot = 99 }, rewrite.ErrQuestion},
		{func(q *rewrite.ObjectsQuestion) { q.Slot = -1 }, rewrite.ErrQuestion},
		{func(q *rewrite.ObjectsQuestion) { q.Subject.ID = nil }, rewrite.ErrQuestion},
		{func(q *rewrite.ObjectsQuestion) { q.Subject.ID = []byte("*") }, rewrite.ErrWildcardSubject},
	} {
		q := good
		c.change(&q)
		if _, err := listObjects(t, engine, w.Tuples, q); !errors.Is(err, c.want) {
			t.Errorf("%+v: got %v; want %v", q, err, c.want)
		}
	}
}

// visible stores n repositories, the readers of which are one team.
func visible(t testing.TB, n int) *rewritetest.World {
	t.Helper()
	w := parse(t, benchSchema, "team:core#member@user:cora", "team:all#member@team:core#member")
	for i := range n {
		named := member("repository", fmt.Sprintf("r%07d", i), "reader", "team", "all", "member")
		if err := w.Add(named); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestWhatTheWayShowsIsNotAskedAgain(t *testing.T) {
	w := visible(t, 1000)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	end, err := engine.ListObjects(context.Background(), w.Tuples, objectsOf(t, w, "repository", "read", "user:cora"),
		func(rewrite.FoundObject) bool { return true })
	// The teams of cora and of her teams, and 1,000 repositories in pages of 256.
	if err != nil || !end.Complete || end.Cost.Reads > 20 {
		t.Errorf("got %+v, %v; want few reads", end, err)
	}
}

func TestTheReceiverStopsAList(t *testing.T) {
	w := visible(t, 10)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	given := 0
	end, err := engine.ListObjects(context.Background(), w.Tuples, objectsOf(t, w, "repository", "read", "user:cora"),
		func(rewrite.FoundObject) bool { given++; return given < 3 })
	if err != nil || end.Complete || given != 3 {
		t.Errorf("got %d entries, %+v, %v; want 3 and no completeness", given, end, err)
	}
}

func TestAListEndsWithItsContext(t *testing.T) {
	w := visible(t, 10_000)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	given := 0
	end, err := engine.ListObjects(ctx, w.Tuples, objectsOf(t, w, "repository", "read", "user:cora"),
		func(rewrite.FoundObject) bool { given++; cancel(); return true })
	if !errors.Is(err, context.Canceled) || end.Complete || given > 1000 {
		t.Errorf("got %d entries, %+v, %v; want few and %v", given, end, err, context.Canceled)
	}
}

func TestAReadersErrorEndsAList(t *testing.T) {
	w := visible(t, 10)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := objectsOf(t, w, "repository", "read", "user:cora")
	for reads := range 4 {
		if _, err := listObjects(t, engine, &broken{Reader: w.Tuples, left: reads}, q); !errors.Is(err, errDisk) {
			t.Errorf("after %d reads: got %v; want %v", reads, err, errDisk)
		}
	}
	if _, err := listObjects(t, engine, &broken{Reader: w.Tuples, left: 100, pages: true}, q); !errors.Is(err, rewrite.ErrReader) {
		t.Errorf("got %v; want %v", err, rewrite.ErrReader)
	}
	if all, err := listObjects(t, engine, w.Tuples, q); err != nil || len(all) != 10 {
		t.Errorf("afterwards: got %d entries, %v; want 10", len(all), err)
	}
}

func TestAFrontierBeyondTheLimitsIsATypedErrorAndNotAShortList(t *testing.T) {
	w := parse(t, teams, append(chain(200), "folder:f200#viewer@user:ann")...)
	q := objectsOf(t, w, "folder", "view", "user:ann")
	for _, limits := range []rewrite.Limits{{SubProblems: 100, Depth: 1000}, {Steps: 100, Depth: 1000}} {
		if _, err := listObjects(t, rewrite.New(w.Program, limits), w.Tuples, q); !errors.Is(err, rewrite.ErrTooManySubProblems) {
			t.Errorf("%+v: got %v; want %v", limits, err, rewrite.ErrTooManySubProblems)
		}
	}
	all, err := listObjects(t, rewrite.New(w.Program, rewrite.Limits{Depth: 1000}), w.Tuples, q)
	if err != nil || len(all) != 201 {
		t.Errorf("got %d folders, %v; want 201", len(all), err)
	}
}

func TestObjectsBeyondTheDepthLimitAreAnErrorAsInCheck(t *testing.T) {
	w := parse(t, teams, append(chain(60), "folder:f51#viewer@user:far", "folder:f50#viewer@user:near", "folder:f51#viewer@user:near")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	var far *rewrite.DepthError
	all, err := listObjects(t, engine, w.Tuples, objectsOf(t, w, "folder", "view", "user:far"))
	if !errors.As(err, &far) || far.Limit != 50 {
		t.Errorf("far: got %v, %v; want an error of the depth", all, err)
	}
	all, err = listObjects(t, engine, w.Tuples, objectsOf(t, w, "folder", "view", "user:near"))
	if err != nil || len(all) != 52 {
		t.Errorf("near: got %d folders, %v; want 52", len(all), err)
	}
}

func BenchmarkListObjects(b *testing.B) {
	for _, n := range []int{10, 10_000, 1_000_000} {
		if n > 10_000 && !*long {
			continue // it takes minutes to store them in memory
		}
		w := visible(b, n)
		engine := rewrite.New(w.Program, rewrite.Limits{})
		q := objectsOf(b, w, "repository", "read", "user:cora")
		b.Run(fmt.Sprintf("%dVisible/First", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := engine.ListObjects(context.Background(), w.Tuples, q, func(rewrite.FoundObject) bool { return false }); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%dVisible/All", n), func(b *testing.B) {
			b.ReportAllocs()
			given := 0
			for b.Loop() {
				if _, err := engine.ListObjects(context.Background(), w.Tuples, q, func(rewrite.FoundObject) bool { given++; return true }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(given)/b.Elapsed().Seconds(), "results/s")
		})
	}
}
