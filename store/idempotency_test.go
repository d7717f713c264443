package store

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

// newKeyed returns a history whose store takes idempotency keys.
func newKeyed(t *testing.T) *history {
	h := newHistory(t)
	h.must(gitclub())
	h.must(Upgrade{Format: formatKeys})
	return h
}

func (h *history) keyed(key string, unixMillis int64, op Op, texts ...string) Write {
	w := h.write(op, texts...)
	w.UnixMillis, w.Key = unixMillis, []byte(key)
	return w
}

func TestARetryUnderItsKeyIsAppliedOnce(t *testing.T) {
	h := newKeyed(t)
	const alice = "repository:a#reader@user:alice"
	first := h.must(h.keyed("k", 1, Create, alice))
	h.must(h.write(Delete, alice))
	result := h.apply(h.keyed("k", 2, Create, alice))
	if want := (Result{Revision: first, Repeated: true}); result != want {
		t.Errorf("got %+v, want %+v", result, want)
	}
	if h.contains(0, alice) {
		t.Error("the retry was applied")
	}
	if got := h.store.Applied(); got != h.revision {
		t.Errorf("applied %d, want %d: a retry has a revision of its own in the log", got, h.revision)
	}
}

func TestAKeyIsForOneContent(t *testing.T) {
	h := newKeyed(t)
	const alice, bob = "repository:a#reader@user:alice", "repository:a#reader@user:bob"
	first := h.must(h.keyed("k", 1, Touch, alice))
	withMetadata := h.keyed("k", 1, Touch, alice)
	withMetadata.Metadata = []byte("why")
	schema := gitclub()
	schema.Key = []byte("k")
	for name, c := range map[string]Command{
		"another tuple":        h.keyed("k", 1, Touch, bob),
		"another operation":    h.keyed("k", 1, Delete, alice),
		"more tuples":          h.keyed("k", 1, Touch, alice, bob),
		"other metadata":       withMetadata,
		"another precondition": withPrecondition(h.keyed("k", 1, Touch, alice), filterOf(alice), true),
		"another kind":         DeleteByFilter{Filter: filterOf(alice), ReadAt: 1, Limit: 1, Key: []byte("k")},
		"a schema":             schema,
	} {
		var reused *KeyReusedError
		if result := h.apply(c); !errors.As(result.Err, &reused) || reused.Revision != first || result.Repeated {
			t.Errorf("%s: %+v", name, result)
		}
	}
	if diff := cmp.Diff([]string{alice}, h.read(0, tuple.Filter{}, 10)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if second := h.must(h.keyed("K", 1, Touch, bob)); second == first {
		t.Error("another key gave the first one's revision")
	}
}

func TestAFailedCommandIsNotRemembered(t *testing.T) {
	h := newKeyed(t)
	const alice, bob = "repository:a#reader@user:alice", "repository:a#reader@user:bob"
	attempt := withPrecondition(h.keyed("k", 1, Create, alice), filterOf(bob), true)
	var unmet *PreconditionError
	if result := h.apply(attempt); !errors.As(result.Err, &unmet) {
		t.Fatalf("%+v", result)
	}
	h.must(h.write(Touch, bob))
	if result := h.apply(attempt); result.Err != nil || result.Repeated || result.Revision != h.revision {
		t.Errorf("when it can be done: %+v", result)
	}
	if result := h.apply(attempt); result.Err != nil || !result.Repeated || result.Revision != h.revision-1 {
		t.Errorf("once it was done: %+v", result)
	}
}

func TestARetryOfADeletionSaysWhatTheFirstOneDeleted(t *testing.T) {
	h := newKeyed(t)
	const a, b = "repository:x#reader@user:a", "repository:x#reader@user:b"
	h.must(h.write(Touch, a, b))
	command := DeleteByFilter{
		UnixMillis: 1, Filter: tuple.Filter{ObjectType: "repository"}, ReadAt: h.revision,
		Tuples: []tuple.Tuple{h.tuple(a), h.tuple(b)}, Limit: 1, AllowPartial: true, Key: []byte("k"),
	}
	first := h.apply(command)
	if first.Err != nil || first.Deleted != 1 || first.Complete {
		t.Fatalf("%+v", first)
	}
	// The proposer looks again, and finds less.
	command.UnixMillis, command.ReadAt, command.Tuples = 2, h.revision, []tuple.Tuple{h.tuple(b)}
	again := h.apply(command)
	first.Repeated = true
	if again != first || !h.contains(0, b) {
		t.Errorf("got %+v, want %+v", again, first)
	}
	command.Key, command.UnixMillis = []byte("next"), 3
	if rest := h.apply(command); rest.Deleted != 1 || !rest.Complete {
		t.Errorf("under another key: %+v", rest)
	}
	if again := h.apply(command); again.Deleted != 1 || !again.Complete || !again.Repeated {
		t.Errorf("the complete one again: %+v", again)
	}
}

func TestASchemaIsRepeatedByItsText(t *testing.T) {
	h := newKeyed(t)
	wide := gitclub()
	wide.Text, wide.Key = "wide", []byte("k")
	first := h.must(wide)
	h.must(gitclub())
	wide.Definitions = append(wide.Definitions, Definition{Type: "job"}) // as a newer build would read it
	if result := h.apply(wide); !result.Repeated || result.Revision != first {
		t.Errorf("%+v", result)
	}
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if schema, err := n.Schema(); err != nil || schema.Text != "gitclub" {
		t.Errorf("the retry replaced a newer schema: %+v, %v", schema, err)
	}
}

// TestARetryInTheSameBatchIsRecognized puts both tries into one batch, with and
// without a command between them that has the batch flushed.
func TestARetryInTheSameBatchIsRecognized(t *testing.T) {
	h := newKeyed(t)
	try := Encode(h.keyed("k", 1, Create, "repository:a#reader@user:alice"))
	flushing := Encode(withPrecondition(h.write(Touch, "repository:b#reader@user:b"), filterOf("repository:c#reader@user:c"), false))
	r := h.revision
	results, err := h.store.Apply([]uint64{r + 1, r + 2, r + 3, r + 4}, [][]byte{try, try, flushing, try})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []Result{{Revision: r + 1}, {Revision: r + 1, Repeated: true}, {Revision: r + 3}, {Revision: r + 1, Repeated: true}} {
		if got := results[i].(Result); got != want {
			t.Errorf("%d: got %+v, want %+v", i, got, want)
		}
	}
}

// remembered counts the keys k0, k1, ... that a retry of which is recognized.
func (h *history) remembered(n int, unixMillis int64) (list []int) {
	h.t.Helper()
	for i := range n {
		// Other content, so that asking changes nothing.
		var reused *KeyReusedError
		c := h.keyed(fmt.Sprintf("k%d", i), unixMillis, Delete)
		c.Metadata, c.Preconditions = []byte("ask"), []Precondition{{Filter: tuple.Filter{ObjectType: "nothing"}, MustMatch: true}}
		if result := h.apply(c); errors.As(result.Err, &reused) {
			list = append(list, i)
		}
	}
	return list
}

func TestKeysAreForgottenInTheirOrderAFewAtATime(t *testing.T) {
	h := newKeyed(t)
	h.store.keyLimits = keyLimits{windowMillis: 100, count: 1000}
	for i := range 20 {
		h.must(h.keyed(fmt.Sprintf("k%d", i), int64(i), Touch))
	}
	if got := h.remembered(20, 99); len(got) != 20 {
		t.Fatalf("within the window: %v", got)
	}
	h.must(h.keyed("later", 109, Touch)) // 0 to 9 are due, of which four go
	if got := h.remembered(20, 109); len(got) != 16 || got[0] != 4 {
		t.Errorf("after one command: %v", got)
	}
	h.must(AdvanceHorizon{UnixMillis: 110, Revision: 1}) // the rest that is due
	if got := h.remembered(20, 109); len(got) != 9 || got[0] != 11 {
		t.Errorf("after a horizon: %v", got)
	}
	if result := h.apply(h.keyed("k0", 110, Touch)); result.Repeated || result.Err != nil {
		t.Errorf("a forgotten key: %+v", result)
	}
}

func TestTheOldestKeysGoWhenThereAreTooMany(t *testing.T) {
	h := newKeyed(t)
	h.store.keyLimits = keyLimits{windowMillis: 100, count: 3}
	for i := range 6 {
		h.must(h.keyed(fmt.Sprintf("k%d", i), 1, Touch))
	}
	if diff := cmp.Diff([]int{3, 4, 5}, h.remembered(6, 1)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// All in one batch, whose own keys are forgotten within it.
	var indexes []uint64
	var commands [][]byte
	for i := range 9 {
		indexes = append(indexes, h.revision+1+uint64(i))
		commands = append(commands, Encode(h.keyed(fmt.Sprintf("k%d", i%6), 500*int64(i), Touch)))
	}
	results, err := h.store.Apply(indexes, commands)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r := r.(Result); r.Err != nil || r.Repeated {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if got := h.store.Metrics().IdempotencyKeys; got != 1 {
		t.Errorf("%d keys are left, want that of the last command", got)
	}
}

func TestKeysSurviveARestartAndARestore(t *testing.T) {
	h := newKeyed(t)
	fs := h.store.options.FS
	try := h.keyed("k", 1, Create, "repository:a#reader@user:alice")
	first := h.must(try)
	if err := h.store.Checkpoint(t.Context(), "/checkpoint", h.revision); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Close(); err != nil {
		t.Fatal(err)
	}
	h.store = openTest(t, fs)
	if result := h.apply(try); !result.Repeated || result.Revision != first {
		t.Errorf("after a restart: %+v", result)
	}
	another, err := Open(Options{FS: fs, Dir: "/another/state", CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = another.Close() }()
	other := &history{t: t, store: another, revision: h.revision}
	if err := another.Restore("/checkpoint"); err != nil {
		t.Fatal(err)
	}
	if result := other.apply(try); !result.Repeated || result.Revision != first {
		t.Errorf("on another replica: %+v", result)
	}
}

func TestWhatIsRememberedIsGolden(t *testing.T) {
	o := outcome{revision: 258, deleted: 300, complete: true, digest: digest{1, 2, 3}}
	k := keyed{revision: 258, unixMillis: 1700000000000, key: []byte("k\x00")}
	lines := []string{
		fmt.Sprintf("outcome %x", o.append(nil)),
		fmt.Sprintf("place   %x", k.append(nil)),
		fmt.Sprintf("window  %d ms, %d keys, %d and %d at a time", formatKeyLimits.windowMillis, formatKeyLimits.count, forgottenByKey, forgottenByHorizon),
	}
	for _, c := range sampleCommands() {
		if _, ok := withKey(c, []byte("k")); ok {
			content, _ := contentOf(c)
			lines = append(lines, fmt.Sprintf("digest  %x %T", digestOf(Encode(content)), c))
		}
	}
	goldenLines(t, "outcomes.golden", lines)
	if back, err := decodeOutcome(o.append(nil)); err != nil || back != o {
		t.Errorf("%+v, %v", back, err)
	}
	back, err := decodeKeyed(appendKeyOrder(nil, 258), k.append(nil))
	if diff := cmp.Diff(k, back, cmp.AllowUnexported(keyed{})); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func FuzzOutcomeDecoders(f *testing.F) {
	f.Add(outcome{revision: 1, deleted: 3, complete: true}.append(nil))
	f.Add(keyed{unixMillis: 5, key: []byte("k")}.append(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		o, err := decodeOutcome(value)
		if err == nil && !bytes.Equal(o.append(nil), value) {
			t.Fatalf("%x decodes to what encodes to %x", value, o.append(nil))
		}
		k, placeErr := decodeKeyed(appendKeyOrder(nil, 1), value)
		if placeErr == nil && !bytes.Equal(k.append(nil), value) {
			t.Fatalf("%x decodes to what encodes to %x", value, k.append(nil))
		}
		for _, err := range []error{err, placeErr} {
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Fatalf("untyped error %v", err)
			}
		}
	})
}
