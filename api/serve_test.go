package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
)

// serveOn has s serve a listener until the returned function is called.
func serveOn(t *testing.T, s *Server, listener net.Listener) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

func healthOf(t *testing.T, conn *grpc.ClientConn, service string) string {
	t.Helper()
	r, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	return r.Status.String()
}

func TestTheServerServesOnceTheFirstLeaderIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLog(t)
		s := newTestServer(t, l, func(o *Options) { o.Tokens = []string{testToken} })
		conn := dialTest(t, s)
		for _, service := range []string{"", "tupelo.v1.Tupelo"} {
			if got := healthOf(t, conn, service); got != "NOT_SERVING" {
				t.Errorf("before: %q is %s", service, got)
			}
		}
		l.lead(t)
		time.Sleep(healthEvery)
		synctest.Wait()
		for _, service := range []string{"", "tupelo.v1.Tupelo"} {
			if got := healthOf(t, conn, service); got != "SERVING" {
				t.Errorf("after: %q is %s", service, got)
			}
		}
	})
}

// A replica that has a name and lags is no place to send calls to.
func TestAReplicaIsReadyOnceItHasCaughtUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(o *Options) { o.Tokens = []string{testToken} })
		c.release(t, c.granted)
		conn := dialTest(t, c.replica)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := healthOf(t, conn, ""); got != "NOT_SERVING" {
			t.Errorf("behind: %s", got)
		}
		if err := c.replica.ready(); reasonOf(err) != tupelov1.ErrorReason_ERROR_REASON_REVISION_NOT_REACHED {
			t.Errorf("behind: %v", err)
		}
		c.release(t, c.revoked)
		synctest.Wait()
		if got := healthOf(t, conn, ""); got != "SERVING" {
			t.Errorf("caught up: %s", got)
		}
		c.failWith(logError("no-leader"))
		time.Sleep(time.Minute)
		if got := healthOf(t, conn, ""); got != "SERVING" {
			t.Errorf("without a leader, later: %s", got)
		}
	})
}

// Who watches the server's health is told of its end and does not delay it.
func TestAWatchOfTheHealthEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLog(t)
		l.lead(t)
		s := newTestServer(t, l, func(o *Options) { o.Tokens = []string{testToken} })
		conn := dialTest(t, s)
		synctest.Wait() // it serves, and has looked whether it is ready
		watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := watch.Recv(); err != nil || r.Status.String() != "SERVING" {
			t.Fatalf("%v, %v", r, err)
		}
		begun := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.stop(ctx)
		if took := time.Since(begun); took != 0 {
			t.Errorf("the drain took %s", took)
		}
		for {
			if _, err = watch.Recv(); err != nil {
				break
			}
		}
		if got := seen(t, err).code; got != "Canceled" {
			t.Errorf("the watch ends with %s", got)
		}
	})
}

// Calls may end after the server is told to stop, but not go on for ever.
func TestADrainLetsCallsEndAndCutsOffWhatDoesNot(t *testing.T) {
	for name, released := range map[string]bool{"ends": true, "hangs": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, func(o *Options) {
					o.Tokens, o.DrainLimit, o.WaitLimit = []string{testToken}, 5*time.Second, time.Hour
				})
				c.release(t, c.granted)
				client := tupelov1.NewTupeloClient(dialTest(t, c.replica))
				answered := make(chan error, 1)
				go func() {
					_, err := client.Check(withToken(t.Context(), testToken), checkRequest(t, atLeast(here.zookie(c.revoked)), alicePushes))
					answered <- err
				}()
				synctest.Wait()
				begun := time.Now()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				go func() {
					time.Sleep(time.Second)
					if released {
						c.release(t, c.revoked)
					}
				}()
				c.replica.stop(ctx)
				if err := <-answered; (err == nil) != released {
					t.Errorf("the call ends with %v", err)
				}
				want := 5 * time.Second
				if released {
					want = time.Second
				}
				if took := time.Since(begun); took != want {
					t.Errorf("the drain took %s, want %s", took, want)
				}
			})
		})
	}
}

// panicking is a log whose use is a bug.
type panicking struct{ Log }

func (panicking) LastContact() time.Time { panic("a bug") }

