package peer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/peerv1"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
)

// answering returns a port with a node of which some answers are changed.
func answering(t *testing.T, id string, change func(*Node)) *Port {
	t.Helper()
	p := listen(t, Options{NodeID: id})
	node := quiet()
	change(&node)
	serve(t, p, Services{Node: node})
	return p
}

func TestANodeAnswersWhatOthersAsk(t *testing.T) {
	p := answering(t, "a", func(n *Node) {
		n.Term = func() uint64 { return 7 }
		n.ReadIndex = func(context.Context) (uint64, error) { return 42, nil }
	})
	client := listen(t, Options{})
	member := Member{ID: "a", Address: p.Address()}
	if term, err := client.Term(patient(t), member); term != 7 || err != nil {
		t.Errorf("term %d %v", term, err)
	}
	if index, err := client.ReadIndex(patient(t), member); index != 42 || err != nil {
		t.Errorf("read index %d %v", index, err)
	}
}

// P7
func TestANodeDoesNotAnswerForAnother(t *testing.T) {
	p := answering(t, "b", func(n *Node) {
		n.Term = func() uint64 { t.Error("asked for its term"); return 7 }
		n.ReadIndex = func(context.Context) (uint64, error) { t.Error("asked for a read index"); return 0, nil }
	})
	client := listen(t, Options{})
	for _, id := range []string{"a", "", "B"} {
		member := Member{ID: id, Address: p.Address()}
		if _, err := client.Term(patient(t), member); !errors.Is(err, ErrWrongNode) {
			t.Errorf("the term of %q: %v", id, err)
		}
		if _, err := client.ReadIndex(patient(t), member); !errors.Is(err, ErrWrongNode) {
			t.Errorf("a read index of %q: %v", id, err)
		}
	}
}

// kinded is an error of the log.
type kinded string

func (k kinded) Error() string { return "the log says: " + string(k) }
func (k kinded) Kind() string  { return string(k) }

func TestAnErrorOfTheLogKeepsItsKindBetweenNodes(t *testing.T) {
	var fails error
	p := answering(t, "a", func(n *Node) {
		n.ReadIndex = func(context.Context) (uint64, error) { return 0, fails }
		n.Leader = func() (Member, bool) { return Member{ID: "l", Address: "leader:7000"}, true }
	})
	client := listen(t, Options{})
	for _, c := range []struct {
		err  error
		want *Error
	}{
		{kinded("no-leader"), ErrNotSent},
		{raft.ErrNoLeader, ErrNotSent},
		{raft.ErrClosed, ErrClosed},
		{raft.ErrOverloaded, ErrOverloaded},
		{fmt.Errorf("wrapped: %w", raft.ErrOutcomeUnknown), ErrOutcomeUnknown},
		{errors.Join(raft.ErrOutcomeUnknown, context.DeadlineExceeded), ErrOutcomeUnknown},
		{raft.ErrFailed, ErrFailed},
		{raft.ErrAhead, ErrFailed}, // of a kind that means nothing between nodes
		{errors.New("anything else"), ErrFailed},
		{context.DeadlineExceeded, ErrOutcomeUnknown},
		{context.Canceled, ErrOutcomeUnknown},
	} {
		fails = c.err
		_, err := client.ReadIndex(patient(t), Member{ID: "a", Address: p.Address()})
		var e *Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) {
			t.Errorf("%v came back as %v", c.err, err)
			continue
		}
		want := ""
		if c.want == ErrNotSent {
			want = "leader:7000"
		}
		if e.Leader != want {
			t.Errorf("%v came back with the leader %q", c.err, e.Leader)
		}
	}
}

func TestEveryKindHasItsOwnTextAndAStatus(t *testing.T) {
	texts := make(map[string]bool)
	for _, sentinel := range []*Error{ErrNotSent, ErrOutcomeUnknown, ErrClosed, ErrOverloaded, ErrWrongNode, ErrRefused, ErrFailed} {
		k, ok := kinds[sentinel.Kind()]
		if !ok || k.text == "" || texts[k.text] || k.code == codes.OK {
			t.Errorf("%s: %+v", sentinel.Kind(), k)
		}
		texts[k.text] = true
		back := answerOf(statusOf(sentinel.because(nil, "trying"), ""), "asking")
		if !errors.Is(back, sentinel) {
			t.Errorf("%s came back as %v", sentinel.Kind(), back)
		}
	}
	if len(texts) != len(kinds) {
		t.Errorf("%d kinds have no sentinel", len(kinds)-len(texts))
	}
}

