package spicedbtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/proto"
)

// TestWatches watches from a token while others write.
func TestWatches(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		from := s.given(office, papers)
		written := map[string]string{}
		note := func(name string, token *v1.ZedToken) { written[token.GetToken()] = name }
		note("create", s.wrote(updates(create, rel("document:w#reader@user:a"), rel("document:w#reader@user:b[adult]"), rel("folder:w#viewer@user:b"))...))
		note("touch", s.wrote(updates(touch, rel("document:w#reader@user:a[on_day:{\"day\":\"mon\"}]"))...))
		note("the same", s.wrote(updates(touch, rel("document:w#reader@user:b[adult]"))...))
		note("mixed", s.wrote(append(updates(remove, rel("document:w#reader@user:a")), updates(create, rel("document:w#reader@user:c[expiration:2101-01-01T00:00:00Z]"))...)...))
		about, err := s.WriteRelationships(t.Context(), &v1.WriteRelationshipsRequest{Updates: updates(touch, rel("document:x#reader@user:a")), OptionalTransactionMetadata: values(`{"by":"me","n":[1,{"x":null}]}`)})
		if err != nil {
			t.Fatal(err)
		}
		note("metadata", about.WrittenAt)
		gone, err := s.DeleteRelationships(t.Context(), &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("document:w"), OptionalTransactionMetadata: values(`{"why":"clean"}`)})
		if err != nil {
			t.Fatal(err)
		}
		note("delete", gone.DeletedAt)
		changed, err := s.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: office + "\ndefinition more {}\n"})
		if err != nil {
			t.Fatal(err)
		}
		note("schema", changed.WrittenAt)
		note("last", s.wrote(updates(touch, rel("document:end#reader@user:a"), rel("folder:end#viewer@user:a"))...))
		kinds := func(all ...v1.WatchKind) []v1.WatchKind { return all }
		for name, r := range map[string]*v1.WatchRequest{
			"all":            {},
			"documents":      {OptionalObjectTypes: []string{"document"}},
			"two types":      {OptionalObjectTypes: []string{"document", "folder"}},
			"a filter":       {OptionalRelationshipFilters: []*v1.RelationshipFilter{filter("document#reader@user:a"), filter("folder")}},
			"schemas":        {OptionalUpdateKinds: kinds(v1.WatchKind_WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES, v1.WatchKind_WATCH_KIND_INCLUDE_SCHEMA_UPDATES)},
			"an old request": {OptionalUpdateKinds: kinds(v1.WatchKind_WATCH_KIND_UNSPECIFIED)},
		} {
			r.OptionalStartCursor = from
			s.watched("watch "+name, r, written)
		}
		for name, r := range map[string]*v1.WatchRequest{
			"unknown type":     {OptionalObjectTypes: []string{"nonsense"}},
			"types and filter": {OptionalObjectTypes: []string{"document"}, OptionalRelationshipFilters: []*v1.RelationshipFilter{filter("folder")}},
			"an empty filter":  {OptionalRelationshipFilters: []*v1.RelationshipFilter{{}}},
			"bad type":         {OptionalObjectTypes: []string{"a b"}},
			"bad cursor":       {OptionalStartCursor: &v1.ZedToken{Token: "nonsense"}},
			"empty cursor":     {OptionalStartCursor: &v1.ZedToken{}},
		} {
			s.watched("watch with "+name, r, nil)
		}
	},
		difference{"^watch with unknown type", "", "FailedPrecondition UNKNOWN_DEFINITION", "a watch of nothing never tells of its mistake"})
}

// watched notes what a watch says until the last write, and of each message, whose write
// its token is of. Without writes it notes how the watch is refused.
func (s *side) watched(step string, r *v1.WatchRequest, written map[string]string) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if written == nil {
		ctx, cancel = context.WithTimeout(ctx, 2*second)
		defer cancel()
	}
	stream, err := s.Watch(ctx, r)
	if err != nil {
		s.note(step, refusal(err))
		return
	}
	var said []string
	for {
		message, err := stream.Recv()
		if err != nil {
			if told := refusal(err); !strings.HasPrefix(told, "DeadlineExceeded") || written != nil {
				said = append(said, told)
			}
			break
		}
		message = proto.Clone(message).(*v1.WatchResponse)
		slices.SortFunc(message.Updates, func(a, b *v1.RelationshipUpdate) int { return strings.Compare(compact(a), compact(b)) })
		name := written[message.ChangesThrough.GetToken()]
		said = append(said, fmt.Sprint(name, ": ", spelled(message)))
		if name == "last" {
			break
		}
	}
	s.note(step, strings.Join(said, "\n        "))
}
