package authzed

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tupelodb/tupelo/internal/golden"
)

// asked splits the lines that begin with a question mark from the schema below them.
func asked(input string) (questions []string, text string) {
	for strings.HasPrefix(input, "?") {
		var question string
		question, input, _ = strings.Cut(input, "\n")
		questions = append(questions, strings.TrimSpace(question[1:]))
	}
	return questions, input
}

// line spells a message as JSON on one line.
func line(t *testing.T, message proto.Message) string {
	t.Helper()
	text, err := protojson.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	var spelled bytes.Buffer
	if err := json.Compact(&spelled, text); err != nil { // protojson's blanks are random
		t.Fatal(err)
	}
	return strings.ReplaceAll(spelled.String(), "\\u003e", ">") + "\n"
}

func TestReflectSchemaTellsWhatFiltersSelect(t *testing.T) {
	c := newClient(t)
	golden.Cases(t, "testdata/reflect.txt", func(t *testing.T, input string) (got string) {
		questions, text := asked(input)
		c.write(t, text)
		request := &v1.ReflectSchemaRequest{}
		for _, question := range questions {
			filter := &v1.ReflectionSchemaFilter{}
			for part := range strings.FieldsSeq(question) {
				field, prefix, _ := strings.Cut(part, "=")
				name := protoreflect.Name("optional_" + field + "_name_filter")
				filter.ProtoReflect().Set(filter.ProtoReflect().Descriptor().Fields().ByName(name), protoreflect.ValueOfString(prefix))
			}
			request.OptionalFilters = append(request.OptionalFilters, filter)
		}
		reflected, err := c.ReflectSchema(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range reflected.Definitions {
			got += line(t, d)
		}
		for _, caveat := range reflected.Caveats {
			got += line(t, caveat)
		}
		return got
	})
}

func TestFiltersThatSelectNothingAreRefused(t *testing.T) {
	c := seeded(t)
	for _, filter := range []*v1.ReflectionSchemaFilter{
		{OptionalDefinitionNameFilter: "doc", OptionalCaveatNameFilter: "late"},
		{OptionalRelationNameFilter: "owner"},
		{OptionalCaveatNameFilter: "late", OptionalRelationNameFilter: "owner"},
		{OptionalDefinitionNameFilter: "doc", OptionalRelationNameFilter: "owner", OptionalPermissionNameFilter: "view"},
		{OptionalPermissionNameFilter: "view"},
	} {
		_, err := c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{
			OptionalFilters: []*v1.ReflectionSchemaFilter{{OptionalDefinitionNameFilter: "user"}, filter},
		})
		about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER)
		if about["filter"] == "" {
			t.Errorf("%v: %v", err, about)
		}
	}
}

func TestDiffSchemaTellsWhatIsWrittenDifferently(t *testing.T) {
	c := newClient(t)
	told := make(map[protoreflect.Name]bool)
	golden.Cases(t, "testdata/diff.txt", func(t *testing.T, input string) (got string) {
		before, after, _ := strings.Cut(input, "~~~\n")
		c.write(t, before)
		diff, err := c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{ComparisonSchema: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range diff.Diffs {
			got += line(t, d)
			r := d.ProtoReflect()
			told[r.WhichOneof(r.Descriptor().Oneofs().ByName("diff")).Name()] = true
		}
		return got
	})
	fields := (&v1.ReflectionSchemaDiff{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		if name := fields.Get(i).Name(); !told[name] {
			t.Errorf("no case tells %s", name)
		}
	}
}

func TestDiffSchemaDoesNotCompareWithMembersThatAreThereTwice(t *testing.T) {
	c := seeded(t)
	_, err := c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{ComparisonSchema: "definition user {\nrelation one: user\nrelation one: user\n}"})
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR)
}

func TestComputableAndDependentMembersAreFound(t *testing.T) {
	c := newClient(t)
	golden.Cases(t, "testdata/depend.txt", func(t *testing.T, input string) (got string) {
		questions, text := asked(input)
		c.write(t, text)
		for _, question := range questions {
			got += question + ":"
			for _, r := range c.depend(t, question) {
				got += " " + r.DefinitionName + "#" + r.RelationName
				if r.IsPermission {
					got += "="
				}
			}
			got += "\n"
		}
		return got
	})
}

// depend asks `computable type#relation in prefix` or `dependent type#permission`.
func (c testClient) depend(t *testing.T, question string) []*v1.ReflectionRelationReference {
	t.Helper()
	question, prefix, _ := strings.Cut(question, " in ")
	call, of, _ := strings.Cut(question, " ")
	definition, member, _ := strings.Cut(of, "#")
	if call == "dependent" {
		answer, err := c.DependentRelations(t.Context(), &v1.DependentRelationsRequest{DefinitionName: definition, PermissionName: member})
		if err != nil {
			t.Fatal(err)
		}
		return answer.Relations
	}
	answer, err := c.ComputablePermissions(t.Context(), &v1.ComputablePermissionsRequest{
		DefinitionName: definition, RelationName: member, OptionalDefinitionNameFilter: prefix,
	})
	if err != nil {
		t.Fatal(err)
	}
	return answer.Permissions
}

func TestUnknownMembersDependOnNothing(t *testing.T) {
	c := seeded(t)
	_, err := c.ComputablePermissions(t.Context(), &v1.ComputablePermissionsRequest{DefinitionName: "doc"})
	about := wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
	if about["definition_name"] != "doc" {
		t.Errorf("%v", about)
	}
	_, err = c.ComputablePermissions(t.Context(), &v1.ComputablePermissionsRequest{DefinitionName: "team", RelationName: "owner"})
	about = wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	if about["definition_name"] != "team" || about["relation_or_permission_name"] != "owner" {
		t.Errorf("%v", about)
	}
	ask := func(definition, permission string) error {
		_, err := c.DependentRelations(t.Context(), &v1.DependentRelationsRequest{DefinitionName: definition, PermissionName: permission})
		return err
	}
	wantRefusal(t, ask("doc", "view"), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
	wantRefusal(t, ask("team", ""), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	about = wantRefusal(t, ask("team", "member"), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	if about["relationName"] != "member" {
		t.Errorf("%v", about)
	}
}
