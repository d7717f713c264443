package peer

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// Caller is on whose behalf a node makes a call.
type Caller struct {
	// Principal is whom the first node let in; empty if it asks nobody who they are.
	Principal string
}

// The metadata of calls between nodes, beside that of traces.
const (
	forwardedKey = "tupelo-forwarded"
	principalKey = "tupelo-principal-bin" // any bytes
)

// traceKeys are how W3C's trace context is spelled in metadata.
var traceKeys = []string{"traceparent", "tracestate"}

type (
	callerKey    struct{} // of a call to be made
	forwardedFor struct{} // of a call that came in
)

// WithCaller returns a context whose calls by a [Conn] are made on behalf of c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// Forwarded reports whether the call with this context came from another node,
// and on whose behalf. Such a call must not be forwarded again.
func Forwarded(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(forwardedFor{}).(Caller)
	return c, ok
}

// outgoing returns the context of a call to another node: marked as forwarded,
// with the caller, and with the trace that the present call belongs to, unless
// the tracer sees to that.
func (p *Port) outgoing(ctx context.Context) context.Context {
	caller, _ := ctx.Value(callerKey{}).(Caller)
	pairs := []string{forwardedKey, "1", principalKey, caller.Principal}
	if p.options.TracerProvider == nil {
		for _, key := range traceKeys {
			for _, value := range metadata.ValueFromIncomingContext(ctx, key) {
				pairs = append(pairs, key, value)
			}
		}
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// incoming returns the context of a call that came in by the port. That it did
// is what makes the metadata believable, and not the metadata itself.
func incoming(ctx context.Context) context.Context {
	if len(metadata.ValueFromIncomingContext(ctx, forwardedKey)) == 0 {
		return ctx
	}
	var c Caller
	if values := metadata.ValueFromIncomingContext(ctx, principalKey); len(values) > 0 {
		c.Principal = values[0]
	}
	return context.WithValue(ctx, forwardedFor{}, c)
}
