package replica

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
)

// upload makes a call whose request is many messages: stream the other way round.
// A handler runs until it has its answer; it takes the messages one at a time.
func upload[Q, A any](ctx context.Context, r *Replica, method string, handle func(grpc.ClientStreamingServer[Q, A]) error) (grpc.ClientStreamingClient[Q, A], error) {
	ctx, cancel := context.WithCancel(ctx)
	u := &uploading[Q, A]{
		pipe: pipe[A]{ctx: ctx, messages: make(chan *A), ended: make(chan struct{})},
		sent: make(chan *Q), all: make(chan struct{}),
	}
	begun := r.calls.begin()
	go func() {
		defer cancel()
		if begun {
			defer r.calls.end()
			defer context.AfterFunc(r.life, cancel)()
		}
		info := &grpc.StreamServerInfo{FullMethod: method, IsClientStream: true}
		u.end(r.server.FromNodeStream(r.server, &sender[A]{&u.pipe}, info, func(_ any, s grpc.ServerStream) error {
			if !begun {
				return errClosed
			}
			err := handle(&uploaded[Q, A]{s, u})
			if err != nil && r.life.Err() != nil {
				return errClosed // and that is why, or would have been next
			}
			return err
		}))
	}()
	return &uploader[Q, A]{receiver[A]{&u.pipe}, u}, nil
}

// uploading carries messages from a caller to its handler, and the answer back.
type uploading[Q, A any] struct {
	pipe[A]
	sent chan *Q
	all  chan struct{} // closed when no more are sent
	once sync.Once     // closes it
}

// uploaded is a handler's end.
type uploaded[Q, A any] struct {
	grpc.ServerStream
	u *uploading[Q, A]
}

// Recv returns the next message, or io.EOF after the last one.
func (s *uploaded[Q, A]) Recv() (*Q, error) {
	select {
	case m := <-s.u.sent:
		return m, nil
	case <-s.u.all:
		if err := s.Context().Err(); err != nil {
			return nil, err
		}
		return nil, io.EOF
	case <-s.Context().Done():
		return nil, s.Context().Err()
	}
}

// SendAndClose hands over the answer.
func (s *uploaded[Q, A]) SendAndClose(answer *A) error { return s.SendMsg(answer) }

// uploader is a caller's end.
type uploader[Q, A any] struct {
	receiver[A]
	u *uploading[Q, A]
}

// Send hands over a message, which is the handler's from then on. It returns
// io.EOF when no more are taken; CloseAndRecv says why.
func (c *uploader[Q, A]) Send(message *Q) error {
	select {
	case c.u.sent <- message:
		return nil
	case <-c.u.ended:
		return io.EOF
	}
}

// CloseAndRecv says that there are no more messages, and returns the answer.
func (c *uploader[Q, A]) CloseAndRecv() (*A, error) {
	if err := c.CloseSend(); err != nil {
		return nil, err
	}
	return c.Recv()
}

// CloseSend says that there are no more messages.
func (c *uploader[Q, A]) CloseSend() error {
	c.u.once.Do(func() { close(c.u.all) })
	return nil
}
