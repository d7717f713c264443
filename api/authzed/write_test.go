package authzed

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// relOf reads a relationship written as type:id#relation@type:id[#relation].
func relOf(text string) *v1.Relationship {
	resource, subject, _ := strings.Cut(text, "@")
	name, relation, _ := strings.Cut(resource, "#")
	resourceType, resourceID, _ := strings.Cut(name, ":")
	name, subjectRelation, _ := strings.Cut(subject, "#")
	subjectType, subjectID, _ := strings.Cut(name, ":")
	return rel(resourceType, resourceID, relation, subjectType, subjectID, subjectRelation)
}

// caveated gives a relationship a caveat; an empty context is none.
func caveated(r *v1.Relationship, name string, context map[string]any) *v1.Relationship {
	r.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: name}
	if context != nil {
		r.OptionalCaveat.Context, _ = structpb.NewStruct(context)
	}
	return r
}

func expiring(r *v1.Relationship, at time.Time) *v1.Relationship {
	r.OptionalExpiresAt = timestamppb.New(at)
	return r
}

func create(r *v1.Relationship) *v1.RelationshipUpdate {
	return &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_CREATE, Relationship: r}
}

func touch(r *v1.Relationship) *v1.RelationshipUpdate {
	return &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: r}
}

func remove(r *v1.Relationship) *v1.RelationshipUpdate {
	return &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_DELETE, Relationship: r}
}

func writing(updates ...*v1.RelationshipUpdate) *v1.WriteRelationshipsRequest {
	return &v1.WriteRelationshipsRequest{Updates: updates}
}

// stored returns the text of every tuple that is stored, sorted, by the native API.
func (c testClient) stored(t testing.TB) []string {
	t.Helper()
	all := []string{}
	request := &tupelov1.ReadRequest{Limit: 1000, Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}}
	for {
		page, err := c.native.Read(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range page.Tuples {
			all = append(all, spelled(relationship(found)))
		}
		if request.Cursor = page.NextCursor; request.Cursor == "" {
			slices.Sort(all)
			return all
		}
	}
}

