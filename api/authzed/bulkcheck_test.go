package authzed

//lint:file-ignore SA1019 the older call is tested too

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// item asks for a relationship, written as its parts.
func item(r *v1.Relationship) *v1.CheckBulkPermissionsRequestItem {
	return &v1.CheckBulkPermissionsRequestItem{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject}
}

// pull asks whether a user may pull a repository.
func pull(repository, user string) *v1.CheckBulkPermissionsRequestItem {
	return item(rel("repository", repository, "pull", "user", user, ""))
}

// brief spells a pair's answer: its permissionship, or the code of its error.
func brief(pair *v1.CheckBulkPermissionsPair) string {
	if e := pair.GetError(); e != nil {
		return codes.Code(e.GetCode()).String()
	}
	text := strings.TrimPrefix(pair.GetItem().GetPermissionship().String(), "PERMISSIONSHIP_")
	if missing := pair.GetItem().GetPartialCaveatInfo().GetMissingRequiredContext(); len(missing) > 0 {
		text += " " + strings.Join(missing, " ")
	}
	return text
}

// withCaveat returns a relationship with GitClub's caveat on it.
func withCaveat(r *v1.Relationship) *v1.Relationship {
	r.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "office_hours"}
	return r
}

// bulkWorld has who may pull the repository site: ana, bo in office hours, and
// everybody the repository open.
func bulkWorld(t testing.TB) testClient {
	t.Helper()
	return seeded(t,
		rel("repository", "site", "reader", "user", "ana", ""),
		withCaveat(rel("repository", "site", "reader", "user", "bo", "")),
		rel("repository", "open", "reader", "user", "*", ""))
}

func TestBulkChecksAreAnsweredInTheirOrderWithTheirRequests(t *testing.T) {
	c := bulkWorld(t)
	atTen := pull("site", "bo")
	atTen.Context = &structpb.Struct{Fields: map[string]*structpb.Value{"hour": structpb.NewNumberValue(10)}}
	asked := []struct {
		item *v1.CheckBulkPermissionsRequestItem
		want string
	}{
		{pull("site", "ana"), "HAS_PERMISSION"},
		{pull("site", "bo"), "CONDITIONAL_PERMISSION hour"},
		{atTen, "HAS_PERMISSION"},
		{pull("site", "cy"), "NO_PERMISSION"},
		{item(rel("repository", "site", "fly", "user", "ana", "")), "FailedPrecondition"},
		{pull("open", "cy"), "HAS_PERMISSION"},
		{pull("site", "*"), "InvalidArgument"},
		{item(rel("document", "site", "pull", "user", "ana", "")), "FailedPrecondition"},
		{pull("site", "ana"), "HAS_PERMISSION"},
		{item(rel("repository", "site", "pull", "team", "core", "member")), "NO_PERMISSION"},
	}
	r := &v1.CheckBulkPermissionsRequest{}
	for _, a := range asked {
		r.Items = append(r.Items, a.item)
	}
	got, err := c.CheckBulkPermissions(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Pairs) != len(asked) || got.CheckedAt.GetToken() == "" {
		t.Fatalf("%d pairs at %q", len(got.Pairs), got.CheckedAt.GetToken())
	}
	for i, a := range asked {
		if brief(got.Pairs[i]) != a.want || !proto.Equal(got.Pairs[i].Request, a.item) {
			t.Errorf("%d: %v, want %s of %v", i, got.Pairs[i], a.want, a.item)
		}
	}
	refused := func(i int) error { return status.ErrorProto(got.Pairs[i].GetError()) }
	about := wantRefusal(t, refused(4), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION)
	if about["definition_name"] != "repository" || about["relation_or_permission_name"] != "fly" {
		t.Errorf("metadata %v", about)
	}
	if text := got.Pairs[4].GetError().GetMessage(); strings.Contains(text, "items[") {
		t.Errorf("the error names a field of another protocol: %s", text)
	}
	wantRefusal(t, refused(6), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED)
	wantRefusal(t, refused(7), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)
}

