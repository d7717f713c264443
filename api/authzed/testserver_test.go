package authzed

import (
	"context"
	"net"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
)

// testClient has both protocols of one node, on one connection.
type testClient struct {
	v1.PermissionsServiceClient
	v1.SchemaServiceClient
	v1.WatchServiceClient
	v1.ExperimentalServiceClient
	native tupelov1.TupeloClient
}

// newClient returns a client of a new node that has everything but a network.
func newClient(t testing.TB) testClient {
	t.Helper()
	conn := newNode(t, api.Options{})
	return testClient{
		v1.NewPermissionsServiceClient(conn), v1.NewSchemaServiceClient(conn),
		v1.NewWatchServiceClient(conn), v1.NewExperimentalServiceClient(conn), tupelov1.NewTupeloClient(conn),
	}
}

// newNode starts a whole node in memory, and returns a connection to it.
func newNode(t testing.TB, o api.Options) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 20)
	serveNode(t, o, memoryListener{listener})
	conn, err := grpc.NewClient("passthrough:node", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // before the server, which waits for its streams
	return conn
}

// serveNode starts a whole node in memory on a listener. It ends with the test, or
// is told to stop before.
func serveNode(t testing.TB, o api.Options, listener net.Listener) (stop func()) {
	t.Helper()
	o.Adapters = []api.Adapter{Register}
	node, err := replica.Open(t.Context(), replica.Options{Memory: true, API: o})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- node.Server().Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		closing, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := node.Close(closing); err != nil {
			t.Error(err)
		}
	})
	if _, err := node.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return stop
}

// memoryListener is not an address that other machines reach.
type memoryListener struct{ *bufconn.Listener }

// Addr returns a local address.
func (memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }
