package authzed

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// subjects looks up what a request asks for.
func (c testClient) subjects(ctx context.Context, r *v1.LookupSubjectsRequest) ([]*v1.LookupSubjectsResponse, error) {
	stream, err := c.LookupSubjects(ctx, r)
	return received(stream, err)
}

func saidOfSubjects(found []*v1.LookupSubjectsResponse) (list []string) {
	for _, f := range found {
		text := said(f.Subject.SubjectObjectId, f.Subject.Permissionship, f.Subject.PartialCaveatInfo)
		for _, e := range f.ExcludedSubjects {
			text += ", not " + said(e.SubjectObjectId, e.Permissionship, e.PartialCaveatInfo)
		}
		list = append(list, text)
	}
	return list
}

const guarded = `
caveat office_hours(hour int) { hour >= 9 && hour < 17 }
caveat at_home(place string) { place == "home" }

definition user {}
definition site {
	relation reader: user | user with office_hours | user:* | user:* with office_hours
	relation banned: user | user with at_home
	permission visit = reader - banned
}
`

// guardedSite returns a client of a node with sites, of tuples as text.
func guardedSite(t testing.TB, texts ...string) testClient {
	t.Helper()
	c := newClient(t)
	if _, err := c.native.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: guarded}); err != nil {
		t.Fatal(err)
	}
	write := &tupelov1.WriteRequest{}
	for _, text := range texts {
		f := strings.Fields(text) // site relation user [caveat]
		r := rel("site", f[0], f[1], "user", f[2], "")
		if len(f) > 3 {
			r.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: f[3]}
		}
		write.Updates = append(write.Updates, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(r)})
	}
	if _, err := c.native.Write(t.Context(), write); err != nil {
		t.Fatal(err)
	}
	return c
}

func visitors(site string) *v1.LookupSubjectsRequest {
	return &v1.LookupSubjectsRequest{
		Resource: &v1.ObjectReference{ObjectType: "site", ObjectId: site}, Permission: "visit", SubjectObjectType: "user",
	}
}

func TestAWildcardIsSentWithWhomItDoesNotStandFor(t *testing.T) {
	c := guardedSite(t,
		"closed reader ana", "closed reader bo office_hours", "closed reader cy", "closed banned cy", "closed reader di", "closed banned di at_home",
		"open reader *", "open reader ana", "open banned cy", "open banned di at_home",
		"sometimes reader * office_hours", "sometimes reader ana", "sometimes banned cy", "sometimes banned di at_home",
		"nobody banned cy",
	)
	for site, want := range map[string][]string{
		"closed":    {"ana yes", "bo conditional on hour", "di conditional on place"},
		"open":      {"ana yes", "di conditional on place", "* yes, not cy yes, not di conditional on place"},
		"sometimes": {"ana yes", "di conditional on hour place", "* conditional on hour, not cy yes, not di conditional on hour place"},
		"nobody":    nil,
	} {
		found, err := c.subjects(t.Context(), visitors(site))
		if err != nil {
			t.Fatal(err)
		}
		if got := saidOfSubjects(found); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", site, got, want)
		}
		for _, f := range found {
			//lint:ignore SA1019 older clients read these
			id, p, caveat, ids := f.SubjectObjectId, f.Permissionship, f.PartialCaveatInfo, f.ExcludedSubjectIds
			old := said(id, p, caveat)
			for i, e := range f.ExcludedSubjects {
				if len(ids) != len(f.ExcludedSubjects) || ids[i] != e.SubjectObjectId {
					t.Errorf("%s: older clients see %v excluded, want %v", site, ids, f.ExcludedSubjects)
				}
			}
			if now := said(f.Subject.SubjectObjectId, f.Subject.Permissionship, f.Subject.PartialCaveatInfo); old != now || f.LookedUpAt.GetToken() == "" {
				t.Errorf("%s: older clients see %q, want %q: %v", site, old, now, f)
			}
		}
		r := visitors(site)
		r.WildcardOption = v1.LookupSubjectsRequest_WILDCARD_OPTION_EXCLUDE_WILDCARDS
		found, err = c.subjects(t.Context(), r)
		want = slices.DeleteFunc(want, func(s string) bool { return s[0] == '*' })
		if got := saidOfSubjects(found); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s without wildcards: %q, %v, want %q", site, got, err, want)
		}
	}
}

