package authzed

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// received reads a stream to its end.
func received[M any](stream interface{ Recv() (*M, error) }, err error) (all []*M, _ error) {
	for err == nil {
		var m *M
		if m, err = stream.Recv(); err == nil {
			all = append(all, m)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return all, err
}

// resources looks up what a request asks for.
func (c testClient) resources(ctx context.Context, r *v1.LookupResourcesRequest) ([]*v1.LookupResourcesResponse, error) {
	stream, err := c.LookupResources(ctx, r)
	return received(stream, err)
}

// pulls asks which repositories a user can pull.
func pulls(user string) *v1.LookupResourcesRequest {
	r := rel("repository", "", "pull", "user", user, "")
	return &v1.LookupResourcesRequest{ResourceObjectType: r.Resource.ObjectType, Permission: r.Relation, Subject: r.Subject}
}

// said spells an entry of either lookup.
func said(id string, p v1.LookupPermissionship, caveat *v1.PartialCaveatInfo) string {
	switch p {
	case v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION:
		if caveat == nil {
			return id + " yes"
		}
	case v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION:
		return strings.Join(append([]string{id, "conditional on"}, caveat.GetMissingRequiredContext()...), " ")
	}
	return fmt.Sprint(id, " ", p, caveat)
}

func saidOfResources(found []*v1.LookupResourcesResponse) (list []string) {
	for _, f := range found {
		list = append(list, said(f.ResourceObjectId, f.Permissionship, f.PartialCaveatInfo))
	}
	return list
}

func TestLookupResourcesSaysWhatIsConditionalAndOnWhat(t *testing.T) {
	open, hours := rel("repository", "b", "reader", "user", "*", ""), rel("repository", "a", "reader", "user", "ana", "")
	hours.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "office_hours"}
	c := seeded(t, open, hours, rel("repository", "c", "reader", "user", "bo", ""),
		rel("repository", "d", "maintainer", "team", "core", "member"), rel("team", "core", "member", "user", "ana", ""))
	context := func(hour float64) *structpb.Struct {
		return &structpb.Struct{Fields: map[string]*structpb.Value{"hour": structpb.NewNumberValue(hour)}}
	}
	for _, test := range []struct {
		context *structpb.Struct
		want    []string
	}{
		{nil, []string{"a conditional on hour", "b yes", "d yes"}},
		{context(10), []string{"a yes", "b yes", "d yes"}},
		{context(20), []string{"b yes", "d yes"}},
	} {
		r := pulls("ana")
		r.Context = test.context
		found, err := c.resources(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got := saidOfResources(found); !slices.Equal(got, test.want) {
			t.Errorf("in %v: %q, want %q", test.context, got, test.want)
		}
	}
	found, err := c.resources(t.Context(), &v1.LookupResourcesRequest{
		ResourceObjectType: "team", Permission: "member", Subject: rel("team", "core", "", "team", "core", "member").Subject,
	})
	if got := saidOfResources(found); err != nil || !slices.Equal(got, []string{"core yes"}) {
		t.Errorf("a userset is a member of %q, %v", got, err)
	}
}

// Every result's cursor goes on right behind it, at the revision of the page that
// it was on, whatever is written since and whatever limit is asked for next.
func TestEveryResourceHasACursorThatGoesOnBehindIt(t *testing.T) {
	var all []*v1.Relationship
	for i := range 50 {
		all = append(all, rel("repository", fmt.Sprintf("r%02d", i), "reader", "user", "ana", ""))
	}
	c := seeded(t, all...)
	r := pulls("ana")
	r.Consistency = &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
	whole, err := c.resources(t.Context(), r)
	if err != nil || len(whole) != len(all) {
		t.Fatal(len(whole), err)
	}
	_, err = c.native.Write(t.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{
		{Operation: tupelov1.Update_OPERATION_DELETE, Tuple: tuple(all[49])},
		{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(rel("repository", "r10x", "reader", "user", "ana", ""))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for i, before := range whole {
		r.OptionalCursor, r.OptionalLimit = before.AfterResultCursor, uint32(i%4)
		rest, err := c.resources(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		want := whole[i+1:]
		if r.OptionalLimit > 0 {
			want = want[:min(len(want), int(r.OptionalLimit))]
		}
		if got := saidOfResources(rest); !slices.Equal(got, saidOfResources(want)) {
			t.Errorf("behind %d with the limit %d: %q", i, r.OptionalLimit, got)
		}
		for _, f := range rest {
			if f.LookedUpAt.Token != before.LookedUpAt.Token || f.AfterResultCursor.GetToken() == "" {
				t.Errorf("behind %d: %v", i, f)
			}
		}
	}
}

func TestALookupOfResourcesIsRefusedAsSpiceDBDoes(t *testing.T) {
	c := seeded(t, rel("repository", "a", "reader", "user", "ana", ""), rel("repository", "b", "reader", "user", "bo", ""))
	found, err := c.resources(t.Context(), pulls("bo"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	ofBo := found[0].AfterResultCursor
	for name, test := range map[string]struct {
		change func(*v1.LookupResourcesRequest)
		code   codes.Code
		reason v1.ErrorReason
		about  map[string]string
	}{
		"resource type": {func(r *v1.LookupResourcesRequest) { r.ResourceObjectType = "document" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION, map[string]string{"definition_name": "document"}},
		"permission": {func(r *v1.LookupResourcesRequest) { r.Permission = "fly" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION, map[string]string{"definition_name": "repository", "relation_or_permission_name": "fly"}},
		"subject type": {func(r *v1.LookupResourcesRequest) { r.Subject.Object.ObjectType = "robot" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION, map[string]string{"definition_name": "robot"}},
		"subject relation": {func(r *v1.LookupResourcesRequest) { r.Subject.OptionalRelation = "friend" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION, map[string]string{"definition_name": "user", "relation_or_permission_name": "friend"}},
		"wildcard": {func(r *v1.LookupResourcesRequest) { r.Subject.Object.ObjectId = "*" }, codes.InvalidArgument,
			v1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED, map[string]string{"field": "subject_id"}},
		"limit": {func(r *v1.LookupResourcesRequest) { r.OptionalLimit = 1001 }, codes.InvalidArgument,
			v1.ErrorReason_ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT, map[string]string{"limit_provided": "1001", "maximum_limit_allowed": "1000"}},
		"huge limit": {func(r *v1.LookupResourcesRequest) { r.OptionalLimit = 1<<32 - 1 }, codes.InvalidArgument,
			v1.ErrorReason_ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT, nil},
		"no cursor": {func(r *v1.LookupResourcesRequest) { r.OptionalCursor = &v1.Cursor{Token: "page 2"} }, codes.InvalidArgument,
			v1.ErrorReason_ERROR_REASON_INVALID_CURSOR, nil},
		"empty cursor": {func(r *v1.LookupResourcesRequest) { r.OptionalCursor = &v1.Cursor{} }, codes.InvalidArgument,
			v1.ErrorReason_ERROR_REASON_INVALID_CURSOR, nil},
		"cursor of another subject": {func(r *v1.LookupResourcesRequest) { r.OptionalCursor = ofBo }, codes.InvalidArgument,
			v1.ErrorReason_ERROR_REASON_INVALID_CURSOR, nil},
		"no subject": {func(r *v1.LookupResourcesRequest) { r.Subject = nil }, codes.InvalidArgument, 0, nil},
		"id":         {func(r *v1.LookupResourcesRequest) { r.Subject.Object.ObjectId = "an a" }, codes.InvalidArgument, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := pulls("ana")
			test.change(r)
			_, err := c.resources(t.Context(), r)
			for key, value := range test.about {
				if about := wantRefusal(t, err, test.code, test.reason); about[key] != value {
					t.Errorf("metadata %v, want %v", about, test.about)
				}
			}
			wantRefusal(t, err, test.code, test.reason)
		})
	}
}

// SpiceDB has two reasons for what Tupelo has one for.
func TestACaveatThatFailsEndsALookupAndIsNamed(t *testing.T) {
	c := newClient(t)
	text := "caveat shared(count int) { 12 / count > 2 }\n" + "definition user {}\n" + "definition site {\n relation reader: user with shared\n}"
	if _, err := c.native.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: text}); err != nil {
		t.Fatal(err)
	}
	shared := rel("site", "a", "reader", "user", "ana", "")
	shared.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "shared"}
	write := &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(shared)}}}
	if _, err := c.native.Write(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[*structpb.Value]v1.ErrorReason{
		structpb.NewStringValue("two"): v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR,
		structpb.NewNumberValue(0):     v1.ErrorReason_ERROR_REASON_CAVEAT_EVALUATION_ERROR,
	} {
		context := &structpb.Struct{Fields: map[string]*structpb.Value{"count": value}}
		_, ofResources := c.resources(t.Context(), &v1.LookupResourcesRequest{
			ResourceObjectType: "site", Permission: "reader", Subject: shared.Subject, Context: context,
		})
		_, ofSubjects := c.subjects(t.Context(), &v1.LookupSubjectsRequest{
			Resource: shared.Resource, Permission: "reader", SubjectObjectType: "user", Context: context,
		})
		for _, err := range []error{ofResources, ofSubjects} {
			about := wantRefusal(t, err, codes.InvalidArgument, want)
			misfit := want == v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR
			if about["caveat_name"] != "shared" || misfit != (about["parameter_name"] == "count") {
				t.Errorf("metadata %v", about)
			}
		}
	}
}
