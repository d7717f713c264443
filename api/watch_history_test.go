package api

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// A history is written at random, and watched by clients that come and go,
// filter, and are overtaken by the horizon, on servers that are started again.
// Each must be sent exactly what the history, kept beside as text, says: every
// change that it selects, once, in order.

// recorded is one revision of a history, as a model of the store sees it.
type recorded struct {
	revision uint64
	changes  []string // +tuple or -tuple
	schema   bool
}

// watchedHistory is a node that can be started again, and what was written to it.
type watchedHistory struct {
	t        *testing.T
	rng      *rand.Rand
	fs       vfs.FS
	log      *testLog
	world    *world
	stop     func()
	live     map[string]bool
	recorded []recorded
}

// start opens the store and serves it; stop ends both.
func (h *watchedHistory) start() {
	h.t.Helper()
	st, err := store.Open(store.Options{FS: h.fs, Dir: "state", CacheBytes: 1 << 20})
	if err != nil {
		h.t.Fatal(err)
	}
	if h.log == nil {
		h.log = &testLog{moved: make(chan struct{})}
	}
	h.log.leader, h.log.follower = st, st
	for i := st.Applied(); i < uint64(len(h.log.commands)); i++ { // what the crash lost
		if _, err := st.Apply([]uint64{i + 1}, h.log.commands[i:i+1]); err != nil {
			h.t.Fatal(err)
		}
	}
	s := newTestServer(h.t, h.log, func(o *Options) { o.Tokens = []string{testToken} })
	conn, stopServing := dialUntil(h.t, s)
	h.world = &world{log: h.log, server: s, ctx: withToken(h.t.Context(), testToken), client: tupelov1.NewTupeloClient(conn)}
	h.stop = func() {
		stopServing()
		if err := st.Close(); err != nil {
			h.t.Error(err)
		}
	}
}

var watchedTuples = func() (list []string) {
	for _, object := range []string{"a", "ab", "b"} {
		for _, subject := range []string{"user:u", "user:v", "team:t#member"} {
			for _, relation := range []string{"reader", "maintainer"} {
				list = append(list, fmt.Sprintf("repository:%s#%s@%s", object, relation, subject))
			}
		}
		list = append(list, fmt.Sprintf("team:%s#member@user:u", object), fmt.Sprintf("job:%s#creator@user:v", object))
	}
	return list
}()

// write does one random thing and records what it must come to.
func (h *watchedHistory) write() {
	h.t.Helper()
	rec := recorded{}
	switch n := h.rng.IntN(20); {
	case n == 0:
		h.world.writeSchema(h.t, gitclub+strings.Repeat("\n", 1+len(h.recorded)))
		rec.schema = true
	case n == 1:
		rec.changes = h.deleteByFilter()
	case n == 2: // a revision without changes
		h.log.propose(h.t, store.Lead{UnixMillis: 1, ClusterID: testClusterID})
	default:
		rec.changes = h.update()
	}
	rec.revision = h.log.last()
	if len(rec.changes) > 0 || rec.schema {
		h.recorded = append(h.recorded, rec)
	}
}

func (h *watchedHistory) update() (changes []string) {
	r := &tupelov1.WriteRequest{}
	for _, i := range h.rng.Perm(len(watchedTuples))[:1+h.rng.IntN(5)] {
		text, op := watchedTuples[i], tupelov1.Update_OPERATION_TOUCH
		if h.rng.IntN(2) == 0 {
			op = tupelov1.Update_OPERATION_DELETE
		}
		r.Updates = append(r.Updates, updates(h.t, op, text).Updates...)
		switch touch := op == tupelov1.Update_OPERATION_TOUCH; {
		case touch && !h.live[text]:
			h.live[text] = true
			changes = append(changes, "+"+text)
		case !touch && h.live[text]:
			delete(h.live, text)
			changes = append(changes, "-"+text)
		}
	}
	if _, err := h.world.client.Write(h.world.ctx, r); err != nil {
		h.t.Fatal(err)
	}
	return changes
}

