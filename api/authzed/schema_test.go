package authzed

import (
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	"github.com/tupelodb/tupelo/schema"
)

// write writes a schema.
func (c testClient) write(t testing.TB, text string) *v1.ZedToken {
	t.Helper()
	written, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return written.WrittenAt
}

func TestASchemaIsReadAsItWasWritten(t *testing.T) {
	c := newClient(t)
	for _, text := range []string{gitclub, "// users\ndefinition user   {}\n", gitclub} {
		if c.write(t, text).GetToken() == "" {
			t.Error("written at no token")
		}
		read, err := c.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if read.SchemaText != text || read.ReadAt.GetToken() == "" {
			t.Errorf("read %q at %q, wrote %q", read.SchemaText, read.ReadAt, text)
		}
	}
}

func TestBeforeTheFirstSchemaThereIsNone(t *testing.T) {
	c := newClient(t)
	_, err := c.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
	wantRefusal(t, err, codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	_, err = c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{})
	wantRefusal(t, err, codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	_, err = c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{ComparisonSchema: gitclub})
	wantRefusal(t, err, codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	_, err = c.ComputablePermissions(t.Context(), &v1.ComputablePermissionsRequest{DefinitionName: "user"})
	wantRefusal(t, err, codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	_, err = c.DependentRelations(t.Context(), &v1.DependentRelationsRequest{DefinitionName: "user", PermissionName: "see"})
	wantRefusal(t, err, codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
}

func TestAnEmptyTextTakesEverythingAway(t *testing.T) {
	c := newClient(t)
	c.write(t, gitclub)
	c.write(t, "")
	_, err := c.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
	wantRefusal(t, err, codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	reflected, err := c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{})
	if err != nil || len(reflected.Definitions)+len(reflected.Caveats) != 0 {
		t.Errorf("%v, %v", reflected, err)
	}
}

func TestAnOlderSchemaIsReflectedAtItsToken(t *testing.T) {
	c := newClient(t)
	older := c.write(t, "definition user {}\n")
	c.write(t, gitclub)
	at := &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: older}}
	reflected, err := c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{Consistency: at})
	if err != nil || len(reflected.Definitions) != 1 || reflected.ReadAt.GetToken() != older.GetToken() {
		t.Errorf("%v, %v", reflected, err)
	}
	diff, err := c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{Consistency: at, ComparisonSchema: "definition user {}"})
	if err != nil || len(diff.Diffs) != 0 {
		t.Errorf("%v, %v", diff, err)
	}
	_, err = c.ComputablePermissions(t.Context(), &v1.ComputablePermissionsRequest{Consistency: at, DefinitionName: "team"})
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
}

func TestATextThatIsNoSchemaIsToldByItsPlace(t *testing.T) {
	c := newClient(t)
	c.write(t, "definition user {}")
	for _, text := range []string{
		"definition user {}\ndefinition doc {\n\trelation: user\n}",
		"definition user {}\ndefinition user {}",
		"definition user {}\ncaveat late(hour int) { hour > missing }",
		"use flying\ndefinition user {}",
		"import \"other.zed\"\ndefinition user {}",
		// A text that is no schema is that, whatever else is wrong with it.
		"definition doc {\n\trelation owner: nobody\n}\ndefinition doc {}",
	} {
		_, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text})
		about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_PARSE_ERROR)
		lines := strings.Split(text, "\n")
		if len(about) != 5 || about["source_code"] == "" || about["start_line_number"] != about["end_line_number"] {
			t.Errorf("%v: %v", err, about)
		}
		if strings.Contains(text, "relation:") {
			want := map[string]string{
				"start_line_number": "2", "start_column_position": "9", "end_line_number": "2", "end_column_position": "9", "source_code": ":",
			}
			if diff := cmp.Diff(want, about); diff != "" || lines[2][9:10] != ":" {
				t.Errorf("-want +got\n%s", diff)
			}
		}
		_, err = c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{ComparisonSchema: text})
		wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_PARSE_ERROR)
	}
	// What is wrong with the whole has no place.
	_, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: strings.Repeat(" ", 1<<20+1)})
	if about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_PARSE_ERROR); len(about) != 0 {
		t.Errorf("%v", about)
	}
}

