package api

import (
	"context"
	"errors"
	"net"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func TestOnlyAKnownTokenIsLetIn(t *testing.T) {
	tokens, err := newTokens([]string{"first-token", "second-token"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		values []string
		in     bool
	}{
		{"the first", []string{"Bearer first-token"}, true},
		{"the second", []string{"Bearer second-token"}, true},
		{"in lower case", []string{"bearer first-token"}, true},
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"no token", []string{"Bearer"}, false},
		{"an empty token", []string{"Bearer "}, false},
		{"another", []string{"Bearer third-token"}, false},
		{"the beginning of one", []string{"Bearer first-toke"}, false},
		{"more than one", []string{"Bearer first-tokens"}, false},
		{"another scheme", []string{"Basic first-token"}, false},
		{"no scheme", []string{"first-token"}, false},
		{"two values", []string{"Bearer first-token", "Bearer first-token"}, false},
	} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{"authorization": c.values})
		err := tokens.authenticate(ctx, "/tupelo.v1.Tupelo/Check")
		if (err == nil) != c.in {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil && seen(t, statusOf(err).Err()).code != "Unauthenticated" {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := tokens.authenticate(context.Background(), "/tupelo.v1.Tupelo/Check"); err == nil {
		t.Error("a call without metadata is let in")
	}
}

func TestUnusableTokensAreRefused(t *testing.T) {
	for _, list := range [][]string{{""}, {"good", "with space"}, {"line\n"}, {"tab\t"}} {
		if _, err := New(Options{Store: openStore(t), Tokens: list}); !errors.Is(err, ErrWeakToken) {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestEveryCallNeedsTheTokenButHealth(t *testing.T) {
	w := newWorld(t, gitclub)
	anonymous, wrong := t.Context(), withToken(t.Context(), "wrong")
	requests := everyRead(t, nil)
	requests["Write"] = updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
	requests["WriteSchema"] = &tupelov1.WriteSchemaRequest{Text: gitclub}
	requests["DeleteByFilter"] = &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "team"}}
	requests["RegisterCounter"] = registerOwners("")
	requests["Import"] = importOf(t, tupelov1.ImportRequest_MODE_TOUCH, aliceOwns)
	requests["UnregisterCounter"] = &tupelov1.UnregisterCounterRequest{Name: "owners"}
	requests["Watch"] = &tupelov1.WatchRequest{}
	service := tupelov1.Tupelo_ServiceDesc
	if got, want := len(requests), len(service.Methods)+len(service.Streams); got != want {
		t.Fatalf("%d of %d methods are tried", got, want)
	}
	before := w.log.last()
	for _, ctx := range []context.Context{anonymous, wrong} {
		for rpc, request := range requests {
			if got := seen(t, w.call(ctx, request)); got.code != "Unauthenticated" || got.reason != "ERROR_REASON_UNAUTHENTICATED" {
				t.Errorf("%s: %+v", rpc, got)
			}
		}
		stream, err := grpc_reflection_v1.NewServerReflectionClient(w.conn).ServerReflectionInfo(ctx)
		if err == nil {
			err = stream.CloseSend()
		}
		if err == nil {
			_, err = stream.Recv() // the end of the stream, if it is let in
		}
		if code := status.Code(err); code != codes.Unauthenticated {
			t.Errorf("reflection: %v", err)
		}
		if _, err := grpc_health_v1.NewHealthClient(w.conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Errorf("health: %v", err)
		}
	}
	if w.log.last() != before {
		t.Error("a call without a token wrote")
	}
}

func TestReflectionListsTheService(t *testing.T) {
	w := newWorld(t, "")
	stream, err := grpc_reflection_v1.NewServerReflectionClient(w.conn).ServerReflectionInfo(w.ctx)
	if err != nil {
		t.Fatal(err)
	}
	err = stream.Send(&grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "tupelo.v1.Tupelo"},
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if len(r.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("%v", r)
	}
}

func TestAListenerThatOthersReachNeedsAToken(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 50051} }
	with := tokens{{1}}
	for _, c := range []struct {
		address net.Addr
		ok      bool
	}{
		{tcp("127.0.0.1"), true},
		{tcp("127.9.9.9"), true},
		{tcp("::1"), true},
		{&net.UnixAddr{Name: "/run/tupelo"}, true},
		{tcp("0.0.0.0"), false},
		{tcp("::"), false},
		{&net.TCPAddr{Port: 50051}, false},
		{tcp("192.168.1.5"), false},
		{tcp("2001:db8::1"), false},
		{bufconn.Listen(1).Addr(), false},
	} {
		if err := (tokens)(nil).allowListener(c.address); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrTokenRequired) {
			t.Errorf("%v without a token: %v", c.address, err)
		}
		if err := with.allowListener(c.address); err != nil {
			t.Errorf("%v with a token: %v", c.address, err)
		}
	}
}

func TestServeRefusesAnOpenListenerAndClosesIt(t *testing.T) {
	s := newTestServer(t, newTestLog(t), nil)
	listener := bufconn.Listen(1)
	if err := s.Serve(t.Context(), listener); !errors.Is(err, ErrTokenRequired) {
		t.Errorf("%v", err)
	}
	if _, err := listener.Accept(); err == nil {
		t.Error("the listener is still open")
	}
}
