package peer

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	"github.com/tupelodb/tupelo/api/peerv1"
)

// Services are what a port answers other nodes.
type Services struct {
	// Node answers tupelo.peer.v1. All of it is required.
	Node Node
	// Register adds further services, such as tupelo.v1 for forwarded calls. Nil
	// adds none.
	Register func(grpc.ServiceRegistrar)
	// Unary and Stream stand around the calls of those further services; whoever
	// they belong to puts errors into statuses there. Nil: nothing does.
	Unary  grpc.UnaryServerInterceptor
	Stream grpc.StreamServerInterceptor
}

// Serve begins to answer calls, and returns. A port serves once, until it is closed.
func (p *Port) Serve(s Services) error {
	if err := s.Node.check(); err != nil {
		return err
	}
	door := &door{port: p, services: s}
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(door.unary),
		grpc.StreamInterceptor(door.stream),
		grpc.MaxRecvMsgSize(p.options.MaxMessageBytes),
		grpc.MaxSendMsgSize(p.options.MaxMessageBytes),
		// Whoever closes the store after Close must not do so under a handler.
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsWelcome, PermitWithoutStream: true}),
		// The same look at the other side as it takes at this one, so that the
		// calls of a process that hangs or is gone do not go on for it.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingEvery, Timeout: pingLimit}),
	}
	if p.options.TracerProvider != nil {
		options = append(options, grpc.StatsHandler(otelgrpc.NewServerHandler(
			otelgrpc.WithTracerProvider(p.options.TracerProvider), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	}
	server := grpc.NewServer(options...)
	peerv1.RegisterPeerServer(server, &service{port: p, node: s.Node})
	if s.Register != nil {
		s.Register(server)
	}
	return p.begin(server, s.Node)
}

// begin has a server take the port's calls, and the node answer on lines.
func (p *Port) begin(server *grpc.Server, node Node) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed.because(nil, "serving other nodes")
	}
	if !p.server.CompareAndSwap(nil, server) {
		return fmt.Errorf("%w: the port serves already", ErrOptions)
	}
	p.tasks.Go(func() {
		if err := server.Serve(p.calls); err != nil && p.closing.Err() == nil {
			p.options.Logger.Error("calls of other nodes are not served any more", "error", err)
		}
	})
	p.tasks.Go(func() { p.answerLines(p.terms, node.Term) })
	p.tasks.Go(func() { p.answerLines(p.indexes, func() uint64 { return p.indexOf(node) }) })
	return nil
}

// door is what every call that comes in goes through.
type door struct {
	port     *Port
	services Services
}

func (d *door) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			response, err = nil, d.panicked(info.FullMethod, fault)
		}
		// Last: what comes before it, if the process dies, was not answered.
		_ = grpc.SetTrailer(ctx, metadata.Pairs(answeredKey, "1"))
	}()
	ctx = incoming(ctx)
	if isOwn(info.FullMethod) {
		response, err = handle(ctx, request)
		return response, d.own(info.FullMethod, err)
	}
	if d.services.Unary != nil {
		return d.services.Unary(ctx, request, info, handle)
	}
	return handle(ctx, request)
}

func (d *door) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = d.panicked(info.FullMethod, fault)
		}
	}()
	stream = forwardedStream{stream, incoming(stream.Context())}
	if d.services.Stream != nil {
		return d.services.Stream(server, stream, info, handle)
	}
	return handle(server, stream)
}

type forwardedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that tells where the call came from.
func (s forwardedStream) Context() context.Context { return s.ctx }

// isOwn reports whether a call is of this package's service.
func isOwn(fullMethod string) bool {
	return strings.HasPrefix(fullMethod, "/"+peerv1.Peer_ServiceDesc.ServiceName+"/")
}

// own puts an error of this package's service into a status.
func (d *door) own(method string, err error) error {
	if err == nil {
		return nil
	}
	leader := ""
	if m, known := d.services.Node.Leader(); known {
		leader = m.Address
	}
	d.port.options.Logger.Debug("a call of another node failed", "method", method, "error", err)
	return statusOf(err, leader)
}

func (d *door) panicked(method string, fault any) error {
	d.port.options.Logger.Error("a call of another node panicked", "method", method, "panic", fault, "stack", string(debug.Stack()))
	return statusOf(ErrFailed.because(nil, "answering %s", method), "")
}
