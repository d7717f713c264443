package authzed

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
)

// ids begin alike, so that prefixes select some.
var ids = []string{"a", "aa", "ab", "abc", "b", "ba", "b/a", "a-1"}

// kinds are the relations of GitClub's schema with the subjects that they take.
var kinds = []string{
	"team:%s#member@user:%s", "team:%s#member@team:%s#member", "repository:%s#maintainer@user:%s",
	"repository:%s#maintainer@team:%s#member", "repository:%s#reader@user:%s", "repository:%s#reader@team:%s#member",
}

// randomRelationship returns one of some hundred relationships.
func randomRelationship(rng *rand.Rand) *v1.Relationship {
	if rng.IntN(10) == 0 {
		return relOf("repository:" + ids[rng.IntN(len(ids))] + "#reader@user:*")
	}
	return relOf(fmt.Sprintf(kinds[rng.IntN(len(kinds))], ids[rng.IntN(len(ids))], ids[rng.IntN(len(ids))]))
}

// randomFilter returns a filter that the schema allows and that selects less than all.
func randomFilter(rng *rand.Rand) *v1.RelationshipFilter {
	one := func(of ...string) string { return of[rng.IntN(len(of))] }
	for {
		f := &v1.RelationshipFilter{ResourceType: one("", "team", "repository")}
		switch rng.IntN(3) {
		case 0:
			f.OptionalResourceId = one(ids...)
		case 1:
			f.OptionalResourceIdPrefix = one("a", "ab", "b", "b/", "c")
		}
		switch f.ResourceType {
		case "team":
			f.OptionalRelation = one("", "member")
		case "repository":
			f.OptionalRelation = one("", "maintainer", "reader")
		default:
			f.OptionalRelation = one("", "member", "maintainer", "reader")
		}
		if rng.IntN(2) == 0 {
			s := &v1.SubjectFilter{SubjectType: one("user", "team"), OptionalSubjectId: one(append(ids, "", "", "", "*")...)}
			switch {
			case rng.IntN(2) == 0:
			case s.SubjectType == "team" && s.OptionalSubjectId != "*" && rng.IntN(2) == 0:
				s.OptionalRelation = &v1.SubjectFilter_RelationFilter{Relation: "member"}
			default:
				s.OptionalRelation = &v1.SubjectFilter_RelationFilter{}
			}
			f.OptionalSubjectFilter = s
		}
		if refuseFilter(f) == nil {
			return f
		}
	}
}

// selects is what a filter means, part by part.
func selects(f *v1.RelationshipFilter, r *v1.Relationship) bool {
	is := func(want, got string) bool { return want == "" || want == got }
	s, subject := f.OptionalSubjectFilter, r.Subject
	return is(f.ResourceType, r.Resource.ObjectType) && is(f.OptionalResourceId, r.Resource.ObjectId) &&
		strings.HasPrefix(r.Resource.ObjectId, f.OptionalResourceIdPrefix) && is(f.OptionalRelation, r.Relation) &&
		(s == nil || s.SubjectType == subject.Object.ObjectType && is(s.OptionalSubjectId, subject.Object.ObjectId) &&
			(s.OptionalRelation == nil || s.OptionalRelation.Relation == subject.OptionalRelation))
}

// model is what should be stored, by text.
type model map[string]*v1.Relationship

// change makes one random write, and makes it of the model too.
func (m model) change(ctx context.Context, rng *rand.Rand, c testClient) error {
	r := &v1.WriteRelationshipsRequest{}
	named := map[string]bool{}
	for range 1 + rng.IntN(20) {
		one := randomRelationship(rng)
		text := spelled(one)
		if named[text] {
			continue
		}
		named[text] = true
		if rng.IntN(3) == 0 {
			r.Updates = append(r.Updates, remove(one))
			delete(m, text)
			continue
		}
		r.Updates = append(r.Updates, touch(one))
		m[text] = one
	}
	_, err := c.WriteRelationships(ctx, r)
	return err
}

