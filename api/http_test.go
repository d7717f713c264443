package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// httpServer is a server with a listener for HTTP, and one for its calls that
// nobody knows.
type httpServer struct {
	address string
	conn    *grpc.ClientConn // of Dial
	stop    func()           // and waits
}

func serveHTTP(t *testing.T, s *Server, handler http.Handler) httpServer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Dial()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- s.Serve(ctx, memoryListener{bufconn.Listen(1)}) }()
	go func() { ended <- s.ServeHTTP(ctx, listener, handler) }()
	return httpServer{listener.Addr().String(), conn, func() {
		cancel()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		_ = conn.Close()
	}}
}

// memoryListener is not an address that other machines reach.
type memoryListener struct{ *bufconn.Listener }

// Addr returns a local address.
func (memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

func TestServeHTTPRefusesAnOpenListenerAndClosesIt(t *testing.T) {
	s := newTestServer(t, newTestLog(t), nil)
	listener := bufconn.Listen(1)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.ServeHTTP(ctx, listener, http.NotFoundHandler()); !errors.Is(err, ErrTokenRequired) {
		t.Errorf("%v", err)
	}
	if _, err := listener.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}

func TestCallsOfDialAreLetInAsOthersAre(t *testing.T) {
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.Tokens = []string{"secret"} })
	w := serveHTTP(t, s, http.NotFoundHandler())
	defer w.stop()
	client := tupelov1.NewTupeloClient(w.conn)
	_, err := client.ReadSchema(t.Context(), &tupelov1.ReadSchemaRequest{})
	if Described(err).Reason != tupelov1.ErrorReason_ERROR_REASON_UNAUTHENTICATED {
		t.Errorf("without a token: %v", err)
	}
	_, err = client.ReadSchema(withToken(t.Context(), "secret"), &tupelov1.ReadSchemaRequest{})
	if Described(err).Reason != tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA {
		t.Errorf("with one: %v", err)
	}
}

func TestADrainLetsHTTPRequestsEndAndCutsOffWhatDoesNot(t *testing.T) {
	for name, limit := range map[string]time.Duration{"one that ends": time.Minute, "one that does not": 50 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			l := newTestLog(t)
			l.lead(t)
			s := newTestServer(t, l, func(o *Options) { o.DrainLimit = limit })
			begun, finish := make(chan struct{}), make(chan struct{})
			w := serveHTTP(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				select {
				case <-finish:
					_, _ = io.WriteString(w, "done")
				case <-r.Context().Done():
				}
			}))
			answered := make(chan string, 1)
			go func() { answered <- get("http://" + w.address) }()
			<-begun
			stopped := make(chan struct{})
			go func() { w.stop(); close(stopped) }()
			if limit > time.Second {
				<-s.draining.Done()
				close(finish)
				if got := <-answered; got != "done" {
					t.Errorf("the answer is %q", got)
				}
			} else if got := <-answered; !strings.Contains(got, "EOF") {
				t.Errorf("the answer is %q", got)
			}
			<-stopped
			if _, err := net.Dial("tcp", w.address); err == nil {
				t.Error("it still listens")
			}
		})
	}
}

// get returns what a URL has, or the error.
func get(url string) string {
	response, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
