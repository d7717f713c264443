package replica

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// stream makes a call whose answer is many messages. A handler runs until it has
// sent them all, one at a time: it waits until each is received.
func stream[Q, A any](ctx context.Context, r *Replica, method string, request *Q, handle func(*Q, grpc.ServerStreamingServer[A]) error) (grpc.ServerStreamingClient[A], error) {
	if request == nil {
		request = new(Q)
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &pipe[A]{ctx: ctx, messages: make(chan *A), ended: make(chan struct{})}
	begun := r.calls.begin()
	go func() {
		defer cancel()
		if begun {
			defer r.calls.end()
			defer context.AfterFunc(r.life, cancel)()
		}
		info := &grpc.StreamServerInfo{FullMethod: method, IsServerStream: true}
		p.end(r.server.FromNodeStream(r.server, &sender[A]{p}, info, func(_ any, s grpc.ServerStream) error {
			if !begun {
				return errClosed
			}
			err := handle(request, &grpc.GenericServerStream[Q, A]{ServerStream: s})
			if err != nil && r.life.Err() != nil {
				return errClosed // and that is why, or would have been next
			}
			return err
		}))
	}()
	return &receiver[A]{p}, nil
}

// pipe carries the messages of one stream from its handler to its caller.
type pipe[A any] struct {
	ctx      context.Context
	messages chan *A
	ended    chan struct{} // closed once err is set, after the last message was received
	err      error
}

func (p *pipe[A]) end(err error) {
	p.err = err
	close(p.ended)
}

// sender is a handler's end of a stream. There are no headers to set: nobody
// would look at them.
type sender[A any] struct{ p *pipe[A] }

// SendMsg hands over a message, which is the caller's from then on.
func (s *sender[A]) SendMsg(message any) error {
	m, ok := message.(*A)
	if !ok {
		return errMessage
	}
	select {
	case s.p.messages <- m:
		return nil
	case <-s.p.ctx.Done():
		return s.p.ctx.Err()
	}
}

// RecvMsg has nothing: the one request was handed to the handler.
func (s *sender[A]) RecvMsg(any) error { return io.EOF }

// Context ends with the call.
func (s *sender[A]) Context() context.Context { return s.p.ctx }

// SetHeader implements grpc.ServerStream.
func (s *sender[A]) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream.
func (s *sender[A]) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream.
func (s *sender[A]) SetTrailer(metadata.MD) {}

// receiver is a caller's end of a stream.
type receiver[A any] struct{ p *pipe[A] }

// Recv returns the next message, io.EOF after the last one, or the error that
// the stream has ended with.
func (r *receiver[A]) Recv() (*A, error) {
	select {
	case m := <-r.p.messages:
		return m, nil
	case <-r.p.ended:
	}
	if r.p.err != nil {
		return nil, r.p.err
	}
	return nil, io.EOF
}

// RecvMsg fails: messages are handed over, not copied into others.
func (r *receiver[A]) RecvMsg(any) error { return errMessage }

// SendMsg fails: the one request was sent by the call.
func (r *receiver[A]) SendMsg(any) error { return errMessage }

// CloseSend does nothing: the one request was sent by the call.
func (r *receiver[A]) CloseSend() error { return nil }

// Context ends with the call.
func (r *receiver[A]) Context() context.Context { return r.p.ctx }

// Header returns nothing: there is no connection.
func (r *receiver[A]) Header() (metadata.MD, error) { return nil, nil }

// Trailer returns nothing: there is no connection.
func (r *receiver[A]) Trailer() metadata.MD { return nil }
