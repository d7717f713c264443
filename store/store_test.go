package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

// history drives a store as the log would: one command, one revision.
type history struct {
	t        testing.TB
	store    *Store
	revision uint64
	log      [][]byte
	indexes  []uint64
	// tuplesets is the store's TuplesetCacheBytes, for who opens it again.
	tuplesets int64
}

// openTest opens a store that forgets idempotency keys soon, with a small cache
// of tuplesets.
func openTest(t testing.TB, fs vfs.FS) *Store {
	t.Helper()
	return openCached(t, fs, smallCache)
}

const smallCache = 64 << 10

func openCached(t testing.TB, fs vfs.FS, tuplesets int64) *Store {
	t.Helper()
	s, err := Open(Options{FS: fs, Dir: "/node/state", CacheBytes: 8 << 20, TuplesetCacheBytes: tuplesets})
	if err != nil {
		t.Fatal(err)
	}
	s.keyLimits = keyLimits{windowMillis: 60, count: 12}
	s.manyUpdates = 3 // of random writes some are done one way and some the other
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func newHistory(t testing.TB) *history {
	return newCached(t, smallCache)
}

func newCached(t testing.TB, tuplesets int64) *history {
	return &history{t: t, store: openCached(t, vfs.NewMem(), tuplesets), tuplesets: tuplesets}
}

// apply applies one command and returns its result.
func (h *history) apply(c Command) Result {
	h.t.Helper()
	h.revision++
	data := Encode(c)
	h.log, h.indexes = append(h.log, data), append(h.indexes, h.revision)
	results, err := h.store.Apply([]uint64{h.revision}, [][]byte{data})
	if err != nil {
		h.t.Fatal(err)
	}
	return results[0].(Result)
}

// must applies a command that has to succeed, and returns its revision.
func (h *history) must(c Command) uint64 {
	h.t.Helper()
	r := h.apply(c)
	if r.Err != nil {
		h.t.Fatalf("%T: %v", c, r.Err)
	}
	return r.Revision
}

// gitclub is a schema with every kind of subject.
func gitclub() WriteSchema {
	return WriteSchema{Text: "gitclub", Definitions: []Definition{
		{Type: "user"},
		{Type: "team", Relations: []string{"member"}, Allowed: []Allowed{
			{Relation: "member", SubjectType: "user"},
			{Relation: "member", SubjectType: "team", SubjectRelation: "member"},
		}},
		{Type: "repository", Relations: []string{"reader", "maintainer", "view"}, Allowed: []Allowed{
			{Relation: "reader", SubjectType: "user", Caveat: "office_hours"},
			{Relation: "reader", SubjectType: "user", Expires: true},
			{Relation: "maintainer", SubjectType: "user", Caveat: "office_hours", Expires: true},
			{Relation: "reader", SubjectType: "user"},
			{Relation: "reader", SubjectType: "user", Wildcard: true},
			{Relation: "reader", SubjectType: "team", SubjectRelation: "member"},
			{Relation: "maintainer", SubjectType: "user"},
			{Relation: "maintainer", SubjectType: "team", SubjectRelation: "member"},
		}},
	}, Caveats: []string{"office_hours", "unused"}}
}

// tuple parses a text with the store's names.
func (h *history) tuple(text string) tuple.Tuple {
	h.t.Helper()
	named, err := tuple.Parse(text)
	if err != nil {
		h.t.Fatal(err)
	}
	t, ok := h.store.current.Load().names.Tuple(named)
	if !ok {
		h.t.Fatalf("%s: unknown name", text)
	}
	return t
}

func (h *history) write(op Op, texts ...string) Write {
	h.t.Helper()
	var w Write
	for _, text := range texts {
		w.Updates = append(w.Updates, Update{op, h.tuple(text)})
	}
	return w
}

// read returns all tuples that a filter selects at a revision, page by page.
func (h *history) read(revision uint64, f tuple.Filter, limit int) []string {
	h.t.Helper()
	n, err := h.store.Snapshot(revision)
	if err != nil {
		h.t.Fatal(err)
	}
	defer n.Close()
	var texts []string
	var cursor []byte
	for {
		page, next, err := n.Read(context.Background(), f, cursor, limit)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, t := range page {
			texts = append(texts, n.Names().Named(t).String())
		}
		if next == nil {
			return texts
		}
		if behind := CursorBehind(f, page[len(page)-1]); !bytes.Equal(behind, next) {
			h.t.Errorf("%+v: the cursor behind the page's last tuple is %x, the page's own %x", f, behind, next)
		}
		cursor = next
	}
}

func (h *history) contains(revision uint64, text string) bool {
	h.t.Helper()
	n, err := h.store.Snapshot(revision)
	if err != nil {
		h.t.Fatal(err)
	}
	defer n.Close()
	t := h.tuple(text)
	_, ok, err := n.Find(t.Object, t.Relation, t.Subject)
	if err != nil {
		h.t.Fatal(err)
	}
	return ok
}

func TestEveryRevisionStaysReadable(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const alice, team = "repository:gitclub#reader@user:alice", "repository:gitclub#reader@team:core#member"
	r1 := h.must(h.write(Touch, alice))
	r2 := h.must(h.write(Touch, team))
	r3 := h.must(h.write(Delete, alice))
	r4 := h.must(h.write(Create, alice))
	for _, c := range []struct {
		revision uint64
		want     []string
	}{{r1 - 1, nil}, {r1, []string{alice}}, {r2, []string{alice, team}}, {r3, []string{team}}, {r4, []string{alice, team}}} {
		if diff := cmp.Diff(c.want, h.read(c.revision, tuple.Filter{ObjectType: "repository"}, 10)); diff != "" {
			t.Errorf("at revision %d (-want +got):\n%s", c.revision, diff)
		}
		if got, want := h.contains(c.revision, alice), len(c.want) > 0 && c.want[0] == alice; got != want {
			t.Errorf("at revision %d, contains alice: %v, want %v", c.revision, got, want)
		}
	}
}

func TestSnapshotShowsItsRevisionWhateverIsAppliedMeanwhile(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const alice, bob = "repository:gitclub#reader@user:alice", "repository:gitclub#reader@user:bob"
	h.must(h.write(Touch, alice))
	before, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	h.must(h.write(Delete, alice))
	h.must(h.write(Touch, bob))
	for text, want := range map[string]bool{alice: true, bob: false} {
		tp := h.tuple(text)
		_, got, err := before.Find(tp.Object, tp.Relation, tp.Subject)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestSubjectsComeInPagesOfOneKind(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	var texts []string
	for i := range 7 {
		texts = append(texts, fmt.Sprintf("repository:gitclub#reader@user:u%d", i))
	}
	h.must(h.write(Touch, append(texts, "repository:gitclub#reader@user:*", "repository:gitclub#reader@team:core#member",
		"repository:gitclub2#reader@user:other", "repository:gitclub#maintainer@user:m")...))
	h.must(h.write(Delete, texts[3]))
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	first := h.tuple(texts[0])
	var got []string
	var page tuple.Page
	for above := []byte(nil); ; above = []byte(got[len(got)-1]) {
		if err := n.Subjects(first.Object, first.Relation, first.Subject.Kind(), above, 4, &page); err != nil {
			t.Fatal(err)
		}
		for i := range page.Len() {
			got = append(got, string(page.ID(i)))
		}
		if !page.More {
			break
		}
	}
	if diff := cmp.Diff([]string{"u0", "u1", "u2", "u4", "u5", "u6"}, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const a, b, c = "repository:a#reader@user:alice", "repository:b#reader@user:alice", "repository:c#reader@user:alice"
	h.must(h.write(Touch, a))
	notAllowed := h.tuple(c)
	notAllowed.Relation, _ = h.store.current.Load().names.Relation(notAllowed.Object.Type, "view")

	exists := filterOf(a)
	tests := []struct {
		name  string
		write Write
		want  error
	}{
		{"create of a live tuple", h.write(Create, b, a), &TupleExistsError{Index: 1}},
		{"a tuple twice", h.write(Touch, b, c, b), &DuplicateUpdateError{Index: 2}},
		{"a tuple twice that needs no change", h.write(Touch, b, a, a), &DuplicateUpdateError{Index: 2}},
		{"a shape that the schema lacks", Write{Updates: []Update{{Touch, h.tuple(b)}, {Touch, notAllowed}}}, &NotAllowedError{Index: 1}},
		{"a caveat that the relation does not take alone", h.write(Touch, b, "repository:c#maintainer@user:alice[office_hours]"), &NotAllowedError{Index: 1}},
		{"must match, does not", withPrecondition(h.write(Touch, b), filterOf(c), true), &PreconditionError{}},
		{"must not match, does", withPrecondition(h.write(Touch, b), exists, false), &PreconditionError{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result := h.apply(tt.write)
			if fmt.Sprintf("%T", result.Err) != fmt.Sprintf("%T", tt.want) {
				t.Fatalf("got %T %v, want %T", result.Err, result.Err, tt.want)
			}
			if i := errorIndex(result.Err); i != errorIndex(tt.want) {
				t.Errorf("index %d, want %d", i, errorIndex(tt.want))
			}
			if diff := cmp.Diff([]string{a}, h.read(0, tuple.Filter{}, 10)); diff != "" {
				t.Errorf("half a write (-want +got):\n%s", diff)
			}
		})
	}
	h.must(withPrecondition(h.write(Touch, b), exists, true))
	if !h.contains(0, b) {
		t.Error("a write whose precondition holds was not done")
	}
}

func filterOf(text string) tuple.Filter {
	n, err := tuple.Parse(text)
	if err != nil {
		panic(err)
	}
	return tuple.Filter{
		ObjectType: n.ObjectType, ObjectID: n.ObjectID, Relation: n.Relation,
		SubjectType: n.SubjectType, SubjectID: n.SubjectID,
		SubjectRelation: n.SubjectRelation, MatchSubjectRelation: true,
	}
}

func withPrecondition(w Write, f tuple.Filter, mustMatch bool) Write {
	w.Preconditions = []Precondition{{Filter: f, MustMatch: mustMatch}}
	return w
}

func errorIndex(err error) int {
	var exists *TupleExistsError
	var duplicate *DuplicateUpdateError
	var notAllowed *NotAllowedError
	switch {
	case errors.As(err, &exists):
		return exists.Index
	case errors.As(err, &duplicate):
		return duplicate.Index
	case errors.As(err, &notAllowed):
		return notAllowed.Index
	}
	return 0
}

func TestWriteWithoutChangeMakesNoVersion(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const a = "repository:a#reader@user:alice"
	h.must(h.write(Touch, a))
	_, before, err := h.store.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	h.must(h.write(Touch, a))
	h.must(h.write(Delete, "repository:b#reader@user:alice"))
	// The applied index moves; put it back to compare the rest.
	if err := h.store.current.Load().db.Set(metaApplied, []byte{0, 0, 0, 0, 0, 0, 0, 2}, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	if _, after, err := h.store.Checksum(); err != nil || after != before {
		t.Errorf("a write that changes nothing changed the database (%v)", err)
	}
}

func TestSchemaThatStrandsTuplesIsRefused(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(h.write(Touch, "repository:a#reader@user:*", "repository:a#reader@user:alice", "repository:b#reader@user:bob",
		"repository:b#maintainer@team:core#member"))
	narrow := gitclub()
	narrow.Text = "narrow"
	narrow.Definitions[2].Allowed = []Allowed{{Relation: "reader", SubjectType: "user", Wildcard: true}}
	result := h.apply(narrow)
	var stranded *StrandedError
	if !errors.As(result.Err, &stranded) {
		t.Fatalf("got %v", result.Err)
	}
	want := "the schema would strand stored tuples: 2 of repository#reader@user, 1 of repository#maintainer@team#member"
	if stranded.Error() != want {
		t.Errorf("got  %s\nwant %s", stranded, want)
	}
	h.must(h.write(Delete, "repository:a#reader@user:alice", "repository:b#reader@user:bob", "repository:b#maintainer@team:core#member"))
	h.must(narrow)
	result = h.apply(h.write(Touch, "repository:a#reader@user:alice"))
	var notAllowed *NotAllowedError
	if !errors.As(result.Err, &notAllowed) {
		t.Errorf("a tuple that the new schema does not allow: %v", result.Err)
	}
}

func TestSchemaHoldsFromItsRevisionOn(t *testing.T) {
	h := newHistory(t)
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Schema(); !errors.Is(err, ErrNoSchema) {
		t.Errorf("before the first: %v", err)
	}
	n.Close()
	first := h.must(gitclub())
	h.must(h.write(Touch, "repository:a#reader@user:alice"))
	wide := gitclub()
	wide.Text = "wide"
	wide.Definitions = append(wide.Definitions, Definition{Type: "job"})
	second := h.must(wide)
	h.must(wide) // the same again is no new schema
	for revision, want := range map[uint64]Schema{
		first:      {first, "gitclub"},
		second - 1: {first, "gitclub"},
		second:     {second, "wide"},
		second + 1: {second, "wide"},
	} {
		n, err := h.store.Snapshot(revision)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := n.Schema(); err != nil || got != want {
			t.Errorf("at %d: %v, %v; want %v", revision, got, err, want)
		}
		n.Close()
	}
}

func TestDeleteByFilterTakesWhatCameSinceItLooked(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const a, b, c = "repository:x#reader@user:a", "repository:x#reader@user:b", "repository:x#reader@user:c"
	readAt := h.must(h.write(Touch, a, b))
	h.must(h.write(Delete, a))
	h.must(h.write(Touch, c, "repository:y#reader@user:c"))
	command := DeleteByFilter{
		Filter: tuple.Filter{ObjectType: "repository", ObjectID: "x"},
		ReadAt: readAt, Tuples: []tuple.Tuple{h.tuple(a), h.tuple(b)}, Limit: 1,
	}
	var tooMany *TooManyError
	if result := h.apply(command); !errors.As(result.Err, &tooMany) || tooMany.Limit != 1 {
		t.Errorf("over the limit: %v", result.Err)
	}
	if got := h.read(0, command.Filter, 10); len(got) != 2 {
		t.Errorf("a refused delete left %v", got)
	}
	command.AllowPartial = true
	if result := h.apply(command); result.Err != nil || result.Deleted != 1 || result.Complete {
		t.Errorf("partial: %+v", result)
	}
	command.Limit = 2
	if result := h.apply(command); result.Err != nil || result.Deleted != 1 || !result.Complete {
		t.Errorf("the rest: %+v", result)
	}
	if got := h.read(0, tuple.Filter{}, 10); len(got) != 1 || got[0] != "repository:y#reader@user:c" {
		t.Errorf("left: %v", got)
	}
}

func TestReadRefusesACursorOfAnotherFilter(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(h.write(Touch, "repository:x#reader@user:a", "repository:x#reader@user:b", "team:t#member@user:a"))
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	_, cursor, err := n.Read(context.Background(), tuple.Filter{ObjectType: "repository"}, nil, 1)
	if err != nil || cursor == nil {
		t.Fatal(err, cursor)
	}
	for _, f := range []tuple.Filter{{ObjectType: "team"}, {SubjectType: "user"}, {ObjectType: "nothing"}} {
		if _, _, err := n.Read(context.Background(), f, cursor, 1); !errors.Is(err, ErrBadCursor) {
			t.Errorf("filter %+v: %v", f, err)
		}
	}
}

func TestReadStopsWhenItsContextEnds(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	var w Write
	for i := range 2 * contextCheckInterval {
		w.Updates = append(w.Updates, Update{Touch, h.tuple(fmt.Sprintf("repository:r%d#reader@user:a", i))})
	}
	h.must(w)
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := n.Read(ctx, tuple.Filter{ObjectType: "repository"}, nil, 1<<20); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestRevisionsOutsideTheKeptHistoryAreRefused(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	r := h.must(h.write(Touch, "repository:a#reader@user:alice"))
	var notApplied *NotAppliedError
	if _, err := h.store.Snapshot(r + 1); !errors.As(err, &notApplied) || notApplied.Applied != r {
		t.Errorf("ahead: %v", err)
	}
	h.must(AdvanceHorizon{Revision: r})
	var horizon *HorizonError
	if _, err := h.store.Snapshot(r - 1); !errors.As(err, &horizon) || horizon.Horizon != r {
		t.Errorf("behind: %v", err)
	}
	if !h.contains(r, "repository:a#reader@user:alice") {
		t.Error("the horizon itself is not readable")
	}
}

// TestReaderNeverSeesRemovalsOfALaterHorizon proves S5 for a snapshot that is
// older than the horizon: it answers as before or with the typed error.
func TestReaderNeverSeesRemovalsOfALaterHorizon(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const alice = "repository:a#reader@user:alice"
	h.must(h.write(Touch, alice))
	lazy, _ := h.store.Snapshot(0)
	busy, _ := h.store.Snapshot(0)
	defer lazy.Close()
	defer busy.Close()
	tp := h.tuple(alice)
	if _, ok, err := busy.Find(tp.Object, tp.Relation, tp.Subject); !ok || err != nil {
		t.Fatal(ok, err)
	}
	r := h.must(h.write(Delete, alice))
	h.must(AdvanceHorizon{Revision: r})
	if _, ok, err := busy.Find(tp.Object, tp.Relation, tp.Subject); !ok || err != nil {
		t.Errorf("a reader that had begun lost its tuple: %v, %v", ok, err)
	}
	var horizon *HorizonError
	if _, ok, err := lazy.Find(tp.Object, tp.Relation, tp.Subject); !errors.As(err, &horizon) {
		t.Errorf("a reader that begins too late: %v, %v", ok, err)
	}
}

func TestHorizonLeavesNothingOfDeletedTuples(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	for range 5 {
		h.must(h.write(Touch, "repository:a#reader@user:alice"))
		h.must(h.write(Delete, "repository:a#reader@user:alice"))
	}
	h.must(AdvanceHorizon{Revision: h.revision})
	for _, tag := range []byte{tagForward, tagReverse, tagChangelog} {
		err := scanTag(h.store.current.Load().db, tag, func(key, _ []byte) error {
			return fmt.Errorf("key %x is left", key)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestGCTargetIsBoundedByTimeAndWork(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	var revisions []uint64
	for i := range 10 {
		w := h.write(Touch, fmt.Sprintf("repository:r%d#reader@user:a", i), fmt.Sprintf("repository:s%d#reader@user:a", i))
		w.UnixMillis = int64(100 * (i + 1))
		revisions = append(revisions, h.must(w))
	}
	for _, c := range []struct {
		cutoff int64
		most   int
		want   uint64
	}{{-1, 100, 0}, {50, 100, 1}, {100, 100, revisions[0]}, {550, 100, revisions[4]}, {5000, 100, revisions[9]}, {5000, 4, revisions[1]}} {
		got, ok, err := h.store.GCTarget(c.cutoff, c.most)
		if err != nil || got != c.want || ok != (c.want != 0) {
			t.Errorf("GCTarget(%d, %d) = %d, %v, %v; want %d", c.cutoff, c.most, got, ok, err, c.want)
		}
	}
}

func TestFirstLeadNamesTheCluster(t *testing.T) {
	h := newHistory(t)
	if _, ok := h.store.ClusterID(); ok {
		t.Error("a new store has a cluster id")
	}
	h.must(Lead{ClusterID: [16]byte{1}})
	h.must(Lead{ClusterID: [16]byte{2}})
	if id, ok := h.store.ClusterID(); !ok || id != [16]byte{1} {
		t.Errorf("got %v, %v", id, ok)
	}
}

func TestBadCommandsChangeNothingAndUnknownVersionsStop(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	_, err := h.store.Apply([]uint64{10}, [][]byte{{9, 1, 1}})
	if !errors.Is(err, ErrCommandVersion) {
		t.Errorf("version 9: %v", err)
	}
	results, err := h.store.Apply([]uint64{10}, [][]byte{{1, 77}})
	if err != nil || !errors.Is(results[0].(Result).Err, ErrBadCommand) {
		t.Errorf("unknown kind: %v, %v", results, err)
	}
	if _, err := h.store.Apply([]uint64{10}, [][]byte{Encode(Lead{})}); err == nil {
		t.Error("a revision was applied twice")
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	s := openTest(t, vfs.NewMem())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Snapshot(0); !errors.Is(err, ErrClosed) {
		t.Errorf("Snapshot: %v", err)
	}
	if _, err := s.Apply([]uint64{1}, [][]byte{Encode(Lead{})}); !errors.Is(err, ErrClosed) {
		t.Errorf("Apply: %v", err)
	}
	if err := s.Close(); !errors.Is(err, ErrClosed) {
		t.Errorf("Close: %v", err)
	}
}

func TestTraitsAreReplacedWithoutLosingHistory(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const plain, id = "repository:a#reader@user:alice", "repository:a#reader@user:alice[office_hours:{\"from\":9}]"
	const expiring = "repository:a#reader@user:alice[expiration:2030-01-01T00:00:00Z]"
	r1 := h.must(h.write(Touch, plain))
	r2 := h.must(h.write(Touch, id))
	r3 := h.must(h.write(Touch, expiring))
	r4 := h.must(h.write(Delete, plain))
	for revision, want := range map[uint64][]string{r1: {plain}, r2: {id}, r3: {expiring}, r4: nil} {
		if diff := cmp.Diff(want, h.read(revision, tuple.Filter{}, 10)); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", revision, diff)
		}
	}
	counters, names := h.store.Counters()
	for shape, n := range counters {
		if n != 0 {
			t.Errorf("%d of %s are left", n, names.ShapeText(shape))
		}
	}
	if due, err := h.store.Expired(1<<42, 10); err != nil || len(due) != 0 {
		t.Errorf("a deleted tuple still expires: %v, %v", due, err)
	}
}

func TestExpiredTuplesAreDeletedOnceTheirTimeHasCome(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	const a, b = "repository:a#reader@user:a[expiration:2030-01-01T00:00:00Z]", "repository:a#reader@user:b[expiration:2030-01-02T00:00:00Z]"
	h.must(h.write(Touch, a, b, "repository:a#reader@user:c"))
	if due, err := h.store.Expired(at-1, 10); err != nil || len(due) != 0 {
		t.Fatalf("before: %v, %v", due, err)
	}
	due, err := h.store.Expired(at, 10)
	if err != nil || len(due) != 1 {
		t.Fatalf("at the instant: %v, %v", due, err)
	}
	// Meanwhile it is prolonged: the deletion must not take it.
	prolonged := "repository:a#reader@user:a[expiration:2031-01-01T00:00:00Z]"
	h.must(h.write(Touch, prolonged))
	h.must(DeleteExpired{UnixMillis: at, Tuples: due})
	if diff := cmp.Diff([]string{prolonged, b, "repository:a#reader@user:c"}, h.read(0, tuple.Filter{}, 10)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	all, err := h.store.Expired(at*2, 10)
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	h.must(DeleteExpired{UnixMillis: at * 2, Tuples: all})
	if diff := cmp.Diff([]string{"repository:a#reader@user:c"}, h.read(0, tuple.Filter{}, 10)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChangesGiveEveryRevisionOnceAndInOrder(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	w := h.write(Touch, "repository:a#reader@user:a", "repository:a#reader@user:b")
	w.Metadata = []byte("why")
	r1 := h.must(w)
	h.must(h.write(Touch, "repository:a#reader@user:a")) // changes nothing
	r2 := h.must(h.write(Delete, "repository:a#reader@user:b"))
	var got []string
	watch := func(above uint64) (uint64, <-chan struct{}) {
		reached, more, err := h.store.Changes(t.Context(), above, func(c *Changes) bool {
			for _, change := range c.Tuples {
				got = append(got, fmt.Sprintf("%d %v %s %s", c.Revision, change.Deleted, h.store.current.Load().names.Named(change.Tuple), c.Metadata))
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return reached, more
	}
	reached, more := watch(1)
	want := []string{
		fmt.Sprintf("%d false repository:a#reader@user:a why", r1), fmt.Sprintf("%d false repository:a#reader@user:b why", r1),
		fmt.Sprintf("%d true repository:a#reader@user:b ", r2),
	}
	if diff := cmp.Diff(want, got); diff != "" || reached != h.revision {
		t.Fatalf("reached %d (-want +got):\n%s", reached, diff)
	}
	select {
	case <-more:
		t.Fatal("there is no more yet")
	default:
	}
	r3 := h.must(h.write(Touch, "repository:b#reader@user:a"))
	<-more
	got = nil
	if reached, _ = watch(reached); reached != r3 || len(got) != 1 {
		t.Errorf("reached %d, got %v", reached, got)
	}
	h.must(AdvanceHorizon{Revision: r3})
	var horizon *HorizonError
	if _, _, err := h.store.Changes(t.Context(), r2, func(*Changes) bool { return true }); !errors.As(err, &horizon) {
		t.Errorf("below the horizon: %v", err)
	}
	if _, _, err := h.store.Changes(t.Context(), r3, func(*Changes) bool { return true }); err != nil {
		t.Errorf("at the horizon: %v", err)
	}
}
