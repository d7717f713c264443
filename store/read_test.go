package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tupelodb/tupelo/store/tuple"
)

func TestAReadGoesOnBehindAnyOfItsTuples(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	revision := h.must(h.write(Touch,
		"repository:a#reader@user:alice", "repository:ab#maintainer@user:bob", "repository:ab#reader@user:alice",
		"repository:ab#reader@team:core#member", "team:abba#member@user:bob", "team:b#member@team:abba#member"))
	n, err := h.store.Snapshot(revision)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, f := range []tuple.Filter{
		{}, {ObjectType: "repository"}, {ObjectID: "ab"}, {ObjectIDPrefix: "ab"}, {Relation: "reader"}, {SubjectType: "user"},
		{SubjectID: "alice"}, {ObjectIDPrefix: "a", SubjectType: "user"}, {ObjectType: "repository", SubjectID: "alice"},
		{SubjectType: "team", SubjectRelation: "member", MatchSubjectRelation: true}, {ObjectID: "ab", SubjectID: "bob"},
	} {
		whole, _, err := n.Read(t.Context(), f, nil, 100)
		if err != nil || len(whole) == 0 {
			t.Fatalf("%+v: %d tuples, %v", f, len(whole), err)
		}
		for i, last := range whole {
			rest, _, err := n.Read(t.Context(), f, CursorBehind(f, last), 100)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(whole[i+1:], rest, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%+v, behind tuple %d (-want +got):\n%s", f, i, diff)
			}
		}
	}
}
