package spicedbtest

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/types/known/structpb"
)

// write writes one relationship in a step.
func (s *side) write(step string, all ...*v1.RelationshipUpdate) {
	unary(s, step, s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: all})
}

// filter reads "type:id#relation@type:id#relation", any of which may be empty; an id
// that ends with "%" is a prefix, and a subject relation of "..." is none.
func filter(text string) *v1.RelationshipFilter {
	resource, about, of := strings.Cut(text, "@")
	resource, relation, _ := strings.Cut(resource, "#")
	kind, id, _ := strings.Cut(resource, ":")
	f := &v1.RelationshipFilter{ResourceType: kind, OptionalRelation: relation}
	if prefix, ok := strings.CutSuffix(id, "%"); ok {
		f.OptionalResourceIdPrefix = prefix
	} else {
		f.OptionalResourceId = id
	}
	if of {
		about, relation, has := strings.Cut(about, "#")
		kind, id, _ := strings.Cut(about, ":")
		f.OptionalSubjectFilter = &v1.SubjectFilter{SubjectType: kind, OptionalSubjectId: id}
		if has {
			f.OptionalSubjectFilter.OptionalRelation = &v1.SubjectFilter_RelationFilter{Relation: strings.TrimPrefix(relation, "...")}
		}
	}
	return f
}

// TestWrites writes what is right and all that is wrong.
func TestWrites(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		s.given(office, papers)
		for _, text := range []string{
			"document:plan#reader@user:carol", "document:w#reader@user:*", "document:w#writer@user:*", "document:w#writer@team:core#member", "document:w#writer@team:core",
			"document:w#reader@team:core#nonsense", "document:w#reader@user:x[on_day]", "document:w#reader@user:y[nonsense]", "document:w#writer@user:x[on_day]", "document:w#reader@user:x2[expiration:2101-01-01T00:00:00Z]",
			"document:w#writer@user:x[expiration:2101-01-01T00:00:00Z]", "document:w#reader@user:x[on_day][expiration:2101-01-01T00:00:00Z]", "document:w#reader@user:x3[adult][expiration:2101-01-01T00:00:00Z]",
			"document:w#reader@user:x4[adult:{\"age\":\"x\"}]", "document:w#reader@user:x5[adult:{\"nonsense\":1}]", "document:w#reader@user:x6[adult:{\"age\":1.5}]", "document:w#reader@user:past[expiration:2001-01-01T00:00:00Z]",
			"document:w#view@user:x", "document:w#nonsense@user:x", "nonsense:w#reader@user:x", "document:w#reader@nonsense:x", "document:*#reader@user:x", "document:w#reader@user:x#...", "document:w#reader@user:*#member",
			"document:w#reader@team:*#member", "document:#reader@user:x", "document:w#@user:x", "document:w#reader@user:", "document:a b#reader@user:x", "Document:w#reader@user:x", "document:w#reader@user:x y", "document:w#folder@folder:f#parent",
			"document:w#banned@user:*", "document:w#banned@user:cond[adult]", "document:w#banned@user:*[adult]", "document:w#folder@user:x", "document:" + strings.Repeat("y", 1025) + "#reader@user:x", "document:w#reader@user:ä",
			"document:w#reader@user:a/b|c=d+e_f-g", "document:w#reader@user:a@b.c", "document:w#reader@user:a.b", "document:w#reader@user:a:b",
		} {
			name := text[:min(len(text), 200)]
			s.write("create "+name, updates(create, rel(text))...)
			s.write("create again "+name, updates(create, rel(text))...)
			s.write("touch "+name, updates(touch, rel(text))...)
			s.write("delete "+name, updates(remove, rel(text))...)
			s.write("delete again "+name, updates(remove, rel(text))...)
		}
		r := rel("document:w#reader@user:x")
		s.write("no updates")
		s.write("an empty update", &v1.RelationshipUpdate{})
		s.write("no operation", &v1.RelationshipUpdate{Relationship: r})
		s.write("an operation of tomorrow", &v1.RelationshipUpdate{Operation: 99, Relationship: r})
		s.write("no relationship", &v1.RelationshipUpdate{Operation: create})
		s.write("no subject", &v1.RelationshipUpdate{Operation: create, Relationship: &v1.Relationship{Resource: r.Resource, Relation: "reader"}})
		s.write("twice", updates(touch, r, r)...)
		s.write("touched and deleted", append(updates(touch, r), updates(remove, r)...)...)
		s.write("twice with and without caveat", updates(touch, r, rel("document:w#reader@user:x[on_day]"))...)
		s.write("one good, one bad", updates(create, rel("document:atomic#reader@user:x"), rel("document:atomic#view@user:x"))...)
		s.write("one new, one old", updates(create, rel("document:atomic#reader@user:x"), rel("document:plan#reader@user:dan"))...)
		listed(s, "neither is there", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document:atomic")})
		var many []*v1.RelationshipUpdate
		for i := range 1001 {
			many = append(many, updates(touch, rel(fmt.Sprintf("document:many#reader@user:u%d", i)))...)
		}
		s.write("1001 updates", many...)
		s.write("1000 updates", many[:1000]...)
		large := rel("document:w#reader@user:large[adult]")
		large.OptionalCaveat.Context = &structpb.Struct{Fields: map[string]*structpb.Value{"age": structpb.NewStringValue(strings.Repeat("1", 25_001))}}
		s.write("a large context", updates(touch, large)...)
		large.OptionalCaveat.Context = &structpb.Struct{Fields: map[string]*structpb.Value{"nonsense": structpb.NewStringValue(strings.Repeat("1", 24_000))}}
		s.write("a large context of nonsense", updates(touch, large)...)
		for _, size := range []int{64_000, 65_000, 66_000} {
			unary(s, fmt.Sprintf("%d bytes of metadata", size), s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: updates(touch, r),
				OptionalTransactionMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{"x": structpb.NewStringValue(strings.Repeat("1", size))}}})
		}
		s.preconditions()
	},
		difference{`^delete (again )?document`, `InvalidArgument INVALID_SUBJECT_TYPE`, `{}`, `a deletion can be repeated after the schema has moved on`},
		difference{`^delete (again )?document`, `Unknown`, `{}`, `likewise: values are not looked at`},
		difference{`^(create|create again|touch) document.*|^a large context of nonsense`, `Unknown`, `InvalidArgument CAVEAT_PARAMETER_TYPE_ERROR`, `Unknown tells a client nothing`},
		difference{`^create again document:w#reader@user:past`, `AlreadyExists`, `{}`, `what has expired is not in the way`},
		difference{`^no updates|^nothing if`, ``, `InvalidArgument`, `it changes nothing`},
		difference{`^twice with and without`, `InvalidArgument UPDATES_ON_SAME`, `InvalidArgument UPDATES_ON_SAME`, `the relationship is spelled without its caveat`},
		difference{`bytes of metadata`, `InvalidArgument TRANSACTION_METADATA`, `InvalidArgument TRANSACTION_METADATA`, `of two sizes, as JSON and as a message, the larger is told`},
		difference{`match document:plan#view`, ``, `FailedPrecondition SCHEMA_TYPE_ERROR`, `a permission is never stored: it is a slip of the pen`},
		difference{`^no filter of a precondition`, `InvalidArgument`, `InvalidArgument EMPTY_PRECONDITION`, `the reason says more`},
	)
}

