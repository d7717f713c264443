package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// CheckPermission answers whether a subject has a permission or relation on a
// resource, and why, if that is asked too.
func (p permissions) CheckPermission(ctx context.Context, r *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	var question struct { // all in one allocation
		check tupelov1.CheckRequest
		terms
	}
	question.check.Consistency = consistency(r.Consistency)
	question.check.Object, question.check.Subject = question.of(r.Resource, r.Subject)
	question.check.Relation, question.check.Context = r.Permission, r.Context
	question.check.WithExplanation = r.WithTracing || traceAsked(ctx)
	answer, err := p.native.Check(ctx, &question.check)
	if err != nil {
		return nil, err
	}
	var told struct {
		response v1.CheckPermissionResponse
		token    v1.ZedToken
	}
	told.token.Token = answer.Zookie
	told.response.CheckedAt = &told.token
	told.response.Permissionship = permissionship(answer.Result)
	told.response.PartialCaveatInfo = partialCaveatInfo(answer.MissingContext)
	if answer.Explanation == nil {
		return &told.response, nil
	}
	t, err := p.newTracing(ctx, answer.Zookie)
	if err != nil {
		return nil, err
	}
	told.response.DebugTrace = t.of(answer.Explanation, r.Subject, r.Context)
	return &told.response, nil
}

// terms are the messages that a question is about.
type terms struct {
	object  tupelov1.Object
	subject tupelov1.Subject
}

// of fills in what is there of a resource and a subject.
func (t *terms) of(resource *v1.ObjectReference, about *v1.SubjectReference) (o *tupelov1.Object, s *tupelov1.Subject) {
	if resource != nil {
		o = &t.object
		o.Type, o.Id = resource.ObjectType, resource.ObjectId
	}
	if about.GetObject() != nil {
		s = &t.subject
		s.Type, s.Id, s.Relation = about.Object.ObjectType, about.Object.ObjectId, about.OptionalRelation
	}
	return o, s
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