func TestWhatASchemaCannotMeanIsToldByItsNames(t *testing.T) {
	c := newClient(t)
	const types = "definition user {}\ndefinition team {\n\trelation member: user | user:*\n}\n"
	doc := func(body string) string { return types + "definition doc {\n" + body + "\n}" }
	type names = map[string]string
	for _, test := range []struct {
		text string
		want names
	}{
		{doc("relation owner: person"), names{"definition_name": "person"}},
		{doc("relation owner: team#owner"), names{"definition_name": "team", "relation_or_permission_name": "owner"}},
		{doc("relation owner: user with late"), names{"caveat_name": "late"}},
		{doc("relation owner: user\nrelation owner: user"), names{"definition_name": "doc", "relation_or_permission_name": "owner"}},
		{doc("relation owner: user | user"), names{"definition_name": "doc", "relation_name": "owner", "allowed_relation": "user"}},
		{doc("permission see = owner"), names{"definition_name": "doc", "relation_or_permission_name": "owner"}},
		{doc("permission see = owner->member"), names{"definition_name": "doc", "relation_or_permission_name": "owner"}},
		{doc("relation team: team\npermission all = team\npermission see = all->member"),
			names{"definition_name": "doc", "permission_name": "see", "used_permission_name": "all"}},
		{doc("relation team: team:*\npermission see = team->member"),
			names{"definition_name": "doc", "permission_name": "see", "accessed_relation_name": "team"}},
		{doc("permission one = two\npermission two = one"), names{"definition_name": "doc", "permission_names": "one,two"}},
		{"use typechecking\n" + doc("relation owner: user\npermission see: team = owner"), nil},
		{"caveat late(hour int, day int) { hour > 9 }\n" + types, names{"caveat_name": "late", "parameter_name": "day"}},
	} {
		_, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: test.text})
		about := wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR)
		if diff := cmp.Diff(test.want, about); diff != "" {
			t.Errorf("%v: -want +got\n%s", err, diff)
		}
	}
}

func TestEveryKindOfProblemHasNamesHere(t *testing.T) {
	for kind, called := range aboutNames {
		if called.name == "" && kind != schema.IncompleteAnnotation { // of which SpiceDB names nothing
			t.Errorf("kind %d does not name what is at fault", kind)
		}
	}
}

func TestASchemaThatStrandsRelationshipsIsToldByWhatItTakesAway(t *testing.T) {
	shared := rel("repository", "site", "reader", "team", "core", "member")
	c := seeded(t, shared)
	const team = "definition user {}\ndefinition team {\n\trelation member: user | team#member\n}\n"
	type names = map[string]string
	for _, test := range []struct {
		text string
		want names
	}{
		{"", names{"operation": "delete_object_definition", "resource_type": "repository"}},
		{team + "definition repository {}", names{"operation": "delete_relation", "resource_type": "repository", "relation": "reader"}},
		{team + "definition repository {\n\trelation owner: user\n\tpermission reader = owner\n}",
			names{"operation": "delete_relation", "resource_type": "repository", "relation": "reader"}},
		{team + "definition repository {\n\trelation reader: user | team\n}",
			names{"operation": "remove_allowed_type", "resource_type": "repository", "relation": "reader", "allowed_type": "team#member"}},
	} {
		_, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: test.text})
		about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR)
		if diff := cmp.Diff(test.want, about); diff != "" {
			t.Errorf("%v: -want +got\n%s", err, diff)
		}
	}
	c.write(t, team+"definition repository {\n\trelation reader: team#member\n}")
}

func TestACaveatKeepsTheParametersThatContextsHaveValuesFor(t *testing.T) {
	c := newClient(t)
	c.write(t, "definition user {}\ncaveat late(hour int, day string) { hour > 9 && day == 'monday' }")
	type names = map[string]string
	for text, want := range map[string]names{
		"caveat late(hour int) { hour > 9 }":                                      {"operation": "remove_parameter", "caveat_name": "late", "parameter_name": "day"},
		"caveat late(hour double, day string) { hour > 9.0 && day == 'monday' }":  {"operation": "change_parameter_type", "caveat_name": "late", "parameter_name": "hour"},
		"caveat late(hour int, day list<string>) { hour > 9 && 'monday' in day }": {"operation": "change_parameter_type", "caveat_name": "late", "parameter_name": "day"},
	} {
		_, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: "definition user {}\n" + text})
		about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR)
		if diff := cmp.Diff(want, about); diff != "" {
			t.Errorf("%v: -want +got\n%s", err, diff)
		}
	}
	c.write(t, "caveat late(day string, hour int, more bool) { more || hour > 9 && day == 'monday' }")
	c.write(t, "definition user {}")
	c.write(t, "caveat late(hour double) { hour > 9.0 }")
}

func TestLongWordsOfASchemaDoNotMakeAStatusThatIsLost(t *testing.T) {
	c := newClient(t)
	long := strings.Repeat("long", 100_000)
	_, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: "definition user {}\ndefinition doc {\n\trelation owner: user with " + long + "\n}"})
	about := wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR)
	if name := about["caveat_name"]; len(name) != maxWordBytes || len(err.Error()) > maxMessageBytes+200 {
		t.Errorf("%d bytes, and a message of %d", len(name), len(err.Error()))
	}
	_, err = c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: "definition " + long + " {}\ndefinition ! {}"})
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_PARSE_ERROR)
}
