package peer

import (
	"context"
	"net"
	"testing"

	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	oteltrace "go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// seenCall is what a handler learns of the call it answers.
type seenCall struct {
	caller    Caller
	forwarded bool
	metadata  metadata.MD
	span      oteltrace.SpanContext
}

// observed are services that send what they learn of each Write.
func observed(to chan<- seenCall) Services {
	return writes(func(ctx context.Context, _ *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
		var s seenCall
		s.caller, s.forwarded = Forwarded(ctx)
		s.metadata, _ = metadata.FromIncomingContext(ctx)
		s.span = oteltrace.SpanContextFromContext(ctx)
		to <- s
		return &tupelov1.WriteResponse{}, nil
	})
}

// P6
func TestAForwardedCallSaysSoAndOnWhoseBehalf(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	calls := make(chan seenCall, 1)
	serve(t, server, observed(calls))
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, principal := range []string{"", "jobs", "Zoë\n\x00\xff"} {
		ctx := WithCaller(patient(t), Caller{Principal: principal})
		// As the follower's own server got it from its client.
		ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("traceparent", parent, "tracestate", "a=b", "authorization", "Bearer secret"))
		if err := write(ctx, client, server.Address()); err != nil {
			t.Fatal(err)
		}
		got := <-calls
		if !got.forwarded || got.caller.Principal != principal {
			t.Errorf("%q: forwarded %t for %q", principal, got.forwarded, got.caller.Principal)
		}
		if p, s := got.metadata.Get("traceparent"), got.metadata.Get("tracestate"); len(p) != 1 || p[0] != parent || len(s) != 1 || s[0] != "a=b" {
			t.Errorf("the trace is %v %v", p, s)
		}
		if token := got.metadata.Get("authorization"); len(token) > 0 {
			t.Errorf("the client's token was handed on: %v", token)
		}
	}
}

// P6
func TestAClientOfAnotherPortCannotClaimToBeANode(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	public := grpc.NewServer()
	calls := make(chan seenCall, 1)
	observed(calls).Register(public)
	go func() { _ = public.Serve(listener) }()
	defer public.Stop()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	ctx := metadata.AppendToOutgoingContext(patient(t), forwardedKey, "1", principalKey, "root")
	if _, err := tupelov1.NewTupeloClient(conn).Write(ctx, &tupelov1.WriteRequest{}); err != nil {
		t.Fatal(err)
	}
	if got := <-calls; got.forwarded || got.caller.Principal != "" {
		t.Errorf("taken for a node, on behalf of %q", got.caller.Principal)
	}
}

func TestATraceGoesOnAcrossNodes(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	server, client := listen(t, Options{TracerProvider: provider}), listen(t, Options{TracerProvider: provider})
	calls := make(chan seenCall, 1)
	serve(t, server, observed(calls))
	ctx, span := provider.Tracer("test").Start(patient(t), "the client's call")
	if err := write(ctx, client, server.Address()); err != nil {
		t.Fatal(err)
	}
	span.End()
	if got := <-calls; got.span.TraceID() != span.SpanContext().TraceID() {
		t.Errorf("trace %s became %s", span.SpanContext().TraceID(), got.span.TraceID())
	}
}

func TestStreamsOfFurtherServicesKnowWhereTheyComeFromToo(t *testing.T) {
	server, client := listen(t, Options{}), listen(t, Options{})
	forwarded := make(chan bool, 1)
	stream := func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		_, ok := Forwarded(s.Context())
		forwarded <- ok
		return handle(srv, s)
	}
	services := observed(nil)
	services.Stream = stream
	serve(t, server, services)
	watch, err := tupelov1.NewTupeloClient(client.Conn(server.Address())).Watch(patient(t), &tupelov1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = watch.Recv()
	if !<-forwarded {
		t.Error("a stream of a node is taken for a client's")
	}
}
