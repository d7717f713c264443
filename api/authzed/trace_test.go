package authzed

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/golden"
)

const traced = `
use self

caveat at_work(hour int, day string) { hour >= 9 && day != "sunday" }

caveat on_lan(ip string) { ip.startsWith("10.") }

definition user {}

definition team {
	relation member: user | user with at_work | team#member
	relation lead: user
	permission trusted = member & lead
}

definition folder {
	relation parent: folder
	relation viewer: user
	permission view = viewer + parent->view
}

definition document {
	relation folder: folder | folder with on_lan
	relation reader: user | user with at_work | user with on_lan | user:* | team#member with on_lan
	relation banned: user | user with on_lan
	relation approver: user
	permission read = reader + folder->view
	permission allowed = read - banned
	permission sign = allowed & approver
	permission every = folder.all(view)
}
`

// drawTrace draws what `zed permission check --explain` shows of a trace, without
// times, a line for each node and indented.
func drawTrace(node *v1.CheckDebugTrace) string {
	var text strings.Builder
	var draw func(node *v1.CheckDebugTrace, indent string)
	draw = func(node *v1.CheckDebugTrace, indent string) {
		mark := map[v1.CheckDebugTrace_Permissionship]string{
			v1.CheckDebugTrace_PERMISSIONSHIP_HAS_PERMISSION:         "✓",
			v1.CheckDebugTrace_PERMISSIONSHIP_CONDITIONAL_PERMISSION: "?",
			v1.CheckDebugTrace_PERMISSIONSHIP_NO_PERMISSION:          "⨉",
			v1.CheckDebugTrace_PERMISSIONSHIP_UNSPECIFIED:            "∵",
		}[node.Result]
		kind := strings.ToLower(strings.TrimPrefix(node.PermissionType.String(), "PERMISSION_TYPE_"))
		fmt.Fprintf(&text, "%s%s %s:%s %s (%s)", indent, mark, node.Resource.ObjectType, node.Resource.ObjectId, node.Permission, kind)
		if node.GetWasCachedResult() {
			text.WriteString(" (cached)")
		}
		text.WriteString("\n")
		indent += "  "
		if info := node.CaveatEvaluationInfo; info != nil {
			fmt.Fprintf(&text, "%s%s %s %s", indent, strings.TrimPrefix(info.Result.String(), "RESULT_"), info.Expression, info.CaveatName)
			if len(info.Context.GetFields()) > 0 {
				fmt.Fprintf(&text, " %v", info.Context.AsMap())
			}
			if info.PartialCaveatInfo != nil {
				fmt.Fprintf(&text, " missing %v", info.PartialCaveatInfo.MissingRequiredContext)
			}
			text.WriteString("\n")
		}
		for _, below := range node.GetSubProblems().GetTraces() {
			draw(below, indent)
		}
		if node.GetSubProblems() == nil && node.Result == v1.CheckDebugTrace_PERMISSIONSHIP_HAS_PERMISSION {
			fmt.Fprintf(&text, "%s%s:%s %s\n", indent, node.Subject.Object.ObjectType, node.Subject.Object.ObjectId, node.Subject.OptionalRelation)
		}
	}
	draw(node, "")
	return text.String()
}

// tracedWorld has something to trace for each operator.
func tracedWorld(t testing.TB) testClient {
	t.Helper()
	return withWorld(t, traced,
		rel("folder", "root", "viewer", "user", "ana", ""),
		rel("folder", "sub", "parent", "folder", "root", ""),
		rel("document", "plan", "folder", "folder", "sub", ""),
		rel("document", "plan", "approver", "user", "ana", ""),
		rel("document", "plan", "banned", "user", "eve", ""),
		rel("document", "plan", "reader", "user", "eve", ""),
		caveated(rel("document", "plan", "reader", "user", "bo", ""), "at_work", map[string]any{"day": "monday"}),
		caveated(rel("document", "plan", "banned", "user", "bo", ""), "on_lan", nil),
		caveated(rel("document", "plan", "reader", "team", "core", "member"), "on_lan", nil),
		caveated(rel("team", "core", "member", "user", "cy", ""), "at_work", map[string]any{"day": "monday"}),
		rel("document", "open", "reader", "user", "*", ""),
		caveated(rel("document", "lan", "folder", "folder", "root", ""), "on_lan", map[string]any{"ip": "192.168.0.1"}),
		rel("team", "a", "member", "team", "b", "member"),
		rel("team", "b", "member", "team", "a", "member"),
		rel("document", "twins", "folder", "folder", "sub", ""),
		rel("document", "twins", "folder", "folder", "root", ""),
	)
}

