package authzed

import (
	"errors"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestABrokenRuleIsToldWithThePathOfItsField(t *testing.T) {
	object := &v1.ObjectReference{ObjectType: "document", ObjectId: "plan"}
	for _, test := range []struct {
		wrong error
		want  string
	}{
		{
			(&v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{{Operation: opTouch}}}).Validate(),
			"updates[0].relationship: value is required",
		},
		{
			(&v1.CheckPermissionRequest{Resource: &v1.ObjectReference{ObjectType: "x", ObjectId: "y"}, Permission: "view", Subject: &v1.SubjectReference{Object: object}}).Validate(),
			"resource.object_type: value does not match regex pattern",
		},
		{
			(&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{OptionalResourceIdPrefix: "a b"}}).Validate(),
			"relationship_filter.optional_resource_id_prefix: value does not match regex pattern",
		},
		{errors.New("of another kind"), "of another kind"},
	} {
		if got := brokenRule(test.wrong); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestARefusedTokenIsCalledAZedToken(t *testing.T) {
	z := filled(t, "team:core#member@user:ana")
	for _, token := range []string{"nonsense", "AeElOn2fXmxpB8sh7Vg"} {
		_, err := z.CheckPermission(t.Context(), &v1.CheckPermissionRequest{
			Consistency: &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: token}}},
			Resource:    &v1.ObjectReference{ObjectType: "team", ObjectId: "core"}, Permission: "member",
			Subject: &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: "user", ObjectId: "ana"}},
		})
		if text := status.Convert(err).Message(); status.Code(err) != codes.InvalidArgument || !strings.Contains(text, "ZedToken") || strings.Contains(text, "zookie") {
			t.Errorf("%s: %v", token, err)
		}
	}
}
