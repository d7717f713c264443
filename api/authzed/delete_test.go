package authzed

import (
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// teams is a request to delete all of the members of team core.
func teams() *v1.DeleteRelationshipsRequest {
	return &v1.DeleteRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{ResourceType: "team", OptionalResourceId: "core"}}
}

// wantDeleted fails unless a deletion answers so.
func wantDeleted(t testing.TB, got *v1.DeleteRelationshipsResponse, err error, n uint64, progress v1.DeleteRelationshipsResponse_DeletionProgress) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if got.RelationshipsDeletedCount != n || got.DeletionProgress != progress || got.DeletedAt.GetToken() == "" || got.AfterResultCursor != nil {
		t.Errorf("%v, want %d, %s", got, n, progress)
	}
}

const (
	whole = v1.DeleteRelationshipsResponse_DELETION_PROGRESS_COMPLETE
	part  = v1.DeleteRelationshipsResponse_DELETION_PROGRESS_PARTIAL
)

func TestADeletionWithoutALimitDeletesAllInOneTransaction(t *testing.T) {
	c := seeded(t, relOf("repository:site#reader@user:ana"))
	for list := many(12_000); len(list) > 0; list = list[1000:] {
		if _, err := c.WriteRelationships(t.Context(), each(list[:1000], touch)); err != nil {
			t.Fatal(err)
		}
	}
	r := teams()
	r.OptionalAllowPartialDeletions = true // means nothing without a limit
	got, err := c.DeleteRelationships(t.Context(), r)
	wantDeleted(t, got, err, 12_000, whole)
	c.wantStored(t, "repository:site#reader@user:ana")
	got, err = c.DeleteRelationships(t.Context(), r)
	wantDeleted(t, got, err, 0, whole)
}

func TestADeletionOfMoreThanItsLimitDeletesNothingOrAPart(t *testing.T) {
	c := seeded(t, many(5)...)
	r := teams()
	r.OptionalLimit = 3
	r.RelationshipFilter.OptionalRelation = "member"
	r.RelationshipFilter.OptionalSubjectFilter = &v1.SubjectFilter{SubjectType: "user"}
	_, err := c.DeleteRelationships(t.Context(), r)
	about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE)
	wantMetadata(t, about, map[string]string{
		"limit": "3", "filter_resource_type": "team", "filter_resource_id": "core", "filter_relation": "member", "filter_subject_type": "user",
	})
	if n := len(c.stored(t)); n != 5 {
		t.Errorf("%d are left", n)
	}

	r.OptionalAllowPartialDeletions = true
	got, err := c.DeleteRelationships(t.Context(), r)
	wantDeleted(t, got, err, 3, part)
	if n := len(c.stored(t)); n != 2 {
		t.Errorf("%d are left", n)
	}
	r.OptionalLimit, r.OptionalAllowPartialDeletions = 2, false
	got, err = c.DeleteRelationships(t.Context(), r)
	wantDeleted(t, got, err, 2, whole)
	c.wantStored(t)
}

func TestADeletionIsHeldToItsPreconditionsAndTellsOfItsMetadata(t *testing.T) {
	c := seeded(t, many(2)...)
	r := teams()
	r.OptionalPreconditions = []*v1.Precondition{{
		Operation: v1.Precondition_OPERATION_MUST_MATCH, Filter: &v1.RelationshipFilter{ResourceType: "repository"},
	}}
	_, err := c.DeleteRelationships(t.Context(), r)
	about := wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE)
	wantMetadata(t, about, map[string]string{"precondition_operation": "OPERATION_MUST_MATCH", "precondition_resource_type": "repository"})
	if n := len(c.stored(t)); n != 2 {
		t.Errorf("%d are left", n)
	}

	r.OptionalPreconditions[0].Operation = v1.Precondition_OPERATION_MUST_NOT_MATCH
	r.OptionalTransactionMetadata, _ = structpb.NewStruct(map[string]any{"why": "it was dissolved"})
	before, err := c.native.ReadSchema(t.Context(), &tupelov1.ReadSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	deleted, err := c.DeleteRelationships(t.Context(), r)
	wantDeleted(t, deleted, err, 2, whole)
	c.wantChange(t, before.Zookie, deleted.DeletedAt.Token, r.OptionalTransactionMetadata)
}

func TestDeletionsAreRefusedAsSpiceDBDoes(t *testing.T) {
	c := seeded(t, many(2)...)
	type change = func(*v1.DeleteRelationshipsRequest)
	for name, row := range map[string]struct {
		change change
		code   codes.Code
		reason v1.ErrorReason
	}{
		"a large limit": {func(r *v1.DeleteRelationshipsRequest) { r.OptionalLimit = 1001 },
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT},
		"no filter": {func(r *v1.DeleteRelationshipsRequest) { r.RelationshipFilter = nil },
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"an empty filter": {func(r *v1.DeleteRelationshipsRequest) { r.RelationshipFilter = &v1.RelationshipFilter{} },
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER},
		"an id and a prefix": {func(r *v1.DeleteRelationshipsRequest) { r.RelationshipFilter.OptionalResourceIdPrefix = "c" },
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER},
		"an unknown definition": {func(r *v1.DeleteRelationshipsRequest) { r.RelationshipFilter.ResourceType = "document" },
			codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION},
		"an unknown relation": {func(r *v1.DeleteRelationshipsRequest) { r.RelationshipFilter.OptionalRelation = "boss" },
			codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION},
		"a cursor": {func(r *v1.DeleteRelationshipsRequest) { r.OptionalCursor = &v1.Cursor{Token: "c"} },
			codes.Unimplemented, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"an empty precondition": {func(r *v1.DeleteRelationshipsRequest) { r.OptionalPreconditions = []*v1.Precondition{nil} },
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EMPTY_PRECONDITION},
		"too many preconditions": {func(r *v1.DeleteRelationshipsRequest) { r.OptionalPreconditions = make([]*v1.Precondition, 1001) },
			codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_PRECONDITIONS_IN_REQUEST},
		"large metadata": {func(r *v1.DeleteRelationshipsRequest) {
			r.OptionalTransactionMetadata, _ = structpb.NewStruct(map[string]any{"why": string(make([]byte, 65_000))})
		}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TRANSACTION_METADATA_TOO_LARGE},
	} {
		t.Run(name, func(t *testing.T) {
			r := teams()
			row.change(r)
			_, err := c.DeleteRelationships(t.Context(), r)
			wantRefusal(t, err, row.code, row.reason)
		})
	}
	if n := len(c.stored(t)); n != 2 {
		t.Errorf("%d are left", n)
	}
}
