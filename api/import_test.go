package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func importOf(t testing.TB, mode tupelov1.ImportRequest_Mode, tuples ...string) *tupelov1.ImportRequest {
	t.Helper()
	r := &tupelov1.ImportRequest{Mode: mode}
	for _, text := range tuples {
		r.Tuples = append(r.Tuples, tupleMessage(t, text))
	}
	return r
}

// importing sends the messages of an import.
func (w *world) importing(ctx context.Context, messages ...*tupelov1.ImportRequest) (*tupelov1.ImportResponse, error) {
	stream, err := w.client.Import(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	return stream.CloseAndRecv()
}

// export returns everything that a filter selects.
func (w *world) export(t testing.TB, r *tupelov1.ExportRequest) (tuples []string, messages []*tupelov1.ExportResponse) {
	t.Helper()
	stream, err := w.client.Export(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, m)
		for _, one := range m.Tuples {
			tuples = append(tuples, tupleText(one))
		}
		if m.Complete {
			return tuples, messages
		}
	}
}

func TestAnImportWritesItsMessagesWhichAnExportGivesBack(t *testing.T) {
	for _, mode := range []tupelov1.ImportRequest_Mode{tupelov1.ImportRequest_MODE_CREATE, tupelov1.ImportRequest_MODE_TOUCH} {
		w := newWorld(t, gitclub)
		if mode == tupelov1.ImportRequest_MODE_TOUCH {
			w.touch(t, "repository:r01-00#reader@user:alice")
		}
		var want []string
		var messages []*tupelov1.ImportRequest
		for i := range 3 * importsUnderWay {
			m := &tupelov1.ImportRequest{}
			for j := range i % 5 { // one in five is empty
				text := fmt.Sprintf("repository:r%02d-%02d#reader@user:alice", i, j)
				want, m.Tuples = append(want, text), append(m.Tuples, tupleMessage(t, text))
			}
			messages = append(messages, m)
		}
		messages[0].Mode, messages[3].Mode = mode, mode
		r, err := w.importing(w.ctx, messages...)
		if err != nil || r.Written != uint64(len(want)) || r.Zookie != here.zookie(w.log.last()) {
			t.Fatalf("%v, %v, want %d tuples", r, err, len(want))
		}
		for _, size := range []int32{0, 1, 7, 48} {
			got, parts := w.export(t, &tupelov1.ExportRequest{BatchSize: size, Consistency: atLeast(r.Zookie)})
			if !slices.Equal(got, want) {
				t.Errorf("%d at a time: %d tuples, want %d", size, len(got), len(want))
			}
			for i, part := range parts {
				rest, _ := w.export(t, &tupelov1.ExportRequest{Cursor: part.Cursor, Consistency: atLeast(r.Zookie)})
				if before := (i + 1) * max(int(size), 1); size > 0 && !slices.Equal(rest, want[min(before, len(want)):]) {
					t.Errorf("%d at a time, after message %d: %d tuples", size, i, len(rest))
				}
				if part.Zookie != parts[0].Zookie {
					t.Errorf("message %d is of another revision", i)
				}
			}
		}
	}
}

func TestAnImportOfNothingIsDone(t *testing.T) {
	w := newWorld(t, gitclub)
	if r, err := w.importing(w.ctx); err != nil || r.Written != 0 || r.Zookie != here.zookie(w.log.last()) {
		t.Errorf("%v, %v", r, err)
	}
	if _, parts := w.export(t, &tupelov1.ExportRequest{}); len(parts) != 1 || parts[0].Cursor != "" {
		t.Errorf("an export of nothing: %v", parts)
	}
}

// TestAnImportNamesTheMessageThatFails has the first of the stream named,
// whichever was found out first.
func TestAnImportNamesTheMessageThatFails(t *testing.T) {
	const create = tupelov1.ImportRequest_MODE_CREATE
	good := func(i int) *tupelov1.ImportRequest {
		return importOf(t, 0, fmt.Sprintf("repository:g%d#owner@user:a", i), fmt.Sprintf("repository:g%d#owner@user:b", i))
	}
	for name, c := range map[string]struct {
		bad                 *tupelov1.ImportRequest
		code, reason, field string
	}{
		"exists":       {importOf(t, create, "repository:new#owner@user:x", aliceOwns), "AlreadyExists", "TUPLE_EXISTS", "tuples[1]"},
		"twice":        {importOf(t, create, "repository:new#owner@user:x", "repository:new#owner@user:x"), "InvalidArgument", "DUPLICATE_UPDATE", "tuples[1]"},
		"unknown type": {importOf(t, create, "repo:new#owner@user:x"), "FailedPrecondition", "UNKNOWN_TYPE", "tuples[0].object.type"},
		"mode":         {importOf(t, tupelov1.ImportRequest_MODE_TOUCH, "repository:new#owner@user:x"), "InvalidArgument", "OUT_OF_BOUNDS", "mode"},
		"unknown mode": {importOf(t, 7), "InvalidArgument", "OUT_OF_BOUNDS", "mode"},
		"too many":     {&tupelov1.ImportRequest{Tuples: make([]*tupelov1.Tuple, 1001)}, "InvalidArgument", "TOO_MANY_ITEMS", "tuples"},
	} {
		w := newWorld(t, gitclub)
		w.touch(t, aliceOwns)
		first := good(0)
		first.Mode = create
		_, err := w.importing(w.ctx, first, good(1), c.bad, good(3), importOf(t, 7))
		got := seen(t, err)
		if got.code != c.code || got.reason != "ERROR_REASON_"+c.reason || got.field != c.field {
			t.Errorf("%s: %+v", name, got)
		}
		info := got.status.Details()[0].(*errdetails.ErrorInfo).Metadata
		if info["message"] != "2" || info["imported"] != "4" {
			t.Errorf("%s: it says %v", name, info)
		}
		tuples, _ := w.export(t, &tupelov1.ExportRequest{Filter: &tupelov1.Filter{SubjectId: "x"}})
		before, _ := w.export(t, &tupelov1.ExportRequest{Filter: &tupelov1.Filter{ObjectIdPrefix: "g"}})
		if len(tuples) != 0 || len(before) < 4 {
			t.Errorf("%s: %q and %q are there", name, tuples, before)
		}
	}
}

