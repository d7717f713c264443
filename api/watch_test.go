package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// event is a message of a watch as tests compare it.
type event struct {
	revision uint64 // 0 if more of it follows
	text     string // "checkpoint", or the changes, such as "+a:b#c@d:e -a:b#c@d:f schema"
}

func eventOf(t testing.TB, r *tupelov1.WatchResponse) event {
	t.Helper()
	e := event{}
	if r.Zookie != "" {
		revision, err := here.parseZookie(r.Zookie)
		if err != nil {
			t.Fatal(err)
		}
		e.revision = revision
	}
	var parts []string
	if r.Checkpoint {
		parts = append(parts, "checkpoint")
	}
	for _, c := range r.Changes {
		sign := map[tupelov1.TupleChange_Operation]string{
			tupelov1.TupleChange_OPERATION_TOUCHED: "+", tupelov1.TupleChange_OPERATION_DELETED: "-",
		}[c.Operation]
		parts = append(parts, sign+tupleText(c.Tuple))
	}
	if r.SchemaChanged {
		parts = append(parts, "schema")
	}
	e.text = strings.Join(parts, " ")
	return e
}

// watching is a watch of a test.
type watching struct {
	t      testing.TB
	stream interface {
		Recv() (*tupelov1.WatchResponse, error)
	}
	end context.CancelFunc
}

// watch begins a watch and takes the checkpoint that it begins with.
func (w *world) watch(t testing.TB, r *tupelov1.WatchRequest) *watching {
	t.Helper()
	ctx, end := context.WithCancel(w.ctx)
	t.Cleanup(end)
	stream, err := w.client.Watch(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	g := &watching{t, stream, end}
	if e := g.next(); e.text != "checkpoint" {
		t.Fatalf("the watch begins with %+v", e)
	}
	return g
}

func (g *watching) next() event {
	g.t.Helper()
	r, err := g.stream.Recv()
	if err != nil {
		g.t.Fatal(err)
	}
	return eventOf(g.t, r)
}

// expect takes the next messages; their revisions follow one another.
func (g *watching) expect(first uint64, texts ...string) {
	g.t.Helper()
	for i, text := range texts {
		want := event{first + uint64(i), text}
		if got := g.next(); got != want {
			g.t.Fatalf("message %d: %+v, want %+v", i, got, want)
		}
	}
}

// ends returns what the watch ends with; no message comes before.
func (g *watching) ends() refusalOf {
	g.t.Helper()
	r, err := g.stream.Recv()
	if err == nil {
		g.t.Fatalf("the watch goes on with %v", r)
	}
	return seen(g.t, err)
}

// horizonOf returns the zookie of the horizon that an error names.
func horizonOf(r refusalOf) string {
	for _, detail := range r.status.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info.Metadata["horizon"]
		}
	}
	return ""
}

// remove deletes tuples given in their text form.
func (w *world) remove(t testing.TB, tuples ...string) {
	t.Helper()
	if _, err := w.client.Write(w.ctx, updates(t, tupelov1.Update_OPERATION_DELETE, tuples...)); err != nil {
		t.Fatal(err)
	}
}

const (
	bobReads    = "repository:club#reader@user:bob"
	coreReads   = "repository:club#reader@team:core#member"
	bobInCore   = "team:core#member@user:bob"
	aliceOwnsRx = "repository:rx#owner@user:alice"
)

func TestAWatchTellsOfEachRevisionThatChangesSomething(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	g := w.watch(t, &tupelov1.WatchRequest{})
	begun := w.log.last()
	w.touch(t, bobReads, coreReads)
	w.touch(t, bobReads) // changes nothing
	w.touch(t, bobReads, bobInCore)
	w.remove(t, aliceOwns, aliceOwnsRx)
	w.writeSchema(t, gitclub+"\ndefinition more {}\n")
	for i, text := range []string{"+" + bobReads + " +" + coreReads, "", "+" + bobInCore, "-" + aliceOwns, "schema"} {
		if text != "" {
			g.expect(begun+uint64(i)+1, text)
		}
	}
	if n := testutil.ToFloat64(w.server.metrics.watched); n != 4 {
		t.Errorf("%v watched changes are counted", n)
	}
}

