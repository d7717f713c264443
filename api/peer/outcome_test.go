package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func write(ctx context.Context, from *Port, address string) error {
	_, err := tupelov1.NewTupeloClient(from.Conn(address)).Write(ctx, &tupelov1.WriteRequest{})
	return err
}

func TestWhatTheLeadersHandlerAnswersComesBackAsItIs(t *testing.T) {
	for _, code := range []codes.Code{codes.Unavailable, codes.Unknown, codes.Internal, codes.DeadlineExceeded, codes.Canceled, codes.ResourceExhausted, codes.InvalidArgument} {
		server, client := listen(t, Options{}), listen(t, Options{})
		st, err := status.New(code, "no").WithDetails(&errdetails.ErrorInfo{Domain: "tupelo", Reason: "ERROR_REASON_CLOSED"})
		if err != nil {
			t.Fatal(err)
		}
		serve(t, server, writes(func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
			return nil, st.Err()
		}))
		got, ok := status.FromError(write(patient(t), client, server.Address()))
		if !ok || got.String() != st.String() || len(got.Details()) != 1 {
			t.Errorf("%s came back as %s with %v", code, got, got.Details())
		}
	}
}

// P5
func TestACallThatCannotHaveBeenSentIsNotDone(t *testing.T) {
	client := listen(t, Options{})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	if err := write(patient(t), client, gone.Addr().String()); !errors.Is(err, ErrNotSent) {
		t.Errorf("to nobody: %v", err)
	}
	if err := write(patient(t), client, "not an address"); !errors.Is(err, ErrNotSent) {
		t.Errorf("to no address: %v", err)
	}
	idle := listen(t, Options{}) // connections are accepted, and calls not served yet
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := write(ctx, client, idle.Address()); !errors.Is(err, ErrNotSent) {
		t.Errorf("to a node that does not serve yet: %v", err)
	}
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := write(over, client, idle.Address()); !errors.Is(err, ErrNotSent) {
		t.Errorf("after the end of its context: %v", err)
	}
	serve(t, idle, Services{})
	if err := write(patient(t), client, idle.Address()); status.Code(err) != codes.Unimplemented {
		t.Errorf("of a node that has no such call: %v", err)
	}
	closeNow(t, client)
	if err := write(patient(t), client, idle.Address()); !errors.Is(err, ErrClosed) {
		t.Errorf("by a port that is closed: %v", err)
	}
}

// P5
func TestACallWhoseAnswerIsLostHasAnUnknownOutcome(t *testing.T) {
	for name, lose := range map[string]func(server, client *Port, cancel func()){
		"the leader's connections break": func(server, _ *Port, _ func()) { server.closeConnections() },
		"its own connections break":      func(_, client *Port, _ func()) { client.closeConnections() },
		"the caller gives up":            func(_, _ *Port, cancel func()) { cancel() },
	} {
		server, client := listen(t, Options{}), listen(t, Options{})
		running := make(chan struct{})
		serve(t, server, writes(func(ctx context.Context, _ *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
			close(running) // a second time would panic: the call must not be repeated
			<-ctx.Done()
			return nil, status.Error(codes.Unavailable, "too late for anybody to hear")
		}))
		ctx, cancel := context.WithCancel(patient(t))
		result := make(chan error, 1)
		go func() { result <- write(ctx, client, server.Address()) }()
		<-running
		lose(server, client, cancel)
		if err := <-result; !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrNotSent) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func TestADeadlineThatPassesUnderTheHandlerIsAnUnknownOutcome(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	release := make(chan struct{})
	defer close(release)
	serve(t, server, writes(func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
		<-release
		return &tupelov1.WriteResponse{}, nil
	}))
	if _, err := client.Status(patient(t), server.Address()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := write(ctx, client, server.Address()); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
}

// A5 of package api hangs on this: what was executed must not count as not sent,
// whatever becomes of the connection under load.
func TestNoCallThatWasCarriedOutCountsAsNotSent(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	const rounds, callers = 20, 16
	var mu sync.Mutex
	done := make(map[string]int)
	serve(t, server, writes(func(ctx context.Context, _ *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
		caller, _ := Forwarded(ctx)
		mu.Lock()
		defer mu.Unlock()
		done[caller.Principal]++
		return &tupelov1.WriteResponse{}, nil
	}))
	results := make(map[string]error)
	for round := range rounds {
		for answered := false; !answered; { // the connection is back
			_, err := client.Status(patient(t), server.Address())
			answered = err == nil
		}
		var group sync.WaitGroup
		for i := range callers {
			name := fmt.Sprintf("%d.%d", round, i)
			group.Go(func() {
				err := write(WithCaller(patient(t), Caller{Principal: name}), client, server.Address())
				mu.Lock()
				defer mu.Unlock()
				results[name] = err
			})
		}
		group.Go(func() {
			time.Sleep(time.Duration(round%8) * 200 * time.Microsecond)
			server.closeConnections()
		})
		group.Wait()
	}
	closeNow(t, server) // no handler is left
	succeeded := 0
	for name, err := range results {
		switch {
		case err == nil:
			succeeded++
			if done[name] != 1 {
				t.Errorf("%s was answered, and carried out %d times", name, done[name])
			}
		case errors.Is(err, ErrNotSent) && done[name] > 0:
			t.Errorf("%s was carried out, and counts as not sent: %v", name, err)
		case done[name] > 1:
			t.Errorf("%s was carried out %d times", name, done[name])
		case !errors.Is(err, ErrNotSent) && !errors.Is(err, ErrOutcomeUnknown):
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Logf("%d of %d answered, %d carried out", succeeded, len(results), len(done))
}

func TestANodeThatIsBackIsReachedWithinASecond(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	serve(t, server, Services{})
	address := server.Address()
	if _, err := client.Status(patient(t), address); err != nil {
		t.Fatal(err)
	}
	closeNow(t, server)
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := client.Status(patient(t), address); err == nil {
			t.Fatal("a closed port has answered")
		}
	}
	serve(t, listen(t, Options{Address: address}), Services{})
	back := time.Now()
	for {
		_, err := client.Status(patient(t), address)
		if err == nil {
			break
		}
		if !errors.Is(err, ErrNotSent) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if took := time.Since(back); took > patience/2 { // a client's own pauses grow to two minutes
		t.Errorf("reached after %s", took)
	}
}

func TestCallsShareAConnectionAndUnusedOnesAreDropped(t *testing.T) {
	client := listen(t, Options{unusedLimit: 200 * time.Millisecond})
	var servers []*Port
	for range 3 {
		server := listen(t, Options{})
		serve(t, server, Services{})
		servers = append(servers, server)
	}
	ask := func(p *Port) {
		t.Helper()
		if _, err := client.Status(patient(t), p.Address()); err != nil {
			t.Fatal(err)
		}
	}
	counts := func() (links, connections int) {
		client.mu.Lock()
		defer client.mu.Unlock()
		return len(client.links), len(client.open)
	}
	for range 10 {
		ask(servers[0])
	}
	if links, connections := counts(); links != 1 || connections != 1 {
		t.Errorf("%d links and %d connections for one node", links, connections)
	}
	ask(servers[1])
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, connections := counts(); connections == 0 {
			break
		}
	}
	ask(servers[2])
	if links, connections := counts(); links != 1 || connections != 1 {
		t.Errorf("%d links and %d connections are left of three, of which one is used", links, connections)
	}
	ask(servers[0]) // opened anew
}
