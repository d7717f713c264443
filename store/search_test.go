package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

func TestAFilterSelectsByHowAnObjectIDBegins(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	revision := h.must(h.write(Touch,
		"repository:a#reader@user:alice", "repository:ab#maintainer@user:bob", "repository:ab#reader@user:alice",
		"repository:abc#reader@user:alice", "repository:ac#reader@user:alice", "team:abba#member@user:bob"))
	for name, c := range map[string]struct {
		filter tuple.Filter
		want   []string
	}{
		"of any type": {tuple.Filter{ObjectIDPrefix: "ab"}, []string{
			"team:abba#member@user:bob",
			"repository:ab#reader@user:alice", "repository:ab#maintainer@user:bob", "repository:abc#reader@user:alice"}},
		"of one type":        {tuple.Filter{ObjectType: "team", ObjectIDPrefix: "a"}, []string{"team:abba#member@user:bob"}},
		"and a relation":     {tuple.Filter{ObjectIDPrefix: "ab", Relation: "maintainer"}, []string{"repository:ab#maintainer@user:bob"}},
		"and a subject":      {tuple.Filter{ObjectIDPrefix: "ab", SubjectID: "alice"}, []string{"repository:ab#reader@user:alice", "repository:abc#reader@user:alice"}},
		"and a subject type": {tuple.Filter{ObjectIDPrefix: "abb", SubjectType: "user"}, []string{"team:abba#member@user:bob"}},
		"that none has":      {tuple.Filter{ObjectIDPrefix: "abcd"}, nil},
		"and an id of it":    {tuple.Filter{ObjectID: "ab", ObjectIDPrefix: "a", Relation: "reader"}, []string{"repository:ab#reader@user:alice"}},
		"and another id":     {tuple.Filter{ObjectID: "ab", ObjectIDPrefix: "b"}, nil},
	} {
		for _, limit := range []int{1, 2, 100} {
			if diff := cmp.Diff(c.want, h.read(revision, c.filter, limit)); diff != "" {
				t.Errorf("%s, %d at a time (-want +got):\n%s", name, limit, diff)
			}
		}
	}
}

// TestPreconditionsSearchUpToALimit holds S6 where the keys of a prefix hold
// much that the rest of the filter does not select, or that ended.
func TestPreconditionsSearchUpToALimit(t *testing.T) {
	h := newHistory(t)
	h.store.searchLimit = 20
	h.must(gitclub())
	var readers []string
	for i := range 15 {
		readers = append(readers, fmt.Sprintf("repository:a%02d#reader@user:alice", i))
	}
	h.must(h.write(Touch, readers...))
	h.must(h.write(Touch, "repository:b#maintainer@user:alice"))
	noMaintainer := Precondition{Filter: tuple.Filter{ObjectType: "repository", ObjectIDPrefix: "a", Relation: "maintainer"}}
	guarded := h.write(Touch, "repository:c#reader@user:alice")
	guarded.Preconditions = []Precondition{noMaintainer}
	h.must(Upgrade{Format: 3})
	h.must(guarded)

	guarded.Preconditions = []Precondition{noMaintainer, noMaintainer}
	var long *SearchError
	if result := h.apply(guarded); !errors.As(result.Err, &long) || *long != (SearchError{Index: 1, Limit: 20}) {
		t.Errorf("two such searches: %+v", result)
	}
	h.must(h.write(Delete, readers...))
	guarded.Preconditions = []Precondition{noMaintainer}
	if result := h.apply(guarded); !errors.As(result.Err, &long) {
		t.Errorf("past versions that ended: %+v", result)
	}
	h.must(AdvanceHorizon{Revision: h.revision})
	h.must(guarded)
}

func TestTheSearchOfPreconditionsHasNoLimitBeforeTheFormatThatBroughtIt(t *testing.T) {
	h := newHistory(t)
	h.store.searchLimit = 0
	h.must(gitclub())
	h.must(h.write(Touch, "repository:a#reader@user:alice"))
	guarded := withPrecondition(h.write(Touch, "repository:c#reader@user:alice"), tuple.Filter{ObjectID: "a"}, true)
	h.must(guarded)
	h.must(Upgrade{Format: 3})
	if result := h.apply(guarded); result.Err == nil {
		t.Error("there is no limit afterwards either")
	}
}
