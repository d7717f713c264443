package gitclubtest

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Laggard serves what a replica would that has not applied the newest write
// yet: who asks for the lowest latency is answered at the revision before it,
// truthfully, by the node behind it. Whoever brings a zookie, or wants a fully
// consistent answer, is answered as by the node itself, because a replica waits
// for the revision then. It returns the laggard's address.
//
// It knows of the writes that go through it, and of no others.
func Laggard(t testing.TB, node tupelov1.TupeloClient) (addr string) {
	t.Helper()
	return Serve(t, func(ctx context.Context, listener net.Listener) error {
		server := grpc.NewServer()
		tupelov1.RegisterTupeloServer(server, &laggard{node: node})
		stop := context.AfterFunc(ctx, server.GracefulStop)
		defer stop()
		return server.Serve(listener)
	})
}

type laggard struct {
	tupelov1.UnimplementedTupeloServer
	node tupelov1.TupeloClient

	mu             sync.Mutex
	newest, before string // zookies of the last two writes
}

// Write passes a write on.
func (l *laggard) Write(ctx context.Context, r *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
	response, err := l.node.Write(ctx, r)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.before, l.newest = l.newest, response.Zookie
	}
	return response, err
}

// Check answers at the revision before the newest write, if it may.
func (l *laggard) Check(ctx context.Context, r *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	l.mu.Lock()
	before := l.before
	l.mu.Unlock()
	if before != "" && r.GetConsistency().GetMinimizeLatency() {
		r.Consistency = &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: before}}
	}
	return l.node.Check(ctx, r)
}