func TestAPanicIsTheCallersFailureAndNoOtherCalls(t *testing.T) {
	var log logged
	server, client := listen(t, Options{Logger: log.logger()}), listen(t, Options{})
	services := writes(func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) { panic("of a write") })
	services.Node = quiet()
	services.Node.Status = func(context.Context) (Status, error) { panic("of a question") }
	services.Stream = func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error { panic("of a stream") }
	serve(t, server, services)
	if _, err := client.Status(patient(t), server.Address()); !errors.Is(err, ErrFailed) {
		t.Errorf("a question: %v", err)
	}
	if err := write(patient(t), client, server.Address()); status.Code(err) != codes.Internal {
		t.Errorf("a write: %v", err)
	}
	watch, err := tupelov1.NewTupeloClient(client.Conn(server.Address())).Watch(patient(t), &tupelov1.WatchRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) != codes.Internal {
		t.Errorf("a stream: %v", err)
	}
	for _, what := range []string{"of a write", "of a question", "of a stream"} {
		log.waitFor(t, "level=ERROR", what)
	}
	if _, err := client.Term(patient(t), Member{ID: "n", Address: server.Address()}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestFurtherServicesHaveTheirOwnInterceptorAndTheNodesQuestionsHaveNot(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	services := writes(func(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
		return nil, errors.New("raw")
	})
	var seen atomic.Int32
	services.Unary = func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		seen.Add(1)
		_, err := handle(ctx, r)
		return nil, status.Error(codes.Aborted, "put into a status: "+err.Error())
	}
	serve(t, server, services)
	if err := write(patient(t), client, server.Address()); status.Code(err) != codes.Aborted {
		t.Errorf("%v", err)
	}
	if _, err := client.Status(patient(t), server.Address()); err != nil {
		t.Error(err)
	}
	if seen.Load() != 1 {
		t.Errorf("the interceptor saw %d calls", seen.Load())
	}
}

