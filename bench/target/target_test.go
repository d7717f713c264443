package target

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	authzedapi "github.com/tupelodb/tupelo/api/authzed"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/internal/golden"
	"github.com/tupelodb/tupelo/replica"
	"github.com/tupelodb/tupelo/store/tuple"
)

func TestNamesThatNoTargetHasAreTypedErrors(t *testing.T) {
	if _, err := Open("oracle", Options{Addr: "127.0.0.1:1"}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	for name := range openers {
		o := Options{}
		if name == "in-process" || name == "keto" { // which has one too many, and one too few
			o.Addr = "127.0.0.1:1"
		}
		if _, err := Open(name, o); !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A replica in this process answers every data set and every workload right.
func TestInProcessAnswersEverythingRight(t *testing.T) {
	for _, name := range dataset.Names() {
		t.Run(name, func(t *testing.T) {
			server, err := Open("in-process", Options{Dir: t.TempDir() + "/data", CacheBytes: 8 << 20, TuplesetCacheBytes: 8 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			workOut(t, server, "in-process", name)
		})
	}
}

// serveNative has a whole node answer both of Tupelo's protocols over the network.
func serveNative(t *testing.T) (addr string) {
	t.Helper()
	r, err := replica.Open(t.Context(), replica.Options{
		FS: vfs.NewMem(), Dir: "node", CacheBytes: 8 << 20, TuplesetCacheBytes: 8 << 20,
		API: api.Options{Adapters: []api.Adapter{authzedapi.Register}},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Server().Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, r.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// Each protocol answers every workload right, by several connections: Tupelo's two
// of a node, the others of a server that is theirs in front of one.
func TestEachProtocolAnswersEverythingRight(t *testing.T) {
	for name, options := range map[string]func(*testing.T) Options{
		"native":  func(t *testing.T) Options { return Options{Addr: serveNative(t)} },
		"authzed": func(t *testing.T) Options { return Options{Addr: serveNative(t)} },
		"openfga": func(t *testing.T) Options { return newFake(t, "gitclub").openfga() },
		"keto":    func(t *testing.T) Options { return newFake(t, "gitclub").keto() },
		"permify": func(t *testing.T) Options { return newFake(t, "gitclub").permify() },
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t)
			o.Connections = 3
			server, err := Open(name, o)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			workOut(t, server, name, "gitclub")
		})
	}
}

func TestASetThatIsThereIsFound(t *testing.T) {
	data, err := dataset.Open("gitclub", 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]Options{"openfga": newFake(t, "gitclub").openfga(), "native": {Addr: serveNative(t)}} {
		server, err := Open(name, options)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		err = server.Prepare(t.Context(), data, true)
		if found := name == "openfga"; found != (err == nil) {
			t.Errorf("%s: %v", name, err) // the native one has no schema
		}
		if f, ok := server.(*openfga); ok && (f.store != fakeStore || f.model != fakeModel) {
			t.Errorf("found %q, %q, which is not the newest", f.store, f.model)
		}
	}
}

func TestPermifysTokensComeBackWithTheNextCheck(t *testing.T) {
	f := newFake(t, "gitclub")
	server, err := Open("permify", f.permify())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	workOut(t, server, "permify", "gitclub")
	if f.given.Load() == 0 || f.asked.Load() == 0 {
		t.Errorf("%d tokens were given, %d came back", f.given.Load(), f.asked.Load())
	}
	f.fails.Store(true)
	call, err := server.Request(dataset.Operation{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var failed *HTTPError
	if _, err := call(t.Context()); !errors.As(err, &failed) || failed.Code() != "HTTP 400" {
		t.Error(err)
	}
}

func TestABatchOfKetosWithAnErrorInItIsNoAnswer(t *testing.T) {
	f := newFake(t, "gitclub")
	f.fails.Store(true)
	server, err := Open("keto", f.keto())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	call, err := server.Request(dataset.Operation{Kind: dataset.BatchCheck, Batch: []tuple.Named{{}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := call(t.Context()); !errors.Is(err, load.ErrAnswer) {
		t.Error(err)
	}
}

func TestWhatAProtocolCannotSayIsATypedError(t *testing.T) {
	drive, err := dataset.Open("drive", 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, kinds := range map[string][]dataset.Kind{
		"openfga": {dataset.Watch},
		"keto":    {dataset.ListObjects, dataset.ListSubjects, dataset.Watch},
		"permify": {dataset.Watch},
		"echo":    {dataset.ListObjects, dataset.ListSubjects, dataset.Watch},
	} {
		server, err := Open(name, Options{Addr: "127.0.0.1:1", WriteAddr: "127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		for _, kind := range kinds {
			if _, err := server.Request(dataset.Operation{Kind: kind}, 0); !errors.Is(err, load.ErrNotSupported) {
				t.Errorf("%s: %v: %v", name, kind, err)
			}
		}
		if err := server.Prepare(t.Context(), drive, true); (name == "keto" || name == "permify") && !errors.Is(err, load.ErrNotSupported) {
			t.Errorf("%s takes wildcards: %v", name, err)
		}
	}
}

func TestTheEchoAnswersAtOnce(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeEcho(ctx, listener) }()
	server, err := Open("echo", Options{Addr: listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	workOut(t, server, "echo", "gitclub")
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if cancel(); <-done != nil {
		t.Error("told to stop, it fails")
	}
}

// What the echo answers with is as large as what Tupelo does, within what tokens of
// different revisions differ by.
func TestTheEchosMessagesAreAsLargeAsTupelos(t *testing.T) {
	n, err := dialNative(Options{Addr: serveNative(t), Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	written, err := n.clients[0].WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: dataset.GitClubSchema})
	if err != nil || len(written.Zookie) > len(echoZookie) || len(written.Zookie) < len(echoZookie)-4 {
		t.Errorf("a zookie has %d characters, the echo's %d: %v", len(written.GetZookie()), len(echoZookie), err)
	}
}

func TestSchemasAreSaidInEachLanguage(t *testing.T) {
	for _, name := range []string{"native", "openfga", "keto", "permify"} {
		var all string
		for _, set := range dataset.Names() {
			data, err := dataset.Open(set, 1, 1)
			if err != nil {
				t.Fatal(err)
			}
			text, err := Schema(name, data)
			if errors.Is(err, load.ErrNotSupported) && set == "drive" {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			all += "== " + set + "\n" + text
		}
		golden.File(t, filepath.Join("testdata", name+".txt"), all)
	}
}

// workOut loads 2,000 tuples and runs every workload for a moment.
func workOut(t *testing.T, server load.Target, name, set string) {
	t.Helper()
	data, err := dataset.Open(set, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := load.Cell{
		Target: server, TargetName: name, Set: data, InFlight: 4, Connections: 1, Prefix: "wt",
		WarmUp: time.Millisecond, Duration: 50 * time.Millisecond,
	}
	loaded, err := load.Fill(t.Context(), c)
	if err != nil || loaded.Wrong != 0 || loaded.Ops != int64(data.Count()) {
		t.Fatalf("%+v, %v", loaded, err)
	}
	if _, err := load.Settle(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	workloads, _ := load.Workloads()
	for _, c.Workload = range workloads {
		if c.Workload == load.Import {
			continue
		}
		c.Prefix += "x"
		r, err := load.Run(t.Context(), c)
		if err != nil || r.Wrong != 0 || len(r.Errors) != 0 || r.Ops == 0 && r.NotSupported == "" {
			t.Errorf("%s: %+v, %v", c.Workload, r, err)
		}
	}
}
