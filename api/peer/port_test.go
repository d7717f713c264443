package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	hraft "github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/cert"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// patience is longer than anything here takes.
const patience = time.Minute

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// logged is a log that tests read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// waitFor waits for a line with all of the parts.
func (l *logged) waitFor(t *testing.T, parts ...string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		for line := range strings.Lines(l.String()) {
			if containsAll(line, parts) {
				return
			}
		}
	}
	t.Fatalf("the log has no line with %q:\n%s", parts, l)
}

func containsAll(line string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(line, part) {
			return false
		}
	}
	return true
}

// listen opens a port on loopback with the options' zeros filled in.
func listen(t *testing.T, o Options) *Port {
	t.Helper()
	if o.NodeID == "" {
		o.NodeID = "n"
	}
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	p, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(t, p) })
	return p
}

// closeNow closes a port without waiting for calls.
func closeNow(t *testing.T, p *Port) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

// quiet is a node that answers nothing of interest.
func quiet() Node {
	return Node{
		Term:      func() uint64 { return 1 },
		ReadIndex: func(context.Context) (uint64, error) { return 1, nil },
		Leader:    func() (Member, bool) { return Member{}, false },
		Status:    func(context.Context) (Status, error) { return Status{}, nil },
		Join:      func(context.Context, Member) error { return nil },
		Leave:     func(context.Context, string) error { return nil },
	}
}

func serve(t *testing.T, p *Port, s Services) {
	t.Helper()
	if s.Node.Term == nil {
		s.Node = quiet()
	}
	if err := p.Serve(s); err != nil {
		t.Fatal(err)
	}
}

// writer is a server of tupelo.v1 that answers Write.
type writer struct {
	tupelov1.UnimplementedTupeloServer
	write func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error)
}

func (w writer) Write(ctx context.Context, r *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
	return w.write(ctx, r)
}

// writes are the services of a port whose leader answers Write so.
func writes(f func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error)) Services {
	return Services{Register: func(r grpc.ServiceRegistrar) { tupelov1.RegisterTupeloServer(r, writer{write: f}) }}
}

