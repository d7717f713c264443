package authzed

import (
	"fmt"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
)

// count asks a counter.
func (c testClient) count(t testing.TB, name string) *v1.ReadCounterValue {
	t.Helper()
	answer, err := c.ExperimentalCountRelationships(t.Context(), &v1.ExperimentalCountRelationshipsRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetReadCounterValue()
}

func (c testClient) registerCounter(t testing.TB, name string, f *v1.RelationshipFilter) error {
	t.Helper()
	_, err := c.ExperimentalRegisterRelationshipCounter(t.Context(), &v1.ExperimentalRegisterRelationshipCounterRequest{Name: name, RelationshipFilter: f})
	return err
}

func TestACounterCountsWhatIsThereNowWhateverItsFilter(t *testing.T) {
	c := seeded(t)
	for name, f := range map[string]*v1.RelationshipFilter{
		"readers":   {ResourceType: "repository", OptionalRelation: "reader"},
		"of-s":      {ResourceType: "repository", OptionalResourceIdPrefix: "s"},
		"of-anyone": {OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: "u1"}},
	} {
		if err := c.registerCounter(t, name, f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if n := c.count(t, "readers").RelationshipCount; n != 0 {
		t.Errorf("nothing is stored, and there are %d readers", n)
	}
	var list []*v1.Relationship
	for i := range 10 {
		list = append(list, rel("repository", "site", "reader", "user", fmt.Sprint("u", i), ""), rel("repository", "tools", "maintainer", "user", fmt.Sprint("u", i), ""))
	}
	written := c.change(t, v1.RelationshipUpdate_OPERATION_TOUCH, nil, list...)
	for name, want := range map[string]uint64{"readers": 10, "of-s": 10, "of-anyone": 2} {
		if got := c.count(t, name); got.RelationshipCount != want {
			t.Errorf("%s: %d, want %d", name, got.RelationshipCount, want)
		} else if got.ReadAt.GetToken() != written.Token {
			t.Errorf("%s was not counted at the write's token", name)
		}
	}
	c.change(t, v1.RelationshipUpdate_OPERATION_DELETE, nil, list[0])
	if n := c.count(t, "readers").RelationshipCount; n != 9 {
		t.Errorf("%d readers after one is gone", n)
	}
}

func TestCountersThatCannotBeAreRefused(t *testing.T) {
	c := seeded(t)
	teams := &v1.RelationshipFilter{ResourceType: "team"}
	if err := c.registerCounter(t, "teams", teams); err != nil {
		t.Fatal(err)
	}
	about := wantRefusal(t, c.registerCounter(t, "teams", teams), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_COUNTER_ALREADY_REGISTERED)
	if about["counter_name"] != "teams" || about["new_filter_resource_type"] != "team" || len(about) != 8 {
		t.Errorf("metadata %v", about) // the name, and each part of the filter, empty or not
	}
	wantRefusal(t, c.registerCounter(t, "", teams), codes.InvalidArgument, 0)
	wantRefusal(t, c.registerCounter(t, "absent", &v1.RelationshipFilter{}), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER)
	wantRefusal(t, c.registerCounter(t, "absent", &v1.RelationshipFilter{ResourceType: "document"}), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION)

	_, err := c.ExperimentalCountRelationships(t.Context(), &v1.ExperimentalCountRelationshipsRequest{Name: "absent"})
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_COUNTER_NOT_REGISTERED)
	_, err = c.ExperimentalCountRelationships(t.Context(), &v1.ExperimentalCountRelationshipsRequest{})
	wantRefusal(t, err, codes.InvalidArgument, 0)
	_, err = c.ExperimentalUnregisterRelationshipCounter(t.Context(), &v1.ExperimentalUnregisterRelationshipCounterRequest{Name: "absent"})
	wantRefusal(t, err, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_COUNTER_NOT_REGISTERED)

	if _, err := c.ExperimentalUnregisterRelationshipCounter(t.Context(), &v1.ExperimentalUnregisterRelationshipCounterRequest{Name: "teams"}); err != nil {
		t.Fatal(err)
	}
	if err := c.registerCounter(t, "teams", teams); err != nil {
		t.Errorf("registered again: %v", err)
	}
}
