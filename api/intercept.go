package api

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Every call of every service goes through one of two functions here, and
// through nothing else: let in, handled, its error put into a status, counted
// and, where somebody should know, logged. Those of other nodes (see FromNode)
// are let in by the port that they come by.

func (s *Server) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return s.around(ctx, request, info, func(ctx context.Context, request any) (any, error) {
		if err := s.tokens.authenticate(ctx, info.FullMethod); err != nil {
			return nil, err
		}
		counts, err := s.admission.enter(info.FullMethod)
		if err != nil {
			return nil, err
		}
		defer s.admission.leave(counts)
		return handle(ctx, request)
	})
}

// around handles a call that is let in.
func (s *Server) around(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	begun := time.Now()
	defer func() {
		if fault := recover(); fault != nil {
			response, err = nil, s.panicked(info.FullMethod, fault)
		}
		err = s.finish(ctx, info.FullMethod, begun, err)
	}()
	return handle(ctx, request)
}

func (s *Server) stream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return s.aroundStream(service, stream, info, func(service any, stream grpc.ServerStream) error {
		if err := s.tokens.authenticate(stream.Context(), info.FullMethod); err != nil {
			return err
		}
		counts, err := s.admission.enter(info.FullMethod)
		if err != nil {
			return err
		}
		defer s.admission.leave(counts)
		return handle(service, stream)
	})
}

// aroundStream handles a call with streams that is let in.
func (s *Server) aroundStream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	begun := time.Now()
	defer func() {
		if fault := recover(); fault != nil {
			err = s.panicked(info.FullMethod, fault)
		}
		err = s.finish(stream.Context(), info.FullMethod, begun, err)
	}()
	// Ended with the server's drain: somebody who watches the health of a
	// server that goes away must not keep it.
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.draining, cancel)()
	return handle(service, drainedStream{stream, ctx})
}

type drainedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that ends with the stream or the drain.
func (d drainedStream) Context() context.Context { return d.ctx }

// finish counts a call, logs it, and returns its error as a status.
func (s *Server) finish(ctx context.Context, fullMethod string, begun time.Time, err error) error {
	took := time.Since(begun)
	method := s.metrics.of(fullMethod)
	if err == nil {
		s.metrics.answered(method, "", took)
		return nil
	}
	st := statusOf(err)
	code := st.Code().String()
	s.metrics.answered(method, code, took)
	s.logFailure(ctx, fullMethod, code, took, err)
	return st.Err()
}

// logFailure tells the operator of what is the server's fault or leaves a
// write's fate open. What clients did wrong is theirs to know, and is logged
// for who looks for it only.
func (s *Server) logFailure(ctx context.Context, fullMethod, code string, took time.Duration, err error) {
	level := slog.LevelDebug
	switch reasonOf(err) {
	case tupelov1.ErrorReason_ERROR_REASON_INTERNAL:
		level = slog.LevelError
	case tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN:
		level = slog.LevelWarn
	}
	if !s.logger.Enabled(ctx, level) {
		return
	}
	cause := err
	if e := describe(err); e.cause != nil {
		cause = e.cause
	}
	s.logger.Log(ctx, level, "a request failed", "method", fullMethod, "code", code, "took", took, "error", cause)
}

// panicked logs where a handler panicked. The server goes on, since the others'
// requests are not to blame; it is a bug all the same.
func (s *Server) panicked(fullMethod string, fault any) error {
	s.metrics.panics.Inc()
	s.logger.Error("a request panicked", "method", fullMethod, "panic", fault, "stack", string(debug.Stack()))
	return refusal(tupelov1.ErrorReason_ERROR_REASON_INTERNAL, "the server failed; its log says more")
}
