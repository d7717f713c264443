package gitclubtest

import (
	"context"
	"crypto/rand"
	"net"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
)

// Start runs a node on a loopback address until the test ends, loads GitClub
// into it, and returns the address and a client.
func Start(t testing.TB) (addr string, client tupelov1.TupeloClient) {
	t.Helper()
	ctx := context.Background()
	tuples, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "state", CacheBytes: 8 << 20})
	must(t, "opening the store", err)
	atEnd(t, "closing the store", tuples.Close)
	lead, err := api.LeaderCommand(time.Now, rand.Reader)
	must(t, "making the leader's command", err)
	log, err := raft.Open(ctx, raft.Options{FS: vfs.NewMem(), Dir: "raft", StateMachine: tuples, NodeID: "only", LeaderCommand: lead})
	must(t, "opening the log", err)
	atEnd(t, "closing the log", func() error { return log.Close(ctx) })
	server, err := api.New(api.Options{Store: tuples, Log: log})
	must(t, "making the server", err)
	addr = Serve(t, server.Serve)
	client = Dial(t, addr)
	_, err = log.ReadIndex(ctx) // the node leads now
	must(t, "waiting for leadership", err)
	must(t, "loading GitClub", gitclub.Load(ctx, client))
	return addr, client
}

// Serve runs a server on a loopback address until the test ends.
func Serve(t testing.TB, serve func(context.Context, net.Listener) error) (addr string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, "listening", err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, listener) }()
	atEnd(t, "serving", func() error {
		cancel()
		return <-ended
	})
	return listener.Addr().String()
}

// Dial returns a client of the server at addr.
func Dial(t testing.TB, addr string) tupelov1.TupeloClient {
	t.Helper()
	client, hangUp, err := gitclub.Dial(addr)
	must(t, "dialling", err)
	atEnd(t, "hanging up", hangUp)
	return client
}

// must ends the test if a step of its preparation failed.
func must(t testing.TB, doing string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", doing, err)
	}
}

// atEnd runs a step of the cleaning up.
func atEnd(t testing.TB, doing string, step func() error) {
	t.Cleanup(func() {
		if err := step(); err != nil {
			t.Errorf("%s: %v", doing, err)
		}
	})
}
