package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/authzed"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
)

// The tests' own binary is the server that is measured, in a process of its own, so
// that what it takes of the processors is told apart from what its clients do.
const (
	tupeloServer = "server-tupelo"
	idleServer   = "server-noop"
	serverToken  = "bench"
)

// TestMain lets the tests' binary be a server.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 4 && os.Args[1] == tupeloServer:
		err = beTupelo(os.Args[2], os.Args[3])
	case len(os.Args) == 3 && os.Args[1] == idleServer:
		err = beIdle(os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// beTupelo is a whole node, as tupelo serve has it. It writes a profile of what takes
// the processors to a file, if one is named.
func beTupelo(dir, profile string) error {
	node, err := replica.Open(context.Background(), replica.Options{
		Dir: dir, CacheBytes: 256 << 20, TuplesetCacheBytes: 256 << 20,
		API: api.Options{Tokens: []string{serverToken}, Adapters: []api.Adapter{authzed.Register}},
	})
	if err != nil {
		return err
	}
	if _, err := node.Ready(context.Background()); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	p := &profiling{name: profile}
	err = answer(func(listener net.Listener) {
		go func() { served <- node.Server().Serve(ctx, listener) }()
	}, p.start)
	stop()
	return errors.Join(err, p.stop(), <-served, node.Close(context.Background()))
}

// beIdle answers what another server has answered, and does nothing for it.
func beIdle(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var recorded map[string][][]byte // by the names of calls
	if err := json.Unmarshal(text, &recorded); err != nil {
		return err
	}
	i := &idle{native: &tupelov1.CheckResponse{}, batch: &tupelov1.BatchCheckResponse{}, check: &v1.CheckPermissionResponse{}, bulk: &v1.CheckBulkPermissionsResponse{}, write: &v1.WriteRelationshipsResponse{}}
	err = errors.Join(proto.Unmarshal(recorded[nativeCall][0], i.native), proto.Unmarshal(recorded[batchCall][0], i.batch), proto.Unmarshal(recorded[checkCall][0], i.check), proto.Unmarshal(recorded[bulkCall][0], i.bulk),
		proto.Unmarshal(recorded[writeCall][0], i.write))
	for _, wire := range recorded[lookupCall] {
		one := &v1.LookupResourcesResponse{}
		err = errors.Join(err, proto.Unmarshal(wire, one))
		i.lookup = append(i.lookup, one)
	}
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	v1.RegisterPermissionsServiceServer(server, i)
	tupelov1.RegisterTupeloServer(server, i)
	defer server.Stop()
	return answer(func(listener net.Listener) { go server.Serve(listener) }, func() error { return nil })
}

// The calls that are measured.
const (
	nativeCall = "NativeCheck" // of tupelo.v1, to tell what the translation costs
	freshCall  = "NativeCheckFullyConsistent"
	batchCall  = "NativeBatchCheck100"
	checkCall  = "CheckPermission"
	bulkCall   = "CheckBulkPermissions100"
	lookupCall = "LookupResources"
	writeCall  = "WriteRelationships"
)

type idle struct {
	v1.UnimplementedPermissionsServiceServer
	tupelov1.UnimplementedTupeloServer
	native *tupelov1.CheckResponse
	batch  *tupelov1.BatchCheckResponse
	check  *v1.CheckPermissionResponse
	bulk   *v1.CheckBulkPermissionsResponse
	write  *v1.WriteRelationshipsResponse
	lookup []*v1.LookupResourcesResponse
}

func (i *idle) Check(context.Context, *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	return i.native, nil
}

func (i *idle) BatchCheck(context.Context, *tupelov1.BatchCheckRequest) (*tupelov1.BatchCheckResponse, error) {
	return i.batch, nil
}

func (i *idle) CheckPermission(context.Context, *v1.CheckPermissionRequest) (*v1.CheckPermissionResponse, error) {
	return i.check, nil
}

func (i *idle) CheckBulkPermissions(context.Context, *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
	return i.bulk, nil
}

func (i *idle) WriteRelationships(context.Context, *v1.WriteRelationshipsRequest) (*v1.WriteRelationshipsResponse, error) {
	return i.write, nil
}

func (i *idle) LookupResources(_ *v1.LookupResourcesRequest, stream grpc.ServerStreamingServer[v1.LookupResourcesResponse]) error {
	for _, one := range i.lookup {
		if err := stream.Send(one); err != nil {
			return err
		}
	}
	return nil
}

// answer serves, says where, and then for each line of input what this process has
// used of the processors, in nanoseconds, after it has called asked. It returns at the
// input's end.
func answer(serve func(net.Listener), asked func() error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve(listener)
	fmt.Println(listener.Addr())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := asked(); err != nil {
			return err
		}
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	}
	return lines.Err()
}

// server is one of those processes, and a connection to it.
type server struct {
	v1.PermissionsServiceClient
	native tupelov1.TupeloClient
	conn   *grpc.ClientConn
	ask    io.WriteCloser
	lines  *bufio.Scanner
	stop   func() // and wait for its end
}

// startServer starts a server that ends with the benchmark, or is stopped before.
func startServer(b *testing.B, kind string, arguments ...string) *server {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	process := exec.Command(self, append([]string{kind}, arguments...)...)
	process.Stderr = os.Stderr
	ask, err := process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	s := &server{ask: ask, lines: bufio.NewScanner(output)}
	s.conn, err = grpc.NewClient(s.line(b), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithPerRPCCredentials(presharedKey{}))
	if err != nil {
		b.Fatal(err)
	}
	s.stop = sync.OnceFunc(func() {
		_ = s.conn.Close() // before the process, which waits for its calls
		_ = s.ask.Close()
		if err := process.Wait(); err != nil {
			b.Errorf("%s ended with %v", kind, err)
		}
	})
	b.Cleanup(s.stop)
	s.native = tupelov1.NewTupeloClient(s.conn)
	s.PermissionsServiceClient = v1.NewPermissionsServiceClient(s.conn)
	return s
}

func (s *server) line(b *testing.B) string {
	b.Helper()
	if !s.lines.Scan() {
		b.Fatal("the server ended: ", s.lines.Err())
	}
	return s.lines.Text()
}

// cpu returns what the server has used of the processors.
func (s *server) cpu(b *testing.B) time.Duration {
	b.Helper()
	if _, err := io.WriteString(s.ask, "\n"); err != nil {
		b.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(s.line(b)), 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(n)
}

// presharedKey is sent with each call, as clients of SpiceDB do.
type presharedKey struct{}

func (presharedKey) RequireTransportSecurity() bool { return false }

func (presharedKey) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + serverToken}, nil
}
