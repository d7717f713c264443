package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

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

func TestAReadLeavesOutWhatHasExpiredWhereItIsAskedTo(t *testing.T) {
	h := newLeases(t, 5, nil)
	h.lease(t, "kept", time.Time{})
	h.clock = h.clock.Add(3 * time.Minute)
	for without, want := range map[bool]int{false: 6, true: 3} {
		read := &tupelov1.ReadRequest{WithoutExpired: without, WithTupleCursors: true, Limit: 2}
		var found []*tupelov1.Tuple
		for {
			page, err := h.server.Read(t.Context(), read)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.TupleCursors) != len(page.Tuples) {
				t.Errorf("%d cursors of %d tuples", len(page.TupleCursors), len(page.Tuples))
			}
			found = append(found, page.Tuples...)
			if read.Cursor = page.NextCursor; read.Cursor == "" {
				break
			}
		}
		if len(found) != want {
			t.Errorf("without expired ones %t: %d tuples, want %d", without, len(found), want)
		}
		for _, f := range found {
			if without && f.ExpiresAt != nil && !f.ExpiresAt.AsTime().After(h.clock) {
				t.Errorf("%v has expired", f)
			}
		}
	}
}
