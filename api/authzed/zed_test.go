package authzed

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api"
)

const zedSchema = `caveat office_hours(hour int) {
	hour >= 9 && hour < 17
}

definition user {}

definition team {
	relation member: user | team#member
}

// Who may do what with a repository.
definition repository {
	relation maintainer: user | team#member
	relation reader: user | user:* | user with office_hours
	relation banned: user
	permission push = maintainer
	permission pull = (reader + push) - banned
}
`

// What `zed relationship` does with one.
const (
	opTouch  = v1.RelationshipUpdate_OPERATION_TOUCH
	opCreate = v1.RelationshipUpdate_OPERATION_CREATE
	opDelete = v1.RelationshipUpdate_OPERATION_DELETE
)

// filled returns zed at a node with a schema and relationships.
func filled(t *testing.T, texts ...string) *zed {
	t.Helper()
	z, _ := newZed(t, api.Options{})
	if err := z.schemaWrite(t.Context(), zedSchema); err != nil {
		t.Fatal(err)
	}
	if _, err := z.write(t.Context(), opTouch, texts...); err != nil {
		t.Fatal(err)
	}
	return z
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantOnce fails unless err has a code, and the call that met it was made once:
// zed makes calls again whose refusal looks as if it might pass.
func (z *zed) wantOnce(t *testing.T, err error, code codes.Code, method string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("%s: %v, want %v", method, err, code)
	}
	if n := z.calls(method); n != 1 {
		t.Errorf("%s was called %d times", method, n)
	}
}

