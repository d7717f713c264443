//lint:file-ignore SA1019 the older calls are compared too

package spicedbtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/status"
)

// office has one of everything of the language that both take.
const office = `use expiration

caveat on_day(day string, allowed list<string>) {
	day in allowed
}

caveat adult(age int) {
	age >= 18
}

definition user {}

definition bot {}

definition team {
	relation member: user | team#member
	permission everyone = member
}

definition folder {
	relation parent: folder
	relation viewer: user | user:* | team#member
	permission view = viewer + parent->view
}

definition document {
	relation folder: folder
	relation reader: user | user:* | team#member | user with on_day | user with adult | user:* with adult | user with expiration | user with adult and expiration
	relation banned: user | user:* | user with adult
	relation writer: user | bot
	permission edit = writer
	permission view = (reader + writer + folder->view) - banned
	permission both = reader & writer
	permission all = folder.all(view)
	permission any = folder.any(view)
	permission nobody = nil
}
`

const papers = `
	team:core#member@user:alice
	team:core#member@user:bob
	team:all#member@team:core#member
	team:all#member@user:zoe
	folder:root#viewer@user:root
	folder:a#parent@folder:root
	folder:a#viewer@team:core#member
	folder:b#viewer@user:*
	document:plan#folder@folder:a
	document:plan#reader@user:carol
	document:plan#writer@user:dan
	document:plan#writer@bot:helper
	document:plan#reader@user:dan
	document:plan#banned@user:bob
	document:open#reader@user:*
	document:open#banned@user:eve
	document:open#banned@user:mallory
	document:open#banned@user:grown[adult]
	document:day#reader@user:carol[on_day:{"allowed":["mon","tue"]}]
	document:day#reader@user:dan[on_day]
	document:day#reader@user:eve[adult:{"age":17}]
	document:day#reader@user:fay[adult:{"age":18}]
	document:day#reader@user:*[adult]
	document:late#reader@user:old[expiration:2001-01-01T00:00:00Z]
	document:late#reader@user:new[expiration:2101-01-01T00:00:00Z]
	document:late#reader@user:both[adult][expiration:2101-01-01T00:00:00Z]
	document:two#folder@folder:a
	document:two#folder@folder:b
	document:team#reader@team:all#member
`