// withWorld returns a client of a node that has a schema and relationships.
func withWorld(t testing.TB, schemaText string, relationships ...*v1.Relationship) testClient {
	t.Helper()
	c := newClient(t)
	if _, err := c.native.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: schemaText}); err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(relationships, 1000) {
		write := &tupelov1.WriteRequest{}
		for _, r := range part {
			write.Updates = append(write.Updates, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(r)})
		}
		if _, err := c.native.Write(t.Context(), write); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestATraceShowsTheUsersetsThatDecided(t *testing.T) {
	c := tracedWorld(t)
	var text strings.Builder
	for _, test := range []struct {
		name           string
		object, permit string
		subject        string
		given          map[string]any
	}{
		{"a union through arrows", "document:plan", "read", "user:ana", nil},
		{"an intersection", "document:plan", "sign", "user:ana", nil},
		{"an exclusion that says no", "document:plan", "allowed", "user:eve", nil},
		{"a no with all that was tried", "document:plan", "read", "user:dan", nil},
		{"a caveat that holds", "document:plan", "reader", "user:bo", map[string]any{"hour": 10}},
		{"a caveat that does not", "document:plan", "reader", "user:bo", map[string]any{"hour": 3}},
		{"a caveat left open, and another in an exclusion", "document:plan", "allowed", "user:bo", nil},
		{"caveats on the way and at its end", "document:plan", "read", "user:cy", map[string]any{"ip": "10.0.0.1"}},
		{"a caveat of an arrow's tuple", "document:lan", "read", "user:ana", map[string]any{"ip": "10.0.0.1"}},
		{"a wildcard", "document:open", "read", "user:zoe", nil},
		{"a circle", "team:a", "member", "user:zoe", nil},
		{"an arrow over all, with what is shown above", "document:twins", "every", "user:ana", nil},
		{"a userset that is itself", "team:a", "member", "team:a#member", nil},
	} {
		r := &v1.CheckPermissionRequest{Resource: ref(test.object), Permission: test.permit, WithTracing: true}
		userset, relation, _ := strings.Cut(test.subject, "#")
		r.Subject = &v1.SubjectReference{Object: ref(userset), OptionalRelation: relation}
		if test.given != nil {
			r.Context, _ = structpb.NewStruct(test.given)
		}
		got, err := c.CheckPermission(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if got.DebugTrace.GetSchemaUsed() != strings.TrimSpace(traced) {
			t.Errorf("%s: schema %q", test.name, got.DebugTrace.GetSchemaUsed())
		}
		if got.DebugTrace.Check.Result.String() != got.Permissionship.String() {
			t.Errorf("%s: %v, traced as %v", test.name, got.Permissionship, got.DebugTrace.Check.Result)
		}
		fmt.Fprintf(&text, "# %s: %s %s %s\n\n%s\n", test.name, test.object, test.permit, test.subject, drawTrace(got.DebugTrace.Check))
	}
	golden.File(t, "testdata/traces.golden", text.String())
}

// ref reads type:id.
func ref(text string) *v1.ObjectReference {
	objectType, id, _ := strings.Cut(text, ":")
	return &v1.ObjectReference{ObjectType: objectType, ObjectId: id}
}

func TestOlderClientsAskForTracesInTheMetadata(t *testing.T) {
	c := tracedWorld(t)
	r := &v1.CheckPermissionRequest{
		Resource: ref("document:plan"), Permission: "read", Subject: &v1.SubjectReference{Object: ref("user:ana")},
	}
	plain, err := c.CheckPermission(t.Context(), r)
	if err != nil || plain.DebugTrace != nil {
		t.Errorf("nobody asked for a trace: %v %v", plain, err)
	}
	asked, err := c.CheckPermission(requestmeta.AddRequestHeaders(t.Context(), requestmeta.RequestDebugInformation), r)
	if err != nil || asked.DebugTrace.GetCheck() == nil {
		t.Errorf("no trace: %v %v", asked, err)
	}
}

func TestEachItemOfABulkCheckHasItsTrace(t *testing.T) {
	c := tracedWorld(t)
	got, err := c.CheckBulkPermissions(t.Context(), &v1.CheckBulkPermissionsRequest{
		WithTracing: true,
		Items: []*v1.CheckBulkPermissionsRequestItem{
			item(rel("document", "plan", "read", "user", "ana", "")),
			item(rel("document", "plan", "fly", "user", "ana", "")),
			item(rel("document", "plan", "allowed", "user", "bo", "")),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"HAS_PERMISSION", "FailedPrecondition", "CONDITIONAL_PERMISSION hour ip"} {
		pair := got.Pairs[i]
		trace := pair.GetItem().GetDebugTrace()
		if brief(pair) != want || (trace == nil) != (pair.GetError() != nil) {
			t.Errorf("%d: %v", i, pair)
		}
		if trace != nil && trace.Check.Result.String() != pair.GetItem().Permissionship.String() {
			t.Errorf("%d: the trace has another answer: %v", i, pair)
		}
	}
}
