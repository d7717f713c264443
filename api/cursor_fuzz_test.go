package api

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// paged are the calls that take cursors, each with its request and what it gives.
type paged struct {
	name    string
	request requestHash
	page    func(cursor string) (list []string, next string, err error)
}

// pagedCalls asks alice's server for a part of each kind of list, beside which
// others have as much.
func pagedCalls(ctx context.Context, s *Server) []paged {
	filter := &tupelov1.Filter{ObjectType: "repository", ObjectId: "mine"}
	read := &tupelov1.ReadRequest{Filter: filter, Limit: 3}
	alice := &tupelov1.Subject{Type: "user", Id: "alice"}
	mine := &tupelov1.Object{Type: "repository", Id: "mine"}
	return []paged{
		{"Read", hashRead(read), func(cursor string) (list []string, next string, err error) {
			r, err := s.Read(ctx, &tupelov1.ReadRequest{Filter: filter, Limit: 3, Cursor: cursor})
			for _, m := range r.GetTuples() {
				list = append(list, tupleText(m))
			}
			return list, r.GetNextCursor(), err
		}},
		{"ListObjects", hashList("ListObjects", nil, "repository", "push", "user", "alice", "", ""), func(cursor string) (list []string, next string, err error) {
			stream := &collected[tupelov1.ListObjectsResponse]{ctx: ctx}
			err = s.ListObjects(&tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: alice, Limit: 3, Cursor: cursor}, stream)
			for _, m := range stream.sent {
				for _, o := range m.Objects {
					list = append(list, o.Id)
				}
				if next = m.Cursor; m.Complete {
					next = ""
				}
			}
			return list, next, err
		}},
		{"ListSubjects", hashList("ListSubjects", nil, "repository", "mine", "push", "user", "", ""), func(cursor string) (list []string, next string, err error) {
			stream := &collected[tupelov1.ListSubjectsResponse]{ctx: ctx}
			err = s.ListSubjects(&tupelov1.ListSubjectsRequest{Object: mine, Relation: "push", SubjectType: "user", Limit: 3, Cursor: cursor}, stream)
			for _, m := range stream.sent {
				for _, o := range m.Subjects {
					list = append(list, o.Id)
				}
				if next = m.Cursor; m.Complete {
					next = ""
				}
			}
			return list, next, err
		}},
	}
}

// newPagedServer returns a server on which alice has some repositories and some
// users have hers, among more of others.
func newPagedServer(t testing.TB) *Server {
	t.Helper()
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, nil)
	if err := s.writeSchemaNow(t, gitclub); err != nil {
		t.Fatal(err)
	}
	var tuples []string
	for i := range 7 {
		tuples = append(tuples,
			fmt.Sprintf("repository:r%d#owner@user:alice", i), fmt.Sprintf("repository:r%d-of-bob#owner@user:bob", i),
			fmt.Sprintf("repository:mine#owner@user:u%d", i), fmt.Sprintf("repository:theirs#owner@user:u%d-of-them", i))
	}
	if err := s.touchNow(t, tuples...); err != nil {
		t.Fatal(err)
	}
	return s
}

// FuzzPagesFromAnyCursor asks for pages with cursors that are made up, once as the
// text says and once with everything right but the position, past the checksum
// that guards it. Whatever it is: an INVALID_ARGUMENT, or entries of the very list.
func FuzzPagesFromAnyCursor(f *testing.F) {
	s := newPagedServer(f)
	calls := pagedCalls(context.Background(), s)
	whole := make([][]string, len(calls))
	for i, call := range calls {
		for _, position := range []string{"", "r3", "u3", "*", "\x00", "r3-of-bob", "u3-of-them"} {
			f.Add(here.cursor(cursor{s.store.Applied(), call.request, []byte(position)}), uint8(i), []byte(position))
		}
		whole[i] = wholeList(f, call)
	}
	f.Fuzz(func(t *testing.T, text string, which uint8, position []byte) {
		i := int(which) % len(calls)
		texts := []string{text}
		if len(position) > 0 {
			texts = append(texts, here.cursor(cursor{s.store.Applied(), calls[i].request, position}))
		}
		for _, text := range texts {
			list, _, err := calls[i].page(text)
			if err != nil {
				if code := statusOf(err).Code(); code != codes.InvalidArgument && code != codes.OutOfRange {
					t.Errorf("%s from %q: %v: %v", calls[i].name, text, code, err)
				}
				continue
			}
			if !isPart(whole[i], list) {
				t.Errorf("%s from %q gives %q, which is no part of %q", calls[i].name, text, list, whole[i])
			}
		}
	})
}

// wholeList follows a list from page to page.
func wholeList(t testing.TB, call paged) (all []string) {
	t.Helper()
	for cursor := ""; ; {
		page, next, err := call.page(cursor)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(all) != 7 {
		t.Fatalf("%s gives %q; want 7 entries", call.name, all)
	}
	return all
}

// isPart reports whether a page stands in a list as it is.
func isPart(whole, page []string) bool {
	if len(page) == 0 {
		return true
	}
	at := slices.Index(whole, page[0])
	return at >= 0 && at+len(page) <= len(whole) && slices.Equal(whole[at:at+len(page)], page)
}