// preconditions puts conditions to writes and deletions.
func (s *side) preconditions() {
	must, mustNot := v1.Precondition_OPERATION_MUST_MATCH, v1.Precondition_OPERATION_MUST_NOT_MATCH
	for _, text := range []string{"document:plan#reader@user:carol", "document:plan", "document:none", "document", "nonsense", "document:plan#nonsense", "document:plan#view", "document:pl%", "document#reader@nonsense", "document@user:carol", "document@user#...", "", "@user:carol", ":plan", "#reader", "document:late#reader@user:old", "document:plan#reader@user:carol#nonsense"} {
		for name, operation := range map[string]v1.Precondition_Operation{"must": must, "must not": mustNot} {
			condition := []*v1.Precondition{{Operation: operation, Filter: filter(text)}}
			unary(s, "write if it "+name+" match "+text, s.WriteRelationships, &v1.WriteRelationshipsRequest{
				Updates: updates(touch, rel("document:if#reader@user:x")), OptionalPreconditions: condition})
			unary(s, "delete if it "+name+" match "+text, s.DeleteRelationships, &v1.DeleteRelationshipsRequest{
				RelationshipFilter: filter("document:if"), OptionalPreconditions: condition})
			unary(s, "nothing if it "+name+" match "+text, s.WriteRelationships, &v1.WriteRelationshipsRequest{OptionalPreconditions: condition})
		}
	}
	updates := updates(touch, rel("document:if#reader@user:x"))
	unary(s, "no operation of a precondition", s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: updates, OptionalPreconditions: []*v1.Precondition{{Filter: filter("document")}}})
	unary(s, "no filter of a precondition", s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: updates, OptionalPreconditions: []*v1.Precondition{{Operation: must}}})
	many := make([]*v1.Precondition, 1001)
	for i := range many {
		many[i] = &v1.Precondition{Operation: mustNot, Filter: filter(fmt.Sprintf("document:none%d", i))}
	}
	unary(s, "1001 preconditions", s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: updates, OptionalPreconditions: many})
	unary(s, "1000 preconditions", s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: updates, OptionalPreconditions: many[:1000]})
	unary(s, "1001 preconditions of a deletion", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("document:if"), OptionalPreconditions: many})
}

