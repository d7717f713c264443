package api

import (
	"context"
	"io"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// heldStream takes a message only when a test takes it from sent.
type heldStream struct {
	grpc.ServerStreamingServer[tupelov1.WatchResponse]
	ctx   context.Context
	sent  chan *tupelov1.WatchResponse
	sends atomic.Int32 // messages offered, taken or not
}

func (s *heldStream) Context() context.Context { return s.ctx }

func (s *heldStream) Send(r *tupelov1.WatchResponse) error {
	s.sends.Add(1)
	select {
	case s.sent <- r:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// brokenStream takes nothing.
type brokenStream struct {
	grpc.ServerStreamingServer[tupelov1.WatchResponse]
	ctx context.Context
}

func (s brokenStream) Context() context.Context { return s.ctx }

func (brokenStream) Send(*tupelov1.WatchResponse) error { return errTest }

// collected keeps what a handler sends, to be received after it has ended.
type collected[M any] struct {
	grpc.ServerStreamingServer[M]
	ctx  context.Context
	sent []*M
}

func (s *collected[M]) Context() context.Context { return s.ctx }

func (s *collected[M]) Send(m *M) error {
	s.sent = append(s.sent, m)
	return nil
}

// Recv takes the next message, as a client does.
func (s *collected[M]) Recv() (*M, error) {
	if len(s.sent) == 0 {
		return nil, io.EOF
	}
	m := s.sent[0]
	s.sent = s.sent[1:]
	return m, nil
}

// brokenList is brokenStream for a list.
type brokenList struct {
	grpc.ServerStreamingServer[tupelov1.ListObjectsResponse]
	ctx context.Context
}

func (s brokenList) Context() context.Context { return s.ctx }

func (brokenList) Send(*tupelov1.ListObjectsResponse) error { return errTest }
