package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tupelodb/tupelo/store/tuple"
)

// compareRegistered holds the counters of a revision, and what a filter counts
// there, to the model's.
func (h *history) compareRegistered(m *model, revision int, f tuple.Filter) {
	h.t.Helper()
	n, err := h.store.Snapshot(uint64(revision))
	if err != nil {
		h.t.Fatal(err)
	}
	defer n.Close()
	for _, name := range []string{"a", "ab", "b"} {
		want, registered := m.counters[revision][name]
		got, err := n.Counter(name)
		if got != want || registered != (err == nil) || !registered && err != ErrCounterUnknown {
			h.t.Fatalf("revision %d at %d, counter %s: %+v, %v, want %+v", h.revision, revision, name, got, err, want)
		}
		if registered {
			h.compareCount(m, n, got)
		}
	}
	h.compareCount(m, n, f)
	h.compareCount(m, n, tuple.Filter{ObjectType: f.ObjectType, Relation: f.Relation, SubjectType: f.SubjectType,
		SubjectRelation: f.SubjectRelation, MatchSubjectRelation: f.MatchSubjectRelation})
}

func (h *history) compareCount(m *model, n *Snapshot, f tuple.Filter) {
	h.t.Helper()
	want := len(m.selected(int(n.Revision()), f))
	if got, err := n.Count(h.t.Context(), f); err != nil || got != uint64(want) {
		h.t.Fatalf("revision %d at %d, %+v: %d, %v, want %d", h.revision, n.Revision(), f, got, err, want)
	}
}

// TestACountIsOfItsSnapshotHoweverNewItsIteratorIs has counters move between the
// snapshot and its first read.
func TestACountIsOfItsSnapshotHoweverNewItsIteratorIs(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(h.write(Touch, "repository:a#reader@user:alice", "repository:b#reader@user:alice", "repository:a#maintainer@user:bob"))
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	h.must(h.write(Delete, "repository:a#reader@user:alice", "repository:b#reader@user:alice"))
	h.must(h.write(Touch, "repository:b#reader@user:alice[office_hours]", "repository:c#reader@user:alice"))
	h.must(h.write(Touch, "repository:b#reader@user:alice"))
	if got, err := n.Count(t.Context(), tuple.Filter{Relation: "reader"}); err != nil || got != 2 {
		t.Errorf("%d, %v", got, err)
	}
}

func TestACountEndsWithItsContext(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	for i := range 2 * contextCheckInterval {
		h.must(h.write(Touch, fmt.Sprintf("repository:a%d#reader@user:alice", i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n, err := h.store.Snapshot(2)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, f := range []tuple.Filter{{Relation: "reader"}, {SubjectID: "alice"}} {
		if _, err := n.Count(ctx, f); !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

// TestNothingIsLeftOfACounterBehindTheHorizon holds that names which come and go
// do not add up.
func TestNothingIsLeftOfACounterBehindTheHorizon(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(Upgrade{Format: 3})
	for range 3 {
		h.must(RegisterCounter{Name: "a", Filter: tuple.Filter{Relation: "reader"}})
		h.must(UnregisterCounter{Name: "a"})
	}
	h.must(RegisterCounter{Name: "b", Filter: tuple.Filter{Relation: "reader"}})
	h.must(AdvanceHorizon{Revision: h.revision})
	left := 0
	err := scanTag(h.store.current.Load().db, tagRegistered, func(key, _ []byte) error {
		left++
		if !bytes.Contains(key, []byte("b\x00")) {
			t.Errorf("%x is left", key)
		}
		return nil
	})
	if err != nil || left != 1 {
		t.Errorf("%d are left, %v", left, err)
	}
}

func FuzzRegisteredDecoder(f *testing.F) {
	f.Add(encodeRegistered(nil))
	f.Add(encodeRegistered(&tuple.Filter{ObjectType: "repository", ObjectIDPrefix: "git", MatchSubjectRelation: true}))
	f.Fuzz(func(t *testing.T, value []byte) {
		filter, err := decodeRegistered(value)
		if err == nil && !bytes.Equal(encodeRegistered(filter), value) {
			t.Errorf("%x decodes to what encodes to %x", value, encodeRegistered(filter))
		}
		if err != nil && !errors.Is(err, ErrFormat) {
			t.Errorf("untyped error %v", err)
		}
	})
}