// What is behind comes page after page, not one with each news.
func TestAWatchThatIsFarBehindCatchesUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitclub)
		zookie := w.touch(t, aliceOwns)
		const revisions, each = 12, maxPageChanges / 4
		for i := range revisions {
			command := store.Write{}
			for j := range each {
				command.Updates = append(command.Updates, bulkUpdate(i, j))
			}
			if r := w.log.propose(t, command); r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		g := w.watch(t, &tupelov1.WatchRequest{After: zookie, CheckpointEvery: durationpb.New(time.Hour)})
		begun := time.Now()
		for range revisions {
			if e := g.next(); e.text == "checkpoint" {
				t.Fatalf("%+v", e)
			}
		}
		if took := time.Since(begun); took != 0 {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAWatchTellsWhenAChangeWasMade(t *testing.T) {
	w := newWorld(t, gitclub)
	g := w.watch(t, &tupelov1.WatchRequest{})
	w.touch(t, aliceOwns)
	r, err := g.stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if got := r.ChangedAt.AsTime(); !got.Equal(w.server.now()) {
		t.Errorf("changed at %s, want %s", got, w.server.now())
	}
}

func TestAWatchFromAZookieBeginsWithTheRevisionAfterIt(t *testing.T) {
	w := newWorld(t, gitclub)
	zookie := w.touch(t, aliceOwns)
	after := w.log.last()
	w.touch(t, bobReads)
	w.touch(t, coreReads)
	g := w.watch(t, &tupelov1.WatchRequest{After: zookie})
	g.expect(after+1, "+"+bobReads, "+"+coreReads)
	w.touch(t, bobInCore)
	g.expect(after+3, "+"+bobInCore)
}

func TestAWatchSendsWhatAnyOfItsFiltersSelects(t *testing.T) {
	w := newWorld(t, gitclub)
	zookie := w.touch(t, "job:j1#creator@user:alice")
	first := w.log.last() + 1
	w.touch(t, aliceOwns, aliceOwnsRx, bobReads, coreReads, bobInCore)
	type filters = []*tupelov1.WatchFilter
	for name, c := range map[string]struct {
		filters filters
		want    string
	}{
		"none":         {nil, "+" + aliceOwns + " +" + aliceOwnsRx + " +" + bobReads + " +" + coreReads + " +" + bobInCore},
		"an empty one": {filters{{}}, "+" + aliceOwns + " +" + aliceOwnsRx + " +" + bobReads + " +" + coreReads + " +" + bobInCore},
		"type":         {filters{{ObjectType: "team"}}, "+" + bobInCore},
		"prefix":       {filters{{ObjectIdPrefix: "r"}}, "+" + aliceOwnsRx},
		"whole id":     {filters{{ObjectIdPrefix: "core"}}, "+" + bobInCore},
		"longer id":    {filters{{ObjectIdPrefix: "corex"}}, ""},
		"relation":     {filters{{Relation: "reader"}}, "+" + bobReads + " +" + coreReads},
		"subject type": {filters{{SubjectType: "team"}}, "+" + coreReads},
		"all parts":    {filters{{ObjectType: "repository", ObjectIdPrefix: "cl", Relation: "reader", SubjectType: "user"}}, "+" + bobReads},
		"object":       {filters{{ObjectId: "core"}}, "+" + bobInCore},
		"subject":      {filters{{SubjectId: "core"}}, "+" + coreReads},
		"no userset":   {filters{{Relation: "reader", SubjectRelation: ptr("")}}, "+" + bobReads},
		"userset":      {filters{{SubjectRelation: ptr("member")}}, "+" + coreReads},
		"two":          {filters{{ObjectType: "team"}, {Relation: "owner", ObjectIdPrefix: "cl"}}, "+" + aliceOwns + " +" + bobInCore},
		"overlapping":  {filters{{SubjectType: "team"}, {Relation: "reader"}}, "+" + bobReads + " +" + coreReads},
		"no match":     {filters{{ObjectType: "job"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := w.watch(t, &tupelov1.WatchRequest{After: zookie, Filters: c.filters, CheckpointEvery: durationpb.New(100 * time.Millisecond)})
			if c.want == "" {
				c.want = "checkpoint"
			}
			g.expect(first, c.want)
			g.end()
		})
	}
}

// A client whose filters match nothing has a fresh zookie all the same.
func TestCheckpointsMoveOnWhileNothingThatIsWatchedChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitclub)
		g := w.watch(t, &tupelov1.WatchRequest{
			Filters: []*tupelov1.WatchFilter{{ObjectType: "job"}}, CheckpointEvery: durationpb.New(time.Minute),
		})
		begun, revision := time.Now(), w.log.last()
		g.expect(revision, "checkpoint")
		if took := time.Since(begun); took != time.Minute {
			t.Errorf("the checkpoint came after %s", took)
		}
		w.touch(t, aliceOwns)
		time.Sleep(59 * time.Second)
		w.touch(t, bobReads)
		g.expect(revision+2, "checkpoint")
		if took := time.Since(begun); took != 2*time.Minute {
			t.Errorf("the second checkpoint came after %s", took)
		}
		time.Sleep(30 * time.Second)
		w.touch(t, "job:j1#creator@user:alice")
		g.expect(revision+3, "+job:j1#creator@user:alice")
		g.expect(revision+3, "checkpoint")
		if took := time.Since(begun); took != 3*time.Minute+30*time.Second {
			t.Errorf("after a message the checkpoint came at %s", took)
		}
	})
}