// TestFilters reads and deletes by every kind of filter.
func TestFilters(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		s.given(office, papers)
		for _, text := range []string{"", "document", "document:plan", "document:p%", "document:%", "document#reader", "document:plan#reader", "document:plan#reader@user", "document:plan#reader@user:carol", "document@user:carol", "document@team", "document@team#member",
			"document@team#...", "document@user#...", "document@user:*", "document@user:carol#...", "@user:carol", "@user", "@team:core#member", "#reader", ":plan", ":p%", "nonsense", "document#nonsense", "document#view", "#nonsense", "document@nonsense", "document@user#nonsense", "@team#everyone", "#view", "#view@user",
			"document:none", "document:*", "document:plan#reader@user:none", "Document", "document:a b", "document@User", "document@", "@:carol", "document@:carol", "document@user:a b", "document#Reader", "document:late"} {
			listed(s, "read "+text, s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter(text)})
			if text != "" && !strings.HasPrefix(text, "document") && !strings.HasPrefix(text, "@") || strings.Contains(text, "nonsense") || strings.Contains(text, "view") || strings.Contains(text, "a b") {
				unary(s, "delete "+text, s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: filter(text)})
			}
			s.exported("export "+text, &v1.ExportBulkRelationshipsRequest{Consistency: full(), OptionalRelationshipFilter: filter(text)})
		}
		both := filter("document:plan")
		both.OptionalResourceIdPrefix = "pl"
		listed(s, "read id and prefix", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: both})
		unary(s, "delete id and prefix", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: both})
		listed(s, "read nothing", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full()})
		unary(s, "delete nothing", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{})
		listed(s, "read 1001", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document"), OptionalLimit: 1001})
		listed(s, "read 1000", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document"), OptionalLimit: 1000})
		listed(s, "read from a bad cursor", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document"), OptionalCursor: &v1.Cursor{Token: "x"}})
		listed(s, "read from an empty cursor", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document"), OptionalCursor: &v1.Cursor{}})

		all, pages := []string{}, 0
		request := &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document"), OptionalLimit: 4}
		var cursor *v1.Cursor
		for {
			page, err := received[*v1.ReadRelationshipsRequest, *v1.ReadRelationshipsResponse](s, s.ReadRelationships, request)
			if err != nil {
				t.Fatal(s.name, err)
			}
			if len(page) == 0 {
				break
			}
			for _, one := range page {
				all = append(all, spelled(one))
			}
			pages++
			request.OptionalCursor = page[len(page)-1].AfterResultCursor
			if pages == 1 {
				cursor = request.OptionalCursor
				s.wrote(updates(create, rel("document:zz#reader@user:later"))...)
				request.RelationshipFilter = filter("document")
			}
		}
		s.note("pages", fmt.Sprint(pages, sorted(all)))
		for name, r := range map[string]*v1.ReadRelationshipsRequest{
			"filter":   {RelationshipFilter: filter("document:plan"), OptionalLimit: 4},
			"limit":    {RelationshipFilter: filter("document"), OptionalLimit: 5},
			"no limit": {RelationshipFilter: filter("document")},
		} {
			r.OptionalCursor = cursor
			_, err := received[*v1.ReadRelationshipsRequest, *v1.ReadRelationshipsResponse](s, s.ReadRelationships, r)
			s.note("cursor with another "+name, refusal(err))
		}

		deletion := &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("document"), OptionalLimit: 1001}
		unary(s, "delete 1001", s.DeleteRelationships, deletion)
		deletion.OptionalLimit = 5
		unary(s, "delete 5 of more", s.DeleteRelationships, deletion)
		deletion.OptionalAllowPartialDeletions = true
		unary(s, "delete 5 of more, in part", s.DeleteRelationships, deletion)
		deletion.OptionalLimit = 1000
		unary(s, "delete 1000 of less, in part", s.DeleteRelationships, deletion)
		unary(s, "delete none", s.DeleteRelationships, deletion)
		deletion.OptionalLimit = 0
		unary(s, "delete in part without a limit", s.DeleteRelationships, deletion)
		unary(s, "delete teams", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("@team"), OptionalTransactionMetadata: values(`{"by":"me"}`)})
		unary(s, "delete all users'", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("@user:*"), OptionalLimit: 1})
		unary(s, "delete from a cursor", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("folder"), OptionalLimit: 1, OptionalAllowPartialDeletions: true, OptionalCursor: &v1.Cursor{Token: "x"}})
		listed(s, "what is left", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("folder")})
		listed(s, "what is left of teams", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("team")})
	},
		difference{`^export $`, `Unknown`, `InvalidArgument INVALID_FILTER`, `Unknown tells a client nothing`},
		difference{`^export .*nonsense`, ``, `FailedPrecondition UNKNOWN`, `it is a slip of the pen`},
		difference{`^(read|delete) #nonsense`, ``, `FailedPrecondition UNKNOWN_RELATION`, `it is a slip of the pen`},
		difference{`view`, ``, `FailedPrecondition SCHEMA_TYPE_ERROR`, `a permission is never stored; and it is named`},
		difference{`from an empty cursor`, `Internal`, `InvalidArgument INVALID_CURSOR`, `it is a mistake of the client`},
		difference{`^delete all users'`, `{"deletionProgress":"DELETION_PROGRESS_PARTIAL"`, `{"deletionProgress":"DELETION_PROGRESS_COMPLETE"`, `nothing is left`},
		difference{`^delete from a cursor`, `{`, `Unimplemented`, `what is deleted is not met again`},
		difference{`^what is left`, ``, ``, `of the step before`},
	)
}
