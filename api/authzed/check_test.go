package authzed

import (
	"context"
	"testing"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	"github.com/authzed/authzed-go/pkg/responsemeta"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

const gitclub = `
use expiration

caveat office_hours(hour int) { hour >= 9 && hour < 17 }

definition user {}

definition team {
	relation member: user | team#member
}

definition repository {
	relation maintainer: user | team#member
	relation reader: user | user:* | team#member | user with office_hours | user with expiration
	permission push = maintainer
	permission pull = reader + push
}
`

// seeded returns a client of a node that has GitClub's schema and some tuples,
// written as text, by the native API.
func seeded(t testing.TB, relationships ...*v1.Relationship) testClient {
	t.Helper()
	c := newClient(t)
	if _, err := c.native.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: gitclub}); err != nil {
		t.Fatal(err)
	}
	if len(relationships) == 0 {
		return c
	}
	write := &tupelov1.WriteRequest{}
	for _, r := range relationships {
		write.Updates = append(write.Updates, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(r)})
	}
	if _, err := c.native.Write(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	return c
}

// rel returns resource#relation@subject of objects written as type, id pairs.
func rel(resourceType, resourceID, relation, subjectType, subjectID, subjectRelation string) *v1.Relationship {
	return &v1.Relationship{
		Resource: &v1.ObjectReference{ObjectType: resourceType, ObjectId: resourceID}, Relation: relation,
		Subject: &v1.SubjectReference{
			Object:           &v1.ObjectReference{ObjectType: subjectType, ObjectId: subjectID},
			OptionalRelation: subjectRelation,
		},
	}
}

// wantRefusal fails unless err has a code, and a reason in the domain of SpiceDB
// (UNSPECIFIED for none). It returns the metadata of the reason.
func wantRefusal(t testing.TB, err error, code codes.Code, reason v1.ErrorReason) map[string]string {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != code {
		t.Errorf("code %s, want %s: %v", st.Code(), code, err)
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			if info.GetDomain() != Domain || info.GetReason() != reason.String() {
				t.Errorf("reason %s of %s, want %s: %v", info.GetReason(), info.GetDomain(), reason, err)
			}
			return info.GetMetadata()
		}
	}
	if reason != v1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		t.Errorf("no reason, want %s: %v", reason, err)
	}
	return nil
}

func TestCheckPermissionAnswersAtTheTokenOfTheWriteBefore(t *testing.T) {
	c := seeded(t, rel("team", "core", "member", "user", "ana", ""), rel("repository", "site", "maintainer", "team", "core", "member"))
	for user, want := range map[string]v1.CheckPermissionResponse_Permissionship{
		"ana": v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION,
		"bo":  v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION,
	} {
		r := rel("repository", "site", "push", "user", user, "")
		got, err := c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject})
		if err != nil {
			t.Fatal(err)
		}
		if got.Permissionship != want || got.CheckedAt.GetToken() == "" {
			t.Errorf("%s: %v", user, got)
		}
	}
}

func TestCheckPermissionSaysWhatContextItNeeds(t *testing.T) {
	r := rel("repository", "site", "reader", "user", "ana", "")
	r.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "office_hours"}
	c := seeded(t, r)
	got, err := c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Resource: r.Resource, Permission: "pull", Subject: r.Subject})
	if err != nil {
		t.Fatal(err)
	}
	missing := got.GetPartialCaveatInfo().GetMissingRequiredContext()
	if got.Permissionship != v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION || len(missing) != 1 || missing[0] != "hour" {
		t.Errorf("%v", got)
	}
}

func TestUnknownNamesAndBrokenRequestsAreToldAsSpiceDBDoes(t *testing.T) {
	c := seeded(t)
	ask := func(resourceType, permission, subjectID string) error {
		r := rel(resourceType, "site", permission, "user", subjectID, "")
		_, err := c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject})
		return err
	}
	about := wantRefusal(t, ask("document", "pull", "ana"), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
	if about["definition_name"] != "document" {
		t.Errorf("metadata %v", about)
	}
	about = wantRefusal(t, ask("repository", "fly", "ana"), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	if about["definition_name"] != "repository" || about["relation_or_permission_name"] != "fly" {
		t.Errorf("metadata %v", about)
	}
	about = wantRefusal(t, ask("repository", "pull", "*"), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED)
	if about["field"] != "subject.object_id" {
		t.Errorf("metadata %v", about)
	}
	wantRefusal(t, ask("repository", "pull", "an a"), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	_, err := c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Permission: "pull"})
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	all := rel("repository", "*", "pull", "user", "ana", "")
	_, err = c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Resource: all.Resource, Permission: all.Relation, Subject: all.Subject})
	if about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED); about != nil {
		t.Errorf("a wildcard of resources has the reason of one of subjects: %v", about)
	}
}

// TestWithoutASchemaTheDefinitionIsNamedThatThereIsNot asks before there is a schema.
func TestWithoutASchemaTheDefinitionIsNamedThatThereIsNot(t *testing.T) {
	c := newClient(t)
	r := rel("repository", "site", "pull", "user", "ana", "")
	f := &v1.RelationshipFilter{ResourceType: "repository"}
	for name, ask := range map[string]func() error{
		"check": func() error {
			_, err := c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject})
			return err
		},
		"lookup": func() error {
			stream, err := c.LookupResources(t.Context(), &v1.LookupResourcesRequest{ResourceObjectType: "repository", Permission: r.Relation, Subject: r.Subject})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
		"delete": func() error {
			_, err := c.DeleteRelationships(t.Context(), &v1.DeleteRelationshipsRequest{RelationshipFilter: f})
			return err
		},
		"write": func() error {
			_, err := c.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{{Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: r}}})
			return err
		},
	} {
		about := wantRefusal(t, ask(), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
		if about["definition_name"] != "repository" {
			t.Errorf("%s: metadata %v", name, about)
		}
	}
}

func TestTheVersionIsToldToWhoAsksForIt(t *testing.T) {
	c := seeded(t)
	r := rel("repository", "site", "pull", "user", "ana", "")
	ask := func(ctx context.Context) []string {
		var header metadata.MD
		if _, err := c.CheckPermission(ctx, &v1.CheckPermissionRequest{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject}, grpc.Header(&header)); err != nil {
			t.Fatal(err)
		}
		return header.Get(string(responsemeta.ServerVersion))
	}
	if told := ask(t.Context()); len(told) != 0 {
		t.Errorf("nobody asked, and was told %v", told)
	}
	told := ask(requestmeta.AddRequestHeaders(t.Context(), requestmeta.RequestServerVersion))
	if len(told) != 1 || told[0] != version() {
		t.Errorf("told %v", told)
	}
}
