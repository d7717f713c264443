package authzed

import (
	"context"
	"strconv"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxDeleted is the largest limit of a deletion, as it is in SpiceDB by default.
const maxDeleted = 1000

// DeleteRelationships deletes the relationships that a filter selects: all of them
// or none, or as many as its limit where a part will do.
func (p permissions) DeleteRelationships(ctx context.Context, r *v1.DeleteRelationshipsRequest) (*v1.DeleteRelationshipsResponse, error) {
	request, err := deleteRequest(r)
	if err != nil {
		return nil, err
	}
	answer, err := p.native.DeleteByFilter(ctx, request)
	if err != nil {
		return nil, deleteFault(r, err)
	}
	response := &v1.DeleteRelationshipsResponse{
		DeletedAt: token(answer.Zookie), RelationshipsDeletedCount: answer.Deleted,
		DeletionProgress: v1.DeleteRelationshipsResponse_DELETION_PROGRESS_PARTIAL,
	}
	if answer.Complete {
		response.DeletionProgress = v1.DeleteRelationshipsResponse_DELETION_PROGRESS_COMPLETE
	}
	return response, nil
}

// deleteRequest turns a deletion into the native one. A part will do only where
// there is a limit: without one SpiceDB deletes all.
func deleteRequest(r *v1.DeleteRelationshipsRequest) (*tupelov1.DeleteByFilterRequest, error) {
	if err := refuseMetadata(r.OptionalTransactionMetadata); err != nil {
		return nil, err
	}
	if err := checkLimit(r.OptionalLimit, maxDeleted); err != nil {
		return nil, err
	}
	if r.OptionalCursor != nil {
		return nil, refuse(unsupported, nil, "deletions are not resumed by cursors: what is deleted is not looked at again")
	}
	guards, err := preconditions(r.OptionalPreconditions)
	if err != nil {
		return nil, err
	}
	selected, err := filter(r.RelationshipFilter)
	if err != nil {
		return nil, err
	}
	return &tupelov1.DeleteByFilterRequest{
		Filter: selected, Preconditions: guards, Metadata: r.OptionalTransactionMetadata,
		Limit: int32(r.OptionalLimit), AllowPartial: r.OptionalLimit > 0 && r.OptionalAllowPartialDeletions,
	}, nil
}

// deleteFault tells of the precondition that a deletion fails for, or of its size.
func deleteFault(r *v1.DeleteRelationshipsRequest, err error) error {
	e := api.Described(err)
	if i, ok := place(e, "preconditions", len(r.OptionalPreconditions)); ok {
		return preconditionFault(e, r.OptionalPreconditions[i], err)
	}
	switch e.Reason {
	case tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_TUPLES:
		about := map[string]string{"limit": strconv.FormatUint(uint64(r.OptionalLimit), 10)}
		addFilter(about, "filter_", r.RelationshipFilter)
		return retell(err, tooManyDeletions, about)
	case tupelov1.ErrorReason_ERROR_REASON_TOO_LARGE: // more than one revision can delete
		about := map[string]string{}
		addFilter(about, "filter_", r.RelationshipFilter)
		return retell(err, tooManyDeletions, about)
	}
	return filterFault(err)
}
