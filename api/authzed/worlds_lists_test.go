package authzed

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
)

// listedWorld is a random world that is listed in both protocols.
type listedWorld struct {
	*world
	given *structpb.Struct // the context of what is asked
	tally *tally
}

// tally counts what was compared, so that dull worlds are found out.
type tally struct {
	resources, pages, relationships, subjects, wildcards, exclusions, conditional, checks int
}

// TestBothProtocolsListTheSame looks up and reads in random worlds by this protocol,
// in pages of any size while tuples are written, and by tupelo.v1, at the same
// revision; and asks CheckPermission about each subject of the world. Half of
// the worlds have the schema that is the richest in exclusions from wildcards.
func TestBothProtocolsListTheSame(t *testing.T) {
	const enough = 300
	sum := &tally{}
	for n := uint64(1); sum.resources < enough && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(*worldSeed, n))
		made := guardedSchema(t)
		if n%2 == 0 {
			made = schematest.Random(rng, schematest.Options{
				NegativeRecursion: rng.IntN(2) == 0, Caveats: true, Expiration: true, ArrowFunctions: true, Self: true,
			})
		}
		w := &listedWorld{newWorldOf(t, rng, made), nil, sum}
		for range 4 {
			w.change(t)
			w.given = w.context(t)
			for range 10 {
				w.compareResources(t)
				w.compareSubjects(t)
				if w.rng.IntN(4) == 0 {
					w.compareRelationships(t)
				}
			}
		}
		if t.Failed() {
			t.Logf("the %d-th world of -seed=%d:\n%s", n, *worldSeed, schema.Format(w.Schema))
		}
	}
	t.Logf("%+v", *sum)
	if min(sum.pages, sum.relationships, sum.subjects, 3*sum.wildcards, 30*sum.exclusions, 10*sum.conditional) < enough {
		t.Errorf("the worlds are dull")
	}
}

// guardedSchema is small and full of conditions; their parameters are those of
// random schemas.
func guardedSchema(t *testing.T) *schema.Schema {
	t.Helper()
	parsed, err := schema.Parse("guarded", `
		use expiration
		caveat few(count int) { count < 3 }
		caveat flagged(flag bool) { flag }
		definition user {}
		definition team {
			relation member: user | team#member
		}
		definition site {
			relation reader: user | user with few | user:* | user:* with flagged | team#member
			relation banned: user with flagged | user with few and expiration | team#member
			permission visit = reader - banned
			permission complain = reader & banned
		}`)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// change touches and deletes some of the world's tuples.
func (w *listedWorld) change(t *testing.T) {
	t.Helper()
	var changes []*tupelov1.Update
	for i := range w.Named {
		change := &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: w.tuple(t, i)}
		if w.rng.IntN(2) == 0 {
			change.Operation, change.Tuple.Caveat, change.Tuple.ExpiresAt = tupelov1.Update_OPERATION_DELETE, nil, nil
		}
		if w.rng.IntN(3) == 0 {
			changes = append(changes, change)
		}
	}
	w.write(t, changes)
}

// userset returns a random object with one of its relations or permissions.
func (w *listedWorld) userset() (o *v1.ObjectReference, relation string) {
	slot := w.Program.Slots[w.rng.IntN(len(w.Program.Slots))]
	return &v1.ObjectReference{ObjectType: w.Program.Types[slot.Type].Name, ObjectId: w.object()}, slot.Name
}

// asker returns a subject: mostly an object, else a userset.
func (w *listedWorld) asker() *v1.SubjectReference {
	if w.rng.IntN(4) == 0 {
		o, relation := w.userset()
		return &v1.SubjectReference{Object: o, OptionalRelation: relation}
	}
	typ := w.Program.Types[w.rng.IntN(len(w.Program.Types))].Name
	return &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: typ, ObjectId: w.object()}}
}

// fresh asks for the newest revision.
func fresh() *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
}

// told spells a native entry as said does one of this protocol.
func told(id string, r tupelov1.Result, missing []string) string {
	switch r {
	case tupelov1.Result_RESULT_YES:
		return id + " yes"
	case tupelov1.Result_RESULT_CONDITIONAL:
		return strings.Join(append([]string{id, "conditional on"}, missing...), " ")
	}
	return id + " no"
}