func TestZedIsToldAVersionThatItDoesNotCompareWithSpiceDBs(t *testing.T) {
	z, _ := newZed(t, api.Options{})
	// zed takes versions as Go spells them. What has a build it leaves alone; what
	// has none it looks for among SpiceDB's releases, for which it asks the internet.
	form := regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?\+([0-9A-Za-z-]+\.)*tupelo$`)
	if v := z.version(t.Context()); !form.MatchString(v) {
		t.Errorf("told %q", v)
	}
	if n := z.calls("ReadSchema"); n != 1 {
		t.Errorf("that there is no schema was asked %d times", n)
	}
}

func TestZedWithTheWrongTokenIsRefusedOnce(t *testing.T) {
	z, _ := newZed(t, api.Options{})
	stranger := dialZed(t, z.address, "guessed")
	_, err := stranger.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
	stranger.wantOnce(t, err, codes.Unauthenticated, "ReadSchema")
}

func TestZedWritesAndReadsSchemas(t *testing.T) {
	z, _ := newZed(t, api.Options{})
	_, err := z.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
	z.wantOnce(t, err, codes.NotFound, "ReadSchema")

	if err := z.schemaWrite(t.Context(), zedSchema); err != nil {
		t.Fatal(err)
	}
	if n := z.calls("WriteSchema"); n != 1 {
		t.Errorf("the schema was written %d times", n)
	}
	read := must[*v1.ReadSchemaResponse](t)(z.ReadSchema(t.Context(), &v1.ReadSchemaRequest{}))
	if read.SchemaText != zedSchema || read.ReadAt.GetToken() == "" {
		t.Errorf("read %v", read)
	}

	z.wantOnce(t, z.schemaWrite(t.Context(), "definition user {"), codes.InvalidArgument, "WriteSchema")
	z.wantOnce(t, z.schemaWrite(t.Context(), "definition document {\n\trelation reader: nobody\n}"), codes.FailedPrecondition, "WriteSchema")
	if _, err := z.write(t.Context(), opTouch, "team:core#member@user:ana"); err != nil {
		t.Fatal(err)
	}
	z.wantOnce(t, z.schemaWrite(t.Context(), "definition user {}"), codes.InvalidArgument, "WriteSchema")
}

func TestZedCreatesTouchesReadsAndDeletesRelationships(t *testing.T) {
	z := filled(t)
	const first = "repository:site#maintainer@team:core#member"
	if token := must[string](t)(z.write(t.Context(), opCreate, first)); token == "" {
		t.Error("no token to print")
	}
	z.calls("WriteRelationships")
	_, err := z.write(t.Context(), opCreate, first)
	z.wantOnce(t, err, codes.AlreadyExists, "WriteRelationships")
	_, err = z.write(t.Context(), opTouch, first, "repository:site#reader@user:*", "repository:docs#reader@user:ana", "repository:other#reader@user:ana")
	if err != nil {
		t.Fatal(err)
	}
	z.calls("WriteRelationships")
	_, err = z.write(t.Context(), opTouch, "repository:site#push@user:ana")
	z.wantOnce(t, err, codes.InvalidArgument, "WriteRelationships")
	_, err = z.write(t.Context(), opTouch, "document:site#reader@user:ana")
	z.wantOnce(t, err, codes.FailedPrecondition, "WriteRelationships")

	none := &v1.SubjectFilter_RelationFilter{}
	for _, test := range []struct {
		about  string
		filter *v1.RelationshipFilter
		want   []string
	}{
		{"a type", &v1.RelationshipFilter{ResourceType: "repository"}, []string{
			"repository:docs#reader@user:ana", "repository:other#reader@user:ana", first, "repository:site#reader@user:*"}},
		{"an id", &v1.RelationshipFilter{ResourceType: "repository", OptionalResourceId: "site"}, []string{first, "repository:site#reader@user:*"}},
		{"a prefix, written with %", &v1.RelationshipFilter{ResourceType: "repository", OptionalResourceIdPrefix: "o"}, []string{"repository:other#reader@user:ana"}},
		{"a relation", &v1.RelationshipFilter{ResourceType: "repository", OptionalRelation: "maintainer"}, []string{first}},
		{"a subject", &v1.RelationshipFilter{ResourceType: "repository", OptionalSubjectFilter: &v1.SubjectFilter{
			SubjectType: "user", OptionalSubjectId: "ana", OptionalRelation: none}}, []string{"repository:docs#reader@user:ana", "repository:other#reader@user:ana"}},
		{"a type of subject", &v1.RelationshipFilter{ResourceType: "repository", OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "team"}}, []string{first}},
	} {
		for _, page := range []uint32{0, 1, 2, 100} {
			got, err := z.read(t.Context(), test.filter, page)
			slices.Sort(got)
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%s, in pages of %d: %q, %v", test.about, page, got, err)
			}
		}
	}

	if _, err := z.write(t.Context(), opDelete, first, "repository:none#reader@user:ana"); err != nil {
		t.Errorf("deleting what is there and what is not: %v", err)
	}
	if got := must[[]string](t)(z.read(t.Context(), &v1.RelationshipFilter{ResourceType: "repository", OptionalRelation: "maintainer"}, 100)); len(got) > 0 {
		t.Errorf("left is %q", got)
	}
}

func TestZedDeletesInBulk(t *testing.T) {
	var texts []string
	for i := range 25 {
		texts = append(texts, fmt.Sprintf("repository:r%d#reader@user:ana", i))
	}
	z := filled(t, texts...)
	all := &v1.RelationshipFilter{ResourceType: "repository"}
	_, err := z.bulkDelete(t.Context(), all, 10, false)
	if err == nil || err.Error() != "could not delete repository, as more than 10 relationships were found" {
		t.Errorf("without force: %v", err)
	}
	z.wantOnce(t, nil, codes.OK, "DeleteRelationships")
	if left := must[[]string](t)(z.read(t.Context(), all, 100)); len(left) != 25 {
		t.Errorf("%d are left of 25", len(left))
	}
	if token := must[string](t)(z.bulkDelete(t.Context(), all, 10, true)); token == "" {
		t.Error("no token to print")
	}
	if n := z.calls("DeleteRelationships"); n != 3 {
		t.Errorf("25 were deleted by 10 in %d calls", n)
	}
	if left := must[[]string](t)(z.read(t.Context(), all, 100)); len(left) > 0 {
		t.Errorf("left is %q", left)
	}
	if _, err := z.bulkDelete(t.Context(), all, 1000, false); err != nil {
		t.Errorf("of nothing: %v", err)
	}
}

// office has a reader during office hours: bo, and a wildcard without a ban of cy.
var office = []string{
	"team:core#member@user:ana", "repository:site#maintainer@team:core#member",
	"repository:site#reader@user:*", "repository:site#banned@user:cy", "repository:docs#reader@user:dan",
}

func TestZedChecksAndShowsWhy(t *testing.T) {
	z := filled(t, office...)
	caveated := relationshipOf("repository:wiki#reader@user:bo")
	caveated.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "office_hours"}
	if err := z.touchAll(t.Context(), []*v1.Relationship{caveated}, 1); err != nil {
		t.Fatal(err)
	}
	for question, want := range map[string]string{
		"repository:site#push@user:ana":         "true",
		"repository:site#pull@user:bo":          "true",
		"repository:site#pull@user:cy":          "false",
		"repository:site#push@user:bo":          "false",
		"repository:wiki#pull@user:bo":          "caveated hour",
		"repository:site#push@team:core#member": "true",
		"repository:none#pull@user:ana":         "false",
	} {
		answer, trace, err := z.check(t.Context(), question)
		if err != nil || answer != want {
			t.Errorf("%s: %q, %v, want %q", question, answer, err, want)
			continue
		}
		asked := relationshipOf(question)
		head := fmt.Sprintf("%s:%s %s\n", asked.Resource.ObjectType, asked.Resource.ObjectId, asked.Relation)
		if first, _, _ := strings.Cut(trace, "\n"); !strings.HasSuffix(first+"\n", head) {
			t.Errorf("%s: the trace begins with %q", question, first)
		}
		mark := map[string]string{"true": "yes", "false": "no", "caveated hour": "?"}[want]
		if !strings.HasPrefix(trace, mark+" ") {
			t.Errorf("%s: the answer is %s, and the trace\n%s", question, want, trace)
		}
		if want == "caveated hour" && !strings.Contains(trace, `office_hours "hour >= 9 && hour < 17" misses ["hour"]`) {
			t.Errorf("%s: the trace does not show the caveat:\n%s", question, trace)
		}
	}
	z.calls("CheckPermission")
	_, _, err := z.check(t.Context(), "document:site#pull@user:ana")
	z.wantOnce(t, err, codes.FailedPrecondition, "CheckPermission")
}

func TestZedChecksInBulk(t *testing.T) {
	z := filled(t, office...)
	got, err := z.bulk(t.Context(), "repository:site#push@user:ana", "document:site#pull@user:ana", "repository:site#push@user:bo", "repository:site#push@user:ana")
	want := []string{
		"repository:site#push@user:ana => true", "document:site#pull@user:ana => error: 9",
		"repository:site#push@user:bo => false", "repository:site#push@user:ana => true",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestZedExpands(t *testing.T) {
	z := filled(t, office...)
	for permission, want := range map[string]string{
		"maintainer": "repository:site->maintainer {team:core->member}",
		"push":       "team:core->member",
		"pull":       "exclusion(",
	} {
		got, err := z.expand(t.Context(), permission, "repository:site")
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s: %q, %v, want %q in it", permission, got, err, want)
		}
	}
	if got := must[string](t)(z.expand(t.Context(), "pull", "repository:none")); strings.Contains(got, "user:") {
		t.Errorf("nobody has anything on what does not exist, but %q", got)
	}
}

func TestZedLooksUpResources(t *testing.T) {
	var texts []string
	var want []string
	for i := range 7 {
		texts = append(texts, fmt.Sprintf("repository:r%d#reader@user:eve", i))
		want = append(want, fmt.Sprintf("r%d", i))
	}
	z := filled(t, texts...)
	for _, page := range []uint32{0, 1, 3, 7, 100} {
		ids, cursor, err := z.lookupResources(t.Context(), "repository", "pull", "user:eve", page, nil)
		slices.Sort(ids)
		if err != nil || !slices.Equal(ids, want) || cursor.GetToken() == "" {
			t.Errorf("in pages of %d: %q, cursor %v, %v", page, ids, cursor, err)
		}
	}
	_, cursor, err := z.lookupResources(t.Context(), "repository", "pull", "user:eve", 100, nil)
	if err != nil {
		t.Fatal(err)
	}
	if more, _, err := z.lookupResources(t.Context(), "repository", "pull", "user:eve", 100, cursor); err != nil || len(more) > 0 {
		t.Errorf("after the last cursor: %q, %v", more, err)
	}
}

func TestZedLooksUpSubjects(t *testing.T) {
	z := filled(t, office...)
	got := must[[]string](t)(z.lookupSubjects(t.Context(), "repository:site", "pull", "user"))
	slices.Sort(got)
	if want := []string{"* - cy", "ana"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = must[[]string](t)(z.lookupSubjects(t.Context(), "repository:site", "push", "team#member"))
	if want := []string{"core"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestZedImportsValidationFiles(t *testing.T) {
	z, _ := newZed(t, api.Options{})
	// zed import writes the file's schema as it is, then its relationships by 1,000.
	if _, err := z.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: zedSchema}); err != nil {
		t.Fatal(err)
	}
	if err := z.touchAll(t.Context(), relationships(1500), 1000); err != nil {
		t.Fatal(err)
	}
	if n := z.calls("WriteRelationships"); n != 2 {
		t.Errorf("1,500 were written in %d calls", n)
	}
	if got := must[[]string](t)(z.read(t.Context(), &v1.RelationshipFilter{ResourceType: "repository"}, 100)); len(got) != 1500 {
		t.Errorf("%d are there", len(got))
	}
}

func relationships(n int) (rels []*v1.Relationship) {
	for i := range n {
		rels = append(rels, relationshipOf(fmt.Sprintf("repository:r%04d#reader@user:u%d", i, i%7)))
	}
	return rels
}

func TestZedWatchesFromWhereItWasCutOff(t *testing.T) {
	z := filled(t)
	start := must[string](t)(z.write(t.Context(), opTouch, "repository:site#reader@user:ana"))
	request := &v1.WatchRequest{OptionalStartCursor: &v1.ZedToken{Token: start}}
	watched := func(request *v1.WatchRequest, n int, change func()) (lines []string) {
		t.Helper()
		ctx, enough := context.WithTimeout(t.Context(), time.Minute)
		defer enough()
		change()
		err := z.watch(ctx, request, func(line string) {
			if lines = append(lines, line); len(lines) == n {
				enough()
			}
		})
		if len(lines) < n || status.Code(err) != codes.Canceled {
			t.Fatalf("watched %q, %v", lines, err)
		}
		return lines
	}
	got := watched(request, 3, func() {
		_, _ = z.write(t.Context(), opCreate, "repository:site#reader@user:bo")
		_, _ = z.write(t.Context(), opDelete, "repository:site#reader@user:ana")
		if err := z.schemaWrite(t.Context(), zedSchema+"\ndefinition issue {}\n"); err != nil {
			t.Fatal(err)
		}
	})
	if want := []string{"TOUCH repository:site#reader@user:bo", "DELETE repository:site#reader@user:ana", "SCHEMA UPDATED"}; !slices.Equal(got, want) {
		t.Errorf("watched %q, want %q", got, want)
	}
	got = watched(request, 1, func() { _, _ = z.write(t.Context(), opTouch, "team:core#member@user:ana") })
	if want := []string{"TOUCH team:core#member@user:ana"}; !slices.Equal(got, want) {
		t.Errorf("after the cut: %q, want %q", got, want)
	}

	filtered := &v1.WatchRequest{OptionalStartCursor: request.OptionalStartCursor, OptionalRelationshipFilters: []*v1.RelationshipFilter{
		{ResourceType: "repository", OptionalResourceIdPrefix: "si", OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "cy"}},
	}}
	got = watched(filtered, 1, func() {
		_, _ = z.write(t.Context(), opTouch, "repository:docs#reader@user:cy", "repository:site#reader@user:dan")
		_, _ = z.write(t.Context(), opTouch, "repository:site#reader@user:cy")
	})
	if want := []string{"TOUCH repository:site#reader@user:cy"}; !slices.Equal(got, want) {
		t.Errorf("with a filter: %q, want %q", got, want)
	}
}