func TestTheOlderBulkCheckAnswersTheSame(t *testing.T) {
	c := bulkWorld(t)
	newer := &v1.CheckBulkPermissionsRequest{Items: []*v1.CheckBulkPermissionsRequestItem{
		pull("site", "ana"), pull("site", "bo"), item(rel("repository", "site", "fly", "user", "ana", "")), pull("site", "cy"),
	}}
	older := &v1.BulkCheckPermissionRequest{}
	for _, i := range newer.Items {
		older.Items = append(older.Items, &v1.BulkCheckPermissionRequestItem{Resource: i.Resource, Permission: i.Permission, Subject: i.Subject})
	}
	want, err := c.CheckBulkPermissions(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.BulkCheckPermission(t.Context(), older)
	if err != nil {
		t.Fatal(err)
	}
	for i, pair := range want.Pairs {
		p := got.Pairs[i]
		if p.GetItem().GetPermissionship() != pair.GetItem().GetPermissionship() || p.GetError().GetMessage() != pair.GetError().GetMessage() ||
			!proto.Equal(p.GetItem().GetPartialCaveatInfo(), pair.GetItem().GetPartialCaveatInfo()) || !proto.Equal(p.Request, older.Items[i]) {
			t.Errorf("%d: %v, and of the newer %v", i, p, pair)
		}
	}
	older.Items[1].Subject = nil
	_, err = c.BulkCheckPermission(t.Context(), older)
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
}

func TestABulkCheckOfManyPartsIsOfOneRevision(t *testing.T) {
	c := bulkWorld(t)
	r := &v1.CheckBulkPermissionsRequest{Consistency: &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}}
	for i := range maxBulkItems {
		user := "ana"
		if i%3 == 1 {
			user = fmt.Sprintf("nobody%d", i)
		}
		r.Items = append(r.Items, pull("site", user))
	}
	got, err := c.CheckBulkPermissions(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for i, pair := range got.Pairs {
		want := "HAS_PERMISSION"
		if i%3 == 1 {
			want = "NO_PERMISSION"
		}
		if brief(pair) != want || pair.Request.Subject.Object.ObjectId != r.Items[i].Subject.Object.ObjectId {
			t.Fatalf("%d: %v", i, pair)
		}
	}
	r.Items = append(r.Items, pull("site", "ana"))
	_, err = c.CheckBulkPermissions(t.Context(), r)
	about := wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
	if about["check_count"] != "10001" || about["maximum_checks_allowed"] != "10000" {
		t.Errorf("metadata %v", about)
	}
}

// TestTheLaterPartsOfABulkCheckDoNotSeeLaterWrites writes between the parts.
func TestTheLaterPartsOfABulkCheckDoNotSeeLaterWrites(t *testing.T) {
	c := bulkWorld(t)
	r := &v1.CheckBulkPermissionsRequest{Consistency: &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}}
	for range maxBulkItems {
		r.Items = append(r.Items, pull("flip", "ana"))
	}
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		operations := []tupelov1.Update_Operation{tupelov1.Update_OPERATION_TOUCH, tupelov1.Update_OPERATION_DELETE}
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			update := &tupelov1.Update{Operation: operations[n%2], Tuple: tuple(rel("repository", "flip", "reader", "user", "ana", ""))}
			if _, err := c.native.Write(t.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{update}}); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for range 10 {
		got, err := c.CheckBulkPermissions(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for i, pair := range got.Pairs {
			if brief(pair) != brief(got.Pairs[0]) {
				t.Fatalf("item %d: %s, and the first %s", i, brief(pair), brief(got.Pairs[0]))
			}
		}
	}
	close(stop)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestNoChecksAreAnsweredAtARevision(t *testing.T) {
	c := bulkWorld(t)
	got, err := c.CheckBulkPermissions(t.Context(), &v1.CheckBulkPermissionsRequest{})
	if err != nil || len(got.Pairs) != 0 || got.CheckedAt.GetToken() == "" {
		t.Errorf("%v %v", got, err)
	}
}

func TestABulkCheckThatTheProtocolDoesNotAllowIsRefusedAsAWhole(t *testing.T) {
	c := bulkWorld(t)
	for name, wrong := range map[string]*v1.CheckBulkPermissionsRequestItem{
		"nothing": {}, "an id": pull("site", "an a"), "a resource": {Permission: "pull", Subject: pull("", "ana").Subject},
	} {
		_, err := c.CheckBulkPermissions(t.Context(), &v1.CheckBulkPermissionsRequest{
			Items: []*v1.CheckBulkPermissionsRequestItem{pull("site", "ana"), wrong},
		})
		wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED)
		if text := status.Convert(err).Message(); !strings.Contains(text, "Items[1]") {
			t.Errorf("%s: it does not say which item: %s", name, text)
		}
	}
}
