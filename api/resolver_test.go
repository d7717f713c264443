package api

import (
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// TestAResolverTakesWhatAWriteTakes asks a resolver and the server about tuples, good
// and bad, each twice, as parsed and as messages: what one refuses the other does, for
// the same reason and field, and what one takes is what the other stores.
func TestAResolverTakesWhatAWriteTakes(t *testing.T) {
	w := newWorld(t, gitclub)
	r, err := w.server.TupleResolver()
	if err != nil {
		t.Fatal(err)
	}
	refused, taken := 0, 0
	for _, text := range []string{
		"repository:a#owner@user:b", "repository:b#owner@user:" + strings.Repeat("c", 1024), "repository:a#owner@user:*",
		"repo:a#owner@user:b", "repository:a#ownr@user:b", "repository:a#read@user:b", "repository:a#owner@repository:b",
		"repository:a#owner@usr:b", "repository:a#owner@team:b#membr", "repository:a#owner@user:b#owner",
		"repository:a/b|c=d#owner@user:e-f", "repository:a#own/er@user:b", "/:a#owner@user:b",
	} {
		named := parseTuple(t, text)
		for range 2 {
			_, want := w.client.Write(w.ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
				Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tupleMessage(t, text),
			}}})
			parsed, got := r.Parsed(&named)
			message, again := r.Message(tupleMessage(t, text))
			if (want == nil) != (got == nil) || (got == nil) != (again == nil) {
				t.Fatalf("%s: a write %v, parsed %v, as a message %v", text, want, got, again)
			}
			if want == nil {
				taken++
				if !parsed.Equal(message) || w.named(t, parsed) != text {
					t.Errorf("%s is parsed as %v, and %v as a message", text, parsed, message)
				}
				continue
			}
			refused++
			field := strings.TrimPrefix(Described(want).Fields[0].Path, "updates[0].tuple.")
			for _, err := range []error{got, again} {
				if reasonOf(err) != reasonOf(want) || Described(err).Fields[0].Path != field {
					t.Errorf("%s: %v, a write: %v", text, err, want)
				}
			}
		}
	}
	if taken < 4 || refused < 12 {
		t.Errorf("%d were taken and %d refused", taken, refused)
	}
}

// named spells a tuple by the names of the store.
func (w *world) named(t *testing.T, resolved tuple.Tuple) string {
	t.Helper()
	_, names := w.server.store.Counters()
	return names.Named(resolved).String()
}

func TestAKnownKindOfTupleIsResolvedWithoutAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := newWorld(t, gitclub)
	r, err := w.server.TupleResolver()
	if err != nil {
		t.Fatal(err)
	}
	text := "repository:a#owner@user:b"
	n := testing.AllocsPerRun(100, func() {
		named, err := tuple.Parse(text)
		if err == nil {
			_, err = r.Parsed(&named)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
