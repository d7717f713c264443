package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/tupelodb/tupelo/api"
)

// adapter is what the services share.
type adapter struct {
	native *api.Server
}

// The services of authzed.api.v1.
type (
	permissions struct {
		v1.UnsafePermissionsServiceServer
		*adapter
	}
	schemas struct {
		v1.UnsafeSchemaServiceServer
		*adapter
	}
	watches struct {
		v1.UnsafeWatchServiceServer
		*adapter
	}
	experimental struct {
		v1.UnsafeExperimentalServiceServer
		*adapter
	}
)

// Register offers the services of authzed.api.v1 on registrar. It is an [api.Adapter].
func Register(server *api.Server, registrar grpc.ServiceRegistrar) {
	server.AddMessages(fastMessages)
	a := &adapter{native: server}
	for _, s := range []struct {
		desc    *grpc.ServiceDesc
		service any
	}{
		{&v1.PermissionsService_ServiceDesc, permissions{adapter: a}},
		{&v1.SchemaService_ServiceDesc, schemas{adapter: a}},
		{&v1.WatchService_ServiceDesc, watches{adapter: a}},
		{&v1.ExperimentalService_ServiceDesc, experimental{adapter: a}},
	} {
		registrar.RegisterService(wrapped(s.desc), s.service)
	}
}

// wrapped returns a description of a service whose every method answers in the
// words of this protocol: with its version where that is asked for, and its errors.
func wrapped(desc *grpc.ServiceDesc) *grpc.ServiceDesc {
	w := *desc
	w.Methods, w.Streams = make([]grpc.MethodDesc, len(desc.Methods)), make([]grpc.StreamDesc, len(desc.Streams))
	for i, method := range desc.Methods {
		method.Handler = wrapUnary(method.Handler)
		w.Methods[i] = method
	}
	for i, stream := range desc.Streams {
		stream.Handler = wrapStream(stream.Handler)
		w.Streams[i] = stream
	}
	return &w
}

func wrapUnary(handler grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, decode func(any) error, around grpc.UnaryServerInterceptor) (any, error) {
		inside := func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			answer := func(ctx context.Context, request any) (any, error) {
				tellVersion(ctx, func(header metadata.MD) error { return grpc.SetHeader(ctx, header) })
				response, err := handle(ctx, request)
				return response, translated(request, err)
			}
			if around == nil {
				return answer(ctx, request)
			}
			return around(ctx, request, info, answer)
		}
		return handler(service, ctx, decode, inside)
	}
}

func wrapStream(handler grpc.StreamHandler) grpc.StreamHandler {
	return func(service any, stream grpc.ServerStream) error {
		tellVersion(stream.Context(), stream.SetHeader)
		watched := &lastRequest{ServerStream: stream}
		err := handler(service, watched)
		return translated(watched.request, err)
	}
}

// lastRequest remembers the last message that came, for what is said of it.
type lastRequest struct {
	grpc.ServerStream
	request any
}

// RecvMsg receives a message.
func (l *lastRequest) RecvMsg(message any) error {
	err := l.ServerStream.RecvMsg(message)
	if err == nil {
		l.request = message
	}
	return err
}
