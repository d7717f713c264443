package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
)

// served is a serve that runs in this process.
type served struct {
	ready ready
	stop  context.CancelFunc
	ended chan int
	diag  *syncBuffer
}

// syncBuffer is a buffer that two goroutines may use.
type syncBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// runServe runs serve until it is ready. The test ends it with end.
func runServe(t *testing.T, args ...string) *served {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	out, in := io.Pipe()
	s := &served{stop: stop, ended: make(chan int, 1), diag: &syncBuffer{}}
	args = append([]string{"serve", "--json", "--listen", "127.0.0.1:0"}, args...)
	go func() {
		code := run(ctx, args, strings.NewReader(""), in, s.diag)
		in.Close()
		s.ended <- code
	}()
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("serve ended with status %d before it was ready:\n%s", <-s.ended, s.diag)
	}
	if err := json.Unmarshal(line, &s.ready); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return s
}

// end stops the server and expects that it has nothing to complain of.
func (s *served) end(t *testing.T) {
	t.Helper()
	s.stop()
	if code := <-s.ended; code != exitOK {
		t.Errorf("serve ended with status %d:\n%s", code, s.diag)
	}
}

func TestServeKeepsItsDataFromOneRunToTheNext(t *testing.T) {
	data := filepath.Join(t.TempDir(), "new", "data")
	first := runServe(t, "--data", data)
	t.Setenv("TUPELO_ADDR", first.ready.Address)
	mustTupelo(t, "import", "testdata/files/fixture.yaml")
	zookie := strings.TrimSpace(mustTupelo(t, "write", "-q", "team:core#member@user:bob"))
	first.end(t)
	if log := first.diag.String(); !strings.Contains(log, "stopping") || !strings.Contains(log, "stopped") {
		t.Errorf("the log does not tell of the end:\n%s", log)
	}

	second := runServe(t, "--data", data)
	t.Setenv("TUPELO_ADDR", second.ready.Address)
	if second.ready.Revision <= first.ready.Revision || second.ready.Data != data {
		t.Errorf("ready with %+v, after %+v", second.ready, first.ready)
	}
	mustTupelo(t, "check", "team:core", "member", "user:bob", "--at-least-as-fresh", zookie)
	mustTupelo(t, "check", "team:core", "member", "user:bob", "--at-exact-snapshot", zookie)
	second.end(t)
}

func TestServeInMemoryKeepsNothing(t *testing.T) {
	s := runServe(t, "--memory")
	t.Setenv("TUPELO_ADDR", s.ready.Address)
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed")
	s.end(t)
	s = runServe(t, "--memory")
	t.Setenv("TUPELO_ADDR", s.ready.Address)
	expectFailure(t, "no schema", "schema", "read")
	s.end(t)
}

