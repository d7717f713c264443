//lint:file-ignore SA1019 the older calls are compared too

package spicedbtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// TestSchemas writes, reads and describes schemas.
func TestSchemas(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		unary(s, "read none", s.ReadSchema, &v1.ReadSchemaRequest{})
		unary(s, "reflect none", s.ReflectSchema, &v1.ReflectSchemaRequest{Consistency: full()})
		unary(s, "diff none", s.DiffSchema, &v1.DiffSchemaRequest{Consistency: full(), ComparisonSchema: "definition user {}"})
		unary(s, "computable of none", s.ComputablePermissions, &v1.ComputablePermissionsRequest{Consistency: full(), DefinitionName: "user", RelationName: "x"})
		unary(s, "check none", s.CheckPermission, &v1.CheckPermissionRequest{Consistency: full(), Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")})
		unary(s, "write none", s.WriteRelationships, &v1.WriteRelationshipsRequest{Updates: updates(create, rel("document:plan#reader@user:x"))})
		listed(s, "read relationships of none", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document")})
		s.exported("export none", &v1.ExportBulkRelationshipsRequest{Consistency: full()})
		unary(s, "delete none", s.DeleteRelationships, &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("document")})
		unary(s, "write an empty one", s.WriteSchema, &v1.WriteSchemaRequest{})
		s.given(office, papers)
		for _, text := range []string{
			"nonsense", "definition", "definition user {", "definition user {} definition user {}", "definition user { relation x: nonsense }", "definition user { permission x = nonsense }", "definition user { permission x = x }", "definition user { permission x = y permission y = x }",
			"definition user { relation a: user relation a: user }", "definition user { relation a: user permission a = a }", "definition User {}", "definition us {}", "definition u {}", "definition user { relation a: user:* permission b = a->x }", "definition user { relation a: user permission b = a->nonsense }",
			"definition user { relation a: user#nonsense }", "definition user { relation a: user with nonsense }", "caveat c(x int) { x > y } definition user {}", "caveat c(x int) { x } definition user {}", "caveat c() { true } definition user {}", "caveat c(x nonsense) { true } definition user {}", "caveat c(x int) { 1 == 1 } definition user {}",
			"definition user { relation a: user with expiration }", "use nonsense definition user {}", "definition user { relation a: user | user }", "definition user { relation a: user#a }", "definition user { permission a = nil + nil }", "definition user {} // comment", "definition a/user {}", "definition user { relation a: user permission b = a & }",
			"definition user { permission b = a.nonsense(x) }", "definition user { relation a: user relation b: user:* relation c: user#b permission d = c }", "definition user { relation " + strings.Repeat("x", 65) + ": user }", "definition user { relation ab: user } definition doc { relation r: user permission p = r->ab permission q = r.all(ab) permission z = p - q & r }",
			"definition user {} definition doc { relation r: user:*#x }", "definition user {} definition doc { relation parent: doc relation r: user permission p = r + parent->p }", "definition user {} caveat user(x int) { x > 1 }", "use self definition user { permission a = self }", "definition self {}", "definition user { relation self: user }",
			"definition user {} partial x { relation a: user } definition doc { ...x }", "use partial partial x { relation a: user } definition user {} definition doc { ...x }", "definition user { permission x = }", "definition user { relation x }", "definition user { relation x: user permission y = (x }",
			"use typechecking definition user { relation a: user permission x: user = a }", "use typechecking definition user {} definition bot {} definition d { relation a: user permission x: bot = a }", "use deprecation definition user { @deprecated(warn) relation a: user }", "use deprecation @deprecated(error, \"gone\") definition bot {} definition user {}", "definition user {\n\trelation any: user:*\n\tpermission all = any->any\n}", "definition user {\n\tpermission any = any\n}", "definition user {\n\trelation any: user | user\n}", "caveat any(x int) { true }\ndefinition user {\n}", "definition user {\n\trelation any: nobody\n}",
		} {
			unary(s, "diff "+text[:min(len(text), 110)], s.DiffSchema, &v1.DiffSchemaRequest{Consistency: full(), ComparisonSchema: text})
		}
		for _, text := range []string{"nonsense", "definition user { permission x = nonsense }", "definition user { relation x: nonsense }", "definition user {}", strings.Replace(office, "definition bot {}", "", 1), strings.Replace(office, "user | bot", "user", 1), strings.Replace(office, "relation banned: user | user:* | user with adult\n", "permission banned = reader\n", 1),
			strings.Replace(office, "user with on_day | ", "", 1), strings.Replace(office, "age >= 18", "age >= 21", 1), strings.Replace(office, "age int", "age uint", 1), strings.Replace(office, "permission nobody = nil\n", "", 1), strings.Replace(office, "permission everyone = member\n", "", 1), office} {
			unary(s, fmt.Sprint("write ", text[:min(len(text), 40)], len(s.steps)), s.WriteSchema, &v1.WriteSchemaRequest{Schema: text})
		}
		s.given(office, papers)
		unary(s, "reflect", s.ReflectSchema, &v1.ReflectSchemaRequest{Consistency: full()})
		unary(s, "older reflect", s.ExperimentalReflectSchema, &v1.ExperimentalReflectSchemaRequest{Consistency: full()})
		for _, f := range []*v1.ReflectionSchemaFilter{{OptionalDefinitionNameFilter: "doc"}, {OptionalCaveatNameFilter: "a"}, {OptionalRelationNameFilter: "v"}, {OptionalDefinitionNameFilter: "doc", OptionalRelationNameFilter: "b"}, {OptionalDefinitionNameFilter: "doc", OptionalPermissionNameFilter: "v"}, {OptionalDefinitionNameFilter: "d", OptionalCaveatNameFilter: "a"}, {OptionalPermissionNameFilter: "v"}, {}} {
			unary(s, fmt.Sprint("reflect ", f.OptionalDefinitionNameFilter, ",", f.OptionalCaveatNameFilter, ",", f.OptionalRelationNameFilter, ",", f.OptionalPermissionNameFilter), s.ReflectSchema, &v1.ReflectSchemaRequest{Consistency: full(), OptionalFilters: []*v1.ReflectionSchemaFilter{f}})
		}
		for _, of := range []string{"user", "user#x", "user#", "document#reader", "document#writer", "folder#viewer", "folder#view", "document#view", "team#member", "team#everyone", "nonsense#x", "nonsense", "document#nonsense", "document#nobody", "document#folder", "folder#parent", "document#banned"} {
			kind, name, _ := strings.Cut(of, "#")
			unary(s, "computable "+of, s.ComputablePermissions, &v1.ComputablePermissionsRequest{Consistency: full(), DefinitionName: kind, RelationName: name})
			unary(s, "dependent "+of, s.DependentRelations, &v1.DependentRelationsRequest{Consistency: full(), DefinitionName: kind, PermissionName: name})
		}
		unary(s, "computable of d", s.ComputablePermissions, &v1.ComputablePermissionsRequest{Consistency: full(), DefinitionName: "document", RelationName: "writer", OptionalDefinitionNameFilter: "f"})
		for name, text := range map[string]string{
			"the same": office, "less": strings.Replace(office, "permission nobody = nil\n", "", 1), "more": office + "definition more { relation a: user permission b = a }", "a type less": strings.Replace(office, "user | bot", "user", 1), "a caveat": strings.Replace(office, "age >= 18", "age >= 21", 1),
			"a parameter": strings.Replace(office, "age int", "age int, place string", 1), "a parameter's type": strings.Replace(office, "age int", "age uint", 1), "an expression": strings.Replace(office, "reader & writer", "reader + writer", 1), "comments": strings.Replace(office, "definition bot", "// a robot\ndefinition bot", 1),
			"comments inside": strings.Replace(office, "permission both", "// twice\n\tpermission both", 1), "relation to permission": strings.Replace(office, "permission both = reader & writer", "relation both: user", 1), "a definition less": "definition user {}", "caveat gone": strings.Replace(strings.Replace(office, "user with on_day | ", "", 1), "caveat on_day(day string, allowed list<string>) {\n\tday in allowed\n}\n", "", 1),
			"a comment of a caveat": strings.Replace(office, "caveat adult", "/** old enough */\ncaveat adult", 1), "the order of a union": strings.Replace(office, "viewer + parent->view", "parent->view + viewer", 1), "parentheses": strings.Replace(office, "viewer + parent->view", "(viewer) + (parent->view)", 1), "comment of a relation": strings.Replace(office, "relation parent", "// up\n\trelation parent", 1),
			"a renamed parameter": strings.NewReplacer("age int", "years int", "age >=", "years >=").Replace(office),
		} {
			unary(s, "diff of "+name, s.DiffSchema, &v1.DiffSchemaRequest{Consistency: full(), ComparisonSchema: text})
			unary(s, "older diff of "+name, s.ExperimentalDiffSchema, &v1.ExperimentalDiffSchemaRequest{Consistency: full(), ComparisonSchema: text})
		}
	},
		difference{`none$`, ``, `NotFound`, `as from ReadSchema`},
		difference{`^export none`, ``, `FailedPrecondition`, `as from a read`},
		difference{`^write `, `InvalidArgument SCHEMA_TYPE_ERROR`, `InvalidArgument SCHEMA_TYPE_ERROR`, `SpiceDB names one of the relationships in the way, Tupelo how many there are, in its text`},
		difference{`^(computable|dependent) nonsense`, `FailedPrecondition SCHEMA_TYPE_ERROR`, `FailedPrecondition UNKNOWN_DEFINITION`, `the reason says more`},
	)
}

