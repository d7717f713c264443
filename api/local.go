package api

import (
	"context"
	"errors"
	"math"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
)

// localBytes is how much of a call is under way in memory, each way.
const localBytes = 64 << 10

// Dial returns a connection to the server that no network carries, for what stands
// before it in the same process, such as a gateway. Its calls are let in, counted
// and drained as those of Serve's listener are, and wait until there is one.
func (s *Server) Dial() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///memory",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.local.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(math.MaxInt32), grpc.MaxCallSendMsgSize(math.MaxInt32)),
	)
}

// serveLocal answers the calls of Dial until the server is told to stop.
func (s *Server) serveLocal() error {
	err := s.grpc.Serve(localListener{s.local})
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil // before it had begun
	}
	return err
}

// localListener accepts the connections of Dial.
type localListener struct{ *bufconn.Listener }

// Accept implements net.Listener.
func (l localListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return localConn{conn}, err
}

// localConn is a connection of Dial.
type localConn struct{ net.Conn }

// exceptLocal asks for TLS of all connections but those of Dial, which nobody else
// can make.
type exceptLocal struct {
	credentials.TransportCredentials
}

// ServerHandshake implements credentials.TransportCredentials.
func (e exceptLocal) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if _, local := conn.(localConn); local {
		return insecure.NewCredentials().ServerHandshake(conn)
	}
	return e.TransportCredentials.ServerHandshake(conn)
}

// Clone implements credentials.TransportCredentials.
func (e exceptLocal) Clone() credentials.TransportCredentials {
	return exceptLocal{e.TransportCredentials.Clone()}
}