// wantStored fails unless exactly these relationships are stored.
func (c testClient) wantStored(t testing.TB, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := c.stored(t); !slices.Equal(got, want) {
		t.Errorf("stored are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// wantMetadata fails unless a reason's metadata is exactly this, where the value "_"
// is any.
func wantMetadata(t testing.TB, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if _, there := got[key]; there && value == "_" {
			want[key] = got[key]
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("metadata %v, want %v", got, want)
	}
}

// TestWhatHasExpiredMeetsNoPrecondition takes a lease that nobody has deleted yet: no
// write may find what no reader does.
func TestWhatHasExpiredMeetsNoPrecondition(t *testing.T) {
	past := time.Now().Add(-time.Second)
	lease := relOf("repository:site#reader@user:lease")
	held := &v1.RelationshipFilter{ResourceType: "repository", OptionalResourceId: "site", OptionalRelation: "reader"}
	conditions := func(must v1.Precondition_Operation) []*v1.Precondition {
		return []*v1.Precondition{{Operation: must, Filter: held}}
	}
	note := []*v1.RelationshipUpdate{touch(relOf("repository:note#reader@user:ana"))}
	for name, ask := range map[string]func(c testClient) error{
		"must match": func(c testClient) error {
			_, err := c.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: note, OptionalPreconditions: conditions(v1.Precondition_OPERATION_MUST_MATCH)})
			wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE)
			return nil
		},
		"must not match": func(c testClient) error {
			_, err := c.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: note, OptionalPreconditions: conditions(v1.Precondition_OPERATION_MUST_NOT_MATCH)})
			return err
		},
		"delete": func(c testClient) error {
			_, err := c.DeleteRelationships(t.Context(), &v1.DeleteRelationshipsRequest{
				RelationshipFilter: only("team"), OptionalPreconditions: conditions(v1.Precondition_OPERATION_MUST_NOT_MATCH)})
			return err
		},
		"create": func(c testClient) error {
			again := expiring(relOf("repository:site#reader@user:lease"), time.Now().Add(time.Hour))
			_, err := c.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{create(again)}})
			if err == nil {
				_, err = c.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{create(again)}})
				wantRefusal(t, err, codes.AlreadyExists, v1.ErrorReason_ERROR_REASON_ATTEMPT_TO_RECREATE_RELATIONSHIP)
				err = nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(seeded(t, expiring(lease, past))); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRelationshipsAreCreatedTouchedAndDeletedInOneWrite(t *testing.T) {
	c := seeded(t, relOf("team:core#member@user:ana"), relOf("team:core#member@user:bo"))
	answer, err := c.WriteRelationships(t.Context(), writing(
		create(relOf("repository:site#maintainer@team:core#member")),
		touch(relOf("team:core#member@user:ana")),
		touch(caveated(relOf("repository:site#reader@user:cy"), "office_hours", map[string]any{"hour": 10})),
		touch(expiring(relOf("repository:site#reader@user:di"), time.Now().Add(time.Hour))),
		touch(relOf("repository:docs#reader@user:*")),
		remove(relOf("team:core#member@user:bo")),
		remove(relOf("team:core#member@user:nobody")),
	))
	if err != nil {
		t.Fatal(err)
	}
	c.wantStored(t, "team:core#member@user:ana", "repository:site#maintainer@team:core#member",
		"repository:site#reader@user:cy", "repository:site#reader@user:di", "repository:docs#reader@user:*")
	for _, relation := range []struct {
		user string
		want v1.CheckPermissionResponse_Permissionship
	}{
		{"ana", v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION},
		{"bo", v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION},
		{"cy", v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION},
		{"di", v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION},
	} {
		r := rel("repository", "site", "pull", "user", relation.user, "")
		got, err := c.CheckPermission(t.Context(), &v1.CheckPermissionRequest{
			Consistency: &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: answer.WrittenAt}},
			Resource:    r.Resource, Permission: r.Relation, Subject: r.Subject,
		})
		if err != nil || got.Permissionship != relation.want {
			t.Errorf("%s: %v, %v", relation.user, got, err)
		}
	}
}

func TestUpdatesThatTheSchemaDoesNotAllowAreToldAsSpiceDBDoes(t *testing.T) {
	c := seeded(t, relOf("team:core#member@user:ana"))
	soon := time.Now().Add(time.Hour)
	for name, row := range map[string]struct {
		update   *v1.RelationshipUpdate
		code     codes.Code
		reason   v1.ErrorReason
		metadata map[string]string
	}{
		"an unknown definition": {touch(relOf("document:d#reader@user:ana")), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION,
			map[string]string{"definition_name": "document"}},
		"an unknown relation": {touch(relOf("repository:site#owner@user:ana")), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION,
			map[string]string{"definition_name": "repository", "relation_or_permission_name": "owner"}},
		"an unknown subject definition": {touch(relOf("repository:site#reader@robot:r2")), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION,
			map[string]string{"definition_name": "robot"}},
		"an unknown subject relation": {touch(relOf("repository:site#reader@team:core#boss")), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION,
			map[string]string{"definition_name": "team", "relation_or_permission_name": "boss"}},
		"a permission": {touch(relOf("repository:site#pull@user:ana")), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CANNOT_UPDATE_PERMISSION,
			map[string]string{"definition_name": "repository", "permission_name": "pull"}},
		"a permission to delete from": {remove(relOf("repository:site#pull@user:ana")), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CANNOT_UPDATE_PERMISSION,
			map[string]string{"definition_name": "repository", "permission_name": "pull"}},
		"a subject": {create(relOf("repository:site#maintainer@repository:docs")), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "maintainer", "subject_type": "repository"}},
		"a userset": {touch(relOf("repository:site#maintainer@repository:docs#reader")), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "maintainer", "subject_type": "repository#reader"}},
		"a wildcard": {touch(relOf("repository:site#maintainer@user:*")), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "maintainer", "subject_type": "user:*"}},
		"a caveat": {touch(caveated(relOf("repository:site#maintainer@user:ana"), "office_hours", nil)), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "maintainer", "subject_type": "user with office_hours"}},
		"a caveat that nobody defined": {touch(caveated(relOf("repository:site#reader@user:ana"), "weekday", nil)), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "reader", "subject_type": "user with weekday"}},
		"an expiration": {touch(expiring(relOf("repository:site#maintainer@team:core#member"), soon)), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "maintainer", "subject_type": "team#member with expiration"}},
		"a caveat with an expiration": {touch(expiring(caveated(relOf("repository:site#reader@user:ana"), "office_hours", nil), soon)), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE,
			map[string]string{"definition_name": "repository", "relation_name": "reader", "subject_type": "user with office_hours and expiration"}},
		"a context of another type": {touch(caveated(relOf("repository:site#reader@user:ana"), "office_hours", map[string]any{"hour": "ten"})), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR,
			map[string]string{"caveat_name": "office_hours"}},
		"a context that no parameter takes": {touch(caveated(relOf("repository:site#reader@user:ana"), "office_hours", map[string]any{"minute": 1})), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR,
			map[string]string{"caveat_name": "office_hours"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.WriteRelationships(t.Context(), writing(touch(relOf("team:core#member@user:bo")), row.update))
			wantMetadata(t, wantRefusal(t, err, row.code, row.reason), row.metadata)
		})
	}
	c.wantStored(t, "team:core#member@user:ana")
}

