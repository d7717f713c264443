package api

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// testNodes are the servers of a cluster, by node id, and who leads.
type testNodes struct {
	mu      sync.Mutex
	servers map[string]*Server
	leads   map[string]string // whom a node takes for the leader
	members []Member
	status  map[string]NodeStatus
	changes []Change
	fail    error // of Change
	// lose is asked about each call that gets to a node, before and after it is
	// handled there; an error is what the caller gets instead of an answer.
	lose func(to, method string, handled bool) error
}

// testCluster is the Cluster of one of them.
type testCluster struct {
	*testNodes
	self string
}

func (c testCluster) Leader() (Member, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.leads[c.self]
	return Member{ID: id, Voter: true}, id != ""
}

func (c testCluster) Members() []Member { return c.members }

func (c testCluster) Conn(m Member) grpc.ClientConnInterface { return testConn{c.testNodes, m.ID} }

func (c testCluster) Status(_ context.Context, m Member) (NodeStatus, error) {
	s, ok := c.status[m.ID]
	if !ok {
		return s, logError("no-leader")
	}
	return s, nil
}

func (c testCluster) Change(_ context.Context, change Change) error {
	if c.leads[c.self] != c.self {
		return logError("no-leader")
	}
	c.testNodes.changes = append(c.testNodes.changes, change)
	return c.fail
}

// lead has every node take one for the leader.
func (n *testNodes) lead(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for node := range n.servers {
		n.leads[node] = id
	}
}

// testConn makes calls of a node as the port between nodes does.
type testConn struct {
	*testNodes
	to string
}

func (c testConn) lost(method string, handled bool) error {
	if c.lose == nil {
		return nil
	}
	return c.lose(c.to, method, handled)
}

func (c testConn) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	if err := c.lost(method, false); err != nil {
		return err
	}
	services := registered{}
	c.servers[c.to].Register(services)
	decode := func(into any) error {
		proto.Merge(into.(proto.Message), args.(proto.Message))
		return nil
	}
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	for _, m := range services[service].desc.Methods {
		if m.MethodName != name {
			continue
		}
		answer, err := m.Handler(services[service].service, ctx, decode, c.servers[c.to].FromNode)
		if lost := c.lost(method, true); lost != nil {
			return lost
		}
		if err == nil {
			proto.Merge(reply.(proto.Message), answer.(proto.Message))
		}
		return err
	}
	return fmt.Errorf("no method %s", method)
}

func (testConn) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams are handed on")
}

type registered map[string]struct {
	desc    *grpc.ServiceDesc
	service any
}

func (r registered) RegisterService(desc *grpc.ServiceDesc, service any) {
	r[desc.ServiceName] = struct {
		desc    *grpc.ServiceDesc
		service any
	}{desc, service}
}

// followingLog is the log of a node that does not lead.
type followingLog struct{ *testLog }

func (followingLog) Propose(context.Context, []byte) (any, error) { return nil, logError("no-leader") }

// newNodes returns a leader "a" with a schema and two followers, "b" and "c",
// all of one state.
func newNodes(t testing.TB, change func(*Options)) *testNodes {
	t.Helper()
	l := newTestLog(t)
	l.lead(t)
	l.propose(t, store.Upgrade{Format: store.MaxFormat})
	n := &testNodes{servers: map[string]*Server{}, leads: map[string]string{}, status: map[string]NodeStatus{}}
	for _, id := range []string{"a", "b", "c"} {
		var log Log = followingLog{l}
		if id == "a" {
			log = l
		}
		n.members = append(n.members, Member{ID: id, Address: id + ":1", Voter: id != "c"})
		n.servers[id] = newTestServer(t, l, func(o *Options) {
			o.Log, o.NodeID, o.Cluster = log, id, testCluster{n, id}
			o.Tokens = []string{testToken} // FromNode asks for none
			if change != nil {
				change(o)
			}
		})
	}
	n.lead("a")
	if err := n.servers["a"].writeSchemaNow(t, gitclub); err != nil {
		t.Fatal(err)
	}
	return n
}

