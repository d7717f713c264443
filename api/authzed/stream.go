package authzed

import (
	"context"

	"google.golang.org/grpc"
)

// sink takes what a native handler streams. The handler runs in this process, so
// that nothing of a stream is needed but its context and what is sent.
type sink[T any] struct {
	grpc.ServerStream // nil: what the handlers do not use
	ctx               context.Context
	take              func(*T) error
}

// Context returns the context of the call.
func (s sink[T]) Context() context.Context { return s.ctx }

// Send takes one message; its error ends the handler.
func (s sink[T]) Send(message *T) error { return s.take(message) }