func TestAnImportWaitsWhereTooMuchIsUnderWay(t *testing.T) {
	w := newWorld(t, gitclub)
	w.log.failWith(logError("overloaded"))
	var waited atomic.Bool
	w.log.after = func() {
		waited.Store(true)
		w.log.failWith(nil)
	}
	r, err := w.importing(w.ctx, importOf(t, tupelov1.ImportRequest_MODE_TOUCH, aliceOwns))
	if err != nil || r.Written != 1 || !waited.Load() {
		t.Errorf("%v, %v", r, err)
	}
	w.log.failWith(logError("outcome-unknown"))
	_, err = w.importing(w.ctx, importOf(t, tupelov1.ImportRequest_MODE_TOUCH, aliceOwns))
	if got := seen(t, err); got.code != "Unknown" {
		t.Errorf("%+v", got)
	}
}

func TestAnyNodeTakesAnImport(t *testing.T) {
	n := newNodes(t, nil)
	w := &world{server: n.servers["b"], log: n.servers["a"].log.(*testLog), ctx: withToken(t.Context(), testToken)}
	w.client = tupelov1.NewTupeloClient(dialTest(t, w.server))
	r, err := w.importing(w.ctx, importOf(t, tupelov1.ImportRequest_MODE_CREATE, aliceOwns, aliceOwnsRx))
	if err != nil || r.Written != 2 || r.Zookie != here.zookie(n.last()) {
		t.Errorf("%v, %v", r, err)
	}
	_, err = w.importing(w.ctx, importOf(t, tupelov1.ImportRequest_MODE_CREATE, aliceOwns))
	if got := seen(t, err); got.code != "AlreadyExists" || got.field != "tuples[0]" {
		t.Errorf("the leader's error: %+v", got)
	}
}

func TestAnExportIsOfOneRevision(t *testing.T) {
	w := newWorld(t, gitclub)
	zookie := w.touch(t, aliceOwns, aliceOwnsRx, bobReads)
	stream, err := w.client.Export(w.ctx, &tupelov1.ExportRequest{BatchSize: 1, Consistency: atLeast(zookie)})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	w.remove(t, aliceOwns, aliceOwnsRx, bobReads)
	tuples, _ := w.export(t, &tupelov1.ExportRequest{Cursor: first.Cursor, Consistency: atLeast(zookie)})
	if len(tuples) != 2 {
		t.Errorf("%q are left", tuples)
	}
	_, err = w.client.Read(w.ctx, &tupelov1.ReadRequest{Cursor: first.Cursor})
	if got := seen(t, err); got.reason != "ERROR_REASON_FOREIGN_CURSOR" {
		t.Errorf("with another consistency: %+v", got)
	}
}

func badImports(t *testing.T) (list []badInput) {
	const invalid = "InvalidArgument"
	for _, in := range badTuples(t) {
		write, ok := proto.Clone(in.request).(*tupelov1.WriteRequest)
		if !ok {
			continue
		}
		m := &tupelov1.ImportRequest{Mode: tupelov1.ImportRequest_MODE_TOUCH}
		for _, u := range write.Updates {
			m.Tuples = append(m.Tuples, u.Tuple)
		}
		field := strings.NewReplacer("updates", "tuples", "].tuple", "]").Replace(in.field)
		list = append(list, badInput{in.name, m, in.code, in.reason, field, in.says})
	}
	return append(list, []badInput{
		{"no mode", importOf(t, 0, aliceOwns), invalid, "MISSING_FIELD", "mode", "CREATE or TOUCH"},
		{"unknown field", withUnknownField(importOf(t, tupelov1.ImportRequest_MODE_TOUCH)), invalid, "UNKNOWN_FIELD", "", ""},
		{"large batches", &tupelov1.ExportRequest{BatchSize: 1001}, invalid, "OUT_OF_BOUNDS", "batch_size", "1 to 1000"},
		{"unknown field of an export", withUnknownField(&tupelov1.ExportRequest{}), invalid, "UNKNOWN_FIELD", "", ""},
		{"cursor of nowhere", &tupelov1.ExportRequest{Cursor: "abc"}, invalid, "DAMAGED_CURSOR", "cursor", ""},
	}...)
}