// authority signs certificates on disk.
type authority struct {
	*cert.Authority
	file string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	a, err := cert.NewAuthority("test", time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.crt")
	if err := a.Save(file, filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	return authority{a, file}
}

// filesOf returns a certificate's files, for hosts, issued at that time.
func (a authority) filesOf(t *testing.T, at time.Time, hosts ...string) cert.Files {
	t.Helper()
	dir := t.TempDir()
	files := cert.Files{Certificate: filepath.Join(dir, "node.crt"), Key: filepath.Join(dir, "node.key"), Authorities: a.file}
	pair, err := a.Issue("node", hosts, at, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Save(files.Certificate, files.Key); err != nil {
		t.Fatal(err)
	}
	return files
}

func open(t *testing.T, files cert.Files) *cert.Source {
	t.Helper()
	s, err := cert.Open(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// local returns the certificates of a node on loopback.
func (a authority) local(t *testing.T) *cert.Source {
	t.Helper()
	return open(t, a.filesOf(t, time.Now(), "127.0.0.1", "localhost"))
}

func TestOnePortCarriesRaftAndCallsSideBySide(t *testing.T) {
	a := newAuthority(t)
	for name, certificates := range map[string]func() *cert.Source{
		"without certificates": func() *cert.Source { return nil },
		"with certificates":    func() *cert.Source { return a.local(t) },
	} {
		t.Run(name, func(t *testing.T) {
			here := listen(t, Options{NodeID: "here", Certificates: certificates()})
			there := listen(t, Options{NodeID: "there", Certificates: certificates()})
			serve(t, there, Services{Node: quiet()})
			from, to := transport(t, here), transport(t, there)
			go func() {
				for rpc := range to.Consumer() {
					rpc.Respond(&hraft.AppendEntriesResponse{Term: 7}, nil)
				}
			}()
			for range 3 {
				var answer hraft.AppendEntriesResponse
				err := from.AppendEntries("there", hraft.ServerAddress(there.Address()), &hraft.AppendEntriesRequest{Term: 6}, &answer)
				if err != nil || answer.Term != 7 {
					t.Fatalf("raft: %v %v", answer, err)
				}
				if term, err := here.Term(patient(t), Member{ID: "there", Address: there.Address()}); term != 1 || err != nil {
					t.Fatalf("calls: %d %v", term, err)
				}
			}
		})
	}
}

// transport is hashicorp/raft's network transport over a port.
func transport(t *testing.T, p *Port) *hraft.NetworkTransport {
	t.Helper()
	n := hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{Stream: p.Raft(), MaxPool: 3, Timeout: 5 * time.Second})
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func TestClosingRaftsStreamLeavesThePortToCalls(t *testing.T) {
	p := listen(t, Options{})
	serve(t, p, Services{})
	if err := transport(t, p).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Status(patient(t), p.Address()); err != nil {
		t.Error(err)
	}
}

// P8
func TestCloseLetsCallsEndAndThenEndsEverything(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	running, finish := make(chan struct{}), make(chan struct{})
	serve(t, server, writes(func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
		close(running)
		<-finish
		return &tupelov1.WriteResponse{}, nil
	}))
	accepted := make(chan net.Conn, 1)
	go func() {
		c, _ := server.Raft().Accept()
		accepted <- c
	}()
	conn, err := client.Raft().Dial(hraft.ServerAddress(server.Address()), patience)
	if err != nil {
		t.Fatal(err)
	}
	<-accepted // raft holds it, and does not close it
	result := make(chan error, 1)
	go func() {
		_, err := tupelov1.NewTupeloClient(client.Conn(server.Address())).Write(patient(t), &tupelov1.WriteRequest{})
		result <- err
	}()
	<-running
	closed := make(chan error, 1)
	go func() { closed <- server.Close(patient(t)) }()
	select {
	case err := <-closed:
		t.Fatalf("closed under a call that runs: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(finish)
	if err := <-result; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !isReset(err) {
		t.Errorf("raft's connection is still open: %v", err)
	}
	if n := len(server.open); n != 0 || server.inbound != 0 || server.greeting != 0 {
		t.Errorf("%d connections are left, %d of others, %d greeting", n, server.inbound, server.greeting)
	}
	if err := server.Close(patient(t)); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if err := server.Serve(Services{Node: quiet()}); !errors.Is(err, ErrClosed) {
		t.Errorf("served after the end: %v", err)
	}
	if _, err := server.Term(patient(t), Member{ID: "n", Address: client.Address()}); !errors.Is(err, ErrClosed) {
		t.Errorf("asked after the end: %v", err)
	}
}

func isReset(err error) bool { return err != nil && strings.Contains(err.Error(), "reset") }

func TestCloseCutsOffCallsThatOutstayIt(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	running := make(chan struct{})
	serve(t, server, writes(func(ctx context.Context, _ *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
		close(running)
		<-ctx.Done()
		return nil, ctx.Err()
	}))
	result := make(chan error, 1)
	go func() {
		_, err := tupelov1.NewTupeloClient(client.Conn(server.Address())).Write(patient(t), &tupelov1.WriteRequest{})
		result <- err
	}()
	<-running
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := server.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := <-result; !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("the call that was cut off: %v", err)
	}
}

func TestOptionsThatCannotBeUsedAreRefused(t *testing.T) {
	good := Options{NodeID: "n", Address: "127.0.0.1:0"}
	for name, spoil := range map[string]func(*Options){
		"no id":                    func(o *Options) { o.NodeID = "" },
		"no address":               func(o *Options) { o.Address = "" },
		"a negative limit":         func(o *Options) { o.MaxConnections = -1 },
		"advertised without port":  func(o *Options) { o.Advertise = "node1" },
		"advertised port 0":        func(o *Options) { o.Advertise = "node1:0" },
		"advertised port by name":  func(o *Options) { o.Advertise = "node1:http" },
		"advertised everywhere":    func(o *Options) { o.Advertise = "0.0.0.0:7000" },
		"advertised without host":  func(o *Options) { o.Advertise = ":7000" },
		"everywhere, and not said": func(o *Options) { o.Address, o.Certificates = "0.0.0.0:0", newAuthority(t).local(t) },
	} {
		o := good
		spoil(&o)
		if p, err := Listen(o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v %v", name, p, err)
		}
	}
	p := listen(t, good)
	if err := p.Serve(Services{}); !errors.Is(err, ErrOptions) {
		t.Errorf("served without a node: %v", err)
	}
	serve(t, p, Services{})
	if err := p.Serve(Services{Node: quiet()}); !errors.Is(err, ErrOptions) {
		t.Errorf("served twice: %v", err)
	}
}
