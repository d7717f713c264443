//lint:file-ignore SA1019 clients may still use the names that are deprecated

package authzed

import (
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/testing/protocmp"
)

// same fails unless two messages have the same fields on the wire.
func same(t *testing.T, a, b protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) {
	t.Helper()
	if seen[a.FullName()] {
		return
	}
	seen[a.FullName()] = true
	if a.Fields().Len() != b.Fields().Len() {
		t.Errorf("%s and %s", a.FullName(), b.FullName())
	}
	for i := range a.Fields().Len() {
		f := a.Fields().Get(i)
		g := b.Fields().ByNumber(f.Number())
		if g == nil || f.Name() != g.Name() || f.Kind() != g.Kind() || f.Cardinality() != g.Cardinality() {
			t.Errorf("%s and %v", f.FullName(), g)
			continue
		}
		if f.Message() != nil {
			same(t, f.Message(), g.Message(), seen)
		}
	}
}

func TestTheOlderNamesOfReflectionSayTheSame(t *testing.T) {
	c := seeded(t)
	compare := func(older, newer proto.Message, err1, err2 error) {
		t.Helper()
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		same(t, older.ProtoReflect().Descriptor(), newer.ProtoReflect().Descriptor(), make(map[protoreflect.FullName]bool))
		again := newer.ProtoReflect().New().Interface()
		if err := reread(older, again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(newer, again, protocmp.Transform()); diff != "" || proto.Size(newer) < 100 {
			t.Errorf("-newer +older\n%s", diff)
		}
	}
	reflect1, err1 := c.ExperimentalReflectSchema(t.Context(), &v1.ExperimentalReflectSchemaRequest{
		OptionalFilters: []*v1.ExpSchemaFilter{{OptionalDefinitionNameFilter: "repo"}},
	})
	reflect2, err2 := c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{
		OptionalFilters: []*v1.ReflectionSchemaFilter{{OptionalDefinitionNameFilter: "repo"}},
	})
	compare(reflect1, reflect2, err1, err2)
	const other = "definition user {}\n// no more\ndefinition team {}"
	diff1, err1 := c.ExperimentalDiffSchema(t.Context(), &v1.ExperimentalDiffSchemaRequest{ComparisonSchema: other})
	diff2, err2 := c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{ComparisonSchema: other})
	compare(diff1, diff2, err1, err2)
	computable1, err1 := c.ExperimentalComputablePermissions(t.Context(), &v1.ExperimentalComputablePermissionsRequest{DefinitionName: "user"})
	computable2, err2 := c.ComputablePermissions(t.Context(), &v1.ComputablePermissionsRequest{DefinitionName: "user"})
	compare(computable1, computable2, err1, err2)
	depend1, err1 := c.ExperimentalDependentRelations(t.Context(), &v1.ExperimentalDependentRelationsRequest{DefinitionName: "repository", PermissionName: "pull"})
	depend2, err2 := c.DependentRelations(t.Context(), &v1.DependentRelationsRequest{DefinitionName: "repository", PermissionName: "pull"})
	compare(depend1, depend2, err1, err2)
	_, err := c.ExperimentalComputablePermissions(t.Context(), &v1.ExperimentalComputablePermissionsRequest{DefinitionName: "doc"})
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
}
