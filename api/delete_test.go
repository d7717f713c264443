package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

func TestDeleteByFilterDeletesAndSaysWhetherThatWasAll(t *testing.T) {
	w := newWorld(t, gitclub)
	var tuples []string
	for i := range 10 {
		tuples = append(tuples, fmt.Sprintf("repository:club#reader@user:u%d", i))
	}
	w.touch(t, append(tuples, aliceOwns)...)
	readers := &tupelov1.Filter{ObjectType: "repository", ObjectId: "club", Relation: "reader"}

	_, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{Filter: readers, Limit: 4})
	if got := seen(t, err); got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_TOO_MANY_TUPLES" || !strings.Contains(got.message, "4 at a time") {
		t.Errorf("%+v", got)
	}
	for _, step := range []struct {
		limit    int32
		deleted  uint64
		complete bool
	}{{4, 4, false}, {4, 4, false}, {4, 2, true}, {4, 0, true}} {
		r, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{Filter: readers, Limit: step.limit, AllowPartial: true})
		if err != nil {
			t.Fatal(err)
		}
		if r.Deleted != step.deleted || r.Complete != step.complete || r.Zookie != here.zookie(w.log.last()) {
			t.Errorf("%v, want %+v", r, step)
		}
	}
	w.touch(t, tuples...)
	r, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{Filter: readers})
	if err != nil {
		t.Fatal(err)
	}
	if r.Deleted != 10 || !r.Complete {
		t.Errorf("%v", r)
	}
	if got := w.check(t, nil, alicePushes).Result; got != tupelov1.Result_RESULT_YES {
		t.Errorf("a tuple that was not selected is gone: %v", got)
	}
}

// What is written between the look-up and the apply is deleted too.
func TestDeleteByFilterMissesNothingWrittenMeanwhile(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	w.log.before = func() { w.touch(t, "repository:club#owner@user:late") }
	r, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{Relation: "owner"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Deleted != 2 || !r.Complete {
		t.Errorf("%v", r)
	}
}

func TestDeleteByFilterDeletesWhatFitsIntoTheLog(t *testing.T) {
	w := newWorld(t, gitclub)
	names := w.names(t)
	const tuples = 4000 // of some 2 KB each
	for i := range tuples / 1000 {
		var write store.Write
		for j := range 1000 {
			id := fmt.Sprintf("%01024d", 1000*i+j)
			one, _ := names.Tuple(parseTuple(t, "repository:"+id+"#owner@user:"+id))
			write.Updates = append(write.Updates, store.Update{Op: store.Touch, Tuple: one})
		}
		if result := w.log.propose(t, write); result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	r := &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{Relation: "owner"}}
	before := w.log.last()
	_, err := w.client.DeleteByFilter(w.ctx, r)
	if got := seen(t, err); got.code != "ResourceExhausted" || got.reason != "ERROR_REASON_TOO_LARGE" || w.log.last() != before {
		t.Errorf("as a whole: %+v", got)
	}
	r.AllowPartial = true
	part, err := w.client.DeleteByFilter(w.ctx, r)
	if err != nil || part.Complete || part.Deleted < tuples/2 || part.Deleted >= tuples {
		t.Fatalf("as a part: %v, %v", part, err)
	}
	if size := len(w.log.commands[w.log.last()-1]); size < maxDeleteBytes/2 || size > maxDeleteBytes {
		t.Errorf("the command has %d bytes", size)
	}
	r.AllowPartial = false
	if rest, err := w.client.DeleteByFilter(w.ctx, r); err != nil || !rest.Complete || rest.Deleted != tuples-part.Deleted {
		t.Errorf("the rest: %v, %v", rest, err)
	}
}

func TestDeleteByFilterWithoutALimitDeletesAllAtOnce(t *testing.T) {
	w := newWorld(t, gitclub)
	names := w.names(t)
	const tuples = 25000
	var write store.Write
	for i := range tuples {
		one, _ := names.Tuple(parseTuple(t, fmt.Sprintf("repository:r%d#owner@user:alice", i)))
		write.Updates = append(write.Updates, store.Update{Op: store.Touch, Tuple: one})
	}
	w.log.propose(t, write)
	owners := &tupelov1.Filter{Relation: "owner"}
	_, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{Filter: owners, Limit: tuples - 1})
	if got := seen(t, err); got.reason != "ERROR_REASON_TOO_MANY_TUPLES" {
		t.Errorf("with one less: %+v", got)
	}
	before := w.log.last()
	r, err := w.client.DeleteByFilter(w.ctx, &tupelov1.DeleteByFilterRequest{Filter: owners})
	if err != nil || r.Deleted != tuples || !r.Complete || w.log.last() != before+1 {
		t.Errorf("%v, %v, in %d revisions", r, err, w.log.last()-before)
	}
}

// One page of what is read is more than an entry holds, and more comes behind it.
func TestDeleteByFilterSaysThatItIsCutWhereverThatIs(t *testing.T) {
	w := newWorld(t, "definition user {}\ncaveat padded(pad string) { pad != \"\" }\ndefinition doc {\n\trelation reader: user with padded\n}\n")
	names := w.names(t)
	pad := strings.Repeat("x", 2*maxDeleteBytes/deletePage)
	var write store.Write
	for i := range deletePage {
		one, _ := names.Tuple(parseTuple(t, fmt.Sprintf(`doc:d%d#reader@user:alice[padded:{"pad":"%s"}]`, i, pad)))
		write.Updates = append(write.Updates, store.Update{Op: store.Touch, Tuple: one})
	}
	if result := w.log.propose(t, write); result.Err != nil {
		t.Fatal(result.Err)
	}
	r := &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "doc"}, AllowPartial: true}
	part, err := w.client.DeleteByFilter(w.ctx, r)
	if err != nil || part.Complete || part.Deleted == 0 || part.Deleted >= deletePage {
		t.Errorf("%v, %v", part, err)
	}
}
