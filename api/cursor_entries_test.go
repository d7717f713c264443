package api

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func TestAListGoesOnBehindEachOfItsEntries(t *testing.T) {
	w := newWorld(t, gitclub)
	for i := range 40 {
		w.touch(t, fmt.Sprintf("repository:r%02d#owner@user:alice", i))
	}
	request := &tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: &tupelov1.Subject{Type: "user", Id: "alice"}}
	stream := &collected[tupelov1.ListObjectsResponse]{ctx: t.Context()}
	if err := w.server.ListObjects(request, stream); err != nil {
		t.Fatal(err)
	}
	sent := stream.sent
	var whole []string
	for _, m := range sent {
		for _, o := range m.Objects {
			whole = append(whole, entry(o.Id, o.Result))
		}
	}
	before := 0
	for _, m := range sent {
		if len(m.Objects) == 0 {
			continue
		}
		cursors, err := NewEntryCursors(m.Cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range m.Objects {
			before++
			request.Cursor = cursors.Behind(o.Id)
			if rest := w.listObjects(t, request); !slices.Equal(rest.entries, whole[before:]) {
				t.Errorf("behind %s follow %v, want %v", o.Id, rest.entries, whole[before:])
			}
		}
		if request.Cursor != m.Cursor {
			t.Errorf("the last entry's cursor is %s, its message's %s", request.Cursor, m.Cursor)
		}
	}
	if before != 40 {
		t.Errorf("%d entries", before)
	}
}

func TestCursorsOfEntriesAreMadeOfCursorsOnly(t *testing.T) {
	whole := here.cursor(cursor{7, requestHash{1}, []byte("an id")})
	for name, text := range map[string]string{
		"nothing": "", "no token": "page 2", "a zookie": here.zookie(7), "a cut cursor": whole[:len(whole)-2],
		"no entry": here.cursor(cursor{7, requestHash{1}, nil}),
		"too long": strings.Repeat("A", maxTokenText+1),
	} {
		if _, err := NewEntryCursors(text); !errors.Is(err, ErrDamagedCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cursors, err := NewEntryCursors(whole)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1024)
	for _, id := range []string{"an id", long, "b", "an id"} {
		got, err := here.parseCursor(cursors.Behind(id), requestHash{1})
		if err != nil || got.revision != 7 || string(got.position) != id {
			t.Errorf("%q: %+v, %v", id, got, err)
		}
	}
}
