package tuple

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func intern(t *testing.T, n *Names, typeName string, relations ...string) (*Names, []Interned) {
	t.Helper()
	next, gained, err := n.Intern(typeName, relations)
	if err != nil {
		t.Fatal(err)
	}
	return next, gained
}

func TestInterningIsStableAndScopedToTypes(t *testing.T) {
	n, gained := intern(t, &Names{}, "user")
	if diff := cmp.Diff([]Interned{{1, Self, "user"}}, gained); diff != "" {
		t.Error(diff)
	}
	n, _ = intern(t, n, "team", "member", "owner")
	before := n
	n, gained = intern(t, n, "team", "owner", "admin", "member")
	if diff := cmp.Diff([]Interned{{2, 4, "admin"}}, gained); diff != "" {
		t.Error(diff)
	}
	if _, ok := before.Relation(2, "admin"); ok {
		t.Error("an older table changed")
	}
	n, _ = intern(t, n, "repository", "owner")
	if r, ok := n.Relation(3, "owner"); !ok || r != FirstRelation {
		t.Errorf("repository#owner is %d, %v", r, ok)
	}
	for _, unknown := range []TypeID{0, 4, math.MaxUint16} {
		if _, ok := n.Relation(unknown, "owner"); ok || n.TypeName(unknown) != "" || n.RelationName(unknown, 2) != "" {
			t.Errorf("type %d has names", unknown)
		}
	}
}

func TestNamesTurnTextIntoIDsAndBack(t *testing.T) {
	n, _ := intern(t, &Names{}, "user")
	n, _ = intern(t, n, "team", "member")
	for _, text := range []string{"team:a#member@user:alice", "team:a#member@user:*", "team:a#member@team:b#member"} {
		named, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		tp, ok := n.Tuple(named)
		if !ok || n.Named(tp).String() != text {
			t.Errorf("%s: %+v, %v", text, tp, ok)
		}
	}
	for _, text := range []string{"job:a#member@user:alice", "team:a#owner@user:alice", "team:a#member@job:b", "team:a#member@team:b#x"} {
		named, _ := Parse(text)
		if _, ok := n.Tuple(named); ok {
			t.Errorf("%s has an unknown name", text)
		}
	}
}

func TestTooManyNamesAreRefused(t *testing.T) {
	names := make([]string, math.MaxUint16)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	if _, _, err := (&Names{}).Intern("t", names); !errors.Is(err, ErrTooManyNames) {
		t.Errorf("%d relations: %v", len(names), err)
	}
	if n, _, err := (&Names{}).Intern("t", names[:math.MaxUint16-1]); err != nil || n.RelationName(1, math.MaxUint16) != names[math.MaxUint16-2] {
		t.Errorf("%d relations: %v", len(names)-1, err)
	}
}

func TestFilterSelectsByEveryPart(t *testing.T) {
	n, _ := intern(t, &Names{}, "user")
	n, _ = intern(t, n, "team", "member")
	all := []string{"team:a#member@user:alice", "team:b#member@user:*", "team:a#member@team:b#member"}
	for _, c := range []struct {
		filter Filter
		want   []bool
	}{
		{Filter{}, []bool{true, true, true}},
		{Filter{ObjectType: "team", Relation: "member"}, []bool{true, true, true}},
		{Filter{ObjectType: "user"}, []bool{false, false, false}},
		{Filter{Relation: "owner"}, []bool{false, false, false}},
		{Filter{ObjectID: "a"}, []bool{true, false, true}},
		{Filter{SubjectType: "user"}, []bool{true, true, false}},
		{Filter{SubjectID: "*"}, []bool{false, true, false}},
		{Filter{SubjectID: "b"}, []bool{false, false, true}},
		{Filter{MatchSubjectRelation: true}, []bool{true, true, false}},
		{Filter{MatchSubjectRelation: true, SubjectRelation: "member"}, []bool{false, false, true}},
	} {
		for i, text := range all {
			named, _ := Parse(text)
			tp, _ := n.Tuple(named)
			if got := c.filter.Matches(n, tp); got != c.want[i] {
				t.Errorf("%+v, %s: %v", c.filter, text, got)
			}
		}
	}
}