func TestAWatchBelowTheHorizonNamesTheHorizon(t *testing.T) {
	w := newWorld(t, gitclub)
	old := w.touch(t, aliceOwns)
	w.touch(t, bobReads)
	horizon := w.log.last()
	w.touch(t, coreReads)
	w.log.propose(t, store.AdvanceHorizon{UnixMillis: 1, Revision: horizon})
	stream, err := w.client.Watch(w.ctx, &tupelov1.WatchRequest{After: old})
	if err != nil {
		t.Fatal(err)
	}
	got := (&watching{t: t, stream: stream}).ends()
	if got.code != "OutOfRange" || got.reason != "ERROR_REASON_REVISION_EXPIRED" {
		t.Fatalf("%+v", got)
	}
	w.watch(t, &tupelov1.WatchRequest{After: horizonOf(got)}).expect(horizon+1, "+"+coreReads)
}

// What a slow client has not been sent yet may be forgotten meanwhile. It is
// told, rather than sent what is left.
func TestAWatchThatTheHorizonOvertakesEnds(t *testing.T) {
	w := newWorld(t, gitclub)
	s := w.server
	stream := &heldStream{ctx: t.Context(), sent: make(chan *tupelov1.WatchResponse)}
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(&tupelov1.WatchRequest{}, stream) }()
	<-stream.sent
	w.touch(t, aliceOwns)
	for stream.sends.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	w.touch(t, bobReads)
	w.touch(t, coreReads)
	w.log.propose(t, store.AdvanceHorizon{UnixMillis: 1, Revision: w.log.last()})
	if e := eventOf(t, <-stream.sent); e.text != "+"+aliceOwns {
		t.Errorf("%+v", e)
	}
	select {
	case r := <-stream.sent:
		t.Errorf("it goes on with %v", r)
	case err := <-ended:
		if got := seen(t, statusOf(err).Err()); got.reason != "ERROR_REASON_REVISION_EXPIRED" {
			t.Errorf("%+v", got)
		}
	}
}

func TestAWatchEndsWithItsCallItsDeadlineAndTheServer(t *testing.T) {
	for name, c := range map[string]struct {
		deadline     time.Duration
		end          func(*world, *watching)
		code, reason string
	}{
		"call":     {time.Hour, func(_ *world, g *watching) { g.end() }, "Canceled", ""},
		"deadline": {time.Minute, func(*world, *watching) { time.Sleep(time.Minute) }, "DeadlineExceeded", ""},
		"server":   {time.Hour, func(w *world, _ *watching) { w.server.drain() }, "Unavailable", "ERROR_REASON_CLOSED"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, gitclub)
				ctx, cancel := context.WithTimeout(w.ctx, c.deadline)
				defer cancel()
				w.ctx = ctx
				g := w.watch(t, &tupelov1.WatchRequest{CheckpointEvery: durationpb.New(time.Hour)})
				c.end(w, g)
				// The deadline may be noticed on either side; only the server gives a reason.
				if got := g.ends(); got.code != c.code || (got.reason != c.reason && name != "deadline") {
					t.Errorf("%+v", got)
				}
				synctest.Wait()
				if n := testutil.ToFloat64(w.server.metrics.watchers); n != 0 {
					t.Errorf("%v watches are left", n)
				}
			})
		})
	}
}

// Watches do not keep a server that is told to stop.
func TestWatchesDoNotDelayTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, gitclub)
		g := w.watch(t, &tupelov1.WatchRequest{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begun := time.Now()
		w.server.stop(ctx)
		if took := time.Since(begun); took != 0 {
			t.Errorf("the drain took %s", took)
		}
		if got := g.ends(); got.code != "Unavailable" {
			t.Errorf("%+v", got)
		}
	})
}

