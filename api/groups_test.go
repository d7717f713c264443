package api

import (
	"math/rand/v2"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// objectsReader notes what is read by subjects: in checks, only by who finds out what
// groups a subject is in.
type objectsReader struct {
	*store.Snapshot
	read map[tuple.Kind]bool
}

func (r *objectsReader) Objects(subject tuple.Subject, objectType tuple.TypeID, relation tuple.RelationID, above []byte, limit int, page *tuple.Page) error {
	r.read[tuple.Kind{Type: objectType, Relation: relation}] = true
	return r.Snapshot.Objects(subject, objectType, relation, above, limit, page)
}

// TestEveryTupleThatGroupsAreFoundBySaysThatTheyChange asks random worlds what their
// subjects are in, and then changes a tuple of each relation that was read for it: the
// evaluator goes by the schema, and the store by the shapes that it allows.
func TestEveryTupleThatGroupsAreFoundBySaysThatTheyChange(t *testing.T) {
	changed := 0
	for n := uint64(1); n <= 40 && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(*worldSeed, n))
		random := schematest.Groups
		if n%2 == 0 {
			random = schematest.Random
		}
		w, err := rewritetest.New(random(rng, schematest.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(rng, 4, 200); err != nil {
			t.Fatal(err)
		}
		l := newCachedLog(t, 1<<20)
		l.lead(t)
		s := newTestServer(t, l, nil)
		if err := s.writeSchemaNow(t, schema.Format(w.Schema)); err != nil {
			t.Fatal(err)
		}
		touch := func(named tuple.Named) {
			if _, err := s.Write(t.Context(), updates(t, tupelov1.Update_OPERATION_TOUCH, named.String())); err != nil {
				t.Fatal(err)
			}
		}
		for _, named := range w.Named {
			touch(named)
		}
		_, names := l.follower.Counters()
		for relation := range s.relationsOfGroups(t, w, rng) {
			for _, named := range w.Named {
				tp, _ := names.Tuple(named)
				if (tuple.Kind{Type: tp.Object.Type, Relation: tp.Relation}) != relation {
					continue
				}
				named.ObjectID = "new"
				touch(named)
				at, revision := s.keptOfGroups(t)
				if at != revision {
					t.Errorf("%s was written at %d, the last change of groups is said to be that of %d\n%s",
						named, revision, at, schema.Format(w.Schema))
				}
				changed++
				break
			}
		}
	}
	t.Logf("%d tuples were changed", changed)
	if changed < 50 {
		t.Errorf("only %d tuples were changed", changed)
	}
}

// relationsOfGroups asks for every userset and returns what was read to know groups.
func (s *Server) relationsOfGroups(t *testing.T, w *rewritetest.World, rng *rand.Rand) map[tuple.Kind]bool {
	t.Helper()
	snapshot, err := s.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	m, err := s.models.at(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	reader := &objectsReader{snapshot, make(map[tuple.Kind]bool)}
	usersets, _ := worldUsersets(w, 4)
	for _, who := range worldSubjects(w, rng, usersets, 4) {
		for _, u := range usersets {
			typ, _ := m.program.TypeByName(u.Type)
			slot, _ := m.program.Slot(typ, u.Relation)
			subject, ok := snapshot.Names().Subject(who.Type, who.ID, who.Relation)
			if !ok {
				t.Fatal(who)
			}
			q := rewrite.Question{Slot: slot, ObjectID: []byte(u.ID), Subject: subject}
			if _, err := m.engine.Check(t.Context(), reader, q); err != nil {
				t.Fatal(err)
			}
		}
	}
	return reader.read
}

// keptOfGroups returns the newest revision that is said to change groups, and the
// newest of all.
func (s *Server) keptOfGroups(t *testing.T) (changed, newest uint64) {
	t.Helper()
	snapshot, err := s.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	text, err := snapshot.Schema()
	if err != nil {
		t.Fatal(err)
	}
	kept, revision := snapshot.Groups(text.Revision)
	return kept.Changed(), revision
}