func TestAPanicIsAnsweredWithInternalLoggedAndCounted(t *testing.T) {
	l := newTestLog(t)
	l.lead(t)
	var log bytes.Buffer
	s := newTestServer(t, l, func(o *Options) {
		o.Log, o.Tokens = panicking{l}, []string{testToken}
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	client := tupelov1.NewTupeloClient(dialTest(t, s))
	_, err := client.Check(withToken(t.Context(), testToken), checkRequest(t, nil, alicePushes))
	got := seen(t, err)
	if got.code != "Internal" || got.reason != "ERROR_REASON_INTERNAL" || strings.Contains(got.message, "bug") {
		t.Errorf("%+v", got)
	}
	if n := testutil.ToFloat64(s.metrics.panics); n != 1 {
		t.Errorf("%v panics are counted", n)
	}
	if text := log.String(); !strings.Contains(text, "a bug") || !strings.Contains(text, "LastContact") {
		t.Errorf("the log lacks the panic or its stack: %s", text)
	}
	if _, err := client.ReadSchema(withToken(t.Context(), testToken), &tupelov1.ReadSchemaRequest{Consistency: fully()}); seen(t, err).reason != "ERROR_REASON_NO_SCHEMA" {
		t.Errorf("the next call: %v", err)
	}
}

func TestAPanicInAStreamIsAnsweredToo(t *testing.T) {
	s := newTestServer(t, newTestLog(t), nil)
	info := &grpc.StreamServerInfo{FullMethod: "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}
	err := s.stream(nil, &testStream{ctx: t.Context()}, info, func(any, grpc.ServerStream) error { panic("a bug") })
	if got := seen(t, err); got.code != "Internal" {
		t.Errorf("%+v", got)
	}
	if n := testutil.ToFloat64(s.metrics.panics); n != 1 {
		t.Errorf("%v panics are counted", n)
	}
}

type testStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *testStream) Context() context.Context { return s.ctx }

// Faults of the server are for the operator to see; those of clients are not.
func TestTheLogTellsOfFaultsOfTheServer(t *testing.T) {
	var log bytes.Buffer
	s := newTestServer(t, newTestLog(t), func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	for _, c := range []struct {
		err  error
		says string
	}{
		{errTest, "level=ERROR"},
		{logError("outcome-unknown"), "level=WARN"},
		{logError("no-leader"), ""},
		{fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "x", "is needed"), ""},
		{context.Canceled, ""},
	} {
		log.Reset()
		if err := s.finish(t.Context(), "/tupelo.v1.Tupelo/Check", time.Now(), c.err); err == nil {
			t.Errorf("%v: no error", c.err)
		}
		text := log.String()
		if (text == "") != (c.says == "") || !strings.Contains(text, c.says) {
			t.Errorf("%v: %q, want %q", c.err, text, c.says)
		}
		if c.says != "" && !strings.Contains(text, c.err.Error()) {
			t.Errorf("%q does not give the cause, %v", text, c.err)
		}
	}
}

func TestRequestsAreCountedByMethodAndCode(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	w.check(t, nil, alicePushes)
	w.check(t, nil, alicePushes)
	if err := w.call(w.ctx, &tupelov1.CheckRequest{}); err == nil {
		t.Fatal("an empty request passes")
	}
	if err := w.call(t.Context(), &tupelov1.CheckRequest{}); err == nil {
		t.Fatal("a call without a token passes")
	}
	healthOf(t, w.conn, "")
	for _, c := range []struct {
		method, code string
		want         float64
	}{
		{"Check", "OK", 2}, {"Check", "InvalidArgument", 1}, {"Check", "Unauthenticated", 1},
		{"Write", "OK", 1}, {"WriteSchema", "OK", 1}, {"Expand", "OK", 0}, {"other", "OK", 1},
	} {
		if got := testutil.ToFloat64(w.server.metrics.requests.WithLabelValues(c.method, c.code)); got != c.want {
			t.Errorf("%s %s: %v, want %v", c.method, c.code, got, c.want)
		}
	}
	m := w.server.metrics
	if n := testutil.ToFloat64(m.checks); n != 2 {
		t.Errorf("%v checks are counted", n)
	}
	if testutil.ToFloat64(m.steps) < 2 || testutil.ToFloat64(m.reads) < 2 {
		t.Error("the evaluation's work is not counted")
	}
}

func TestMetricsAreScrapedOverHTTP(t *testing.T) {
	registry := prometheus.NewRegistry()
	l := newTestLog(t)
	s := newTestServer(t, l, func(o *Options) {
		o.Registry = registry
		o.LogStatus = func() LogStatus {
			return LogStatus{Leader: true, Term: 3, LastIndex: 40, CommitIndex: 30, AppliedIndex: 20, SnapshotIndex: 10}
		}
	})
	handler := s.MetricsHandler(registry)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("before the first leader: %d %s", code, body)
	}
	l.lead(t)
	if err := s.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, body := get("/healthz"); code != http.StatusOK || body != "serving\n" {
		t.Errorf("with a leader: %d %s", code, body)
	}
	_, body := get("/metrics")
	for _, line := range []string{
		"tupelo_applied_revision 1", "tupelo_horizon_revision 0",
		"tupelo_raft_leader 1", "tupelo_raft_term 3", "tupelo_raft_last_index 40", "tupelo_raft_commit_index 30",
		"tupelo_raft_applied_index 20", "tupelo_raft_snapshot_index 10", "tupelo_raft_last_contact_seconds ", "tupelo_idempotency_keys 0",
		`tupelo_requests_total{code="OK",method="Check"} 0`, `tupelo_request_seconds_count{method="Check"} 0`,
		"tupelo_panics_total 0", "tupelo_storage_disk_bytes ", "tupelo_storage_read_amplification ",
	} {
		if !strings.Contains(body, "\n"+line) {
			t.Errorf("the scrape lacks %s", line)
		}
	}
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	s.drain()
	if code, _ := get("/healthz"); code != http.StatusServiceUnavailable {
		t.Errorf("while draining: %d", code)
	}
	if code, _ := get("/other"); code != http.StatusNotFound {
		t.Errorf("elsewhere: %d", code)
	}
}

func TestTwoServersDoNotShareARegistry(t *testing.T) {
	registry, st := prometheus.NewRegistry(), openStore(t)
	if _, err := New(Options{Store: st, Registry: registry}); err != nil {
		t.Fatal(err)
	}
	var taken prometheus.AlreadyRegisteredError
	if _, err := New(Options{Store: st, Registry: registry}); !errors.As(err, &taken) {
		t.Errorf("%v", err)
	}
}

func TestCallsAreTracedWhenATracerIsGiven(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	provider := trace.NewTracerProvider(trace.WithSyncer(spans))
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.Tokens, o.TracerProvider = []string{testToken}, provider })
	conn := dialTest(t, s)
	if _, err := tupelov1.NewTupeloClient(conn).ReadSchema(withToken(t.Context(), testToken), &tupelov1.ReadSchemaRequest{}); err == nil {
		t.Fatal("there is no schema to read")
	}
	healthOf(t, conn, "")
	s.grpc.GracefulStop() // spans end after the answer is sent
	var names []string
	for _, span := range spans.GetSpans() {
		names = append(names, span.Name)
	}
	if len(names) != 1 || names[0] != "tupelo.v1.Tupelo/ReadSchema" {
		t.Errorf("traced: %q", names)
	}
}