// TestTheRest counts, imports, exports, and asks for versions and with other keys.
func TestTheRest(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		s.given(office, papers)
		s.counters()
		s.imports()
		s.exports()
		for name, value := range map[string][]string{"no": {"authorization", ""}, "wrong": {"authorization", "Bearer nonsense"}, "basic": {"authorization", "Basic " + key}, "small": {"authorization", "bearer " + key}} {
			_, err := s.ReadSchema(metadata.AppendToOutgoingContext(t.Context(), value...), &v1.ReadSchemaRequest{})
			s.note(name+" key", refusal(err))
		}
		var header, trailer metadata.MD
		_, err := s.ReadSchema(metadata.AppendToOutgoingContext(t.Context(), "io.spicedb.requestversion", "true"), &v1.ReadSchemaRequest{}, grpc.Header(&header))
		s.note("version", fmt.Sprint(err, header.Len() > 1))
		_, _ = s.CheckPermission(t.Context(), &v1.CheckPermissionRequest{Consistency: full(), Resource: object("document:plan"), Permission: "view", Subject: subject("user:alice")}, grpc.Header(&header), grpc.Trailer(&trailer))
		s.note("header", fmt.Sprint(slices.Sorted(maps.Keys(header)), slices.Sorted(maps.Keys(trailer))))
	},
		difference{`^(register|count named|count after|unregister)`, `InvalidArgument`, ``, `names of counters are free`},
		difference{`^(register|count) document#view`, `{`, `FailedPrecondition`, `a permission is never stored`},
		difference{`^count`, `{"readCounterValue"`, `{"readCounterValue"`, `what has expired counts until it is deleted`},
		difference{`^import `, `Unknown`, `InvalidArgument`, `Unknown tells a client nothing`},
		difference{`^export with another filter`, ``, `InvalidArgument INVALID_CURSOR`, `it is not the cursor of that export`},
		difference{`^export with an empty cursor`, `Internal`, `InvalidArgument INVALID_CURSOR`, `it is a mistake of the client`},
		difference{`^wrong key`, `PermissionDenied`, `Unauthenticated`, `who calls is not known, as without a key`},
		difference{`^(no|basic) key`, `Unauthenticated`, `Unauthenticated UNAUTHENTICATED`, `it is told before the call is any protocol's`},
		difference{`^version`, ``, ``, `a SpiceDB that was built by go install has none`},
		difference{`^header`, ``, ``, `nothing is dispatched`},
	)
}

