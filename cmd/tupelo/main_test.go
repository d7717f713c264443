package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/replica"
)

// patience is longer than anything here takes, on a busy machine too.
const patience = time.Minute

// runAsCommand makes the test binary be tupelo, for the tests that need a
// process which can be killed.
const runAsCommand = "RUN_AS_TUPELO" // no setting: bench keeps these from its servers

func TestMain(m *testing.M) {
	if os.Getenv(runAsCommand) != "" {
		go func() {
			// The test that started it is gone, however that came.
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(exitError)
		}()
		main()
	}
	// The settings of whoever runs the tests must not reach them.
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, envPrefix+"_") || strings.HasPrefix(name, "OTEL_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// outcome is what a command line came to.
type outcome struct {
	code      int
	out, diag string
}

// tupelo runs a command line in this process.
func tupelo(t testing.TB, args ...string) outcome {
	t.Helper()
	return tupeloWith(t, "", args...)
}

// tupeloWith is tupelo with a text on standard input.
func tupeloWith(t testing.TB, stdin string, args ...string) outcome {
	t.Helper()
	var out, diag bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &diag)
	return outcome{code, out.String(), diag.String()}
}

// mustTupelo is tupelo for what must succeed.
func mustTupelo(t testing.TB, args ...string) string {
	t.Helper()
	o := tupelo(t, args...)
	if o.code != exitOK {
		t.Fatalf("tupelo %s: exit status %d\n%s%s", strings.Join(args, " "), o.code, o.out, o.diag)
	}
	return o.out
}

// startServer serves a new node in memory until the test ends, and has the
// commands of this test ask it.
func startServer(t testing.TB, change ...func(*replica.Options)) (addr string) {
	t.Helper()
	o := replica.Options{FS: vfs.NewMem(), Dir: "tupelo", API: api.Options{DrainLimit: time.Second}}
	for _, c := range change {
		c(&o)
	}
	n, err := replica.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.Server().Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error("serving:", err)
		}
		if err := n.Close(context.Background()); err != nil {
			t.Error("closing:", err)
		}
	})
	if _, err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	addr = listener.Addr().String()
	setenv(t, "TUPELO_ADDR", addr)
	return addr
}

// setenv is t.Setenv for tests and benchmarks alike.
func setenv(t testing.TB, name, value string) {
	t.Helper()
	t.Setenv(name, value)
}