func TestUsersetsAreFoundByTheirRelation(t *testing.T) {
	c := seeded(t, rel("repository", "site", "reader", "team", "core", "member"), rel("team", "core", "member", "team", "inner", "member"))
	found, err := c.subjects(t.Context(), &v1.LookupSubjectsRequest{
		Resource: rel("repository", "site", "", "", "", "").Resource, Permission: "pull",
		SubjectObjectType: "team", OptionalSubjectRelation: "member",
		WildcardOption: v1.LookupSubjectsRequest_WILDCARD_OPTION_INCLUDE_WILDCARDS,
	})
	if got := saidOfSubjects(found); err != nil || !slices.Equal(got, []string{"core yes", "inner yes"}) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestALookupOfSubjectsIsRefusedAsSpiceDBDoes(t *testing.T) {
	c := guardedSite(t, "open reader *")
	for name, test := range map[string]struct {
		change func(*v1.LookupSubjectsRequest)
		code   codes.Code
		reason v1.ErrorReason
		about  map[string]string
	}{
		"resource type": {func(r *v1.LookupSubjectsRequest) { r.Resource.ObjectType = "document" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION, map[string]string{"definition_name": "document"}},
		"permission": {func(r *v1.LookupSubjectsRequest) { r.Permission = "fly" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION, map[string]string{"definition_name": "site", "relation_or_permission_name": "fly"}},
		"subject type": {func(r *v1.LookupSubjectsRequest) { r.SubjectObjectType = "robot" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION, map[string]string{"definition_name": "robot"}},
		"subject relation": {func(r *v1.LookupSubjectsRequest) { r.OptionalSubjectRelation = "friend" }, codes.FailedPrecondition,
			v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION, map[string]string{"definition_name": "user", "relation_or_permission_name": "friend"}},
		"limit":           {func(r *v1.LookupSubjectsRequest) { r.OptionalConcreteLimit = 1 }, codes.Unimplemented, 0, nil},
		"cursor":          {func(r *v1.LookupSubjectsRequest) { r.OptionalCursor = &v1.Cursor{Token: "x"} }, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR, nil},
		"wildcard option": {func(r *v1.LookupSubjectsRequest) { r.WildcardOption = 9 }, codes.InvalidArgument, 0, nil},
		"no resource":     {func(r *v1.LookupSubjectsRequest) { r.Resource = nil }, codes.InvalidArgument, 0, nil},
		"id":              {func(r *v1.LookupSubjectsRequest) { r.Resource.ObjectId = "a site" }, codes.InvalidArgument, 0, nil},
		"wildcard":        {func(r *v1.LookupSubjectsRequest) { r.Resource.ObjectId = "*" }, codes.InvalidArgument, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := visitors("open")
			test.change(r)
			found, err := c.subjects(t.Context(), r)
			about := wantRefusal(t, err, test.code, test.reason)
			for key, value := range test.about {
				if about[key] != value {
					t.Errorf("metadata %v, want %v", about, test.about)
				}
			}
			if len(found) != 0 {
				t.Errorf("and yet %v", found)
			}
		})
	}
}

func TestAWildcardOfTooManyExclusionsIsRefusedBeforeItFillsMemory(t *testing.T) {
	for _, most := range []int{2_000, 1 << 20} {
		var sent []*v1.LookupSubjectsResponse
		f := subjectsFound{withWildcard: true, mostExcluded: most, send: func(r *v1.LookupSubjectsResponse) error {
			sent = append(sent, r)
			return nil
		}}
		m := &tupelov1.ListSubjectsResponse{Zookie: "z", Subjects: []*tupelov1.ListedSubject{{Id: "*", Result: tupelov1.Result_RESULT_YES}}}
		for i := range 100 {
			s := &tupelov1.ListedSubject{Id: fmt.Sprintf("user%03d", i), Result: tupelov1.Result_RESULT_NO}
			if i%2 == 0 {
				s.Result, s.MissingContext = tupelov1.Result_RESULT_CONDITIONAL, []string{"hour", "place"}
			}
			m.Subjects = append(m.Subjects, s)
		}
		err := f.take(m)
		if most < 1<<20 {
			wantRefusal(t, err, codes.ResourceExhausted, 0)
			continue
		}
		if err != nil || f.end() != nil || len(sent) != 51 {
			t.Fatalf("%d were sent, %v", len(sent), err)
		}
		if size := proto.Size(sent[50]); size > f.excludedBytes+100 || size < f.excludedBytes/2 {
			t.Errorf("a message of %d bytes was counted as %d", size, f.excludedBytes)
		}
	}
}
