package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// CheckPermission answers whether a subject has a permission or relation on a
// resource, and why, if that is asked too.
func (p permissions) CheckPermission(ctx context.Context, r *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	var call struct { // all in one allocation
		question tupelov1.CheckRequest
		terms
		response v1.CheckPermissionResponse
		token    v1.ZedToken
	}
	question, response := &call.question, &call.response
	question.Consistency = consistency(r.Consistency)
	question.Object, question.Subject = call.of(r.Resource, r.Subject)
	question.Relation, question.Context = r.Permission, r.Context
	question.WithExplanation = r.WithTracing || traceAsked(ctx)
	answer, err := p.native.Check(ctx, question)
	if err != nil {
		return nil, err
	}
	call.token.Token = answer.Zookie
	response.CheckedAt = &call.token
	response.Permissionship = permissionship(answer.Result)
	response.PartialCaveatInfo = partialCaveatInfo(answer.MissingContext)
	if answer.Explanation == nil {
		return response, nil
	}
	t, err := p.newTracing(ctx, answer.Zookie)
	if err != nil {
		return nil, err
	}
	response.DebugTrace = t.of(answer.Explanation, r.Subject, r.Context)
	return response, nil
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
