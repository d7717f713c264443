package authzed

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// spellUpdates writes the updates of a message as +resource#relation@subject.
func spellUpdates(m *v1.WatchResponse) string {
	var list []string
	for _, u := range m.Updates {
		sign := "+"
		switch u.Operation {
		case v1.RelationshipUpdate_OPERATION_TOUCH:
		case v1.RelationshipUpdate_OPERATION_DELETE:
			sign = "-"
		default:
			sign = u.Operation.String()
		}
		r := u.Relationship
		list = append(list, fmt.Sprintf("%s%s:%s#%s@%s:%s", sign, r.Resource.ObjectType, r.Resource.ObjectId, r.Relation,
			r.Subject.Object.ObjectType, r.Subject.Object.ObjectId))
	}
	return strings.Join(list, " ")
}

// change writes through this protocol, and returns the token.
func (c testClient) change(t testing.TB, op v1.RelationshipUpdate_Operation, metadata *structpb.Struct, list ...*v1.Relationship) *v1.ZedToken {
	t.Helper()
	request := &v1.WriteRelationshipsRequest{OptionalTransactionMetadata: metadata}
	for _, r := range list {
		request.Updates = append(request.Updates, &v1.RelationshipUpdate{Operation: op, Relationship: r})
	}
	response, err := c.WriteRelationships(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return response.WrittenAt
}

// follow begins a watch that ends with the test, or after a while.
func (c testClient) follow(t testing.TB, r *v1.WatchRequest) grpc.ServerStreamingClient[v1.WatchResponse] {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	stream, err := c.Watch(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return stream
}

func next(t testing.TB, stream grpc.ServerStreamingClient[v1.WatchResponse]) *v1.WatchResponse {
	t.Helper()
	m, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAWatchHasOneMessageForEachTransactionWithTheTokenOfTheWrite(t *testing.T) {
	c := seeded(t)
	start := c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, rel("team", "core", "member", "user", "zoe", ""))
	stream := c.follow(t, &v1.WatchRequest{OptionalStartCursor: start})
	why, err := structpb.NewStruct(map[string]any{"why": "hired"})
	if err != nil {
		t.Fatal(err)
	}
	one := rel("repository", "site", "reader", "user", "ana", "")
	two := rel("repository", "site", "reader", "user", "bo", "")
	created := c.change(t, v1.RelationshipUpdate_OPERATION_CREATE, why, one, two)
	deleted := c.change(t, v1.RelationshipUpdate_OPERATION_DELETE, nil, two)

	m := next(t, stream)
	if got := spellUpdates(m); got != "+repository:site#reader@user:ana +repository:site#reader@user:bo" {
		t.Errorf("the first message tells of %s", got)
	}
	if m.ChangesThrough.GetToken() != created.Token {
		t.Errorf("its token is not the write's")
	}
	if m.OptionalTransactionMetadata.GetFields()["why"].GetStringValue() != "hired" || len(m.FullRevisionMetadata) != 1 {
		t.Errorf("its metadata is %v", m.OptionalTransactionMetadata)
	}
	m = next(t, stream)
	if got := spellUpdates(m); got != "-repository:site#reader@user:bo" || m.ChangesThrough.GetToken() != deleted.Token || m.OptionalTransactionMetadata != nil {
		t.Errorf("the second message is %v", m)
	}

	again := c.follow(t, &v1.WatchRequest{OptionalStartCursor: created})
	if got := spellUpdates(next(t, again)); got != "-repository:site#reader@user:bo" {
		t.Errorf("resumed after the first message, it tells of %s", got)
	}
}

func TestCheckpointsAndSchemaUpdatesComeOnlyWhereTheyAreAskedFor(t *testing.T) {
	c := seeded(t)
	start := c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, rel("team", "core", "member", "user", "zoe", ""))
	plain := c.follow(t, &v1.WatchRequest{OptionalStartCursor: start})
	all := c.follow(t, &v1.WatchRequest{OptionalStartCursor: start, OptionalUpdateKinds: []v1.WatchKind{
		v1.WatchKind_WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES,
		v1.WatchKind_WATCH_KIND_INCLUDE_SCHEMA_UPDATES, v1.WatchKind_WATCH_KIND_INCLUDE_CHECKPOINTS,
	}})
	schema, err := c.native.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: gitclub + "\ndefinition issue {}"})
	if err != nil {
		t.Fatal(err)
	}
	last := c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, rel("team", "core", "member", "user", "ana", ""))

	if m := next(t, plain); spellUpdates(m) != "+team:core#member@user:ana" || m.ChangesThrough.GetToken() != last.Token {
		t.Errorf("without kinds the first message is %v", m)
	}
	var schemas, checkpoints int
	for checkpointed := false; !checkpointed; {
		m := next(t, all)
		switch {
		case m.IsCheckpoint:
			checkpoints++
			checkpointed = m.ChangesThrough.GetToken() == last.Token
		case m.SchemaUpdated:
			schemas++
			if m.ChangesThrough.GetToken() != schema.Zookie || len(m.Updates) != 0 {
				t.Errorf("the update of the schema is %v", m)
			}
		}
	}
	if schemas != 1 || checkpoints == 0 {
		t.Errorf("%d updates of the schema, %d checkpoints", schemas, checkpoints)
	}
}