// selected returns the texts of what a filter selects, sorted.
func (m model) selected(f *v1.RelationshipFilter) []string {
	list := []string{}
	for text, r := range m {
		if selects(f, r) {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return list
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func TestAFilterSelectsWhatItMeansForReadsExportsPreconditionsAndDeletions(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 5))
	c, m := seeded(t), model{}
	for round := range 60 {
		if err := m.change(t.Context(), rng, c); err != nil {
			t.Fatal(err)
		}
		f := randomFilter(rng)
		want := m.selected(f)
		read, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: f})
		if got := sorted(texts(read)); err != nil || !slices.Equal(got, want) {
			t.Fatalf("round %d: a read by %v gives\n%q, %v, want\n%q", round, f, got, err, want)
		}
		sent, err := c.exported(t, &v1.ExportBulkRelationshipsRequest{OptionalRelationshipFilter: f, OptionalLimit: 1 + rng.Uint32N(7)})
		if got := textsOf(sent); err != nil || !slices.Equal(got, texts(read)) && len(got)+len(read) > 0 {
			t.Fatalf("round %d: an export by %v gives\n%q, %v, want\n%q", round, f, got, err, texts(read))
		}
		guarded := writing(touch(relOf("team:guard#member@user:guard")))
		m["team:guard#member@user:guard"] = guarded.Updates[0].Relationship
		guarded.OptionalPreconditions = []*v1.Precondition{{Operation: v1.Precondition_OPERATION_MUST_NOT_MATCH, Filter: f}}
		if len(want) > 0 {
			guarded.OptionalPreconditions[0].Operation = v1.Precondition_OPERATION_MUST_MATCH
		}
		if _, err := c.WriteRelationships(t.Context(), guarded); err != nil {
			t.Fatalf("round %d: %v: %v", round, guarded.OptionalPreconditions, err)
		}
		if round%3 > 0 {
			continue
		}
		want = m.selected(f)
		deleted, err := c.DeleteRelationships(t.Context(), &v1.DeleteRelationshipsRequest{RelationshipFilter: f})
		if err != nil || deleted.RelationshipsDeletedCount != uint64(len(want)) {
			t.Fatalf("round %d: a deletion by %v gives %v, %v, want %d", round, f, deleted, err, len(want))
		}
		for _, text := range want {
			delete(m, text)
		}
		c.wantStored(t, m.selected(&v1.RelationshipFilter{})...)
	}
}

func TestPagesOfEverySizeMakeTheWholeListWhileWritesGoOn(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 5))
	c, m := seeded(t), model{}
	for range 20 {
		if err := m.change(t.Context(), rng, c); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	writing.Go(func() {
		rng := rand.New(rand.NewPCG(13, 5))
		for ctx.Err() == nil {
			if err := m.change(ctx, rng, c); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	defer stop()
	for i := range 48 {
		size := uint32(1 + i%12)
		r := &v1.ReadRelationshipsRequest{RelationshipFilter: randomFilter(rng), OptionalLimit: size}
		var paged []*v1.ReadRelationshipsResponse
		for {
			page, err := c.read(t.Context(), r)
			if err != nil || len(page) > int(size) {
				t.Fatal(len(page), err)
			}
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
			r.OptionalCursor = page[len(page)-1].AfterResultCursor
			// Between pages for certain, and during them by the other writer.
			if err := (model{}).change(t.Context(), rng, c); err != nil {
				t.Fatal(err)
			}
		}
		if len(paged) == 0 {
			continue
		}
		at := paged[0].ReadAt
		whole, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{
			RelationshipFilter: r.RelationshipFilter,
			Consistency:        &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: at}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(texts(paged), texts(whole)) {
			t.Errorf("%v by %d are\n%q, as a whole\n%q", r.RelationshipFilter, size, texts(paged), texts(whole))
		}
		for _, f := range paged {
			if f.ReadAt.Token != at.Token {
				t.Errorf("a page was read at another revision")
			}
		}
	}
}

// FuzzWritesOfAnyTextAreAnsweredOrRefused writes relationships and filters of any text:
// what comes of it is an answer or a refusal with a code for it.
func FuzzWritesOfAnyTextAreAnsweredOrRefused(f *testing.F) {
	c := seeded(f)
	f.Add("team", "core", "member", "user", "ana", "", "office_hours", "hour")
	f.Add("repository", "*", "pull", "team", "*", "member", "", "")
	f.Add("", "", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, resourceType, id, relation, subjectType, subjectID, subjectRelation, caveat, key string) {
		for _, text := range []*string{&resourceType, &id, &relation, &subjectType, &subjectID, &subjectRelation, &caveat, &key} {
			*text = strings.ToValidUTF8(*text, "") // nothing else can be sent
		}
		one := rel(resourceType, id, relation, subjectType, subjectID, subjectRelation)
		if caveat != "" {
			one.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: caveat, Context: &structpb.Struct{
				Fields: map[string]*structpb.Value{key: structpb.NewNumberValue(1)},
			}}
		}
		selected := &v1.RelationshipFilter{ResourceType: resourceType, OptionalResourceIdPrefix: id, OptionalRelation: relation,
			OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: subjectType, OptionalSubjectId: subjectID,
				OptionalRelation: &v1.SubjectFilter_RelationFilter{Relation: subjectRelation}}}
		_, err := c.WriteRelationships(t.Context(), writing(touch(one)))
		wantKnownCode(t, err)
		_, err = c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: selected})
		wantKnownCode(t, err)
		_, err = c.DeleteRelationships(t.Context(), &v1.DeleteRelationshipsRequest{RelationshipFilter: selected})
		wantKnownCode(t, err)
	})
}

// wantKnownCode fails where the server says that it failed, or broke.
func wantKnownCode(t *testing.T, err error) {
	t.Helper()
	switch status.Code(err) {
	case codes.OK, codes.InvalidArgument, codes.FailedPrecondition:
	default:
		t.Error(err)
	}
}