// TestChecks asks for every kind of answer.
func TestChecks(t *testing.T) {
	both := start(t)
	asks := []struct{ about, context string }{
		{"document:plan#view@user:alice", ""}, {"document:plan#view@user:bob", ""}, {"document:plan#view@user:root", ""},
		{"document:plan#view@user:nobody", ""}, {"document:plan#view@bot:helper", ""}, {"document:plan#both@user:dan", ""},
		{"document:plan#both@user:carol", ""}, {"document:plan#nobody@user:carol", ""}, {"document:missing#view@user:carol", ""},
		{"document:plan#reader@user:carol", ""}, {"document:plan#reader@bot:helper", ""},
		{"document:open#view@user:anyone", ""}, {"document:open#view@user:eve", ""}, {"document:open#view@user:grown", ""},
		{"document:open#view@user:grown", `{"age":3}`}, {"document:open#view@user:grown", `{"age":33}`},
		{"document:day#view@user:carol", ""}, {"document:day#view@user:carol", `{"day":"mon"}`}, {"document:day#view@user:carol", `{"day":"sun"}`},
		{"document:day#view@user:carol", `{"day":"sun","age":20}`},
		{"document:day#view@user:dan", ""}, {"document:day#view@user:dan", `{"day":"mon"}`}, {"document:day#view@user:dan", `{"allowed":["mon"]}`},
		{"document:day#view@user:eve", ""}, {"document:day#view@user:eve", `{"age":55}`}, {"document:day#view@user:fay", ""}, {"document:day#view@user:fay", `{"age":5}`},
		{"document:day#view@user:carol", `{"age":"young"}`}, {"document:day#view@user:carol", `{"day":5}`}, {"document:day#view@user:carol", `{"nonsense":5}`},
		{"document:day#view@user:nobody", `{"age":"young"}`}, {"document:day#view@user:nobody", `{"age":1.5}`}, {"document:day#view@user:nobody", `{"age":"20"}`}, {"document:day#view@user:nobody", `{"age":null}`},
		{"document:late#view@user:old", ""}, {"document:late#view@user:new", ""}, {"document:late#view@user:both", ""}, {"document:late#view@user:both", `{"age":30}`},
		{"document:two#all@user:alice", ""}, {"document:two#all@user:other", ""}, {"document:two#any@user:other", ""}, {"document:plan#all@user:alice", ""}, {"document:none#all@user:alice", ""},
		{"document:team#view@user:alice", ""}, {"document:team#view@user:zoe", ""}, {"document:team#view@team:core#member", ""}, {"document:team#view@team:all#member", ""},
		{"document:team#view@team:core#everyone", ""}, {"document:team#view@team:core", ""}, {"team:core#member@team:core#member", ""}, {"team:core#everyone@team:core#member", ""},
		{"team:none#member@team:none#member", ""}, {"document:plan#view@document:plan#view", ""}, {"document:plan#edit@document:plan#view", ""},
		{"document:open#reader@user:*", ""}, {"document:open#view@user:*", ""}, {"document:plan#view@user:*", ""},
		{"nonsense:plan#view@user:alice", ""}, {"document:plan#nonsense@user:alice", ""}, {"document:plan#view@nonsense:alice", ""},
		{"document:plan#view@team:core#nonsense", ""}, {"document:plan#view@user:alice#...", ""}, {"document:*#view@user:alice", ""},
		{"document:#view@user:alice", ""}, {"Document:plan#view@user:alice", ""}, {"document:plan#@user:alice", ""}, {"document:a b#view@user:alice", ""},
		{"document:" + strings.Repeat("x", 1025) + "#view@user:alice", ""}, {"document:" + strings.Repeat("x", 1024) + "#view@user:alice", ""},
		{"document:plan#view@user:alice", `{"large":"` + strings.Repeat("x", 5000) + `"}`},
	}
	both.compare(t, func(s *side) {
		s.given(office, papers)
		var items []*v1.CheckBulkPermissionsRequestItem
		for _, ask := range asks {
			r := rel(ask.about)
			name := ask.about
			if len(name) > 100 {
				name = name[:100] + string(rune(len(name)))
			}
			name += ask.context[:min(len(ask.context), 60)]
			check := &v1.CheckPermissionRequest{Consistency: full(), Resource: r.Resource, Permission: r.Relation, Subject: r.Subject, Context: values(ask.context), WithTracing: true}
			s.traced("traced "+name, check)
			check.WithTracing = false
			unary(s, name, s.CheckPermission, check)
			item := &v1.CheckBulkPermissionsRequestItem{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject, Context: values(ask.context)}
			items = append(items, item)
			unary(s, "bulk of "+name, s.CheckBulkPermissions, &v1.CheckBulkPermissionsRequest{Consistency: full(), Items: []*v1.CheckBulkPermissionsRequestItem{item}})
		}
		unary(s, "no items", s.CheckBulkPermissions, &v1.CheckBulkPermissionsRequest{Consistency: full()})
		unary(s, "nothing", s.CheckPermission, &v1.CheckPermissionRequest{})
		unary(s, "no subject", s.CheckPermission, &v1.CheckPermissionRequest{Resource: object("document:plan"), Permission: "view"})
		unary(s, "empty consistency", s.CheckPermission, &v1.CheckPermissionRequest{Consistency: &v1.Consistency{}, Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")})
		unary(s, "full false", s.CheckPermission, &v1.CheckPermissionRequest{Consistency: &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{}}, Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")})
		for _, token := range []string{"", "nonsense", "GgYKBENMdz0"} {
			unary(s, "snapshot "+token, s.CheckPermission, &v1.CheckPermissionRequest{Consistency: exactly(&v1.ZedToken{Token: token}), Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")})
			unary(s, "fresh as "+token, s.CheckPermission, &v1.CheckPermissionRequest{Consistency: &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: token}}}, Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")})
		}
		unary(s, "older bulk", s.BulkCheckPermission, &v1.BulkCheckPermissionRequest{Consistency: full(), Items: []*v1.BulkCheckPermissionRequestItem{
			{Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")}, {Resource: object("document:plan"), Permission: "nonsense", Subject: subject("user:alice")},
		}})
		many := make([]*v1.CheckBulkPermissionsRequestItem, 10001)
		for i := range many {
			many[i] = items[0]
		}
		unary(s, "10001 items", s.CheckBulkPermissions, &v1.CheckBulkPermissionsRequest{Consistency: full(), Items: many})
		if got := unary(s, "the same 10000 times", s.CheckBulkPermissions, &v1.CheckBulkPermissionsRequest{Consistency: full(), Items: many[:10000]}); got != nil {
			s.answers["the same 10000 times"] = "many"
		}
	},
		difference{`^(traced )?document:plan#@user`, `FailedPrecondition`, `InvalidArgument`, `a check without a permission is malformed, and no question about one that is called nothing`},
		difference{`^bulk of document:plan#@user`, `{"pairs":`, `{"pairs":`, `likewise`},
		difference{`^bulk of document:\*#view`, `{"pairs":`, `{"pairs":`, `an item is held to what a check is: there is no resource of that name`},
		difference{`large`, `InvalidArgument`, ``, `values of a request may be larger than 4096 bytes`},
		difference{`^empty consistency`, `Internal`, `{"permissionship"`, `none is the default`},
		difference{`^full false`, `Internal`, `InvalidArgument`, `it is a mistake of the client`},
	)
}

// traced asks for a trace, and notes what its root is. Which of several ways to an
// answer it shows is each server's own choice.
func (s *side) traced(step string, r *v1.CheckPermissionRequest) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	answer, err := s.CheckPermission(ctx, r)
	if err != nil {
		s.note(step, status.Code(err).String())
		return
	}
	root := answer.GetDebugTrace().GetCheck()
	s.note(step, fmt.Sprint(answer.Permissionship, root.GetResource(), root.GetPermission(), root.GetSubject(), answer.DebugTrace.GetSchemaUsed() != ""))
}

// subjects looks subjects up, and notes whom the answers name and stand for: a subject
// may have an entry of its own, or be one of those that the wildcard stands for.
func (s *side) subjects(step string, r *v1.LookupSubjectsRequest) {
	found, err := received[*v1.LookupSubjectsRequest, *v1.LookupSubjectsResponse](s, s.LookupSubjects, r)
	if err != nil {
		s.note(step, refusal(err))
		return
	}
	const (
		no = iota
		perhaps
		yes
	)
	truth := func(p v1.LookupPermissionship) int {
		if p == v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION {
			return perhaps
		}
		return yes
	}
	named, wildcard, excluded := map[string]int{}, no, map[string]int{}
	for _, one := range found {
		if one.Subject.SubjectObjectId != "*" {
			named[one.Subject.SubjectObjectId] = max(named[one.Subject.SubjectObjectId], truth(one.Subject.Permissionship))
			continue
		}
		wildcard = truth(one.Subject.Permissionship)
		for _, not := range one.ExcludedSubjects {
			excluded[not.SubjectObjectId] = truth(not.Permissionship)
		}
	}
	var means []string
	for _, id := range []string{"alice", "bob", "carol", "dan", "eve", "fay", "grown", "mallory", "zoe", "root", "new", "both", "old", "helper", "core", "all", "plan", "anyone"} {
		if got := max(named[id], min(wildcard, yes-excluded[id])); got > no {
			means = append(means, fmt.Sprint(id, " ", got))
		}
	}
	s.note(step, fmt.Sprint(means, " and others ", wildcard))
}

// TestLookups asks for resources and subjects.
func TestLookups(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		s.given(office, papers)
		for _, context := range []string{"", `{"age":20}`, `{"age":2}`, `{"day":"mon"}`, `{"age":"x"}`} {
			for _, permission := range []string{"view", "edit", "both", "all", "any", "nobody", "reader", "nonsense", "folder"} {
				for _, of := range []string{"user:alice", "user:bob", "user:carol", "user:grown", "user:*", "team:core#member", "team:all#member", "bot:helper", "nonsense:x", "user:x#nonsense", "user:root", "team:core", "document:plan#view"} {
					listed(s, "resources "+permission+" of "+of+context, s.LookupResources, &v1.LookupResourcesRequest{
						Consistency: full(), ResourceObjectType: "document", Permission: permission, Subject: subject(of), Context: values(context)})
				}
				for _, resource := range []string{"document:plan", "document:open", "document:day", "document:late", "document:two", "document:team", "document:none", "nonsense:x"} {
					for _, of := range []string{"user", "bot", "team#member", "team", "nonsense", "user#nonsense", "document#view"} {
						if context != "" && of != "user" {
							continue
						}
						kind, relation, _ := strings.Cut(of, "#")
						s.subjects("subjects "+of+" of "+permission+" of "+resource+context, &v1.LookupSubjectsRequest{
							Consistency: full(), Resource: object(resource), Permission: permission, SubjectObjectType: kind, OptionalSubjectRelation: relation, Context: values(context)})
					}
				}
			}
		}
		s.subjects("limit", &v1.LookupSubjectsRequest{Consistency: full(), Resource: object("document:plan"), Permission: "view", SubjectObjectType: "user", OptionalConcreteLimit: 2})
		s.subjects("cursor", &v1.LookupSubjectsRequest{Consistency: full(), Resource: object("document:plan"), Permission: "view", SubjectObjectType: "user", OptionalCursor: &v1.Cursor{Token: "x"}})
		s.subjects("no wildcards", &v1.LookupSubjectsRequest{Consistency: full(), Resource: object("document:open"), Permission: "view", SubjectObjectType: "user", WildcardOption: v1.LookupSubjectsRequest_WILDCARD_OPTION_EXCLUDE_WILDCARDS})
		s.subjects("with wildcards", &v1.LookupSubjectsRequest{Consistency: full(), Resource: object("document:open"), Permission: "view", SubjectObjectType: "user", WildcardOption: v1.LookupSubjectsRequest_WILDCARD_OPTION_INCLUDE_WILDCARDS})
		about := &v1.LookupResourcesRequest{Consistency: full(), ResourceObjectType: "document", Permission: "view", Subject: subject("user:alice")}
		about.OptionalLimit = 1001
		listed(s, "1001 resources", s.LookupResources, about)
		about.OptionalLimit = 1000
		listed(s, "1000 resources", s.LookupResources, about)
		about.OptionalCursor = &v1.Cursor{Token: "nonsense"}
		listed(s, "bad cursor", s.LookupResources, about)
		about.OptionalCursor = nil
		about.ResourceObjectType = "nonsense"
		listed(s, "unknown type", s.LookupResources, about)
		about.ResourceObjectType, about.OptionalLimit = "document", 1
		var ids []string
		for range 20 {
			page, err := received[*v1.LookupResourcesRequest, *v1.LookupResourcesResponse](s, s.LookupResources, about)
			if err != nil {
				t.Fatal(s.name, err)
			}
			if len(page) == 0 {
				break
			}
			for _, one := range page {
				ids = append(ids, one.ResourceObjectId)
			}
			about.OptionalCursor = page[len(page)-1].AfterResultCursor
		}
		s.note("pages", strings.Join(slices.Compact(sorted(ids)), " "))
		first, err := received[*v1.LookupResourcesRequest, *v1.LookupResourcesResponse](s, s.LookupResources, &v1.LookupResourcesRequest{Consistency: full(), ResourceObjectType: "document", Permission: "view", Subject: subject("user:alice"), OptionalLimit: 1})
		if err != nil || len(first) == 0 {
			t.Fatal(s.name, err)
		}
		for name, change := range map[string]func(*v1.LookupResourcesRequest){
			"permission": func(r *v1.LookupResourcesRequest) { r.Permission = "edit" },
			"subject":    func(r *v1.LookupResourcesRequest) { r.Subject = subject("user:bob") },
			"type":       func(r *v1.LookupResourcesRequest) { r.ResourceObjectType = "folder" },
			"context":    func(r *v1.LookupResourcesRequest) { r.Context = values(`{"age":3}`) },
			"limit":      func(r *v1.LookupResourcesRequest) { r.OptionalLimit = 50 },
			"no limit":   func(r *v1.LookupResourcesRequest) { r.OptionalLimit = 0 },
		} {
			r := &v1.LookupResourcesRequest{Consistency: full(), ResourceObjectType: "document", Permission: "view", Subject: subject("user:alice"), OptionalLimit: 1, OptionalCursor: first[0].AfterResultCursor}
			change(r)
			_, err := received[*v1.LookupResourcesRequest, *v1.LookupResourcesResponse](s, s.LookupResources, r)
			s.note("cursor of another "+name, refusal(err))
		}
	},
		difference{`^resources nonsense of user:\*`, `FailedPrecondition UNKNOWN_RELATION`, `InvalidArgument WILDCARD_NOT_ALLOWED`, `of two mistakes either may be told`},
		difference{`^resources both of .*"x"`, `InvalidArgument CAVEAT_PARAMETER_TYPE_ERROR`, ``, `no caveat is evaluated whose answer could not matter`},
		difference{`^no wildcards`, ``, ``, `the option is honoured`},
		difference{`^cursor of another (no )?limit`, `InvalidArgument INVALID_CURSOR`, `OK`, `a cursor is a place, and goes on with any limit`},
	)
}

// TestTrees expands.
func TestTrees(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		s.given(office, papers)
		for _, about := range []string{"document:plan view", "document:plan both", "document:two all", "document:two any", "document:plan nobody", "document:none view", "document:open view",
			"document:day view", "document:late view", "team:all member", "team:all everyone", "document:plan reader", "document:team reader", "document:plan folder", "document:plan nonsense", "nonsense:plan view", "document:* view", "document: view", "document:plan "} {
			resource, permission, _ := strings.Cut(about, " ")
			unary(s, about, s.ExpandPermissionTree, &v1.ExpandPermissionTreeRequest{Consistency: full(), Resource: object(resource), Permission: permission})
		}
	},
		difference{`^document:plan $`, `FailedPrecondition`, `InvalidArgument`, `as for checks`},
	)
}
