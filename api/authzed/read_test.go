package authzed

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// read collects what a ReadRelationships sends.
func (c testClient) read(ctx context.Context, r *v1.ReadRelationshipsRequest) ([]*v1.ReadRelationshipsResponse, error) {
	stream, err := c.ReadRelationships(ctx, r)
	if err != nil {
		return nil, err
	}
	return drained(stream.Recv)
}

// drained collects what a stream sends.
func drained[M any](recv func() (*M, error)) (all []*M, err error) {
	for {
		m, err := recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, m)
	}
}

// texts spells what was read.
func texts(found []*v1.ReadRelationshipsResponse) []string {
	list := []string{}
	for _, f := range found {
		list = append(list, spelled(f.Relationship))
	}
	return list
}

func only(resourceType string) *v1.RelationshipFilter {
	return &v1.RelationshipFilter{ResourceType: resourceType}
}

// ofSubject selects by the subject's id and relation, of which nil is any.
func ofSubject(subjectType, id string, relation *string) *v1.RelationshipFilter {
	s := &v1.SubjectFilter{SubjectType: subjectType, OptionalSubjectId: id}
	if relation != nil {
		s.OptionalRelation = &v1.SubjectFilter_RelationFilter{Relation: *relation}
	}
	return &v1.RelationshipFilter{OptionalSubjectFilter: s}
}

func TestAReadSelectsByAnyPartOfARelationship(t *testing.T) {
	const (
		anaInCore   = "team:core#member@user:ana"
		coreInOps   = "team:ops#member@team:core#member"
		coreKeeps   = "repository:site#maintainer@team:core#member"
		anaReads    = "repository:site#reader@user:ana"
		allRead     = "repository:site2#reader@user:*"
		anaReadsDoc = "repository:docs#reader@user:ana"
	)
	var all []*v1.Relationship
	for _, text := range []string{anaInCore, coreInOps, coreKeeps, anaReads, allRead, anaReadsDoc} {
		all = append(all, relOf(text))
	}
	c := seeded(t, all...)
	for name, row := range map[string]struct {
		filter *v1.RelationshipFilter
		want   []string
	}{
		"a type":                       {only("team"), []string{anaInCore, coreInOps}},
		"an id of any type":            {&v1.RelationshipFilter{OptionalResourceId: "core"}, []string{anaInCore}},
		"a type and an id":             {&v1.RelationshipFilter{ResourceType: "repository", OptionalResourceId: "site"}, []string{coreKeeps, anaReads}},
		"a prefix":                     {&v1.RelationshipFilter{ResourceType: "repository", OptionalResourceIdPrefix: "site"}, []string{coreKeeps, anaReads, allRead}},
		"a prefix of any type":         {&v1.RelationshipFilter{OptionalResourceIdPrefix: "o"}, []string{coreInOps}},
		"a relation of any type":       {&v1.RelationshipFilter{OptionalRelation: "reader"}, []string{anaReads, allRead, anaReadsDoc}},
		"a type and a relation":        {&v1.RelationshipFilter{ResourceType: "repository", OptionalRelation: "maintainer"}, []string{coreKeeps}},
		"a subject type":               {ofSubject("team", "", nil), []string{coreInOps, coreKeeps}},
		"a subject":                    {ofSubject("user", "ana", nil), []string{anaInCore, anaReads, anaReadsDoc}},
		"all wildcards":                {ofSubject("user", "*", nil), []string{allRead}},
		"a subject without a relation": {ofSubject("team", "core", proto.String("")), []string{}},
		"a subject's relation":         {ofSubject("team", "core", proto.String("member")), []string{coreInOps, coreKeeps}},
		"subjects without relations":   {ofSubject("user", "", proto.String("")), []string{anaInCore, anaReads, allRead, anaReadsDoc}},
		"what nobody has":              {&v1.RelationshipFilter{OptionalResourceId: "none"}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: row.filter})
			if err != nil {
				t.Fatal(err)
			}
			got := texts(found)
			slices.Sort(got)
			slices.Sort(row.want)
			if !slices.Equal(got, row.want) {
				t.Errorf("%v, want %v", got, row.want)
			}
		})
	}
}

func TestAReadTellsWhatARelationshipCarriesAndNotOfExpiredOnes(t *testing.T) {
	bare := relOf("repository:site#reader@user:dan")
	bare.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "office_hours"}
	lasting := expiring(relOf("repository:site#reader@user:ana"), time.Now().Add(time.Hour).Truncate(time.Microsecond))
	guarded := caveated(relOf("repository:site#reader@user:bo"), "office_hours", map[string]any{"hour": 10})
	c := seeded(t, lasting, guarded, bare, expiring(relOf("repository:site#reader@user:cy"), time.Now().Add(-time.Second)))
	found, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: only("repository")})
	if err != nil {
		t.Fatal(err)
	}
	bare.OptionalCaveat.Context = &structpb.Struct{} // clients look into it
	if len(found) != 3 || !proto.Equal(found[0].Relationship, lasting) || !proto.Equal(found[1].Relationship, guarded) || !proto.Equal(found[2].Relationship, bare) {
		t.Errorf("%v", found)
	}
}