func (w *listedWorld) compareResources(t *testing.T) {
	t.Helper()
	of, permission := w.userset()
	r := &v1.LookupResourcesRequest{
		Consistency: fresh(), ResourceObjectType: of.ObjectType, Permission: permission, Subject: w.asker(), Context: w.given,
	}
	got, at := w.pages(t, r)
	if len(got) == 0 {
		return // pages says nothing of the revision
	}
	stream, err := w.native.ListObjects(t.Context(), &tupelov1.ListObjectsRequest{
		Consistency: exactly(at), ObjectType: of.ObjectType, Relation: permission, Subject: subject(r.Subject), Context: w.given,
	})
	parts, err := received(stream, err)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range parts {
		for _, o := range m.Objects {
			want = append(want, told(o.Id, o.Result, o.MissingContext))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v: in pages %q, by tupelo.v1 %q", r, got, want)
	}
	w.tally.resources += len(got)
}

// pages looks resources up in pages of random size, and writes in between.
func (w *listedWorld) pages(t *testing.T, r *v1.LookupResourcesRequest) (all []string, at string) {
	t.Helper()
	for {
		r.OptionalLimit = uint32(w.rng.IntN(4))
		found, err := w.resources(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		w.tally.pages++
		all = append(all, saidOfResources(found)...)
		for _, f := range found {
			if at != "" && f.LookedUpAt.Token != at {
				t.Fatalf("%v: the revision changed", r)
			}
			at = f.LookedUpAt.Token
		}
		if r.OptionalLimit == 0 || len(found) < int(r.OptionalLimit) {
			return all, at
		}
		if len(found) > int(r.OptionalLimit) {
			t.Fatalf("%v: %d results", r, len(found))
		}
		r.OptionalCursor = found[len(found)-1].AfterResultCursor
		if w.rng.IntN(10) == 0 {
			w.change(t)
		}
	}
}

// compareRelationships reads what some parts of a stored tuple select.
func (w *listedWorld) compareRelationships(t *testing.T) {
	t.Helper()
	like := relationship(w.tuple(t, w.rng.IntN(len(w.Named))))
	some := func(text string) string {
		if w.rng.IntN(2) == 0 {
			return ""
		}
		return text
	}
	f := &v1.RelationshipFilter{
		ResourceType: like.Resource.ObjectType, OptionalResourceId: some(like.Resource.ObjectId), OptionalRelation: some(like.Relation),
	}
	if f.OptionalResourceId == "" {
		f.OptionalResourceIdPrefix = some("o")
	}
	if w.rng.IntN(2) == 0 {
		f.OptionalSubjectFilter = &v1.SubjectFilter{SubjectType: like.Subject.Object.ObjectType, OptionalSubjectId: some(like.Subject.Object.ObjectId)}
	}
	selected, err := filter(f)
	if err != nil {
		t.Fatal(err)
	}
	got, at := w.readPages(t, f)
	if len(got) == 0 {
		at = w.zookie
	}
	var want []string
	for next := ""; ; {
		page, err := w.native.Read(t.Context(), &tupelov1.ReadRequest{Consistency: exactly(at), Filter: selected, WithoutExpired: true, Cursor: next})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Tuples {
			want = append(want, one.String())
		}
		if next = page.NextCursor; next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v: in pages %q, by tupelo.v1 %q", f, got, want)
	}
	w.tally.relationships += len(got)
}

// readPages reads relationships in pages of random size, and writes in between.
func (w *listedWorld) readPages(t *testing.T, f *v1.RelationshipFilter) (all []string, at string) {
	t.Helper()
	r := &v1.ReadRelationshipsRequest{Consistency: fresh(), RelationshipFilter: f}
	for {
		r.OptionalLimit = uint32(w.rng.IntN(4))
		stream, err := w.ReadRelationships(t.Context(), r)
		found, err := received(stream, err)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range found {
			if at != "" && one.ReadAt.Token != at {
				t.Fatalf("%v: the revision changed", r)
			}
			at = one.ReadAt.Token
			all = append(all, tuple(one.Relationship).String())
		}
		if r.OptionalLimit == 0 || len(found) < int(r.OptionalLimit) {
			return all, at
		}
		if len(found) > int(r.OptionalLimit) {
			t.Fatalf("%v: %d results", r, len(found))
		}
		r.OptionalCursor = found[len(found)-1].AfterResultCursor
		if w.rng.IntN(10) == 0 {
			w.change(t)
		}
	}
}

func (w *listedWorld) compareSubjects(t *testing.T) {
	t.Helper()
	resource, permission := w.userset()
	kind := w.asker()
	if w.rng.IntN(2) == 0 {
		kind = &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: "user"}} // wildcards are mostly of these
	}
	r := &v1.LookupSubjectsRequest{
		Consistency: fresh(), Resource: resource, Permission: permission, Context: w.given,
		SubjectObjectType: kind.Object.ObjectType, OptionalSubjectRelation: kind.OptionalRelation,
	}
	found, err := w.subjects(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := w.native.ListSubjects(t.Context(), &tupelov1.ListSubjectsRequest{
		Consistency: consistency(r.Consistency), Object: object(resource), Relation: permission, Context: w.given,
		SubjectType: r.SubjectObjectType, SubjectRelation: r.OptionalSubjectRelation,
	})
	parts, err := received(stream, err)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := saidOfSubjects(found), toldOfSubjects(parts); !slices.Equal(got, want) {
		t.Errorf("%v: %q, by tupelo.v1 %q", r, got, want)
	}
	w.tally.subjects += len(found)
	ids := []string{"somebody-else"}
	for i := range w.objects + 1 {
		ids = append(ids, rewritetest.ObjectID(i))
	}
	for _, id := range ids {
		w.compareSubject(t, r, id, found)
	}
}

// toldOfSubjects spells a native list as saidOfSubjects does one of this protocol.
func toldOfSubjects(parts []*tupelov1.ListSubjectsResponse) (list []string) {
	wildcard, exclusions := "", ""
	for _, m := range parts {
		for _, s := range m.Subjects {
			text := told(s.Id, s.Result, s.MissingContext)
			switch {
			case s.Id == wildcardID:
				wildcard = text
			case s.Result == tupelov1.Result_RESULT_NO:
				exclusions += ", not " + s.Id + " yes"
			case s.Result == tupelov1.Result_RESULT_CONDITIONAL && wildcard != "":
				exclusions += ", not " + text
				list = append(list, text)
			default:
				list = append(list, text)
			}
		}
	}
	if wildcard != "" {
		list = append(list, wildcard+exclusions)
	}
	return list
}

// compareSubject holds what follows of one subject from a lookup, for a client
// that takes those of the wildcard to be all but the excluded ones, to what
// CheckPermission says.
func (w *listedWorld) compareSubject(t *testing.T, r *v1.LookupSubjectsRequest, id string, found []*v1.LookupSubjectsResponse) {
	t.Helper()
	const no, perhaps, yes = 0, 1, 2
	truth := func(p v1.LookupPermissionship) int {
		if p == v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION {
			w.tally.conditional++
			return perhaps
		}
		return yes
	}
	itself, anyone, excluded := no, no, no
	for _, f := range found {
		switch f.Subject.SubjectObjectId {
		case id:
			itself = truth(f.Subject.Permissionship)
		case wildcardID:
			w.tally.wildcards++
			anyone = truth(f.Subject.Permissionship)
		}
		for _, e := range f.ExcludedSubjects {
			if e.SubjectObjectId == id {
				w.tally.exclusions++
				excluded = truth(e.Permissionship)
			}
		}
	}
	answer, err := w.CheckPermission(t.Context(), &v1.CheckPermissionRequest{
		Consistency: r.Consistency, Resource: r.Resource, Permission: r.Permission, Context: r.Context,
		Subject: &v1.SubjectReference{
			Object:           &v1.ObjectReference{ObjectType: r.SubjectObjectType, ObjectId: id},
			OptionalRelation: r.OptionalSubjectRelation,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.tally.checks++
	want := map[v1.CheckPermissionResponse_Permissionship]int{
		v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION: perhaps,
		v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:         yes,
	}[answer.Permissionship]
	if got := max(itself, min(anyone, yes-excluded)); got != want {
		t.Errorf("%v: %s follows as %d from %q, CheckPermission says %v", r, id, got, saidOfSubjects(found), answer.Permissionship)
	}
}
