package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// schemaServer is a fakeServer with a schema.
type schemaServer struct {
	*fakeServer
	schema string // empty for none
	writes int    // of the schema
	lost   int    // tuples that Export does not have
}

func (s *schemaServer) ReadSchema(context.Context, *tupelov1.ReadSchemaRequest, ...grpc.CallOption) (*tupelov1.ReadSchemaResponse, error) {
	if s.schema == "" {
		return nil, failWith(codes.FailedPrecondition, tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA)
	}
	return &tupelov1.ReadSchemaResponse{Text: s.schema, Zookie: "zookie"}, nil
}

// Export sends half of what is stored, then breaks, and the rest when it is asked
// again; but one tuple of a store that has lost one.
func (s *schemaServer) Export(_ context.Context, r *tupelov1.ExportRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tupelov1.ExportResponse], error) {
	names := slices.Sorted(maps.Keys(s.stored))[s.lost:]
	half := len(names) / 2
	if r.Cursor != "" {
		return &exportStream{parts: []*tupelov1.ExportResponse{exported(names[half:], "", true)}}, nil
	}
	return &exportStream{parts: []*tupelov1.ExportResponse{exported(names[:half], "half", false)}}, nil
}

func exported(names []string, cursor string, complete bool) *tupelov1.ExportResponse {
	r := &tupelov1.ExportResponse{Cursor: cursor, Complete: complete}
	for _, name := range names {
		t, err := parseTuple(name)
		if err != nil {
			panic(err)
		}
		r.Tuples = append(r.Tuples, t)
	}
	return r
}

// exportStream gives its parts, and breaks.
type exportStream struct {
	grpc.ClientStream
	parts []*tupelov1.ExportResponse
}

func (s *exportStream) Recv() (*tupelov1.ExportResponse, error) {
	if len(s.parts) == 0 {
		return nil, failWith(codes.Unavailable, 0)
	}
	part := s.parts[0]
	s.parts = s.parts[1:]
	return part, nil
}

func (s *schemaServer) WriteSchema(_ context.Context, r *tupelov1.WriteSchemaRequest, _ ...grpc.CallOption) (*tupelov1.WriteSchemaResponse, error) {
	s.schema = r.Text
	s.writes++
	return &tupelov1.WriteSchemaResponse{Zookie: "zookie"}, nil
}

// numbered is the tuple with a number. Every third one expires.
func numbered(t testing.TB, n int) *tupelov1.Tuple {
	t.Helper()
	text := fmt.Sprintf("team:t%d#member@user:u%d", n%7, n)
	if n%3 == 0 {
		text += "[expiration:2100-01-31T12:00:00Z]"
	}
	parsed, err := parseTuple(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// pagesOf is an origin of n tuples, with a cursor where its pages end; without pages
// an import can go on behind any tuple. It counts what it is asked for.
func pagesOf(t testing.TB, n int, ends func(number int) bool, read *int) *origin {
	return &origin{name: "elsewhere", schema: "definition user {}", tuples: func(_ context.Context, from position) iter.Seq2[tupleLine, error] {
		return func(yield func(tupleLine, error) bool) {
			if from.Cursor != "" && from.Cursor != fmt.Sprint("behind ", from.Tuples) {
				t.Errorf("the cursor %q is not of the tuple %d", from.Cursor, from.Tuples)
			}
			for number := int(from.Tuples) + 1; number <= n; number++ {
				*read++
				l := tupleLine{number: number, tuple: numbered(t, number), resumable: true}
				if ends != nil {
					if l.resumable = ends(number); l.resumable {
						l.cursor = fmt.Sprint("behind ", number)
					}
				}
				if !yield(l, nil) {
					return
				}
			}
		}
	}}
}

// remembered reads the file of --resume.
func remembered(t testing.TB, path string) journeyRecord {
	t.Helper()
	var r journeyRecord
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAnInterruptedImportGoesOnWithoutALoss interrupts imports at random, whose
// batches overtake each other, until they come to an end.
func TestAnInterruptedImportGoesOnWithoutALoss(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			const n = 12_000
			ends := func(number int) bool { return number%700 == 0 || number == n || number%4001 == 0 }
			if seed%3 == 0 {
				ends = nil
			}
			file := filepath.Join(t.TempDir(), "state.json")
			stored := map[string]bool{}
			read, tries := 0, 0
			var last position
			for done := false; !done; tries++ {
				i, fake := newFakeImport(nil)
				fatal, given := 1+random.IntN(15), random.IntN(2) == 0
				ctx, giveUp := context.WithCancel(t.Context())
				fake.answer = func(attempt int) error {
					switch {
					case attempt >= fatal && given:
						giveUp()
					case attempt >= fatal:
						return failWith(codes.Internal, tupelov1.ErrorReason_ERROR_REASON_INTERNAL)
					}
					return nil
				}
				fake.stored = stored
				i.client.TupeloClient = &schemaServer{fakeServer: fake}
				err := i.from(ctx, pagesOf(t, n, ends, &read), originOptions{resume: file})
				giveUp()
				if done = err == nil; done {
					last = i.journey.passed
					break
				}
				r := remembered(t, file)
				for number := 1; number <= int(r.Tuples); number++ {
					if !stored[tupleText(numbered(t, number))] {
						t.Fatalf("seed %d: the import would go on behind %d, and %d is lost", seed, r.Tuples, number)
					}
				}
				if tries > 200 {
					t.Fatalf("seed %d: no end after %d tries, at %d", seed, tries, r.Tuples)
				}
			}
			lasting := int64(0)
			for _, count := range last.Lasting {
				lasting += count
			}
			if len(stored) != n || last.Tuples != n || lasting != n-n/3 {
				t.Errorf("seed %d: %d are stored; of %d counted %d are lasting", seed, len(stored), last.Tuples, lasting)
			}
			if read > n+tries*12*1000 {
				t.Errorf("seed %d: %d were read in %d tries: it begins anew", seed, read, tries)
			}
			if _, err := os.Stat(file); err == nil {
				t.Errorf("seed %d: the file is still there", seed)
			}
		})
	}
}

