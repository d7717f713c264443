package clustertest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

const (
	// callLimit is how long a client waits for an answer, and connectLimit how
	// long it tries to reach a node before it says that it has sent nothing.
	callLimit    = 3 * time.Second
	connectLimit = 500 * time.Millisecond
)

var errNotSent = errors.New("the node is not reached")

// calls are those that a node takes.
type calls struct {
	tupelov1.TupeloClient
	tupelov1.ClusterServiceClient
}

// line is a client's connection to a node. One over which an answer failed to
// come is given up: what is sent again after a cut comes late.
type line struct {
	node  *node
	token string

	mu   sync.Mutex
	conn *grpc.ClientConn
}

func newLine(n *node, token string) *line { return &line{node: n, token: token} }

// bearer shows a token. Everything is on this machine, so it needs no TLS.
type bearer string

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (bearer) RequireTransportSecurity() bool { return false }

// reach returns a connection by which something can be sent now.
func (l *line) reach(ctx context.Context) (*grpc.ClientConn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == nil {
		options := []grpc.DialOption{
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}, MinConnectTimeout: time.Second,
			}),
		}
		if l.token != "" {
			options = append(options, grpc.WithPerRPCCredentials(bearer(l.token)))
		}
		conn, err := grpc.NewClient("passthrough:///"+l.node.calls, options...)
		if err != nil {
			return nil, err
		}
		l.conn = conn
	}
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	for {
		state := l.conn.GetState()
		if state == connectivity.Ready {
			return l.conn, nil
		}
		l.conn.Connect()
		if !l.conn.WaitForStateChange(ctx, state) {
			return nil, errNotSent
		}
	}
}

func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close() // it is closed once
		l.conn = nil
	}
}

// ask makes a call within callLimit, as clients do.
func ask[A any](ctx context.Context, l *line, call func(context.Context, calls) (A, error)) (A, error) {
	return askWithin(ctx, callLimit, l, call)
}

// askWithin makes a call within a limit.
func askWithin[A any](ctx context.Context, limit time.Duration, l *line, call func(context.Context, calls) (A, error)) (answer A, err error) {
	conn, err := l.reach(ctx)
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err = call(ctx, calls{tupelov1.NewTupeloClient(conn), tupelov1.NewClusterServiceClient(conn)})
	if err != nil && ctx.Err() != nil {
		l.close()
	}
	if neverLeft(err) {
		return answer, errNotSent
	}
	return answer, err
}

// neverLeft reports whether a call failed for want of a connection, which was lost
// after reach had seen it: gRPC itself tries a call again by another only if the
// node cannot have seen it.
func neverLeft(err error) bool {
	s := status.Convert(err)
	return reasonOf(err) == 0 && s.Code() == codes.Unavailable && strings.Contains(s.Message(), "transport: Error while dialing")
}

// reasonOf returns the server's word for an error; 0 if it is not the server's.
func reasonOf(err error) tupelov1.ErrorReason {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return tupelov1.ErrorReason(tupelov1.ErrorReason_value[info.Reason])
		}
	}
	return 0
}

// outcomeOf says what became of a call, and whether what it says of itself is
// something that troubles bring about.
func outcomeOf(err error) (outcome string, expected bool) {
	switch {
	case err == nil:
		return history.OK, true
	case errors.Is(err, errNotSent):
		return history.NotDone, true
	}
	switch reasonOf(err) {
	case tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET:
		return history.Unmet, true
	case tupelov1.ErrorReason_ERROR_REASON_NO_LEADER, tupelov1.ErrorReason_ERROR_REASON_CLOSED,
		tupelov1.ErrorReason_ERROR_REASON_OVERLOADED, tupelov1.ErrorReason_ERROR_REASON_STALE_REPLICA,
		tupelov1.ErrorReason_ERROR_REASON_REVISION_NOT_REACHED, tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED:
		return history.NotDone, true
	case 0, tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN,
		tupelov1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, tupelov1.ErrorReason_ERROR_REASON_CANCELLED:
		return history.Unknown, true
	}
	return history.Unknown, false
}