func TestWritesOfBrokenMessagesAreRefusedAsThePartOfTheProtocolThatTheyBreak(t *testing.T) {
	c := seeded(t)
	for name, r := range map[string]*v1.WriteRelationshipsRequest{
		"no operation":       writing(&v1.RelationshipUpdate{Relationship: relOf("team:core#member@user:ana")}),
		"no such operation":  writing(&v1.RelationshipUpdate{Operation: 9, Relationship: relOf("team:core#member@user:ana")}),
		"no relationship":    writing(&v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_TOUCH}),
		"no resource":        writing(touch(&v1.Relationship{Relation: "member", Subject: rel("", "", "", "user", "ana", "").Subject})),
		"no subject":         writing(touch(&v1.Relationship{Resource: rel("team", "core", "", "", "", "").Resource, Relation: "member"})),
		"no id":              writing(touch(relOf("team:#member@user:ana"))),
		"an id with a space": writing(touch(relOf("team:core#member@user:an a"))),
		"a resource of all":  writing(touch(relOf("team:*#member@user:ana"))),
		"a related wildcard": writing(touch(relOf("repository:site#reader@user:*#member"))),
		"no caveat's name":   writing(touch(caveated(relOf("repository:site#reader@user:ana"), "", nil))),
		"no updates":         writing(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.WriteRelationships(t.Context(), r)
			wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
		})
	}
	c.wantStored(t)
}

func TestWhatANewerClientSaysOfARelationshipIsNotPassedOver(t *testing.T) {
	c := seeded(t)
	newer := relOf("team:core#member@user:ana")
	newer.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 900, protowire.VarintType), 1))
	_, err := c.WriteRelationships(t.Context(), writing(touch(newer)))
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	c.wantStored(t)
}

func TestOneRelationshipTwiceInAWriteIsRefused(t *testing.T) {
	c := seeded(t)
	twice := "repository:site#maintainer@team:core#member"
	_, err := c.WriteRelationships(t.Context(), writing(touch(relOf("team:core#member@user:ana")), touch(relOf(twice)), remove(relOf(twice))))
	wantMetadata(t, wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UPDATES_ON_SAME_RELATIONSHIP),
		map[string]string{"definition_name": "repository", "relationship": twice})
	c.wantStored(t)
}