func TestAReadWithoutALimitHasNone(t *testing.T) {
	c := seeded(t)
	for list := many(2_500); len(list) > 0; list = list[500:] {
		if _, err := c.WriteRelationships(t.Context(), each(list[:500], touch)); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: only("team")})
	if err != nil || len(found) != 2_500 {
		t.Errorf("%d, %v", len(found), err)
	}
	for _, f := range found {
		if f.ReadAt.GetToken() != found[0].ReadAt.GetToken() {
			t.Fatalf("read at %s and at %s", f.ReadAt, found[0].ReadAt)
		}
	}
}

func TestAReadGoesOnBehindAnyResultAtItsRevisionWhateverIsWritten(t *testing.T) {
	c := seeded(t, many(5)...)
	r := &v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalLimit: 2, Consistency: &v1.Consistency{
		Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true},
	}}
	first, err := c.read(t.Context(), r)
	if err != nil || len(first) != 2 {
		t.Fatal(first, err)
	}
	if _, err := c.DeleteRelationships(t.Context(), teams()); err != nil {
		t.Fatal(err)
	}
	r.OptionalLimit = 1000
	for i, cut := range [][]string{{"u00001", "u00002", "u00003", "u00004"}, {"u00002", "u00003", "u00004"}} {
		r.OptionalCursor = first[i].AfterResultCursor
		rest, err := c.read(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range rest {
			got = append(got, f.Relationship.Subject.Object.ObjectId)
			if f.ReadAt.Token != first[0].ReadAt.Token {
				t.Errorf("read at another revision")
			}
		}
		if !slices.Equal(got, cut) {
			t.Errorf("behind %d: %v", i, got)
		}
	}
}

func TestReadsAreRefusedAsSpiceDBDoes(t *testing.T) {
	c := seeded(t, many(3)...)
	first, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalLimit: 1})
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}
	newer := only("team")
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 900, protowire.VarintType), 1))
	for name, row := range map[string]struct {
		request *v1.ReadRelationshipsRequest
		code    codes.Code
		reason  v1.ErrorReason
	}{
		"a large limit": {&v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalLimit: 1001},
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT},
		"a cursor of another filter": {&v1.ReadRelationshipsRequest{RelationshipFilter: only("repository"), OptionalCursor: first[0].AfterResultCursor},
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"a cursor of another consistency": {&v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalCursor: first[0].AfterResultCursor,
			Consistency: &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}},
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"no cursor at all": {&v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalCursor: &v1.Cursor{Token: "page 2"}},
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"an empty cursor": {&v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalCursor: &v1.Cursor{}},
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"no filter":          {&v1.ReadRelationshipsRequest{}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"an empty filter":    {&v1.ReadRelationshipsRequest{RelationshipFilter: only("")}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER},
		"a filter of later":  {&v1.ReadRelationshipsRequest{RelationshipFilter: newer}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"no subject's type":  {&v1.ReadRelationshipsRequest{RelationshipFilter: ofSubject("", "ana", nil)}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"a related wildcard": {&v1.ReadRelationshipsRequest{RelationshipFilter: ofSubject("user", "*", proto.String("member"))}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"a resource of all":  {&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{OptionalResourceId: "*"}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"a broken prefix":    {&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{OptionalResourceIdPrefix: "a b"}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"an id and a prefix": {&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{OptionalResourceId: "core", OptionalResourceIdPrefix: "c"}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER},
		"an unknown type":    {&v1.ReadRelationshipsRequest{RelationshipFilter: only("document")}, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION},
		"an unknown relation": {&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{ResourceType: "team", OptionalRelation: "boss"}},
			codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION},
		"an unknown subject type": {&v1.ReadRelationshipsRequest{RelationshipFilter: ofSubject("robot", "", nil)},
			codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION},
		"an unknown subject relation": {&v1.ReadRelationshipsRequest{RelationshipFilter: ofSubject("team", "", proto.String("boss"))},
			codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION},
		"a permission": {&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{ResourceType: "repository", OptionalRelation: "pull"}},
			codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := c.read(t.Context(), row.request)
			if len(found) > 0 {
				t.Errorf("it sends %v", found)
			}
			wantRefusal(t, err, row.code, row.reason)
		})
	}
}
