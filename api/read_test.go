package api

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func TestAReadGoesOnBehindEachOfItsTuples(t *testing.T) {
	s := newPagedServer(t)
	for name, f := range map[string]*tupelov1.Filter{
		"all":               nil,
		"an object":         {ObjectType: "repository", ObjectId: "mine"},
		"a prefix":          {ObjectIdPrefix: "r"},
		"a subject":         {SubjectType: "user", SubjectId: "bob"},
		"a type of subject": {SubjectType: "user"},
	} {
		read := &tupelov1.ReadRequest{Filter: f, WithTupleCursors: true, Limit: 1000}
		whole, err := s.Read(t.Context(), read)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(whole.TupleCursors); n < 7 || n != len(whole.Tuples) {
			t.Fatalf("%s: %d cursors of %d tuples", name, n, len(whole.Tuples))
		}
		for i := range whole.Tuples {
			read.Cursor = whole.TupleCursors[i]
			rest, err := s.Read(t.Context(), read)
			if err != nil {
				t.Fatal(err)
			}
			want := &tupelov1.ReadResponse{Tuples: whole.Tuples[i+1:], TupleCursors: whole.TupleCursors[i+1:], Zookie: whole.Zookie}
			if !proto.Equal(rest, want) {
				t.Errorf("%s, behind tuple %d: %v, want %v", name, i, rest, want)
			}
		}
	}
}

func TestTheCursorOfAPagesLastTupleIsThePagesOwn(t *testing.T) {
	s := newPagedServer(t)
	page, err := s.Read(t.Context(), &tupelov1.ReadRequest{WithTupleCursors: true, Limit: 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.TupleCursors) != 3 || page.TupleCursors[2] != page.NextCursor {
		t.Errorf("%v, and then %s", page.TupleCursors, page.NextCursor)
	}
}

func TestAPageWithCursorsOfLongIDsFitsIntoAMessage(t *testing.T) {
	s := newPagedServer(t)
	var long []string
	for i := range 1000 {
		long = append(long, fmt.Sprintf("repository:%04d%s#owner@user:%s", i, strings.Repeat("r", 1020), strings.Repeat("u", 1024)))
	}
	if err := s.touchNow(t, long...); err != nil {
		t.Fatal(err)
	}
	page, err := s.Read(t.Context(), &tupelov1.ReadRequest{WithTupleCursors: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if size := proto.Size(page); size > 4<<20 || page.NextCursor == "" {
		t.Errorf("%d tuples in %d bytes, and then %q", len(page.Tuples), size, page.NextCursor)
	}
}
