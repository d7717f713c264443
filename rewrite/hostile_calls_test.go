package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
)

// hostile is a world that was made to explode, and what to ask about.
type hostile struct {
	name, schema string
	tuples       func(store func(format string, args ...any))
	userset      string
}

// manyRoles is a type whose permission wants one of many roles at every level.
func manyRoles(roles int) string {
	var relations, names []string
	for i := range roles {
		relations = append(relations, fmt.Sprintf("\trelation r%02d: user", i))
		names = append(names, fmt.Sprintf("r%02d", i))
	}
	return "definition user {}\ndefinition folder {\n\trelation parent: folder\n" + strings.Join(relations, "\n") +
		"\n\tpermission view = (" + strings.Join(names, " + ") + ") & (parent->view + r00)\n}"
}

// longSchema computes a permission from another, over and over.
func longSchema(permissions int) string {
	text := "definition user {}\ndefinition folder {\n\trelation parent: folder\n\trelation viewer: user\n\tpermission p0000 = viewer\n"
	for i := range permissions {
		text += fmt.Sprintf("\tpermission p%04d = p%04d + parent->p%04d\n", i+1, i, i)
	}
	return text + "}"
}

const openTeams = `caveat flagged(flag bool) { flag }
definition user {}
definition folder {
	relation parent: folder with flagged
	relation viewer: user with flagged
	permission view = viewer + parent->view
}`

var hostileWorlds = []hostile{
	{"diamonds of thirty levels", teams, func(store func(string, ...any)) {
		for _, t := range ladder(30) {
			store("%s", t)
		}
	}, "folder:a0#view"},
	{"diamonds whose tuples may count", openTeams, func(store func(string, ...any)) {
		for _, t := range ladder(30) {
			store("%s[flagged]", t)
		}
		store("folder:a30#viewer@user:ann[flagged]")
	}, "folder:a0#view"},
	{"teams that all contain one another", teams, func(store func(string, ...any)) {
		for i := range 200 {
			for j := range 200 {
				store("team:t%03d#member@team:t%03d#member", i, j)
			}
		}
		store("team:t199#member@user:bob")
	}, "team:t000#member"},
	{"permissions that recurse into each other", teams, func(store func(string, ...any)) {
		for i := range 40 {
			for j := range 40 {
				store("folder:f%02d#parent@folder:f%02d", i, j)
			}
			store("folder:f%02d#banned@user:bob", i)
			store("folder:f%02d#viewer@user:carl", i)
		}
	}, "folder:f00#ping"},
	{"a hundred thousand usersets", teams, func(store func(string, ...any)) {
		for i := range 100_000 {
			store("team:all#member@team:t%06d#member", i)
			store("team:t%06d#member@user:bob", i)
		}
	}, "team:all#member"},
	{"one of many roles at every level", manyRoles(64), func(store func(string, ...any)) {
		for i := range 12 {
			store("folder:f%02d#parent@folder:f%02d", i, i+1)
		}
	}, "folder:f00#view"},
	{"hundreds of permissions of folders in circles", longSchema(300), func(store func(string, ...any)) {
		for i := range 50 {
			for j := range 20 {
				store("folder:f%02d#parent@folder:f%02d", i, (i+j+1)%50)
			}
		}
		store("folder:f49#viewer@user:bob")
	}, "folder:f00#p0300"},
}

func (h *hostile) world(t *testing.T) *rewritetest.World {
	t.Helper()
	w := parse(t, h.schema)
	h.tuples(func(format string, args ...any) {
		t.Helper()
		if err := w.AddText(fmt.Sprintf(format, args...)); err != nil {
			t.Fatal(err)
		}
	})
	return w
}