func TestAWatchAtALaggingReplicaWaitsForItsZookie(t *testing.T) {
	c := newCluster(t, func(o *Options) { o.Tokens = []string{testToken} })
	c.release(t, c.schema)
	w := &world{server: c.replica, ctx: withToken(t.Context(), testToken)}
	w.client = tupelov1.NewTupeloClient(dialTest(t, c.replica))
	stream, err := w.client.Watch(w.ctx, &tupelov1.WatchRequest{After: here.zookie(c.granted)})
	if err != nil {
		t.Fatal(err)
	}
	g := &watching{t: t, stream: stream}
	c.release(t, c.revoked)
	if e := g.next(); e != (event{c.granted, "checkpoint"}) {
		t.Fatalf("%+v", e)
	}
	if e := g.next(); e.revision != c.revoked || !strings.HasPrefix(e.text, "-") {
		t.Fatalf("%+v", e)
	}
}

// Whatever one revision changes comes in messages that clients can take.
func TestALargeRevisionComesInSeveralMessages(t *testing.T) {
	w := newWorld(t, gitclub)
	g := w.watch(t, &tupelov1.WatchRequest{})
	command := store.Write{}
	const n = 1000
	for i := range n {
		u := bulkUpdate(0, i)
		u.Tuple.Object.ID = fmt.Appendf(nil, "%0*d", tuple.MaxObjectIDBytes, i)
		u.Tuple.Subject.ID = fmt.Appendf(nil, "%0*d", tuple.MaxObjectIDBytes, i)
		command.Updates = append(command.Updates, u)
	}
	if r := w.log.propose(t, command); r.Err != nil {
		t.Fatal(r.Err)
	}
	messages, changes := 0, 0
	for last := false; !last; messages++ {
		r, err := g.stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if size := proto.Size(r); size > maxWatchMessageBytes+4096 {
			t.Errorf("a message of %d bytes", size)
		}
		if r.ChangedAt == nil || r.Checkpoint {
			t.Errorf("message %d: %v, %v", messages, r.ChangedAt, r.Checkpoint)
		}
		for _, c := range r.Changes {
			if got, want := c.Tuple.Subject.Id, string(command.Updates[changes].Tuple.Subject.ID); got != want {
				t.Fatalf("change %d is of %s", changes, got)
			}
			changes++
		}
		last = r.Zookie != ""
	}
	if changes != n || messages < 2 {
		t.Errorf("%d changes in %d messages", changes, messages)
	}
}

// A filter may name what the schema defined once: the watch may begin before
// the change that took it away.
func TestAWatchMayFilterByWhatTheSchemaDefinedOnce(t *testing.T) {
	w := newWorld(t, gitclub)
	zookie := w.touch(t, "job:j1#creator@user:alice")
	w.remove(t, "job:j1#creator@user:alice")
	removed := w.log.last()
	w.writeSchema(t, gitclub[:strings.Index(gitclub, "definition job")])
	for _, f := range []*tupelov1.WatchFilter{
		{ObjectType: "job"}, {ObjectType: "job", Relation: "creator"}, {ObjectType: "job", SubjectType: "user", SubjectRelation: ptr("")},
	} {
		g := w.watch(t, &tupelov1.WatchRequest{After: zookie, Filters: []*tupelov1.WatchFilter{f}})
		g.expect(removed, "-job:j1#creator@user:alice")
	}
	g := w.watch(t, &tupelov1.WatchRequest{Filters: []*tupelov1.WatchFilter{{SubjectType: "job", SubjectRelation: ptr("creator")}}, CheckpointEvery: durationpb.New(100 * time.Millisecond)})
	g.expect(removed+1, "checkpoint")
}

func TestWithoutASchemaEverythingCanBeWatched(t *testing.T) {
	w := newWorld(t, "")
	g := w.watch(t, &tupelov1.WatchRequest{})
	w.writeSchema(t, gitclub)
	g.expect(2, "schema")
}

func TestAWatchThatTheStreamRefusesEnds(t *testing.T) {
	w := newWorld(t, gitclub)
	err := w.server.Watch(&tupelov1.WatchRequest{}, brokenStream{ctx: t.Context()})
	if err != errTest {
		t.Errorf("%v", err)
	}
}