func (s *side) counters() {
	for _, name := range []string{"docs", "docs", "", "Docs", "a b", strings.Repeat("x", 65), "1docs", "d"} {
		unary(s, fmt.Sprintf("register %s %d", name, len(s.steps)), s.ExperimentalRegisterRelationshipCounter, &v1.ExperimentalRegisterRelationshipCounterRequest{Name: name, RelationshipFilter: filter("document")})
	}
	unary(s, "register without filter", s.ExperimentalRegisterRelationshipCounter, &v1.ExperimentalRegisterRelationshipCounterRequest{Name: "nothing"})
	for i, text := range []string{"", "nonsense", "document#nonsense", "document#view", "@user:carol", "document:plan#reader@user", "document:p%", "document#reader@nonsense"} {
		unary(s, "register "+text, s.ExperimentalRegisterRelationshipCounter, &v1.ExperimentalRegisterRelationshipCounterRequest{Name: fmt.Sprintf("counter%d", i), RelationshipFilter: filter(text)})
		unary(s, "count "+text, s.ExperimentalCountRelationships, &v1.ExperimentalCountRelationshipsRequest{Name: fmt.Sprintf("counter%d", i)})
	}
	for _, name := range []string{"docs", "none", "", "Docs"} {
		unary(s, "count named "+name, s.ExperimentalCountRelationships, &v1.ExperimentalCountRelationshipsRequest{Name: name})
		unary(s, "unregister "+name, s.ExperimentalUnregisterRelationshipCounter, &v1.ExperimentalUnregisterRelationshipCounterRequest{Name: name})
		unary(s, "count after "+name, s.ExperimentalCountRelationships, &v1.ExperimentalCountRelationshipsRequest{Name: name})
	}
}

