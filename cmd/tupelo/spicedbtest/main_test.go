package spicedbtest

import (
	"bytes"
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

var (
	spicedbFlag = flag.String("spicedb", "", "the program spicedb; without it nothing is tested")
	tupeloFlag  = flag.String("tupelo", "", "the program to test, if not one built now")
	answersFlag = flag.Bool("answers", false, "show all answers of SpiceDB")
	textsFlag   = flag.Bool("texts", false, "compare the texts of refusals too, which differ")
	seedFlag    = flag.Uint64("seed", 1, "seed of the random worlds")
	schemasFlag = flag.Int("schemas", 400, "how many random schemas are written")
)

const key = "a-preshared-key"

// sides are the two servers, without a schema, which end with the test.
type sides struct{ spicedb, tupelo *side }

// start starts both programs.
func start(t *testing.T) sides {
	t.Helper()
	if *spicedbFlag == "" {
		t.Skip("no -spicedb: make test-spicedb builds it")
	}
	address := free(t)
	spicedb := serve(t, "spicedb", address, *spicedbFlag, "serve", "--skip-release-check", "--telemetry-endpoint", "",
		"--datastore-engine", "memory", "--datastore-revision-quantization-interval", "0s",
		"--grpc-addr", address, "--grpc-preshared-key", key, "--http-enabled=false", "--metrics-enabled=false", "--log-level", "error")
	address = free(t)
	return sides{spicedb, serve(t, "tupelo", address, tupelo(t), "serve", "--memory", "--listen", address, "--token", key)}
}

// tupelo returns the program to test.
func tupelo(t *testing.T) string {
	t.Helper()
	if *tupeloFlag == "" {
		*tupeloFlag = filepath.Join(t.TempDir(), "tupelo")
		if output, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", *tupeloFlag, "..").CombinedOutput(); err != nil {
			t.Fatalf("building tupelo: %v\n%s", err, output)
		}
	}
	return *tupeloFlag
}

// free returns an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// serve runs a server, and waits until it says that it serves.
func serve(t *testing.T, name, address, program string, args ...string) *side {
	t.Helper()
	path, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(path, args...)
	server.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "TUPELO_") || strings.HasPrefix(variable, "SPICEDB_")
	})
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("%s ends with %v\n%s", name, err, said.String())
		}
	})
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, q, a any, conn *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption) error {
			return call(authorized(ctx), method, q, a, conn, o...)
		}),
		grpc.WithStreamInterceptor(func(ctx context.Context, d *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(authorized(ctx), d, conn, method, o...)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	waiting, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		health, err := grpc_health_v1.NewHealthClient(conn).Check(waiting, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		if err == nil && health.Status == grpc_health_v1.HealthCheckResponse_SERVING {
			return &side{
				v1.NewPermissionsServiceClient(conn), v1.NewSchemaServiceClient(conn), v1.NewWatchServiceClient(conn), v1.NewExperimentalServiceClient(conn),
				t, name, address, nil, nil,
			}
		}
		if waiting.Err() != nil {
			t.Fatalf("%s does not serve: %v\n%s", name, err, said.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// authorized adds the key, unless a call has its own.
func authorized(ctx context.Context) context.Context {
	if sent, ok := metadata.FromOutgoingContext(ctx); ok && len(sent["authorization"]) > 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+key)
}