func TestServeReportsHealthAndMetrics(t *testing.T) {
	s := runServe(t, "--memory", "--metrics-addr", "127.0.0.1:0")
	t.Setenv("TUPELO_ADDR", s.ready.Address)
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed")
	if got := get(t, "http://"+s.ready.Metrics+"/healthz"); got != "serving\n" {
		t.Errorf("the health is %q", got)
	}
	metrics := get(t, "http://"+s.ready.Metrics+"/metrics")
	for _, want := range []string{
		`tupelo_requests_total{code="OK",method="WriteSchema"} 1`,
		"tupelo_applied_revision 5",
		"tupelo_raft_leader 1",
		"go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	s.end(t)
	if _, err := http.Get("http://" + s.ready.Metrics + "/healthz"); err == nil {
		t.Error("the metrics are served after the end")
	}
}

func TestServeAnswersSpiceDBsClientsOverHTTP(t *testing.T) {
	s := runServe(t, "--memory", "--token", "secret", "--http-addr", "127.0.0.1:0")
	t.Setenv("TUPELO_ADDR", s.ready.Address)
	t.Setenv("TUPELO_TOKEN", "secret")
	mustTupelo(t, "import", "testdata/files/fixture.yaml")
	if got := get(t, "http://"+s.ready.HTTP+"/healthz"); !strings.Contains(got, "SERVING") {
		t.Errorf("the health is %q", got)
	}
	read := func(token string) (status int, text string) {
		request, err := http.NewRequest(http.MethodPost, "http://"+s.ready.HTTP+"/v1/schema/read", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	if status, text := read("secret"); status != http.StatusOK || !strings.Contains(text, `"schemaText":"definition user {}`) {
		t.Errorf("%d: %s", status, text)
	}
	if status, text := read("guess"); status != http.StatusUnauthorized {
		t.Errorf("%d: %s", status, text)
	}
	s.end(t)
	if _, err := http.Get("http://" + s.ready.HTTP + "/healthz"); err == nil {
		t.Error("HTTP is served after the end")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	return string(body)
}

func TestServeRefusesOtherMachinesWithoutATokenAndTouchesNothing(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	expectFailure(t, api.ErrTokenRequired.Error(), "serve", "--data", data, "--listen", "0.0.0.0:0")
	expectFailure(t, api.ErrTokenRequired.Error(), "serve", "--data", data, "--listen", "127.0.0.1:0", "--http-addr", "0.0.0.0:0")
	if exists(t, data) {
		t.Error("the data directory was made")
	}
	s := runServe(t, "--memory", "--listen", "0.0.0.0:0", "--token", "secret")
	if log := s.diag.String(); !strings.Contains(log, "in the clear") {
		t.Errorf("nothing is said about tokens without TLS:\n%s", log)
	}
	_, port, err := net.SplitHostPort(s.ready.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TUPELO_ADDR", "127.0.0.1:"+port)
	expectFailure(t, "UNAUTHENTICATED", "schema", "write", "testdata/files/schema.zed")
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed", "--token", "secret")
	s.end(t)
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	matches, err := filepath.Glob(path)
	if err != nil {
		t.Fatal(err)
	}
	return len(matches) > 0
}

func TestTwoServersCannotShareADataDirectory(t *testing.T) {
	data := t.TempDir()
	s := runServe(t, "--data", data)
	expectFailure(t, "in use by another process", "serve", "--data", data, "--listen", "127.0.0.1:0")
	s.end(t)
	runServe(t, "--data", data).end(t)
}

func TestAnAddressThatIsTakenIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	data := filepath.Join(t.TempDir(), "data")
	expectFailure(t, "--listen "+addr, "serve", "--data", data, "--listen", addr)
	expectFailure(t, "--http-addr "+addr, "serve", "--data", data, "--listen", "127.0.0.1:0", "--http-addr", addr)
	expectFailure(t, "--metrics-addr "+addr, "serve", "--data", data, "--listen", "127.0.0.1:0", "--metrics-addr", addr)
	if exists(t, data) {
		t.Error("the data directory was made")
	}
}

func TestTheLogHasTheFormAndLevelAskedFor(t *testing.T) {
	s := runServe(t, "--memory", "--log-format", "json", "--log-level", "debug")
	s.end(t)
	var last map[string]any
	for line := range strings.Lines(s.diag.String()) {
		last = nil
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if last["msg"] != "stopped" {
		t.Errorf("the last record is %v", last)
	}
	s = runServe(t, "--memory", "--log-level", "error")
	s.end(t)
	if log := s.diag.String(); log != "" {
		t.Errorf("the log is not silent:\n%s", log)
	}
}

func TestTheLimitsOfServeReachTheNode(t *testing.T) {
	s := runServe(t, "--memory", "--max-depth", "1", "--max-request-size", "1KiB")
	t.Setenv("TUPELO_ADDR", s.ready.Address)
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed")
	mustTupelo(t, "write", "team:a#member@team:b#member", "team:b#member@team:c#member", "team:c#member@user:alice")
	expectFailure(t, "DEPTH_EXCEEDED", "check", "team:a", "member", "user:alice", "--json")
	expectFailure(t, "RESOURCE_EXHAUSTED", "write", "team:a#member@user:"+strings.Repeat("x", 1024))
	s.end(t)
}

// A stream that is open keeps a server from ending, up to the drain's limit.
func TestServeEndsThoughAClientHoldsOn(t *testing.T) {
	s := runServe(t, "--memory", "--drain-limit", "100ms")
	conn, err := grpc.NewClient(s.ready.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	watch, err := grpc_health_v1.NewHealthClient(conn).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for status := grpc_health_v1.HealthCheckResponse_UNKNOWN; status != grpc_health_v1.HealthCheckResponse_SERVING; {
		r, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		status = r.Status
	}
	s.end(t)
	for {
		r, err := watch.Recv()
		if err != nil {
			break
		}
		if r.Status != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
			t.Errorf("the health is %v while the server ends", r.Status)
		}
	}
}

func TestTheProcessEndsWhenItsNodeFails(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("the disk is gone")
		}
		return nil
	}))
	n, err := replica.Open(t.Context(), replica.Options{FS: fs, Dir: "tupelo", API: api.Options{DrainLimit: time.Second}})
	if err != nil {
		t.Fatal(err)
	}
	o := &serveOptions{listen: "127.0.0.1:0"}
	l, err := o.openListeners()
	if err != nil {
		t.Fatal(err)
	}
	isReady, ended := make(chan uint64, 1), make(chan error, 1)
	go func() {
		ended <- o.runNode(t.Context(), n, l, newRegistry(), func(revision uint64) { isReady <- revision })
	}()
	<-isReady
	broken.Store(true)
	_, err = n.Server().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: "definition user {}"})
	if err == nil {
		t.Error("a write was acknowledged without a disk")
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "the node has failed") || !strings.Contains(err.Error(), "the disk is gone") {
		t.Errorf("it ended with %v", err)
	}
	// What cannot be closed in order any more must not hang.
	_ = n.Close(t.Context())
}

func TestTracesAreSentWhereTheSettingsSay(t *testing.T) {
	for _, test := range []struct {
		name, env string
		args      func(url string) []string
	}{
		{"by the flag", "", func(url string) []string { return []string{"--otlp-endpoint", url} }},
		{"by the standard variable", "OTEL_EXPORTER_OTLP_ENDPOINT", func(string) []string { return nil }},
	} {
		t.Run(test.name, func(t *testing.T) {
			collector, methods := startCollector(t)
			if test.env != "" {
				t.Setenv(test.env, collector)
			}
			s := runServe(t, append(test.args(collector), "--memory")...)
			t.Setenv("TUPELO_ADDR", s.ready.Address)
			mustTupelo(t, "schema", "write", "testdata/files/schema.zed")
			s.end(t) // which sends what is left
			select {
			case method := <-methods:
				if method != "/opentelemetry.proto.collector.trace.v1.TraceService/Export" {
					t.Errorf("the collector was called with %s", method)
				}
			default:
				t.Error("the collector was not called")
			}
		})
	}
}

// startCollector takes whatever is sent, and tells how it was called.
func startCollector(t *testing.T) (url string, methods chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	methods = make(chan string, 100)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		methods <- method
		return stream.SendMsg(&grpc_health_v1.HealthCheckRequest{}) // an empty message, as the answer is
	}))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return "http://" + listener.Addr().String(), methods
}

func TestNoTracesAreSentIfNobodyAskedOrTheyAreSwitchedOff(t *testing.T) {
	if tracesWanted("") {
		t.Error("traces are sent though nobody asked")
	}
	for name, value := range map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if tracesWanted("http://localhost:4317") {
				t.Errorf("traces are sent though %s is %s", name, value)
			}
		})
	}
}

func TestWaysToSendTracesThatAreNotThereAreRefused(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			expectFailure(t, name, "serve", "--memory", "--listen", "127.0.0.1:0", "--otlp-endpoint", "http://localhost:4317")
		})
	}
}

func TestTheBannerSaysWhereAndWhat(t *testing.T) {
	got := bannerText(ready{Address: "127.0.0.1:50051", HTTP: "127.0.0.1:8443", Metrics: "127.0.0.1:9090", Data: "./data", Revision: 42, ReadyIn: 38 * time.Millisecond})
	want := "\n  Tupelo " + readBuild().Version + `

  address   127.0.0.1:50051
  http      127.0.0.1:8443 (authzed.api.v1)
  metrics   http://127.0.0.1:9090/metrics
  data      ./data
  revision  42
  ready in  38ms

`
	if got != want {
		t.Errorf("the banner is\n%s\nwant\n%s", got, want)
	}
	if got := bannerText(ready{}); !strings.Contains(got, "in memory") || strings.Contains(got, "metrics") {
		t.Errorf("the banner in memory is\n%s", got)
	}
}

func TestWhoStartsAServerIsToldInTheFormThatSuits(t *testing.T) {
	r := ready{Address: "127.0.0.1:50051", Revision: 42}
	for _, test := range []struct {
		terminal terminal
		out, log string
	}{
		{terminal{tty: true}, "", "  revision  42\n"},
		{terminal{}, "", "msg=serving address=127.0.0.1:50051"},
		{terminal{tty: true, quiet: true}, "", "msg=serving address=127.0.0.1:50051"},
		{terminal{tty: true, json: true}, `"revision":42`, ""},
	} {
		var out, log strings.Builder
		test.terminal.out, test.terminal.diag = bufio.NewWriter(&out), &log
		announce(&test.terminal, slog.New(slog.NewTextHandler(&log, nil)), r)
		if !strings.Contains(out.String(), test.out) || !strings.Contains(log.String(), test.log) {
			t.Errorf("%+v is told %q and %q", test.terminal, out.String(), log.String())
		}
		if test.log == "" && log.Len() > 0 || test.out == "" && out.Len() > 0 {
			t.Errorf("%+v is told twice: %q and %q", test.terminal, out.String(), log.String())
		}
	}
}

func TestVersionTellsTheToolchain(t *testing.T) {
	if got := mustTupelo(t, "version"); !strings.Contains(got, "go1.") {
		t.Error(got)
	}
	var b build
	if err := json.Unmarshal([]byte(mustTupelo(t, "version", "--json")), &b); err != nil || b != readBuild() {
		t.Error(b, err)
	}
}