func (s *side) imports() {
	put := func(step string, batches ...[]*v1.Relationship) {
		ctx, cancel := context.WithTimeout(s.t.Context(), patience)
		defer cancel()
		stream, err := s.ImportBulkRelationships(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, batch := range batches {
			if stream.Send(&v1.ImportBulkRelationshipsRequest{Relationships: batch}) != nil {
				break
			}
		}
		answer, err := stream.CloseAndRecv()
		if err != nil {
			s.note(step, refusal(err))
			return
		}
		s.note(step, spelled(answer))
	}
	put("import nothing")
	put("import an empty batch", nil)
	put("import", rels("document:i#reader@user:a\ndocument:i#reader@user:b[adult]"), rels("document:i#reader@user:c[expiration:2101-01-01T00:00:00Z]"))
	put("import again", rels("document:i#reader@user:a"))
	put("import twice", rels("document:j#reader@user:a\ndocument:j#reader@user:a"))
	put("import twice in two", rels("document:k#reader@user:a"), rels("document:k#reader@user:a"))
	for _, text := range []string{"nonsense:i#reader@user:a", "document:i#nonsense@user:a", "document:i#view@user:a", "document:i#reader@bot:a", "document:i#reader@user:x[nonsense]", "document:i#writer@user:x[adult]", "document:i#reader@nonsense:a", "document:*#reader@user:a", "document:i#reader@user:z[adult:{\"age\":\"x\"}]", "document:i#reader@team:x#nonsense", "document:a b#reader@user:x", "document:i#reader@user:"} {
		put("import "+text, rels(text))
	}
	listed(s, "imported", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document:i")})
}

// exported notes what an export has, whatever its messages and their order.
func (s *side) exported(step string, r *v1.ExportBulkRelationshipsRequest) {
	found, err := received[*v1.ExportBulkRelationshipsRequest, *v1.ExportBulkRelationshipsResponse](s, s.ExportBulkRelationships, r)
	var all []string
	for _, page := range found {
		for _, one := range page.Relationships {
			all = append(all, spelled(one))
		}
	}
	all = sorted(all)
	if err != nil {
		all = append(all, refusal(err))
	}
	s.note(step, strings.Join(all, "\n        "))
}

func (s *side) exports() {
	var all []string
	request := &v1.ExportBulkRelationshipsRequest{Consistency: full(), OptionalLimit: 7}
	var cursor *v1.Cursor
	for pages := 0; pages < 50; pages++ {
		ctx, cancel := context.WithCancel(s.t.Context())
		stream, err := s.ExportBulkRelationships(ctx, request)
		if err != nil {
			s.t.Fatal(err)
		}
		page, err := stream.Recv()
		cancel()
		if err != nil {
			break
		}
		if len(page.Relationships) > 7 {
			all = append(all, "a page is too large")
		}
		for _, r := range page.Relationships {
			all = append(all, spelled(r))
		}
		cursor = page.AfterResultCursor
		request = proto.Clone(request).(*v1.ExportBulkRelationshipsRequest)
		request.OptionalCursor = cursor
		if pages == 0 {
			s.wrote(updates(touch, rel("document:zzz#reader@user:later"))...)
			request.Consistency = nil
		}
	}
	s.note("exported", strings.Join(sorted(all), "\n        "))
	for name, r := range map[string]*v1.ExportBulkRelationshipsRequest{
		"a bad cursor": {OptionalCursor: &v1.Cursor{Token: "x"}}, "an empty cursor": {OptionalCursor: &v1.Cursor{}}, "10001": {OptionalLimit: 10001}, "10000": {OptionalLimit: 10000, OptionalRelationshipFilter: filter("team")},
		"another filter": {OptionalCursor: cursor, OptionalRelationshipFilter: filter("team")},
	} {
		r.Consistency = full()
		s.exported("export with "+name, r)
	}
}