func TestALargeRequestIsRefused(t *testing.T) {
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.Tokens, o.MaxRequestBytes = []string{testToken}, 1000 })
	client := tupelov1.NewTupeloClient(dialTest(t, s))
	_, err := client.WriteSchema(withToken(t.Context(), testToken), &tupelov1.WriteSchemaRequest{Text: strings.Repeat(" ", 1001)})
	if got := seen(t, err); got.code != "ResourceExhausted" {
		t.Errorf("%+v", got)
	}
}

// The cache of models is exact: one compilation for each schema, whatever the
// order in which revisions are read, as long as not too many are in use.
func TestASchemaIsCompiledOnce(t *testing.T) {
	w := newWorld(t, "")
	var zookies []string
	for i := range maxModels + 1 {
		w.writeSchema(t, strings.Replace(gitclub, "creator", strings.Repeat("x", i+3), 2))
		zookies = append(zookies, w.touch(t, aliceOwns, "repository:r"+strings.Repeat("x", i)+"#owner@user:alice"))
	}
	compiled := func() float64 { return testutil.ToFloat64(w.server.metrics.compilations) }
	if n := compiled(); n != maxModels+1 {
		t.Fatalf("%v compilations for %d schemas", n, maxModels+1)
	}
	inUse := zookies[1:]
	for range 3 {
		for _, zookie := range inUse {
			w.check(t, exactly(zookie), alicePushes)
		}
	}
	if n := compiled(); n != maxModels+1 {
		t.Errorf("%v compilations after reading what was in use", n)
	}
	w.check(t, exactly(zookies[0]), alicePushes)
	if n := compiled(); n != maxModels+2 {
		t.Errorf("%v compilations after reading the oldest", n)
	}
	if n := len(w.server.models.recent); n != maxModels {
		t.Errorf("%d models are kept", n)
	}
}

func TestVerdictsAreNotMixedUp(t *testing.T) {
	for verdict, want := range map[rewrite.Verdict]tupelov1.Result{
		rewrite.No: tupelov1.Result_RESULT_NO, rewrite.Conditional: tupelov1.Result_RESULT_CONDITIONAL, rewrite.Yes: tupelov1.Result_RESULT_YES,
		rewrite.Verdict(99): tupelov1.Result_RESULT_NO,
	} {
		if got := resultOf(verdict); got != want {
			t.Errorf("%v: %v", verdict, got)
		}
	}
}
