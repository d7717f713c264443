package peer

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
)

// answeredKey marks, in the trailer, what a handler of the other node answered,
// so that it is told from what gRPC made up on either side.
const answeredKey = "tupelo-answered"

// attempt is what is known of one call under way.
type attempt struct {
	sent atomic.Bool // its header was given to a connection that was ready
}

type attemptKey struct{}

// in returns a context by which attempts knows the call.
func (a *attempt) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// outcome returns the error of a call with what is known of its fate.
func (a *attempt) outcome(err error, trailer metadata.MD, method, address string) error {
	switch {
	case err == nil, len(trailer.Get(answeredKey)) > 0, unanswerable(err):
		return err
	case a.sent.Load():
		return ErrOutcomeUnknown.because(err, "calling %s at %s", method, address)
	default:
		return ErrNotSent.because(err, "calling %s at %s", method, address)
	}
}

// attempts is told by gRPC what becomes of calls.
type attempts struct{}

// HandleRPC notes that a call is being sent, and that it is not any more: gRPC
// begins it again only if the other side said that it did not look at it, or if
// nothing had been sent.
func (attempts) HandleRPC(ctx context.Context, event stats.RPCStats) {
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return
	}
	switch event.(type) {
	case *stats.Begin:
		a.sent.Store(false)
	case *stats.OutHeader:
		a.sent.Store(true)
	}
}

// TagRPC adds nothing.
func (attempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// TagConn adds nothing.
func (attempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn looks at nothing.
func (attempts) HandleConn(context.Context, stats.ConnStats) {}