// writes are the calls that only the leader can carry out, by name.
func writes(t testing.TB, key string) map[string]func(*Server, context.Context) (proto.Message, error) {
	return map[string]func(*Server, context.Context) (proto.Message, error){
		"Write": func(s *Server, ctx context.Context) (proto.Message, error) {
			r := updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
			r.IdempotencyKey = key
			return s.Write(ctx, r)
		},
		"DeleteByFilter": func(s *Server, ctx context.Context) (proto.Message, error) {
			return s.DeleteByFilter(ctx, &tupelov1.DeleteByFilterRequest{
				Filter: &tupelov1.Filter{ObjectType: "repository"}, IdempotencyKey: key,
			})
		},
		"WriteSchema": func(s *Server, ctx context.Context) (proto.Message, error) {
			return s.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: gitclub + "\n", IdempotencyKey: key})
		},
		"RegisterCounter": func(s *Server, ctx context.Context) (proto.Message, error) {
			r := registerOwners(key)
			r.Name += key // the tests write with a key and without
			return s.RegisterCounter(ctx, r)
		},
	}
}

func (n *testNodes) last() uint64 { return n.servers["a"].log.(*testLog).last() }

func zookieIn(m proto.Message) string {
	if m, ok := m.(interface{ GetZookie() string }); ok {
		return m.GetZookie()
	}
	return ""
}

func TestAnyNodeTakesAWriteAndTheLeaderDoesIt(t *testing.T) {
	for name, write := range writes(t, "") {
		t.Run(name, func(t *testing.T) {
			n := newNodes(t, nil)
			before := n.last()
			answer, err := write(n.servers["b"], t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := zookieIn(answer); got != here.zookie(before+1) {
				t.Errorf("the zookie is %q, not the leader's", got)
			}
			if got := testutil.ToFloat64(n.servers["b"].metrics.forwarded.WithLabelValues(name)); got != 1 {
				t.Errorf("%v calls are counted as forwarded", got)
			}
			if got := testutil.ToFloat64(n.servers["a"].metrics.requests.WithLabelValues(name, "OK")); got != 1 {
				t.Errorf("the leader counts %v calls", got)
			}
		})
	}
}

// What the leader says is wrong with a request is what its client reads.
func TestErrorsOfTheLeaderComeBackAsTheyAre(t *testing.T) {
	n := newNodes(t, nil)
	request := updates(t, tupelov1.Update_OPERATION_CREATE, aliceOwns)
	request.Preconditions = []*tupelov1.Precondition{{
		Condition: tupelov1.Precondition_CONDITION_MUST_MATCH, Filter: &tupelov1.Filter{ObjectType: "team"},
	}}
	_, there := n.servers["b"].Write(t.Context(), request)
	_, direct := n.servers["a"].Write(t.Context(), request)
	if got, want := statusOf(there).Proto(), statusOf(direct).Proto(); !proto.Equal(got, want) || len(want.Details) < 3 {
		t.Errorf("%v\nis not\n%v", got, want)
	}
	n.servers["a"].log.(*testLog).failWith(logError("overloaded"))
	_, there = n.servers["b"].Write(t.Context(), updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns))
	if got := seen(t, there); got.code != "ResourceExhausted" || len(got.status.Details()) != 2 {
		t.Errorf("%+v", got)
	}
}

func TestBadInputDoesNotGetToTheLeader(t *testing.T) {
	n := newNodes(t, nil)
	n.lose = func(string, string, bool) error { return errTest }
	_, err := n.servers["b"].Write(t.Context(), &tupelov1.WriteRequest{})
	if got := seen(t, statusOf(err).Err()); got.code != "InvalidArgument" {
		t.Errorf("%+v", got)
	}
}

// Two nodes that take each other for the leader end with an error, not with a
// call that goes to and fro.
func TestACallThatWasHandedOnIsNotHandedOnAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, nil)
		n.leads["b"], n.leads["c"] = "c", "b"
		begun := time.Now()
		for name, write := range writes(t, "") {
			_, err := write(n.servers["b"], t.Context())
			if got := seen(t, statusOf(err).Err()); got.code != "Unavailable" || got.reason != "ERROR_REASON_NO_LEADER" {
				t.Errorf("%s: %+v", name, got)
			}
			if got := testutil.ToFloat64(n.servers["c"].metrics.forwarded.WithLabelValues(name)); got != 0 {
				t.Errorf("%s was handed on %v times by the node that it was handed to", name, got)
			}
		}
		if took := time.Since(begun); took != 40*time.Second {
			t.Errorf("four calls took %s", took)
		}
	})
}

