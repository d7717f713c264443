package authzed

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/internal/golden"
)

const expanded = `
use self

definition user {
	permission myself = self
}

definition team {
	relation member: user | team#member
}

definition folder {
	relation parent: folder
	relation viewer: user
	permission view = viewer + parent->view
}

definition document {
	relation folder: folder | team
	relation reader: user | user:* | team#member
	relation banned: user
	permission read = reader
	permission view = (read + folder->view) - banned
	permission twice = read & (reader + banned + (read + nil)) & folder.all(view)
}
`

func expandedWorld(t testing.TB) testClient {
	t.Helper()
	return withWorld(t, expanded,
		rel("folder", "root", "viewer", "user", "ana", ""),
		rel("folder", "sub", "parent", "folder", "root", ""),
		rel("folder", "a", "parent", "folder", "b", ""),
		rel("folder", "b", "parent", "folder", "a", ""),
		rel("document", "plan", "folder", "folder", "sub", ""),
		rel("document", "plan", "reader", "team", "core", "member"),
		rel("document", "plan", "reader", "user", "*", ""),
		rel("document", "plan", "reader", "user", "bo", ""),
		rel("document", "plan", "banned", "user", "eve", ""),
		rel("document", "draft", "folder", "folder", "sub", ""),
		rel("document", "draft", "folder", "team", "core", ""),
		rel("team", "core", "member", "user", "cy", ""),
	)
}

// drawTree draws a tree, a line for each node and indented.
func drawTree(node *v1.PermissionRelationshipTree) string {
	var text strings.Builder
	var draw func(node *v1.PermissionRelationshipTree, indent string)
	draw = func(node *v1.PermissionRelationshipTree, indent string) {
		fmt.Fprintf(&text, "%s%s:%s#%s", indent, node.ExpandedObject.ObjectType, node.ExpandedObject.ObjectId, node.ExpandedRelation)
		if leaf := node.GetLeaf(); leaf != nil {
			for _, s := range leaf.Subjects {
				fmt.Fprintf(&text, " %s:%s", s.Object.ObjectType, s.Object.ObjectId)
				if s.OptionalRelation != "" {
					text.WriteString("#" + s.OptionalRelation)
				}
			}
			text.WriteString("\n")
			return
		}
		fmt.Fprintf(&text, " %s\n", strings.ToLower(strings.TrimPrefix(node.GetIntermediate().Operation.String(), "OPERATION_")))
		for _, child := range node.GetIntermediate().Children {
			draw(child, indent+"  ")
		}
	}
	draw(node, "")
	return text.String()
}

func expand(t testing.TB, c testClient, object, permission string) (*v1.ExpandPermissionTreeResponse, error) {
	t.Helper()
	return c.ExpandPermissionTree(t.Context(), &v1.ExpandPermissionTreeRequest{Resource: ref(object), Permission: permission})
}

func TestTreesHaveTheShapeThatClientsKnow(t *testing.T) {
	c := expandedWorld(t)
	var text strings.Builder
	for _, test := range []struct{ name, object, permission string }{
		{"a relation is a leaf, with usersets closed", "document:plan", "reader"},
		{"a permission of one operand is a union", "document:plan", "read"},
		{"arrows are unions over what they find", "document:plan", "view"},
		{"operands of the same kind stand side by side, and repeated usersets are spelled out", "document:plan", "twice"},
		{"of an object without the target, arrows over all have an empty leaf", "document:draft", "twice"},
		{"circles end in an empty leaf", "folder:a", "view"},
		{"self is the object", "user:ana", "myself"},
		{"nothing stored is an empty leaf", "team:other", "member"},
	} {
		got, err := expand(t, c, test.object, test.permission)
		if err != nil {
			t.Fatal(err)
		}
		if got.ExpandedAt.GetToken() == "" {
			t.Errorf("%s: no token", test.name)
		}
		fmt.Fprintf(&text, "# %s: %s %s\n\n%s\n", test.name, test.object, test.permission, drawTree(got.TreeRoot))
	}
	golden.File(t, "testdata/trees.golden", text.String())
}

func TestTreesOfUnknownNamesAreRefused(t *testing.T) {
	c := expandedWorld(t)
	_, err := expand(t, c, "page:plan", "read")
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
	_, err = expand(t, c, "document:plan", "fly")
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	_, err = expand(t, c, "document:pl an", "read")
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
}

func TestATreeThatIsNotShownInFullIsRefused(t *testing.T) {
	var many []*v1.Relationship
	for i := range 10_001 {
		many = append(many, rel("team", "all", "member", "user", fmt.Sprintf("u%d", i), ""))
	}
	for i := range 60 {
		many = append(many, rel("folder", fmt.Sprintf("f%d", i), "parent", "folder", fmt.Sprintf("f%d", i+1), ""))
	}
	c := withWorld(t, expanded, many...)
	_, err := expand(t, c, "team:all", "member")
	wantRefusal(t, err, codes.ResourceExhausted, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	if text := status.Convert(err).Message(); !strings.Contains(text, "LookupSubjects") {
		t.Errorf("it does not say what else would do: %s", text)
	}
	_, err = expand(t, c, "folder:f0", "view")
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_MAXIMUM_DEPTH_EXCEEDED)
}

// TestRepeatedUsersetsDoNotMultiplyWithoutBound asks for a tree that doubles with
// each of its permissions.
func TestRepeatedUsersetsDoNotMultiplyWithoutBound(t *testing.T) {
	var text strings.Builder
	text.WriteString("definition user {}\ndefinition thing {\n\trelation p00: user\n")
	for i := range 40 {
		fmt.Fprintf(&text, "\tpermission p%02d = p%02d & (p%02d - p%02d)\n", i+1, i, i, i)
	}
	text.WriteString("}\n")
	c := withWorld(t, text.String(), rel("thing", "x", "p00", "user", "ana", ""))
	if got, err := expand(t, c, "thing:x", "p02"); err != nil || strings.Count(drawTree(got.TreeRoot), "user:ana") != 9 {
		t.Errorf("%v %v", got, err)
	}
	_, err := expand(t, c, "thing:x", "p40")
	wantRefusal(t, err, codes.ResourceExhausted, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
}

// TestAUsersetLacksItselfOnlyWithinItself has permissions in a circle: within aaa,
// bbb is shown without aaa; beside it, with.
func TestAUsersetLacksItselfOnlyWithinItself(t *testing.T) {
	c := withWorld(t, `
definition user {}

definition thing {
	relation parent: thing
	relation owner: user
	relation other: user
	permission aaa = owner + parent->bbb
	permission bbb = other + parent->aaa
	permission both = aaa & bbb
}
`, rel("thing", "x", "parent", "thing", "x", ""), rel("thing", "x", "owner", "user", "ana", ""))
	got, err := expand(t, c, "thing:x", "both")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{testClient: c}
	ana := &v1.SubjectReference{Object: ref("user:ana")}
	if !w.holds(t, got.TreeRoot, ana) || w.holds(t, got.TreeRoot, &v1.SubjectReference{Object: ref("user:bo")}) {
		t.Errorf("ana owns x, and so is in both; the tree:\n%s", drawTree(got.TreeRoot))
	}
}
