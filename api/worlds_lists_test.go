package api

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// list lists objects, subjects and relations in parts of random size, at the
// newest or a past revision, and compares each list with the oracle of the
// revision that its first part was of. It returns how many lists there were.
func (w *storedWorld) list(t *testing.T) (lists int) {
	t.Helper()
	text, context := w.request(t)
	q := listing{text: text, context: context}
	if w.rng.IntN(2) == 0 {
		q.consistency = exactly(w.history[w.rng.IntN(len(w.history))].zookie)
	}
	for _, subject := range worldSubjects(w.World, w.rng, w.usersets, w.objects) {
		for range 4 {
			w.listObjects(t, q, subject, w.usersets[w.rng.IntN(len(w.usersets))])
			w.listSubjects(t, q, w.usersets[w.rng.IntN(len(w.usersets))], subject)
			lists += 2
		}
		w.listRelations(t, q, w.usersets[w.rng.IntN(len(w.usersets))].Object, subject)
		lists++
	}
	return lists
}

// listing is what lists that are compared have in common. Without a consistency
// they are of the newest revision.
type listing struct {
	text        string // of the context
	context     *structpb.Struct
	consistency *tupelov1.Consistency
}

// at returns the revision of a zookie.
func (w *storedWorld) at(t *testing.T, zookie string) past {
	t.Helper()
	i := slices.IndexFunc(w.history, func(p past) bool { return p.zookie == zookie })
	if i < 0 {
		t.Fatalf("%s is of no revision that was written", zookie)
	}
	return w.history[i]
}

// parts asks for the parts of a list until it is complete, with limits that
// change. Now and then something is written in between.
func (w *storedWorld) parts(t *testing.T, ask func(limit int32, cursor string) listPage) (all []string, p past) {
	t.Helper()
	page := listPage{}
	for !page.complete {
		limit := int32(w.rng.IntN(4))
		next := ask(limit, page.cursor)
		if limit > 0 && len(next.entries) > int(limit) || page.zookie != "" && page.zookie != next.zookie {
			t.Fatalf("a part of %d entries with the limit %d, at %s after %s", len(next.entries), limit, next.zookie, page.zookie)
		}
		page = next
		all = append(all, page.entries...)
		if w.rng.IntN(20) == 0 && len(w.history) < 20 {
			w.write(t)
		}
	}
	return all, w.at(t, page.zookie)
}

func (w *storedWorld) listObjects(t *testing.T, q listing, subject, of oracle.Userset) {
	t.Helper()
	got, p := w.parts(t, func(limit int32, cursor string) listPage {
		stream := &collected[tupelov1.ListObjectsResponse]{ctx: t.Context()}
		err := w.server.ListObjects(&tupelov1.ListObjectsRequest{
			Consistency: q.consistency, ObjectType: of.Type, Relation: of.Relation, Context: q.context, Limit: limit, Cursor: cursor,
			Subject: &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation},
		}, stream)
		return collectPage(t, stream, err, func(m *tupelov1.ListObjectsResponse) (list []string) {
			for _, o := range m.Objects {
				list = append(list, o.Id+" "+answerText(o.Result, o.MissingContext))
			}
			return list
		})
	})
	truth := w.truth(p, q.text, subject)
	var want []string
	for i := range w.objects + 1 {
		of.ID = rewritetest.ObjectID(i)
		if a := truth[of]; a.Truth != oracle.No {
			want = append(want, of.ID+" "+truthText(a))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the %s#%s of %v with %s are %q; want %q of %v", of.Type, of.Relation, subject, q.text, got, want, p.tuples)
	}
}

func (w *storedWorld) listSubjects(t *testing.T, q listing, of, kind oracle.Userset) {
	t.Helper()
	entries, p := w.parts(t, func(limit int32, cursor string) listPage {
		stream := &collected[tupelov1.ListSubjectsResponse]{ctx: t.Context()}
		err := w.server.ListSubjects(&tupelov1.ListSubjectsRequest{
			Consistency: q.consistency, Object: &tupelov1.Object{Type: of.Type, Id: of.ID}, Relation: of.Relation,
			SubjectType: kind.Type, SubjectRelation: kind.Relation, Context: q.context, Limit: limit, Cursor: cursor,
		}, stream)
		return collectPage(t, stream, err, func(m *tupelov1.ListSubjectsResponse) (list []string) {
			for _, s := range m.Subjects {
				list = append(list, s.Id+" "+answerText(s.Result, s.MissingContext))
			}
			return list
		})
	})
	got := make(map[string]string)
	for _, e := range entries {
		id, answer, _ := strings.Cut(e, " ")
		if got[id] != "" {
			t.Errorf("%s is listed twice", id)
		}
		got[id] = answer
	}
	others := "no"
	if kind.Relation == "" {
		kind.ID = "somebody-else"
		others = truthText(w.truth(p, q.text, kind)[of])
	}
	if listed := got[tuple.WildcardID]; listed != others && (listed != "" || others != "no") {
		t.Errorf("the wildcard of %v like %v with %s is %q; want %q of %v", of, kind, q.text, listed, others, p.tuples)
	}
	for i := range w.objects + 1 {
		kind.ID = rewritetest.ObjectID(i)
		listed := got[kind.ID]
		if listed == "" {
			listed = others
		}
		if want := truthText(w.truth(p, q.text, kind)[of]); listed != want {
			t.Errorf("of %v, %v with %s is %q; want %q of %v", of, kind, q.text, listed, want, p.tuples)
		}
	}
}

func (w *storedWorld) listRelations(t *testing.T, q listing, object oracle.Object, subject oracle.Userset) {
	t.Helper()
	r, err := w.server.ListRelations(t.Context(), &tupelov1.ListRelationsRequest{
		Consistency: q.consistency, Object: &tupelov1.Object{Type: object.Type, Id: object.ID}, Context: q.context,
		Subject: &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, l := range r.Relations {
		got[l.Name] = answerText(l.Result, l.MissingContext)
	}
	p := w.at(t, r.Zookie)
	truth := w.truth(p, q.text, subject)
	for _, u := range w.usersets {
		if u.Object != object {
			continue
		}
		want := truthText(truth[u])
		if listed := got[u.Relation]; listed != want && (listed != "" || want != "no") {
			t.Errorf("%v for %v with %s is %q; want %q of %v", u, subject, q.text, listed, want, p.tuples)
		}
	}
}