// A client sees no redirect, and no failure either while another is elected.
func TestWritesWaitForTheNextLeader(t *testing.T) {
	for name, c := range map[string]struct{ lost error }{
		"the connection cannot be had":  {logError("no-leader")},
		"it says that it does not lead": {statusOf(logError("no-leader")).Err()},
		"it shuts down":                 {statusOf(logError("closed")).Err()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes(t, nil)
				n.lead("c")
				n.lose = func(to, _ string, _ bool) error {
					if to == "c" {
						return c.lost
					}
					return nil
				}
				time.AfterFunc(2*time.Second, func() { n.lead("a") })
				begun := time.Now()
				if err := n.servers["b"].touchNow(t, aliceOwns); err != nil {
					t.Errorf("%v", err)
				}
				if took := time.Since(begun); took < 2*time.Second || took > 2*time.Second+retryPause {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestAWriteWaitsForALeaderAsLongAsItsCallHasTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, func(o *Options) { o.WaitLimit = 7 * time.Second })
		n.lose = func(string, string, bool) error { return logError("no-leader") }
		for _, c := range []struct{ given, want time.Duration }{{time.Second, time.Second}, {time.Minute, 7 * time.Second}} {
			ctx, cancel := context.WithTimeout(t.Context(), c.given)
			begun := time.Now()
			_, err := n.servers["b"].Write(ctx, updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns))
			cancel()
			if got := seen(t, statusOf(err).Err()); got.reason != "ERROR_REASON_NO_LEADER" {
				t.Errorf("%+v", got)
			}
			if took := time.Since(begun); took != c.want {
				t.Errorf("with %s it took %s", c.given, took)
			}
		}
	})
}

// A5, and what keys are for: the leader changes after it has done the write and
// before it has said so.
func TestALostAnswerIsUnknownWithoutAKeyAndFoundOutWithOne(t *testing.T) {
	for name := range writes(t, "") {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newNodes(t, nil)
				losses := 0
				n.lose = func(_, _ string, handled bool) error {
					if handled && losses == 0 {
						losses++
						return logError("outcome-unknown")
					}
					return nil
				}
				before := n.last()
				_, err := writes(t, "")[name](n.servers["b"], t.Context())
				if got := seen(t, statusOf(err).Err()); got.code != "Unknown" || got.reason != "ERROR_REASON_OUTCOME_UNKNOWN" {
					t.Errorf("without a key: %+v", got)
				}
				if got := n.last(); got != before+1 {
					t.Errorf("without a key it is proposed %d times", got-before)
				}
				losses = 0
				before = n.last()
				answer, err := writes(t, "key-1")[name](n.servers["b"], t.Context())
				if err != nil {
					t.Fatalf("with a key: %v", err)
				}
				if got := zookieIn(answer); got != here.zookie(before+1) || n.last() != before+2 {
					t.Errorf("with a key the answer is %q, the first try was revision %d, the last %d", got, before+1, n.last())
				}
				again, err := writes(t, "key-1")[name](n.servers["a"], t.Context())
				if err != nil || !proto.Equal(again, answer) {
					t.Errorf("the client's own second try, elsewhere: %v, %v, want %v", again, err, answer)
				}
			})
		})
	}
}

// Only success settles what an earlier try may have done.
func TestAnUnknownOutcomeStaysUnknownWhateverComesAfter(t *testing.T) {
	unmet := statusOf(refusal(tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET, "unmet")).Err()
	for _, then := range []error{logError("no-leader"), logError("overloaded"), errTest, unmet, context.Canceled} {
		synctest.Test(t, func(t *testing.T) {
			n := newNodes(t, nil)
			tries := 0
			n.lose = func(string, string, bool) error {
				if tries++; tries == 1 {
					return logError("outcome-unknown")
				}
				return then
			}
			_, err := writes(t, "key-1")["Write"](n.servers["b"], t.Context())
			if got := seen(t, statusOf(err).Err()); got.reason != "ERROR_REASON_OUTCOME_UNKNOWN" || tries < 2 {
				t.Errorf("%v after %d tries: %+v", then, tries, got)
			}
		})
	}
}

