package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

func sampleCommands() []Command {
	filter := tuple.Filter{ObjectType: "repository", SubjectID: "alice", SubjectRelation: "member", MatchSubjectRelation: true}
	preconditions := []Precondition{{Filter: filter, MustMatch: true}}
	schema := gitclub()
	schema.UnixMillis = 3
	return []Command{
		Write{UnixMillis: 1, Updates: []Update{{Touch, sampleTuples[0]}, {Create, sampleTuples[1]}, {Delete, sampleTuples[4]}, {Touch, sampleTraits}}, Preconditions: preconditions, Metadata: []byte(`{"actor":"web"}`)},
		DeleteByFilter{
			UnixMillis: 2, Filter: filter, Preconditions: preconditions, ReadAt: 300,
			Tuples: []tuple.Tuple{sampleTuples[2]}, More: true, Limit: 5, AllowPartial: true,
		},
		schema,
		AdvanceHorizon{UnixMillis: 4, Revision: 1 << 33},
		Lead{UnixMillis: 5, ClusterID: [16]byte{1, 2, 3}},
		DeleteExpired{UnixMillis: 6, Tuples: []tuple.Tuple{sampleTraits}},
		Upgrade{UnixMillis: 7, Format: 2},
		Write{UnixMillis: 8, Updates: []Update{{Touch, sampleTuples[0]}}, Preconditions: []Precondition{}, Key: []byte("k\x00")},
		DeleteByFilter{UnixMillis: 9, Filter: filter, Preconditions: preconditions, ReadAt: 300, Tuples: []tuple.Tuple{}, Limit: 5, Key: []byte("delete")},
		WriteSchema{UnixMillis: 10, Text: "definition user {}", Definitions: []Definition{{Type: "user"}}, Key: bytes.Repeat([]byte{0xff}, MaxKeyBytes)},
		Write{UnixMillis: 11, Updates: []Update{{Touch, sampleTuples[0]}}, Preconditions: []Precondition{{Filter: filter}, {Filter: tuple.Filter{ObjectIDPrefix: "git"}}}},
		DeleteByFilter{UnixMillis: 12, Filter: tuple.Filter{ObjectIDPrefix: "git"}, Preconditions: []Precondition{}, ReadAt: 300, Tuples: []tuple.Tuple{}, Limit: 5, Key: []byte("prefix")},
		RegisterCounter{UnixMillis: 13, Name: "readers", Filter: filter},
		UnregisterCounter{UnixMillis: 14, Name: "readers", Key: []byte("k")},
	}
}

func TestCommandsAreGolden(t *testing.T) {
	var lines []string
	for _, c := range sampleCommands() {
		lines = append(lines, fmt.Sprintf("%-14s %x", strings.TrimPrefix(fmt.Sprintf("%T", c), "store."), Encode(c)))
	}
	goldenLines(t, "commands.golden", lines)
}

// TestCommandsBeginWithTheFormatThatBroughtThem holds what a build that is too
// old for a command relies on to stop there.
func TestCommandsBeginWithTheFormatThatBroughtThem(t *testing.T) {
	for _, c := range sampleCommands() {
		want := formatFirst
		if _, ok := c.(Upgrade); ok || len(keyOf(c)) > 0 {
			want = formatKeys
		}
		if neededFormat(c) > want {
			want = neededFormat(c)
		}
		data := Encode(c)
		if uint64(data[0]) != want {
			t.Errorf("%T begins with %d, want %d", c, data[0], want)
		}
		if _, err := decode(data, want-1); !errors.Is(err, ErrCommandVersion) {
			t.Errorf("%T in a build that knows formats up to %d: %v", c, want-1, err)
		}
	}
}

func TestCommandsInAFormThatIsNotTheirsAreRefused(t *testing.T) {
	lead, upgrade := Encode(Lead{UnixMillis: 5}), Encode(Upgrade{Format: 2})
	write := Encode(Write{Key: []byte("k"), Preconditions: []Precondition{}})
	for name, data := range map[string][]byte{
		"a kind that takes no key with one":    append([]byte{2, lead[1], lead[2], 1, 'k'}, lead[3:]...),
		"a kind that takes no key without one": append([]byte{2, lead[1], lead[2], 0}, lead[3:]...),
		"an empty key":                         append([]byte{2, write[1], write[2], 0}, write[5:]...),
		"an upgrade in the first format":       append([]byte{1}, upgrade[1:]...),
		"an upgrade to nothing":                Encode(Upgrade{}),
		"a key that is too long":               Encode(Write{Key: make([]byte, MaxKeyBytes+1)}),
		"a counter without a name":             Encode(RegisterCounter{}),
		"a counter with a zero in its name":    Encode(UnregisterCounter{Name: "a\x00"}),
		"a counter with a name that is long":   Encode(RegisterCounter{Name: strings.Repeat("a", MaxCounterNameBytes+1)}),
		"the third form without a prefix":      append([]byte{3, write[1], write[2], 1, 'k'}, write[5:]...),
	} {
		if c, err := Decode(data); !errors.Is(err, ErrBadCommand) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestCommandsRoundTrip(t *testing.T) {
	for _, c := range sampleCommands() {
		back, err := Decode(Encode(c))
		if err != nil {
			t.Fatalf("%T: %v", c, err)
		}
		if diff := cmp.Diff(normal(c), back); diff != "" {
			t.Errorf("%T (-want +got):\n%s", c, diff)
		}
	}
}

// normal gives the lists that Decode leaves empty rather than nil.
func normal(c Command) Command {
	s, ok := c.(WriteSchema)
	if !ok {
		return c
	}
	if s.Caveats == nil {
		s.Caveats = []string{}
	}
	for i := range s.Definitions {
		if s.Definitions[i].Relations == nil {
			s.Definitions[i].Relations = []string{}
		}
		if s.Definitions[i].Allowed == nil {
			s.Definitions[i].Allowed = []Allowed{}
		}
	}
	return s
}

func TestEveryCutOfACommandIsRefused(t *testing.T) {
	for _, c := range sampleCommands() {
		data := Encode(c)
		for n := range data {
			if _, err := Decode(data[:n]); !errors.Is(err, ErrBadCommand) {
				t.Errorf("%T cut at %d: %v", c, n, err)
			}
		}
		if _, err := Decode(append(bytes.Clone(data), 0)); !errors.Is(err, ErrBadCommand) {
			t.Errorf("%T with a byte behind it: %v", c, err)
		}
	}
}

func FuzzCommandDecoder(f *testing.F) {
	for _, c := range sampleCommands() {
		f.Add(Encode(c))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Decode(data)
		if err == nil && !bytes.Equal(Encode(c), data) {
			t.Fatalf("%x decodes to what encodes to %x", data, Encode(c))
		}
		if err != nil && !errors.Is(err, ErrBadCommand) && !errors.Is(err, ErrCommandVersion) {
			t.Fatalf("untyped error %v", err)
		}
	})
}