// calls are all that can be asked about a question.
func calls(w *rewritetest.World, e *rewrite.Engine, q rewrite.Question) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Check": func(ctx context.Context) error {
			_, err := e.Check(ctx, w.Tuples, q)
			return err
		},
		"BatchCheck": func(ctx context.Context) error { return askAbout(ctx, e, w, q, 100) },
		"ListRelations": func(ctx context.Context) error {
			return askAbout(ctx, e, w, q, int(w.Program.Types[w.Program.Slots[q.Slot].Type].SlotCount))
		},
		"Expand": func(ctx context.Context) error {
			_, err := e.Expand(ctx, w.Tuples, q.Slot, q.ObjectID, rewrite.ExpandOptions{Depth: 1000})
			return err
		},
		"ListObjects": func(ctx context.Context) error {
			_, err := e.ListObjects(ctx, w.Tuples, rewrite.ObjectsQuestion{Slot: q.Slot, Subject: q.Subject, Given: q.Given},
				func(rewrite.FoundObject) bool { return true })
			return err
		},
		"ListSubjects": func(ctx context.Context) error {
			_, err := e.ListSubjects(ctx, w.Tuples, rewrite.SubjectsQuestion{Slot: q.Slot, ObjectID: q.ObjectID, Kind: q.Subject.Kind(), Given: q.Given},
				func(rewrite.FoundSubject) bool { return true })
			return err
		},
		"Explain": func(ctx context.Context) error {
			_, err := e.Explain(ctx, w.Tuples, q, rewrite.ExplainOptions{})
			return err
		},
	}
}

// askAbout asks about the object's relations and permissions, over and over.
func askAbout(ctx context.Context, e *rewrite.Engine, w *rewritetest.World, q rewrite.Question, n int) error {
	questions := make([]rewrite.Question, n)
	typ := w.Program.Types[w.Program.Slots[q.Slot].Type]
	for i := range questions {
		questions[i] = q
		questions[i].Slot = typ.FirstSlot + int32(i)%typ.SlotCount
	}
	answers := make([]rewrite.Answer, n)
	if err := e.BatchCheck(ctx, w.Tuples, questions, answers); err != nil {
		return err
	}
	for _, a := range answers {
		if a.Err != nil {
			return a.Err
		}
	}
	return nil
}

// allocated is what a call allocates in all, which is at least what it holds.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// ended runs a call with a deadline that is there for calls that hang.
func ended(t *testing.T, call func(context.Context) error) (bytes uint64, err error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bytes = allocated(func() { err = call(ctx) })
	return bytes, err
}

// Whatever is asked of a hostile world, about somebody who is in much of it or in
// nothing, ends with an answer or an error of the limits. With tight limits it
// allocates by these and not by the world.
func TestHostileWorldsAreBoundedForEveryCall(t *testing.T) {
	tight := rewrite.Limits{SubProblems: 1 << 12, Steps: 1 << 16}
	// Explanations and trees have their own limits; then come the memo and, of
	// the exact path, the edges.
	allowed := uint64(5<<20 + 512*tight.SubProblems + 64*tight.Steps)
	for _, h := range hostileWorlds {
		t.Run(h.name, func(t *testing.T) {
			w := h.world(t)
			for _, limits := range []rewrite.Limits{tight, {}} {
				if limits != tight && raceDetector {
					continue // it is slow, and one goroutine has no races
				}
				e := rewrite.New(w.Program, limits)
				for _, subject := range []string{"user:ann", "user:bob"} {
					for name, call := range calls(w, e, ask(t, w, h.userset, subject)) {
						bytes, err := ended(t, call)
						if err != nil && !errors.Is(err, rewrite.ErrTooManySubProblems) && !errors.Is(err, rewrite.ErrDepthExceeded) {
							t.Errorf("%s of %s: %v", name, subject, err)
						}
						if limits == tight && bytes > allowed && !raceDetector {
							t.Errorf("%s of %s allocated %d KiB; at most %d are allowed", name, subject, bytes>>10, allowed>>10)
						}
					}
				}
			}
		})
	}
}

