package api

import (
	"context"
	"fmt"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel/propagation"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/tupelodb/tupelo/api/cert"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// streamWorkers is how many goroutines are kept for calls. An evaluation needs a
// stack that goroutines do not begin with, and growing it for every call anew was a
// fifth of what a check costs. Calls beyond them get goroutines of their own.
const streamWorkers = 64

// buildGRPC makes the gRPC server with the services on it. Without workers a check
// took a sixth to a third more of the processor at 64 in flight. A shared write buffer,
// buffers of 64 KiB either way, windows that are fixed (and so not estimated), and not
// to wait for handlers were tried by turns beside these options at 16 and 64 in flight,
// on a busy machine: none took less in each of three turns.
func (s *Server) buildGRPC(o *Options) error {
	s.codec.Add(fastMessages)
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(s.codec),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.InTapHandle(s.admission.tap),
		grpc.MaxRecvMsgSize(o.MaxRequestBytes),
		// Whoever closes the store after Serve must not do so under a handler.
		grpc.WaitForHandlers(true),
		grpc.NumStreamWorkers(streamWorkers),
		// Clients that keep idle connections alive are welcome, up to a ping
		// every ten seconds.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	}
	if o.CertFile != "" || o.KeyFile != "" {
		var err error
		if s.certificates, err = cert.OpenPair(o.CertFile, o.KeyFile, s.logger); err != nil {
			return fmt.Errorf("the TLS certificate for clients: %w", err)
		}
		options = append(options, grpc.Creds(exceptLocal{credentials.NewTLS(s.certificates.Server())}))
	}
	if o.TracerProvider != nil {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(o.TracerProvider),
			otelgrpc.WithPropagators(propagation.TraceContext{}),
			otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
		)))
	}
	s.grpc = grpc.NewServer(options...)
	s.health = health.NewServer()
	s.setServing(false)
	s.Register(s.grpc)
	for _, register := range o.Adapters {
		register(s, s.grpc)
	}
	s.metrics.expect(s.grpc.GetServiceInfo())
	s.admission.expect(s.grpc.GetServiceInfo())
	grpc_health_v1.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return nil
}

// Serve answers calls on a listener, deletes what expires and advances the
// horizon, until ctx ends; calls then have DrainLimit to come to an end. It
// refuses a listener that other machines reach if no token is asked for
// (ErrTokenRequired). It closes the listener, and serves once.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer s.drain()
	if err := s.tokens.allowListener(listener.Addr()); err != nil {
		_ = listener.Close()
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.grpc.Serve(listener) })
	group.Go(s.serveLocal)
	group.Go(func() error { s.watchHealth(ctx); return nil })
	group.Go(func() error { s.collect(ctx); return nil })
	group.Go(func() error { s.admission.follow(ctx); return nil })
	group.Go(func() error { s.stop(ctx); return nil })
	return group.Wait()
}

// Close ends what New began: the goroutines that wait for calls. Serve does so as it
// ends; Close is for a server that may never have served. It cuts off calls.
func (s *Server) Close() {
	s.drain()
	s.grpc.Stop()
}

// stop waits for the end of ctx and drains: no new calls, those that run may
// end, what still runs at the limit is cut off.
func (s *Server) stop(ctx context.Context) {
	<-ctx.Done()
	s.health.Shutdown()
	s.drain()
	cutOff := time.AfterFunc(s.drainLimit, s.grpc.Stop)
	defer cutOff.Stop()
	s.grpc.GracefulStop()
}

// healthEvery is how often a server that is not ready looks again.
const healthEvery = 100 * time.Millisecond

// watchHealth reports the server as serving once it is ready.
func (s *Server) watchHealth(ctx context.Context) {
	ticker := time.NewTicker(healthEvery)
	defer ticker.Stop()
	for {
		if err := s.catchUp(ctx); err == nil {
			s.setServing(true)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// catchUp waits until this replica has all that was acknowledged before it began
// to look, the cluster's name included.
func (s *Server) catchUp(ctx context.Context) error {
	index, err := s.log.ReadIndex(ctx)
	if err != nil {
		return err
	}
	if err := s.log.Wait(ctx, index); err != nil {
		return err
	}
	if _, err := s.identity(); err != nil {
		return err
	}
	s.caughtUp.Store(true)
	return nil
}

// ready returns why calls should go elsewhere, if they should.
func (s *Server) ready() error {
	if s.draining.Err() != nil {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_CLOSED, "the server is shutting down")
	}
	if !s.caughtUp.Load() {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_REVISION_NOT_REACHED,
			"the server is starting: it has not heard from a leader, or lacks some of what the leader has")
	}
	return nil
}

func (s *Server) setServing(serving bool) {
	status := grpc_health_v1.HealthCheckResponse_NOT_SERVING
	if serving {
		status = grpc_health_v1.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", status)
	s.health.SetServingStatus(tupelov1.Tupelo_ServiceDesc.ServiceName, status)
}