func TestJoiningFindsTheLeaderAndWaitsForOne(t *testing.T) {
	client := listen(t, Options{})
	var refusals atomic.Int32
	joined := make(chan Member, 1)
	leader := answering(t, "leader", func(n *Node) {
		n.Join = func(_ context.Context, m Member) error {
			switch refusals.Add(1) {
			case 1:
				return kinded("no-leader") // of a term that has just begun
			case 2:
				return kinded("outcome-unknown") // and yet it may be a member
			}
			joined <- m
			return nil
		}
	})
	follower := answering(t, "follower", func(n *Node) {
		n.Join = func(context.Context, Member) error { return kinded("no-leader") }
		n.Leader = func() (Member, bool) { return Member{ID: "leader", Address: leader.Address()}, true }
	})
	me := Member{ID: "me", Address: "127.0.0.1:7000", Voter: true}
	if err := client.Join(patient(t), []string{"127.0.0.1:1", follower.Address()}, me); err != nil {
		t.Fatal(err)
	}
	if got := <-joined; got != me {
		t.Errorf("%+v has joined", got)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := client.Join(ctx, []string{"127.0.0.1:1"}, me); !errors.Is(err, ErrNotSent) {
		t.Errorf("by nobody: %v", err)
	}
	if err := client.Join(patient(t), nil, me); !errors.Is(err, ErrRefused) {
		t.Errorf("without an address to ask: %v", err)
	}
}

func TestLeavingFindsTheLeaderToo(t *testing.T) {
	client := listen(t, Options{})
	left := make(chan string, 1)
	leader := answering(t, "leader", func(n *Node) {
		n.Leave = func(_ context.Context, id string) error { left <- id; return nil }
	})
	follower := answering(t, "follower", func(n *Node) {
		n.Leave = func(context.Context, string) error { return raft.ErrNoLeader }
		n.Leader = func() (Member, bool) { return Member{ID: "leader", Address: leader.Address()}, true }
	})
	if err := client.Leave(patient(t), []string{follower.Address()}, "gone"); err != nil || <-left != "gone" {
		t.Error(err)
	}
}

func TestMembersThatNobodyCouldReachAreRefusedAtOnce(t *testing.T) {
	p := answering(t, "a", func(n *Node) {
		n.Join = func(_ context.Context, m Member) error { t.Errorf("%+v has joined", m); return nil }
		n.Leave = func(_ context.Context, id string) error { t.Errorf("%q has left", id); return nil }
	})
	client := listen(t, Options{})
	for _, m := range []Member{
		{}, {ID: "me"}, {Address: "h:1"}, {ID: "me", Address: "h"}, {ID: "me", Address: ":1"}, {ID: "me", Address: "h:0"},
		{ID: "me", Address: "h:70000"}, {ID: "me", Address: "0.0.0.0:1"}, {ID: string(make([]byte, 257)), Address: "h:1"},
	} {
		if err := client.Join(patient(t), []string{p.Address()}, m); !errors.Is(err, ErrRefused) {
			t.Errorf("%+v: %v", m, err)
		}
	}
	if err := client.Leave(patient(t), []string{p.Address()}, ""); !errors.Is(err, ErrRefused) {
		t.Errorf("nobody leaves: %v", err)
	}
}

// Whatever a node says of itself arrives as it was said, instants to the
// nanosecond if both clocks are the same.
func TestAStatusArrivesAsItWasSent(t *testing.T) {
	now := time.Now()
	for seed := range uint64(200) {
		sent := randomStatus(rand.New(rand.NewPCG(seed, 1)), now)
		wire, err := proto.Marshal(sent.message(now))
		if err != nil {
			t.Fatal(err)
		}
		var m peerv1.StatusResponse
		if err := proto.Unmarshal(wire, &m); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sent, statusFrom(&m, now)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
}

func randomStatus(r *rand.Rand, now time.Time) Status {
	instant := func() time.Time {
		if r.IntN(3) == 0 {
			return time.Time{}
		}
		return now.Add(-time.Duration(r.Int64N(int64(time.Hour))))
	}
	member := func() Member {
		return Member{ID: fmt.Sprint("n", r.IntN(5)), Address: fmt.Sprint("h:", r.IntN(9)), Voter: r.IntN(2) == 0}
	}
	s := Status{
		Address: "h:1", Version: "v1", DiskBytes: r.Uint64(), DiskFreeBytes: r.Uint64(), Format: r.Uint64(), MaxFormat: r.Uint64(),
		Status: raft.Status{
			NodeID: "n1", Role: "leader", Serving: r.IntN(2) == 0, Term: r.Uint64(), Leader: "n2", LastContact: instant(),
			FirstIndex: r.Uint64(), LastIndex: r.Uint64(), CommitIndex: r.Uint64(), AppliedIndex: r.Uint64(), SnapshotIndex: r.Uint64(),
			LogBytes: r.Int64(), InFlight: r.IntN(1000), InFlightBytes: r.Int(), SnapshotFailures: r.Uint64(),
		},
	}
	for range r.IntN(4) {
		s.Members = append(s.Members, member())
		s.Followers = append(s.Followers, raft.Follower{
			Member: member(), Match: r.Uint64(), Lag: r.Uint64(), Behind: time.Duration(r.Int64()), Contact: instant(), Installing: r.IntN(2) == 0,
		})
	}
	return s
}

// A field that the log's status gains must travel too: this fails until
// randomStatus fills it in, and then the test above until it does.
func TestEveryFieldOfAStatusIsTried(t *testing.T) {
	tried := make(map[string]bool)
	look := func(v reflect.Value) {
		for field, value := range v.Fields() {
			name := v.Type().Name() + "." + field.Name
			tried[name] = tried[name] || !value.IsZero()
		}
	}
	for seed := range uint64(20) {
		s := randomStatus(rand.New(rand.NewPCG(seed, 2)), time.Now())
		look(reflect.ValueOf(s))
		look(reflect.ValueOf(s.Status))
		for _, f := range s.Followers {
			look(reflect.ValueOf(f))
			look(reflect.ValueOf(f.Member))
		}
	}
	for name, ok := range tried {
		if !ok {
			t.Errorf("%s is never set", name)
		}
	}
}
