package api

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// gitclub is the schema of most tests here.
const gitclub = `
definition user {}

definition team {
	relation member: user | team#member
}

definition repository {
	relation owner: user
	relation maintainer: user | team#member
	relation reader: user | team#member | user:*
	relation banned: user
	permission push = owner + maintainer
	permission pull = push + reader - banned
}

definition job {
	relation repo: repository
	relation creator: user
	permission cancel = creator + repo->push
}
`

var testClusterID = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

// logError is an error of a log, by its kind.
type logError string

func (e logError) Kind() string  { return string(e) }
func (e logError) Error() string { return "test log: " + string(e) }

// testLog is a Log of one replica, or the view that one follower has of it: it
// orders commands, applies them to the leader's store at once, and to the
// follower's up to where it is let.
type testLog struct {
	mu       sync.Mutex
	commands [][]byte     // by index-1; the log begins at 1
	leader   *store.Store // has everything
	follower *store.Store // has what released allows; may be leader
	released uint64
	moved    chan struct{} // closed and replaced when released grows
	fail     error         // of all calls, if set
	// Propose calls these once each, before it takes a command and after.
	before, after func()
	waiting       func()    // called once by Wait, before it waits
	indexing      func()    // called once by ReadIndex, before it answers
	waits         int       // calls of Wait
	indexes       int       // calls of ReadIndex
	contacts      int       // calls of LastContact
	silent        time.Time // when a leader was heard last, if not just now
	deaf          bool      // never heard of a leader
}

func (l *testLog) Propose(_ context.Context, command []byte) (any, error) {
	l.callOnce(&l.before)
	defer l.callOnce(&l.after)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	return l.commit(command)
}

func (l *testLog) callOnce(hook *func()) {
	l.mu.Lock()
	call := *hook
	*hook = nil
	l.mu.Unlock()
	if call != nil {
		call()
	}
}

func (l *testLog) commit(command []byte) (any, error) {
	l.commands = append(l.commands, bytes.Clone(command))
	index := uint64(len(l.commands))
	results, err := l.leader.Apply([]uint64{index}, [][]byte{command})
	if err != nil {
		return nil, err
	}
	if l.follower == l.leader {
		l.released = index
	}
	return results[0], nil
}

func (l *testLog) ReadIndex(context.Context) (uint64, error) {
	l.callOnce(&l.indexing)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.indexes++
	return uint64(len(l.commands)), l.fail
}

func (l *testLog) Wait(ctx context.Context, index uint64) error {
	l.callOnce(&l.waiting)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits++
	if l.fail != nil {
		return l.fail
	}
	if index > uint64(len(l.commands)) {
		return logError("ahead")
	}
	for l.released < index {
		moved := l.moved
		l.mu.Unlock()
		select {
		case <-moved:
			l.mu.Lock()
		case <-ctx.Done():
			l.mu.Lock()
			return ctx.Err()
		}
	}
	return nil
}

func (l *testLog) LastContact() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.contacts++
	switch {
	case l.deaf:
		return time.Time{}
	case !l.silent.IsZero():
		return l.silent
	}
	return time.Now()
}

// hear has the follower hear from a leader until `silent`; zero for from now on.
func (l *testLog) hear(deaf bool, silent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf, l.silent = deaf, silent
}

// release has the follower apply everything up to index.
func (l *testLog) release(t testing.TB, index uint64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.released < index {
		l.released++
		if _, err := l.follower.Apply([]uint64{l.released}, l.commands[l.released-1:l.released]); err != nil {
			t.Fatal(err)
		}
	}
	close(l.moved)
	l.moved = make(chan struct{})
}

func (l *testLog) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.commands))
}

func (l *testLog) failWith(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = err
}

func (l *testLog) calls() (waits, indexes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waits, l.indexes
}

func openStore(t testing.TB) *store.Store { return openCached(t, 8<<10) }

