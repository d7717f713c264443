package api

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

func registerOwners(key string) *tupelov1.RegisterCounterRequest {
	return &tupelov1.RegisterCounterRequest{Name: "owners", Filter: &tupelov1.Filter{Relation: "owner"}, IdempotencyKey: key}
}

func TestACounterCountsWhatItsFilterSelects(t *testing.T) {
	w := newWorld(t, gitclub)
	w.log.propose(t, store.Upgrade{Format: store.MaxFormat})
	w.touch(t, aliceOwns, "repository:hub#owner@user:bob", "repository:hub#reader@user:*", "team:core#member@user:alice")
	filters := map[string]*tupelov1.Filter{
		"owners":   {Relation: "owner"},
		"of-alice": {SubjectType: "user", SubjectId: "alice", SubjectRelation: ptr("")},
		"hub/all":  {ObjectType: "repository", ObjectIdPrefix: "hu"},
	}
	for name, f := range filters {
		r, err := w.client.RegisterCounter(w.ctx, &tupelov1.RegisterCounterRequest{Name: name, Filter: f})
		if err != nil || r.Zookie != here.zookie(w.log.last()) {
			t.Fatalf("%s: %v, %v", name, r, err)
		}
	}
	then := here.zookie(w.log.last())
	w.touch(t, "repository:new#owner@user:alice")
	for name, f := range filters {
		before, err := w.client.ReadCounter(w.ctx, &tupelov1.ReadCounterRequest{Name: name, Consistency: exactly(then)})
		if err != nil || before.Count != 2 || before.Zookie != then || !proto.Equal(before.Filter, f) {
			t.Errorf("%s then: %v, %v", name, before, err)
		}
		want := map[string]uint64{"owners": 3, "of-alice": 3, "hub/all": 2}[name]
		now, err := w.client.ReadCounter(w.ctx, &tupelov1.ReadCounterRequest{Name: name, Consistency: fully()})
		if err != nil || now.Count != want || now.Zookie != here.zookie(w.log.last()) {
			t.Errorf("%s now: %v, %v, want %d", name, now, err, want)
		}
	}
	w.writeSchema(t, gitclub+"\ndefinition more {}\n")
	if r, err := w.client.UnregisterCounter(w.ctx, &tupelov1.UnregisterCounterRequest{Name: "owners"}); err != nil || r.Zookie != here.zookie(w.log.last()) {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := w.client.ReadCounter(w.ctx, &tupelov1.ReadCounterRequest{Name: "owners", Consistency: exactly(then)}); err != nil {
		t.Errorf("at a revision that has it: %v", err)
	}
}

func TestAMistakenCounterIsNamed(t *testing.T) {
	w := newWorld(t, gitclub)
	if got := seen(t, w.call(w.ctx, registerOwners(""))); got.reason != "ERROR_REASON_CLUSTER_UPGRADING" {
		t.Errorf("before the cluster knows of them: %+v", got)
	}
	w.log.propose(t, store.Upgrade{Format: store.MaxFormat})
	if _, err := w.client.RegisterCounter(w.ctx, registerOwners("")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		request proto.Message
		reason  string
	}{
		"taken":               {registerOwners(""), "COUNTER_EXISTS"},
		"unknown":             {&tupelov1.ReadCounterRequest{Name: "other"}, "COUNTER_UNKNOWN"},
		"unknown, taken away": {&tupelov1.UnregisterCounterRequest{Name: "other"}, "COUNTER_UNKNOWN"},
	} {
		got := seen(t, w.call(w.ctx, c.request))
		if got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_"+c.reason || got.field != "name" || !strings.Contains(got.message, `"o`) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAnyNodeTakesTheNameOfACounterAway(t *testing.T) {
	n := newNodes(t, nil)
	if _, err := n.servers["a"].RegisterCounter(t.Context(), registerOwners("")); err != nil {
		t.Fatal(err)
	}
	before := n.last()
	r, err := n.servers["b"].UnregisterCounter(t.Context(), &tupelov1.UnregisterCounterRequest{Name: "owners", IdempotencyKey: "k"})
	if err != nil || r.Zookie != here.zookie(before+1) {
		t.Errorf("%v, %v", r, err)
	}
	again, err := n.servers["c"].UnregisterCounter(t.Context(), &tupelov1.UnregisterCounterRequest{Name: "owners", IdempotencyKey: "k"})
	if err != nil || again.Zookie != r.Zookie {
		t.Errorf("again: %v, %v", again, err)
	}
}

func badCounters(*testing.T) []badInput {
	const invalid = "InvalidArgument"
	owners := &tupelov1.Filter{Relation: "owner"}
	return []badInput{
		{"no name", &tupelov1.RegisterCounterRequest{Filter: owners}, invalid, "MISSING_FIELD", "name", "id"},
		{"bad name", &tupelov1.RegisterCounterRequest{Name: "a b", Filter: owners}, invalid, "INVALID_ID", "name", "at byte 1"},
		{"long name", &tupelov1.ReadCounterRequest{Name: strings.Repeat("a", 129)}, invalid, "INVALID_ID", "name", "128 are allowed"},
		{"no filter", &tupelov1.RegisterCounterRequest{Name: "a"}, invalid, "EMPTY_FILTER", "filter", ""},
		{"long key", &tupelov1.RegisterCounterRequest{Name: "a", Filter: owners, IdempotencyKey: longKey}, invalid, "OUT_OF_BOUNDS", "idempotency_key", "128"},
		{"unknown field", withUnknownField(&tupelov1.RegisterCounterRequest{Name: "a", Filter: owners}), invalid, "UNKNOWN_FIELD", "", ""},
		{"no name to take away", &tupelov1.UnregisterCounterRequest{}, invalid, "MISSING_FIELD", "name", ""},
		{"unknown field in it", withUnknownField(&tupelov1.UnregisterCounterRequest{Name: "a"}), invalid, "UNKNOWN_FIELD", "", ""},
		{"long key in it", &tupelov1.UnregisterCounterRequest{Name: "a", IdempotencyKey: longKey}, invalid, "OUT_OF_BOUNDS", "idempotency_key", "128"},
		{"no name to read", &tupelov1.ReadCounterRequest{}, invalid, "MISSING_FIELD", "name", ""},
	}
}