// Each permission follows from each before it, at the same folder and through its
// parent: the ways grow with the square of the permissions.
func TestTheWaysThroughALongSchemaAreBounded(t *testing.T) {
	for _, permissions := range []int{1000, 4000} {
		w := parse(t, longSchema(permissions), "folder:f#viewer@user:bob", "folder:g#parent@folder:f")
		e := rewrite.New(w.Program, rewrite.Limits{})
		q := objectsOf(t, w, "folder", fmt.Sprintf("p%04d", permissions), "user:bob")
		var all entries
		var err error
		bytes := allocated(func() { all, err = listObjects(t, e, w.Tuples, q) })
		if bytes > 128<<20 && !raceDetector {
			t.Errorf("%d permissions: %d MiB were allocated", permissions, bytes>>20)
		}
		var work *rewrite.WorkError
		switch {
		case permissions == 1000 && (err != nil || len(all) != 2):
			t.Errorf("got %v, %v; want f and g", all, err)
		case permissions == 4000 && (!errors.As(err, &work) || !strings.Contains(work.Unit, "ways")):
			t.Errorf("got %v, %v; want an error of the ways", all, err)
		}
	}
}

// A look-up decides the question; the explanation looks into all that was skipped.
func TestAnExplanationOfLargeBranchesIsHeldToTheLimits(t *testing.T) {
	const branches, nested = 20, 600
	var relations, names []string
	for i := range branches {
		relations = append(relations, fmt.Sprintf("\trelation r%02d: team#member", i))
		names = append(names, fmt.Sprintf("r%02d", i))
	}
	w := parse(t, "definition user {}\ndefinition team {\n\trelation member: user | team#member\n}\ndefinition doc {\n\trelation viewer: user\n"+
		strings.Join(relations, "\n")+"\n\tpermission view = viewer & ("+strings.Join(names, " + ")+")\n}")
	for i := range branches {
		if err := w.AddText(fmt.Sprintf("doc:x#r%02d@team:t%02d#member", i, i)); err != nil {
			t.Fatal(err)
		}
		for j := range nested {
			if err := w.AddText(fmt.Sprintf("team:t%02d#member@team:t%02d-%03d#member", i, i, j)); err != nil {
				t.Fatal(err)
			}
		}
	}
	e := rewrite.New(w.Program, rewrite.Limits{SubProblems: 1000})
	q := ask(t, w, "doc:x#view", "user:ann")
	result, err := e.Check(t.Context(), w.Tuples, q)
	wantNo(t, result, err, 10)
	if _, err := e.Explain(t.Context(), w.Tuples, q, rewrite.ExplainOptions{}); !errors.Is(err, rewrite.ErrTooManySubProblems) {
		t.Errorf("got %v; want %v", err, rewrite.ErrTooManySubProblems)
	}
}

// Few objects and many permissions that are computed from one another make a tree
// of many usersets with few subjects.
func TestATreeOfComputedUsersetsIsCut(t *testing.T) {
	const permissions, folders = 1000, 400
	text := "definition user {}\ndefinition folder {\n\trelation parent: folder\n\trelation viewer: user\n\tpermission p0000 = viewer\n"
	for i := range permissions {
		text += fmt.Sprintf("\tpermission p%04d = p%04d & viewer\n", i+1, i)
	}
	w := parse(t, text+fmt.Sprintf("\tpermission view = p%04d + parent->p%04d\n}", permissions, permissions))
	for i := range folders {
		if err := w.AddText(fmt.Sprintf("folder:top#parent@folder:f%04d", i)); err != nil {
			t.Fatal(err)
		}
	}
	q := ask(t, w, "folder:top#view", "user:ann")
	var tree *rewrite.Tree
	var err error
	bytes := allocated(func() {
		tree, err = rewrite.New(w.Program, rewrite.Limits{}).Expand(t.Context(), w.Tuples, q.Slot, q.ObjectID, rewrite.ExpandOptions{})
	})
	if err != nil || !tree.Truncated() || bytes > 256<<20 && !raceDetector {
		t.Errorf("%v; %d MiB were allocated", err, bytes>>20)
	}
}
