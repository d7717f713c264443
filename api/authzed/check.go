package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// CheckPermission answers whether a subject has a permission or relation on a resource.
func (p permissions) CheckPermission(ctx context.Context, r *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	answer, err := p.native.Check(ctx, &tupelov1.CheckRequest{
		Consistency: consistency(r.Consistency), Object: object(r.Resource), Relation: r.Permission,
		Subject: subject(r.Subject), Context: r.Context,
	})
	if err != nil {
		return nil, err
	}
	return &v1.CheckPermissionResponse{
		CheckedAt: token(answer.Zookie), Permissionship: permissionship(answer.Result),
		PartialCaveatInfo: partialCaveatInfo(answer.MissingContext),
	}, nil
}

func permissionship(r tupelov1.Result) v1.CheckPermissionResponse_Permissionship {
	switch r {
	case tupelov1.Result_RESULT_YES:
		return v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
	case tupelov1.Result_RESULT_CONDITIONAL:
		return v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION
	}
	return v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION
}