func (h *watchedHistory) deleteByFilter() (changes []string) {
	_, err := h.world.client.DeleteByFilter(h.world.ctx, &tupelov1.DeleteByFilterRequest{
		Filter: &tupelov1.Filter{ObjectType: "repository", ObjectId: "a"},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for text := range h.live {
		if strings.HasPrefix(text, "repository:a#") {
			delete(h.live, text)
			changes = append(changes, "-"+text)
		}
	}
	return changes
}

// historyClient is a client that keeps what it is sent, and its last zookie.
type historyClient struct {
	filters []*tupelov1.WatchFilter
	zookie  string
	after   uint64 // of the zookie
	got     []event
	missed  [][2]uint64 // what the horizon took: above the first, up to the second
}

// selects says whether a change is watched, from its text.
func (c *historyClient) selects(t testing.TB, change string) bool {
	n := parseTuple(t, change[1:])
	return len(c.filters) == 0 || slices.ContainsFunc(c.filters, func(f *tupelov1.WatchFilter) bool {
		is := func(want, got string) bool { return want == "" || want == got }
		return is(f.ObjectType, n.ObjectType) && is(f.Relation, n.Relation) && is(f.SubjectType, n.SubjectType) &&
			strings.HasPrefix(n.ObjectID, f.ObjectIdPrefix)
	})
}

// visit watches until it has seen everything, or up to some messages.
func (c *historyClient) visit(h *watchedHistory, upTo uint64, messages int) {
	h.t.Helper()
	ctx, end := context.WithCancel(h.world.ctx)
	defer end()
	stream, err := h.world.client.Watch(ctx, &tupelov1.WatchRequest{
		After: c.zookie, Filters: c.filters, CheckpointEvery: durationpb.New(time.Second),
	})
	if err != nil {
		h.t.Fatal(err)
	}
	for ; messages > 0 && c.after < upTo; messages-- {
		r, err := stream.Recv()
		if status.Code(err) == codes.OutOfRange {
			c.skip(h, seen(h.t, err))
			return
		}
		if err != nil {
			h.t.Fatal(err)
		}
		c.take(h.t, r)
	}
}

// skip goes on at the horizon, as a client must that was away for too long.
func (c *historyClient) skip(h *watchedHistory, refused refusalOf) {
	zookie := horizonOf(refused)
	revision, err := here.parseZookie(zookie)
	if err != nil || revision <= c.after {
		h.t.Fatalf("the horizon is %q (%v), after %d", zookie, err, c.after)
	}
	c.missed = append(c.missed, [2]uint64{c.after, revision})
	c.zookie, c.after = zookie, revision
}

func (c *historyClient) take(t testing.TB, r *tupelov1.WatchResponse) {
	t.Helper()
	e := eventOf(t, r)
	if e.revision < c.after {
		t.Fatalf("%+v comes after revision %d", e, c.after)
	}
	if e.text != "checkpoint" {
		c.got = append(c.got, e)
	}
	c.zookie, c.after = r.Zookie, e.revision
}

// want is what the client must have got.
func (c *historyClient) want(t testing.TB, all []recorded) (list []event) {
	for _, rec := range all {
		var parts []string
		for _, change := range rec.changes {
			if c.selects(t, change) {
				parts = append(parts, change)
			}
		}
		slices.Sort(parts)
		if rec.schema {
			parts = append(parts, "schema")
		}
		away := slices.ContainsFunc(c.missed, func(m [2]uint64) bool { return m[0] < rec.revision && rec.revision <= m[1] })
		if len(parts) > 0 && !away && rec.revision <= c.after {
			list = append(list, event{rec.revision, strings.Join(parts, " ")})
		}
	}
	return list
}

func sortedParts(list []event) []event {
	for i := range list {
		parts := strings.Fields(list[i].text)
		slices.Sort(parts)
		list[i].text = strings.Join(parts, " ")
	}
	return list
}

func TestClientsThatComeAndGoAreSentTheWholeHistoryOnce(t *testing.T) {
	sent, skipped := 0, 0
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &watchedHistory{t: t, rng: rand.New(rand.NewPCG(seed, 3)), fs: vfs.NewMem(), live: make(map[string]bool)}
				clients := h.run(30)
				for i, c := range clients {
					c.visit(h, h.log.last(), 1<<30)
					if c.after < h.log.last() {
						c.visit(h, h.log.last(), 1<<30) // from the horizon on
					}
					if got, want := sortedParts(c.got), c.want(t, h.recorded); !slices.Equal(got, want) {
						t.Errorf("client %d with the filters %v, which missed %v, got\n%v\nwant\n%v", i, c.filters, c.missed, got, want)
					}
					sent += len(c.got)
					skipped += len(c.missed)
				}
				h.stop()
			})
		})
	}
	if sent < 1000 || skipped < 5 {
		t.Errorf("only %d events were sent, and %d watches overtaken", sent, skipped)
	}
	t.Logf("%d events, %d watches overtaken by the horizon", sent, skipped)
}

// run writes, watches, forgets and starts again for some rounds.
func (h *watchedHistory) run(rounds int) []*historyClient {
	h.start()
	h.log.lead(h.t)
	h.world.writeSchema(h.t, gitclub)
	begin := here.zookie(h.log.last())
	clients := []*historyClient{
		{},
		{filters: []*tupelov1.WatchFilter{{ObjectType: "repository", ObjectIdPrefix: "a"}}},
		{filters: []*tupelov1.WatchFilter{{Relation: "reader"}, {SubjectType: "team"}}},
		{filters: []*tupelov1.WatchFilter{{ObjectType: "job"}, {ObjectType: "team", ObjectIdPrefix: "ab"}}},
	}
	for _, c := range clients {
		c.zookie, c.after = begin, h.log.last()
	}
	for range rounds {
		done, visitor := make(chan struct{}), clients[h.rng.IntN(len(clients))]
		go func() {
			defer close(done)
			for range h.rng.IntN(30) {
				h.write()
			}
		}()
		visitor.visit(h, 1<<62, 20)
		<-done
		switch h.rng.IntN(6) {
		case 0:
			h.stop()
			h.start()
		case 1:
			back := uint64(h.rng.IntN(100))
			h.log.propose(h.t, store.AdvanceHorizon{UnixMillis: 1, Revision: h.log.last() - min(back, h.log.last())})
		}
	}
	return clients
}
