package spicedbtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
)

// TestRandomWorlds asks both about random schemas and tuples. Circles in the data, at
// which SpiceDB gives up, are left out: a subject with relations of its own comes
// before its object.
func TestRandomWorlds(t *testing.T) {
	both := start(t)
	worlds, asked := 0, 0
	for n := uint64(1); n <= 40 && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(*seedFlag, n))
		w, err := rewritetest.New(schematest.Random(rng, schematest.Options{Caveats: n%2 == 0, Expiration: n%4 == 0, ArrowFunctions: true, Self: n%3 == 0}))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(rng, 4, 100); err != nil {
			t.Fatal(err)
		}
		text := schema.Format(w.Schema)
		if !both.begin(t, text, w) {
			continue
		}
		worlds++
		asked += both.askAll(t, rng, w, n)
		if t.Failed() {
			t.Logf("world %d of -seed=%d:\n%s\n%v", n, *seedFlag, text, w.Named)
		}
	}
	t.Logf("%d worlds, %d questions", worlds, asked)
	if worlds < 10 {
		t.Error("SpiceDB takes too few of the schemas")
	}
}

// begin gives both a world in place of the one before, unless SpiceDB does not take it.
func (both sides) begin(t *testing.T, text string, w *rewritetest.World) bool {
	t.Helper()
	var list []*v1.Relationship
	now := time.Now()
	for _, n := range w.Named {
		if of, _ := w.Schema.Definition(n.SubjectType); len(of.Members) > 0 && n.SubjectID >= n.ObjectID {
			continue
		}
		if n.ExpiresNanos != 0 {
			n.ExpiresNanos = now.Add(time.Duration(2*(n.ExpiresNanos%2)-1) * time.Hour).Truncate(time.Second).UnixNano()
		}
		list = append(list, rel(n.String()))
	}
	for _, s := range []*side{both.spicedb, both.tupelo} {
		s.t = t
		s.clear()
		if _, err := s.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text}); err != nil {
			if s == both.tupelo {
				t.Errorf("only SpiceDB takes this: %v\n%s", err, text)
			}
			return false
		}
		s.wrote(updates(touch, list...)...)
	}
	return true
}

// clear leaves no relationship.
func (s *side) clear() {
	s.t.Helper()
	reflected, err := s.ReflectSchema(s.t.Context(), &v1.ReflectSchemaRequest{Consistency: full()})
	if err != nil {
		return // no schema yet
	}
	for _, d := range reflected.Definitions {
		if _, err := s.DeleteRelationships(s.t.Context(), &v1.DeleteRelationshipsRequest{RelationshipFilter: filter(d.Name)}); err != nil {
			s.t.Fatal(s.name, err)
		}
	}
}

// askAll puts random questions of every kind to both, and returns how many.
func (both sides) askAll(t *testing.T, rng *rand.Rand, w *rewritetest.World, n uint64) (asked int) {
	t.Helper()
	type question struct{ resource, permission, subject, context string }
	var all []question
	var params []*schema.Param
	for i := range schematest.CaveatParams {
		params = append(params, &schematest.CaveatParams[i])
	}
	for range 120 {
		slot := w.Program.Slots[rng.IntN(len(w.Program.Slots))]
		q := question{
			resource: w.Program.Types[slot.Type].Name + ":" + rewritetest.ObjectID(rng.IntN(5)), permission: slot.Name,
			subject: w.Program.Types[rng.IntN(len(w.Program.Types))].Name + ":" + rewritetest.ObjectID(rng.IntN(5)),
		}
		if rng.IntN(4) == 0 {
			of := w.Program.Slots[rng.IntN(len(w.Program.Slots))]
			q.subject = w.Program.Types[of.Type].Name + ":" + rewritetest.ObjectID(rng.IntN(5)) + "#" + of.Name
		}
		if rng.IntN(3) == 0 {
			q.context = rewritetest.Context(rng, params)
		}
		all = append(all, q)
	}
	both.compare(t, func(s *side) {
		for i, q := range all {
			kind, _, _ := strings.Cut(q.resource, ":")
			of := subject(q.subject)
			name := fmt.Sprint(n, " ", i, " ", q)
			unary(s, "check "+name, s.CheckPermission, &v1.CheckPermissionRequest{Consistency: full(), Resource: object(q.resource), Permission: q.permission, Subject: of, Context: values(q.context)})
			switch i % 4 {
			case 0:
				s.resources("resources "+name, &v1.LookupResourcesRequest{Consistency: full(), ResourceObjectType: kind, Permission: q.permission, Subject: of, Context: values(q.context)})
			case 1:
				s.subjects("subjects "+name, &v1.LookupSubjectsRequest{Consistency: full(), Resource: object(q.resource), Permission: q.permission, SubjectObjectType: of.Object.ObjectType, OptionalSubjectRelation: of.OptionalRelation, Context: values(q.context)})
			case 2:
				unary(s, "expand "+name, s.ExpandPermissionTree, &v1.ExpandPermissionTreeRequest{Consistency: full(), Resource: object(q.resource), Permission: q.permission})
			}
		}
	})
	return len(both.spicedb.steps)
}

// resources looks resources up, and notes each once, with what is known for certain
// if it was told twice.
func (s *side) resources(step string, r *v1.LookupResourcesRequest) {
	found, err := received[*v1.LookupResourcesRequest, *v1.LookupResourcesResponse](s, s.LookupResources, r)
	if err != nil {
		s.note(step, refusal(err))
		return
	}
	known := map[string]string{}
	for _, one := range found {
		if known[one.ResourceObjectId] != "LOOKUP_PERMISSIONSHIP_HAS_PERMISSION" {
			known[one.ResourceObjectId] = one.Permissionship.String()
		}
	}
	var ids []string
	for id, permissionship := range known {
		ids = append(ids, id+" "+permissionship)
	}
	slices.Sort(ids)
	s.note(step, fmt.Sprint(ids))
}