// A leader that hangs keeps its connection; who waits for its answer should not
// wait longer than for another leader.
func TestAWriteWithAKeyLeavesALeaderThatHangsForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, nil)
		n.lead("c")
		n.servers["c"].log = stuckLog{followingLog{n.servers["a"].log.(*testLog)}}
		time.AfterFunc(time.Second, func() { n.lead("a") })
		begun := time.Now()
		if _, err := writes(t, "key-1")["Write"](n.servers["b"], t.Context()); err != nil {
			t.Errorf("%v", err)
		}
		if took := time.Since(begun); took > time.Second+lookEvery+retryPause {
			t.Errorf("it took %s", took)
		}
	})
}

func TestAKeyIsForOneRequest(t *testing.T) {
	n := newNodes(t, nil)
	if _, err := writes(t, "key-1")["Write"](n.servers["b"], t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{"DeleteByFilter", "WriteSchema"} {
		_, err := writes(t, "key-1")[other](n.servers["b"], t.Context())
		if got := seen(t, statusOf(err).Err()); got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_IDEMPOTENCY_KEY_REUSED" {
			t.Errorf("%s: %+v", other, got)
		}
	}
}

// A node with the program of before would stop at a command with a key.
func TestKeysAreRefusedUntilEveryNodeKnowsThem(t *testing.T) {
	w := newWorld(t, gitclub)
	for name := range writes(t, "") {
		before := w.log.last()
		_, err := writes(t, "key-1")[name](w.server, t.Context())
		if got := seen(t, statusOf(err).Err()); got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_CLUSTER_UPGRADING" {
			t.Errorf("%s: %+v", name, got)
		}
		if w.log.last() != before {
			t.Errorf("%s: it is proposed", name)
		}
	}
	w.log.propose(t, store.Upgrade{Format: keysFormat})
	if _, err := writes(t, "key-1")["Write"](w.server, t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Two tries of one deletion find different tuples, and are one request.
func TestADeletionUnderAKeyIsOneHoweverMuchItCanCarry(t *testing.T) {
	n := newNodes(t, nil)
	s := n.servers["a"]
	for i := range 5 {
		r := &tupelov1.WriteRequest{}
		for j := range 1000 {
			id := fmt.Sprintf("%d-%d-%s", i, j, strings.Repeat("x", 1000))
			r.Updates = append(r.Updates, &tupelov1.Update{
				Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tupleMessage(t, "repository:"+id+"#owner@user:alice"),
			})
		}
		if _, err := s.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	remove := &tupelov1.DeleteByFilterRequest{
		Filter: &tupelov1.Filter{ObjectType: "repository"}, AllowPartial: true, IdempotencyKey: "key-1",
	}
	first, err := s.DeleteByFilter(t.Context(), remove)
	if err != nil {
		t.Fatal(err)
	}
	if first.Complete || first.Deleted < 1000 || first.Deleted > 4999 {
		t.Fatalf("it is not cut: %v", first)
	}
	second, err := s.DeleteByFilter(t.Context(), remove)
	if err != nil || !proto.Equal(first, second) {
		t.Errorf("%v, %v; the first was %v", second, err, first)
	}
}

func TestNodesNeedNoTokenAndClientsDo(t *testing.T) {
	n := newNodes(t, nil)
	info := &grpc.UnaryServerInfo{FullMethod: tupelov1.Tupelo_Write_FullMethodName}
	handled := func(ctx context.Context, _ any) (any, error) { return isFromNode(ctx), nil }
	if got, err := n.servers["a"].FromNode(t.Context(), nil, info, handled); err != nil || got != true {
		t.Errorf("of a node: %v, %v", got, err)
	}
	if _, err := n.servers["a"].unary(t.Context(), nil, info, handled); status.Code(err).String() != "Unauthenticated" {
		t.Errorf("of a client: %v", err)
	}
	if got, err := n.servers["a"].unary(incomingToken(t.Context()), nil, info, handled); err != nil || got != false {
		t.Errorf("of a client with a token: %v, %v", got, err)
	}
}

func incomingToken(ctx context.Context) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+testToken))
}