// openCached opens a store with a cache of a size, in which every check finds out
// what groups its subject is in.
func openCached(t testing.TB, bytes int64) *store.Store {
	t.Helper()
	st, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "state", CacheBytes: 8 << 20, TuplesetCacheBytes: bytes, GroupsAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

// newTestLog returns the log of a lone replica, without a leader yet.
func newTestLog(t testing.TB) *testLog { return newCachedLog(t, 8<<10) }

// newCachedLog is newTestLog for a store with a cache of a size.
func newCachedLog(t testing.TB, bytes int64) *testLog {
	st := openCached(t, bytes)
	return &testLog{leader: st, follower: st, moved: make(chan struct{})}
}

// lead names the cluster.
func (l *testLog) lead(t testing.TB) {
	t.Helper()
	l.propose(t, store.Lead{UnixMillis: 1, ClusterID: testClusterID})
}

func (l *testLog) propose(t testing.TB, command store.Command) store.Result {
	t.Helper()
	result, err := l.Propose(t.Context(), store.Encode(command))
	if err != nil {
		t.Fatal(err)
	}
	return result.(store.Result)
}

// newTestServer returns a server over the store that a log's follower has.
func newTestServer(t testing.TB, l *testLog, change func(*Options)) *Server {
	t.Helper()
	o := Options{
		Store: l.follower, Log: l,
		Registry: prometheus.NewRegistry(),
		Now:      func() time.Time { return time.UnixMilli(1_700_000_000_000) },
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.grpc.Stop) // what it keeps for calls is there before it serves
	return s
}

// testToken lets tests in: their listener counts as reachable from outside.
const testToken = "letmein-0123456789"

// dialTest serves s on a listener in memory until the test ends, and returns a client.
func dialTest(t testing.TB, s *Server) *grpc.ClientConn {
	t.Helper()
	conn, stop := dialUntil(t, s)
	t.Cleanup(stop)
	return conn
}

// dialUntil is dialTest until stop is called.
func dialUntil(t testing.TB, s *Server) (conn *grpc.ClientConn, stop func()) {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return conn, func() {
		cancel()
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

func withToken(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// world is a lone replica with a server, a client, and its context with a token.
type world struct {
	log    *testLog
	server *Server
	conn   *grpc.ClientConn
	client tupelov1.TupeloClient
	ctx    context.Context
}

// newWorld returns a world whose cluster has a leader, with a schema if text is
// not empty.
func newWorld(t testing.TB, text string) *world {
	t.Helper()
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.Tokens = []string{testToken} })
	w := &world{log: l, server: s, conn: dialTest(t, s), ctx: withToken(t.Context(), testToken)}
	w.client = tupelov1.NewTupeloClient(w.conn)
	if text != "" {
		w.writeSchema(t, text)
	}
	return w
}

// names are those of the newest schema.
func (w *world) names(t testing.TB) *tuple.Names {
	t.Helper()
	snapshot, err := w.log.follower.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	return snapshot.Names()
}

func (w *world) writeSchema(t testing.TB, text string) string {
	t.Helper()
	r, err := w.client.WriteSchema(w.ctx, &tupelov1.WriteSchemaRequest{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return r.Zookie
}

// touch writes tuples given in their text form.
func (w *world) touch(t testing.TB, tuples ...string) string {
	t.Helper()
	r, err := w.client.Write(w.ctx, updates(t, tupelov1.Update_OPERATION_TOUCH, tuples...))
	if err != nil {
		t.Fatal(err)
	}
	return r.Zookie
}

// check asks a question given as the text form of a tuple.
func (w *world) check(t testing.TB, c *tupelov1.Consistency, question string) *tupelov1.CheckResponse {
	t.Helper()
	r, err := w.client.Check(w.ctx, checkRequest(t, c, question))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var errTest = errors.New("a fault that no table knows")

// writeSchemaNow and touchNow call the handlers without a client between.
func (s *Server) writeSchemaNow(t testing.TB, text string) error {
	_, err := s.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: text})
	return err
}

func (s *Server) touchNow(t testing.TB, tuples ...string) error {
	_, err := s.Write(t.Context(), updates(t, tupelov1.Update_OPERATION_TOUCH, tuples...))
	return err
}

// oddLog answers proposals with what no store gives.
type oddLog struct{ Log }

func (oddLog) Propose(context.Context, []byte) (any, error) { return "done", nil }

// stuckLog takes proposals and never says what became of them.
type stuckLog struct{ Log }

func (stuckLog) Propose(ctx context.Context, _ []byte) (any, error) {
	<-ctx.Done()
	return nil, errors.Join(logError("outcome-unknown"), ctx.Err())
}
