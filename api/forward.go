package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// leaderCall is a call that only the leader can carry out.
type leaderCall[A any] struct {
	method string
	// limit is how long it may take if its context has more time.
	limit time.Duration
	// once says that it is carried out once, however often it is made: it has an
	// idempotency key.
	once bool
	// here carries it out on this node, and waits for it to lead while nobody
	// does; there has another node do so.
	here  func(context.Context) (A, error)
	there func(context.Context, grpc.ClientConnInterface) (A, error)
}

// atLeader has a call carried out by whoever leads: by this node, or by another
// one whose answer it passes on. What was not done for want of a leader is tried
// again until its time is up, and so is what may have been done if it has a key:
// the leader changed in the middle, and the client need not know.
//
// A call that another node handed on is carried out here or not at all, so that
// two nodes that take each other for the leader do not hand it to and fro.
func atLeader[A any](ctx context.Context, s *Server, c leaderCall[A]) (A, error) {
	if s.cluster == nil || isFromNode(ctx) {
		return c.here(ctx)
	}
	limited, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	var doubt error // of a try that may have done it
	for {
		answer, remote, err := c.try(ctx, limited, s)
		if err == nil {
			return answer, nil
		}
		reason := reasonOf(err)
		if reason == tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN {
			doubt = err
		}
		if worthAnother(reason, remote, c.once && doubt != nil) && pause(limited) {
			continue
		}
		return answer, inDoubt(doubt, err)
	}
}

// inDoubt returns the error of the last try. What it came to says nothing of an
// earlier one that may have done it, or may yet: that stays unknown.
func inDoubt(doubt, last error) error {
	if doubt == nil || doubt == last {
		return last
	}
	return &Error{
		Reason:  tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN,
		Message: fmt.Sprintf("the outcome is unknown: %s; then, on another try: %s", doubt, last),
		cause:   errors.Join(doubt, last),
	}
}

// try makes a call once. It says whether another node was asked.
func (c *leaderCall[A]) try(ctx, limited context.Context, s *Server) (answer A, remote bool, err error) {
	leader, known := s.cluster.Leader()
	if !known || leader.ID == s.nodeID {
		answer, err = c.here(ctx)
		return answer, false, err
	}
	if c.once {
		var done func()
		limited, done = s.whileLeading(limited, leader)
		defer done()
	}
	s.metrics.forwarded.WithLabelValues(c.method).Inc()
	answer, err = c.there(limited, s.cluster.Conn(leader))
	return answer, true, err
}

// worthAnother reports whether a call that failed for a reason is to be made
// again. remote says that another node was asked; repair that an earlier try may
// have done it, and that a later one finds out.
func worthAnother(reason tupelov1.ErrorReason, remote, repair bool) bool {
	switch reason {
	case tupelov1.ErrorReason_ERROR_REASON_NO_LEADER:
		return true
	case tupelov1.ErrorReason_ERROR_REASON_CLOSED:
		return remote // it goes away, and another will lead
	case tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN, tupelov1.ErrorReason_ERROR_REASON_OVERLOADED:
		return repair
	}
	return false
}

// retryPause is short beside a failover and long beside a call.
const retryPause = 25 * time.Millisecond

// pause reports false if there is no time for another try.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// lookEvery is how often a call under way looks whether its leader still leads.
const lookEvery = 100 * time.Millisecond

// whileLeading returns a context that ends when another node than the leader is
// taken for it: one that hangs does not answer before the connection is given
// up, which takes longer than to elect another. Only for calls that may be made
// again, since the answer may be on its way.
func (s *Server) whileLeading(ctx context.Context, leader Member) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(lookEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if now, known := s.cluster.Leader(); known && now.ID != leader.ID {
				cancel()
				return
			}
		}
	}()
	return ctx, func() {
		cancel()
		<-ended
	}
}

type fromNodeKey struct{}

// isFromNode reports whether a call was handed on by another node.
func isFromNode(ctx context.Context) bool { return ctx.Value(fromNodeKey{}) != nil }

// Register adds the services to a further gRPC server: to the one on the port
// between nodes, by which other nodes hand calls on. FromNode and FromNodeStream
// must stand around its calls.
func (s *Server) Register(registrar grpc.ServiceRegistrar) {
	tupelov1.RegisterTupeloServer(registrar, s)
	tupelov1.RegisterClusterServiceServer(registrar, &clusterService{s: s})
}

// FromNode stands around the calls that other nodes hand on, as what New builds
// stands around those of clients. The nodes that handed them on have let their
// clients in; the port must know that it is nodes that it speaks with.
func (s *Server) FromNode(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return s.around(context.WithValue(ctx, fromNodeKey{}, true), request, info, handle)
}

// InProcess stands around the calls that are made of the handlers in this process.
// They are let in, and may be handed on.
func (s *Server) InProcess(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return s.around(ctx, request, info, handle)
}

// FromNodeStream is FromNode for calls with streams.
func (s *Server) FromNodeStream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return s.aroundStream(service, drainedStream{stream, context.WithValue(stream.Context(), fromNodeKey{}, true)}, info, handle)
}