func TestCreatingWhatIsThereIsRefusedAndNothingIsWritten(t *testing.T) {
	there := "repository:site#maintainer@team:core#member"
	c := seeded(t, relOf(there))
	_, err := c.WriteRelationships(t.Context(), writing(create(relOf("team:core#member@user:ana")), create(relOf(there))))
	wantMetadata(t, wantRefusal(t, err, codes.AlreadyExists, v1.ErrorReason_ERROR_REASON_ATTEMPT_TO_RECREATE_RELATIONSHIP), map[string]string{
		"relationship": there, "resource_type": "repository", "resource_object_id": "site", "resource_relation": "maintainer",
		"subject_type": "team", "subject_object_id": "core", "subject_relation": "member",
	})
	c.wantStored(t, there)
}

func TestAWriteIsHeldToItsPreconditions(t *testing.T) {
	c := seeded(t, relOf("team:core#member@user:ana"))
	guarded := func(operation v1.Precondition_Operation, f *v1.RelationshipFilter) error {
		r := writing(touch(relOf("team:core#member@user:bo")))
		r.OptionalPreconditions = []*v1.Precondition{
			{Operation: v1.Precondition_OPERATION_MUST_MATCH, Filter: &v1.RelationshipFilter{ResourceType: "team"}},
			{Operation: operation, Filter: f},
		}
		_, err := c.WriteRelationships(t.Context(), r)
		return err
	}
	must, mustNot := v1.Precondition_OPERATION_MUST_MATCH, v1.Precondition_OPERATION_MUST_NOT_MATCH
	ana := &v1.RelationshipFilter{
		ResourceType: "team", OptionalResourceId: "core", OptionalRelation: "member",
		OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "ana", OptionalRelation: &v1.SubjectFilter_RelationFilter{}},
	}
	about := wantRefusal(t, guarded(mustNot, ana), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE)
	wantMetadata(t, about, map[string]string{
		"precondition_operation": "OPERATION_MUST_NOT_MATCH", "precondition_resource_type": "team", "precondition_resource_id": "core",
		"precondition_relation": "member", "precondition_subject_type": "user", "precondition_subject_id": "ana", "precondition_subject_relation": "",
	})
	about = wantRefusal(t, guarded(must, &v1.RelationshipFilter{ResourceType: "team", OptionalResourceIdPrefix: "cork"}),
		codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE)
	wantMetadata(t, about, map[string]string{
		"precondition_operation": "OPERATION_MUST_MATCH", "precondition_resource_type": "team", "precondition_resource_id_prefix": "cork",
	})
	c.wantStored(t, "team:core#member@user:ana")
	if err := guarded(must, ana); err != nil {
		t.Error(err)
	}
	c.wantStored(t, "team:core#member@user:ana", "team:core#member@user:bo")
	if err := guarded(mustNot, &v1.RelationshipFilter{ResourceType: "team", OptionalResourceIdPrefix: "cork"}); err != nil {
		t.Error(err)
	}

	wantRefusal(t, guarded(0, nil), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EMPTY_PRECONDITION)
	wantRefusal(t, guarded(must, nil), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EMPTY_PRECONDITION)
	wantRefusal(t, guarded(must, &v1.RelationshipFilter{}), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER)
	wantRefusal(t, guarded(0, ana), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	wantRefusal(t, guarded(must, &v1.RelationshipFilter{ResourceType: "document"}), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
	wantRefusal(t, guarded(must, &v1.RelationshipFilter{ResourceType: "team", OptionalRelation: "boss"}), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	wantRefusal(t, guarded(must, &v1.RelationshipFilter{ResourceType: "repository", OptionalRelation: "pull"}), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR)
}

// many returns relationships that differ in their users.
func many(n int) []*v1.Relationship {
	list := make([]*v1.Relationship, n)
	for i := range list {
		list[i] = rel("team", "core", "member", "user", fmt.Sprintf("u%05d", i), "")
	}
	return list
}

// each makes an update of each relationship.
func each(list []*v1.Relationship, update func(*v1.Relationship) *v1.RelationshipUpdate) *v1.WriteRelationshipsRequest {
	r := &v1.WriteRelationshipsRequest{}
	for _, one := range list {
		r.Updates = append(r.Updates, update(one))
	}
	return r
}

func TestAWriteHasAsManyUpdatesAndPreconditionsAsSpiceDBAllows(t *testing.T) {
	c := seeded(t)
	_, err := c.WriteRelationships(t.Context(), each(many(1001), touch))
	wantMetadata(t, wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_UPDATES_IN_REQUEST),
		map[string]string{"update_count": "1001", "maximum_updates_allowed": "1000"})

	largest := each(many(1000), create)
	for i := range 1001 {
		largest.OptionalPreconditions = append(largest.OptionalPreconditions, &v1.Precondition{
			Operation: v1.Precondition_OPERATION_MUST_NOT_MATCH,
			Filter:    &v1.RelationshipFilter{ResourceType: "team", OptionalResourceId: fmt.Sprintf("t%d", i)},
		})
	}
	_, err = c.WriteRelationships(t.Context(), largest)
	wantMetadata(t, wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_PRECONDITIONS_IN_REQUEST),
		map[string]string{"precondition_count": "1001", "maximum_updates_allowed": "1000"})
	c.wantStored(t)
	largest.OptionalPreconditions = largest.OptionalPreconditions[:1000]
	if _, err := c.WriteRelationships(t.Context(), largest); err != nil {
		t.Error(err)
	}
	if n := len(c.stored(t)); n != 1000 {
		t.Errorf("%d are stored", n)
	}
}

