package sim

import (
	"context"
	"errors"
	"fmt"
	"path"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// conn makes calls of another node's server over the network, as those that a
// follower hands to its leader.
type conn struct {
	net  *network
	from *node
	to   string
}

// connError is a call that no handler has answered.
type connError string

func (e connError) Kind() string  { return string(e) }
func (e connError) Error() string { return "a call of another node: " + string(e) }

// Invoke implements grpc.ClientConnInterface. A message that is lost is taken
// for one that may have been sent, as one on a connection that breaks is.
func (c conn) Invoke(ctx context.Context, method string, request, answer any, _ ...grpc.CallOption) error {
	sent, _ := metadata.FromOutgoingContext(ctx)
	got, err := c.net.forward(c.from, c.to, func(n *node) (any, error) {
		ctx, cancel := context.WithCancel(metadata.NewIncomingContext(ctx, sent.Copy()))
		defer cancel()
		defer context.AfterFunc(n.context, cancel)()
		return n.handle(ctx, path.Base(method), request)
	})
	switch {
	case errors.Is(err, errNotSent), errors.Is(err, errDead):
		return connError("no-leader")
	case errors.Is(err, errLost):
		return connError("outcome-unknown")
	case err != nil:
		return err
	}
	proto.Merge(answer.(proto.Message), got.(proto.Message))
	return nil
}

// NewStream implements grpc.ClientConnInterface.
func (c conn) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, fmt.Errorf("nobody hands on streams, such as %s", method)
}

// handle has a node's server answer a call of another node.
func (n *node) handle(ctx context.Context, method string, request any) (any, error) {
	for _, m := range tupelov1.Tupelo_ServiceDesc.Methods {
		if m.MethodName != method {
			continue
		}
		decode := func(into any) error {
			proto.Merge(into.(proto.Message), request.(proto.Message))
			return nil
		}
		return m.Handler(n.server, ctx, decode, n.server.FromNode)
	}
	return nil, fmt.Errorf("there is no method %s", method)
}