func TestAnImportIsNotGoneOnWithBehindAnother(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	read := 0
	try := func(change func(*origin)) error {
		i, fake := newFakeImport(func(int) error { return failWith(codes.Internal, tupelov1.ErrorReason_ERROR_REASON_INTERNAL) })
		i.client.TupeloClient = &schemaServer{fakeServer: fake}
		o := pagesOf(t, 10, nil, &read)
		change(o)
		return i.from(t.Context(), o, originOptions{resume: file})
	}
	if err := try(func(*origin) {}); err == nil || errors.Is(err, errOtherImport) {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*origin){
		"of another server": func(o *origin) { o.name = "there" },
		"of another schema": func(o *origin) { o.schema = "definition robot {}" },
	} {
		if err := try(change); !errors.Is(err, errOtherImport) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(file, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(func(*origin) {}); err == nil || !strings.Contains(err.Error(), "is not of an import") {
		t.Errorf("a file of something else: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "notes" {
		t.Errorf("it holds %q (%v)", text, err)
	}
}

func TestASchemaIsWrittenWhereThereIsNoneAndReplacedOnlyIfAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		there   string
		replace bool
		writes  int
		want    error
	}{
		"none":                   {"", false, 1, nil},
		"the same":               {"definition user {}", false, 0, nil},
		"laid out in other ways": {"definition   user   {\n}\n", false, 0, nil},
		"another":                {"definition robot {}", false, 0, errOtherSchema},
		"another to replace":     {"definition robot {}", true, 1, nil},
	} {
		i, fake := newFakeImport(func(int) error { return nil })
		server := &schemaServer{fakeServer: fake, schema: test.there}
		i.client.TupeloClient = server
		read := 0
		err := i.from(t.Context(), pagesOf(t, 10, nil, &read), originOptions{replaceSchema: test.replace})
		if !errors.Is(err, test.want) || server.writes != test.writes || test.want == nil != (len(fake.stored) == 10) {
			t.Errorf("%s: %v, %d writes of the schema, %d tuples", name, err, server.writes, len(fake.stored))
		}
	}
}

func TestAnImportOfWhichSomethingIsMissingAtTheEndIsNoSuccess(t *testing.T) {
	for lost, want := range []error{nil, errMissing} {
		i, fake := newFakeImport(func(int) error { return nil })
		i.client.TupeloClient = &schemaServer{fakeServer: fake, lost: lost}
		read := 0
		o := pagesOf(t, 1, nil, &read)
		if err := i.from(t.Context(), o, originOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := i.finish(t.Context()); !errors.Is(err, want) {
			t.Errorf("with %d lost: %v", lost, err)
		}
	}
}