func badWatches(*testing.T) (list []badInput) {
	const invalid, failed = "InvalidArgument", "FailedPrecondition"
	every := func(d time.Duration) *tupelov1.WatchRequest {
		return &tupelov1.WatchRequest{CheckpointEvery: durationpb.New(d)}
	}
	for _, c := range []struct {
		name                string
		f                   *tupelov1.WatchFilter
		code, reason, field string
		says                string
	}{
		{"bad object type", &tupelov1.WatchFilter{ObjectType: "a b"}, invalid, "INVALID_NAME", ".object_type", ""},
		{"bad prefix", &tupelov1.WatchFilter{ObjectIdPrefix: "a*"}, invalid, "INVALID_ID", ".object_id_prefix", "at byte 1"},
		{"bad object id", &tupelov1.WatchFilter{ObjectId: "a b"}, invalid, "INVALID_ID", ".object_id", ""},
		{"an id and a prefix", &tupelov1.WatchFilter{ObjectId: "ab", ObjectIdPrefix: "a"}, invalid, "OUT_OF_BOUNDS", ".object_id_prefix", ""},
		{"bad subject id", &tupelov1.WatchFilter{SubjectId: "a b"}, invalid, "INVALID_ID", ".subject_id", ""},
		{"bad subject relation", &tupelov1.WatchFilter{SubjectRelation: ptr("a/b")}, invalid, "INVALID_NAME", ".subject_relation", ""},
		{"unknown subject relation", &tupelov1.WatchFilter{SubjectType: "team", SubjectRelation: ptr("membr")}, failed, "UNKNOWN_RELATION", ".subject_relation", "member"},
		{"bad relation", &tupelov1.WatchFilter{Relation: "a/b"}, invalid, "INVALID_NAME", ".relation", ""},
		{"bad subject type", &tupelov1.WatchFilter{SubjectType: "A"}, invalid, "INVALID_NAME", ".subject_type", ""},
		{"unknown field", withUnknownField(&tupelov1.WatchFilter{}), invalid, "UNKNOWN_FIELD", "", "older than the client"},
		{"unknown object type", &tupelov1.WatchFilter{ObjectType: "teem"}, failed, "UNKNOWN_TYPE", ".object_type", "team"},
		{"unknown relation", &tupelov1.WatchFilter{ObjectType: "team", Relation: "owner"}, failed, "UNKNOWN_RELATION", ".relation", ""},
		{"unknown relation of any type", &tupelov1.WatchFilter{Relation: "ownr"}, failed, "UNKNOWN_RELATION", ".relation", "owner"},
		{"permission", &tupelov1.WatchFilter{ObjectType: "job", Relation: "cancel"}, failed, "NOT_A_RELATION", ".relation", ""},
		{"unknown subject type", &tupelov1.WatchFilter{SubjectType: "usr"}, failed, "UNKNOWN_TYPE", ".subject_type", "user"},
	} {
		r := &tupelov1.WatchRequest{Filters: []*tupelov1.WatchFilter{{ObjectType: "team"}, c.f}}
		list = append(list, badInput{c.name, r, c.code, c.reason, "filters[1]" + c.field, c.says})
	}
	return append(list, []badInput{
		{"too many filters", &tupelov1.WatchRequest{Filters: make([]*tupelov1.WatchFilter, 101)}, invalid, "TOO_MANY_ITEMS", "filters", "100 are allowed"},
		{"no zookie", &tupelov1.WatchRequest{After: "now"}, invalid, "DAMAGED_ZOOKIE", "after", ""},
		{"foreign zookie", &tupelov1.WatchRequest{After: elsewhere.zookie(1)}, invalid, "FOREIGN_ZOOKIE", "after", ""},
		{"zookie of a lost future", &tupelov1.WatchRequest{After: here.zookie(1 << 40)}, "OutOfRange", "REVISION_UNKNOWN", "", ""},
		{"frequent checkpoints", every(99 * time.Millisecond), invalid, "OUT_OF_BOUNDS", "checkpoint_every", "100ms"},
		{"rare checkpoints", every(time.Hour + 1), invalid, "OUT_OF_BOUNDS", "checkpoint_every", "1h"},
		{"negative checkpoints", every(-time.Second), invalid, "OUT_OF_BOUNDS", "checkpoint_every", ""},
		{"damaged duration", &tupelov1.WatchRequest{CheckpointEvery: &durationpb.Duration{Seconds: 1, Nanos: -1}}, invalid, "OUT_OF_BOUNDS", "checkpoint_every", ""},
		{"unknown field", withUnknownField(&tupelov1.WatchRequest{}), invalid, "UNKNOWN_FIELD", "", ""},
	}...)
}