func TestAWatchSelectsByTypesOrByFilters(t *testing.T) {
	c := seeded(t)
	start := c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, rel("team", "core", "member", "user", "zoe", ""))
	none := &v1.SubjectFilter_RelationFilter{}
	streams := map[string]grpc.ServerStreamingClient[v1.WatchResponse]{
		"+repository:site#reader@user:ana +repository:shop#reader@team:core": c.follow(t, &v1.WatchRequest{
			OptionalStartCursor: start, OptionalObjectTypes: []string{"repository"},
		}),
		"+repository:site#reader@user:ana +team:core#member@user:ana": c.follow(t, &v1.WatchRequest{
			OptionalStartCursor: start, OptionalRelationshipFilters: []*v1.RelationshipFilter{
				{OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "ana", OptionalRelation: none}},
			},
		}),
		"+repository:shop#reader@team:core +team:core#member@user:ana": c.follow(t, &v1.WatchRequest{
			OptionalStartCursor: start, OptionalRelationshipFilters: []*v1.RelationshipFilter{
				{ResourceType: "repository", OptionalResourceIdPrefix: "sh"}, {OptionalRelation: "member"},
			},
		}),
	}
	c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil,
		rel("repository", "site", "reader", "user", "ana", ""), rel("repository", "shop", "reader", "team", "core", "member"),
		rel("team", "core", "member", "user", "ana", ""))
	for want, stream := range streams {
		if got := spellUpdates(next(t, stream)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAWatchThatCannotBeIsRefused(t *testing.T) {
	c := seeded(t)
	for name, test := range map[string]struct {
		request *v1.WatchRequest
		code    codes.Code
		reason  v1.ErrorReason
	}{
		"types and filters": {&v1.WatchRequest{OptionalObjectTypes: []string{"team"}, OptionalRelationshipFilters: []*v1.RelationshipFilter{{ResourceType: "team"}}}, codes.InvalidArgument, 0},
		"an empty type":     {&v1.WatchRequest{OptionalObjectTypes: []string{""}}, codes.InvalidArgument, 0},
		"an empty filter":   {&v1.WatchRequest{OptionalRelationshipFilters: []*v1.RelationshipFilter{{}}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER},
		"an unknown type":   {&v1.WatchRequest{OptionalObjectTypes: []string{"document"}}, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION},
		"an empty token":    {&v1.WatchRequest{OptionalStartCursor: &v1.ZedToken{}}, codes.InvalidArgument, 0},
		"a damaged token":   {&v1.WatchRequest{OptionalStartCursor: &v1.ZedToken{Token: "GgIIAQ=="}}, codes.InvalidArgument, 0},
	} {
		_, err := c.follow(t, test.request).Recv()
		t.Run(name, func(t *testing.T) { wantRefusal(t, err, test.code, test.reason) })
	}
}

func TestATransactionThatIsTooLargeForClientsComesInPartsThatCanBeResumed(t *testing.T) {
	c := seeded(t)
	start := c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, rel("team", "core", "member", "user", "zoe", ""))
	const batches, each = 4, 1000
	for b := range batches {
		var list []*v1.Relationship
		for i := range each {
			list = append(list, rel("repository", fmt.Sprintf("%d-%d-%s", b, i, strings.Repeat("x", 900)), "reader", "user", "ana", ""))
		}
		start = c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, list...)
	}
	stream := c.follow(t, &v1.WatchRequest{OptionalStartCursor: start})
	deleted, err := c.native.DeleteByFilter(t.Context(), &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "repository"}})
	if err != nil {
		t.Fatal(err)
	}
	var updates, parts int
	for through := ""; through != deleted.Zookie; parts++ {
		m := next(t, stream)
		updates += len(m.Updates)
		through = m.ChangesThrough.GetToken()
		if through != deleted.Zookie && through != start.Token {
			t.Fatalf("part %d has another token", parts)
		}
	}
	if updates != batches*each || parts < 2 {
		t.Errorf("%d updates in %d parts", updates, parts)
	}
}