func TestAContextIsHeldToItsBound(t *testing.T) {
	c := seeded(t)
	hours := func(n int) *v1.Relationship {
		return caveated(relOf("repository:site#reader@user:ana"), "office_hours", map[string]any{strings.Repeat("h", n): 1})
	}
	large := hours(25_000)
	_, err := c.WriteRelationships(t.Context(), writing(touch(large)))
	wantMetadata(t, wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_MAX_RELATIONSHIP_CONTEXT_SIZE), map[string]string{
		"relationship": "repository:site#reader@user:ana", "max_allowed_size": "25000", "context_size": fmt.Sprint(proto.Size(large)),
	})
	// One that is within it is looked at.
	_, err = c.WriteRelationships(t.Context(), writing(touch(hours(24_900))))
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR)
}

func TestTheMetadataOfATransactionIsHeldToItsBoundAndWatched(t *testing.T) {
	c := seeded(t)
	r := writing(touch(relOf("team:core#member@user:ana")))
	r.OptionalTransactionMetadata, _ = structpb.NewStruct(map[string]any{"why": strings.Repeat("x", 65_000)})
	_, err := c.WriteRelationships(t.Context(), r)
	wantMetadata(t, wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TRANSACTION_METADATA_TOO_LARGE),
		map[string]string{"metadata_byte_size": "_", "maximum_allowed_metadata_byte_size": "65000"})
	c.wantStored(t)

	r.OptionalTransactionMetadata, _ = structpb.NewStruct(map[string]any{"why": "she joined"})
	before, err := c.native.ReadSchema(t.Context(), &tupelov1.ReadSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	written, err := c.WriteRelationships(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c.wantChange(t, before.Zookie, written.WrittenAt.Token, r.OptionalTransactionMetadata)
}

// wantChange fails unless what changed at one revision, of those after another, has
// these metadata.
func (c testClient) wantChange(t testing.TB, after, at string, metadata *structpb.Struct) {
	t.Helper()
	watch, err := c.native.Watch(t.Context(), &tupelov1.WatchRequest{After: after})
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.Zookie == at {
			if !proto.Equal(m.Metadata, metadata) {
				t.Errorf("metadata %v", m.Metadata)
			}
			return
		}
	}
}
