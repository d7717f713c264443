package replica

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
)

// wired are replicas that reach each other in this process, by id, once they are open.
type wired struct{ open sync.Map }

func (w *wired) get(m raft.Member) (*Replica, error) {
	if r, ok := w.open.Load(m.ID); ok {
		return r.(*Replica), nil
	}
	return nil, errors.New("it is not open yet")
}

// Term implements raft.Peers.
func (w *wired) Term(_ context.Context, m raft.Member) (uint64, error) {
	r, err := w.get(m)
	if err != nil {
		return 0, err
	}
	return r.Log().Term(), nil
}

// ReadIndex implements raft.Peers.
func (w *wired) ReadIndex(ctx context.Context, m raft.Member) (uint64, error) {
	r, err := w.get(m)
	if err != nil {
		return 0, err
	}
	return r.Log().LeaderReadIndex(ctx)
}

// wire calls the server of another replica, as its port would.
type wire struct{ *Replica }

// Invoke implements grpc.ClientConnInterface, for what writes.
func (w wire) Invoke(ctx context.Context, method string, request, reply any, _ ...grpc.CallOption) error {
	answer, err := w.Server().FromNode(ctx, request, &grpc.UnaryServerInfo{FullMethod: method},
		func(ctx context.Context, request any) (any, error) {
			if r, ok := request.(*tupelov1.WriteSchemaRequest); ok {
				return w.Server().WriteSchema(ctx, r)
			}
			return w.Server().Write(ctx, request.(*tupelov1.WriteRequest))
		})
	if err == nil {
		proto.Merge(reply.(proto.Message), answer.(proto.Message))
	}
	return err
}

// NewStream implements grpc.ClientConnInterface.
func (wire) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	panic("nothing with streams is forwarded")
}

func TestReplicasOfOneProcessAreWiredWithoutPorts(t *testing.T) {
	network := &wired{}
	var all []*testNode
	var founders []raft.Member
	transports := map[string]*hraft.InmemTransport{}
	for _, id := range []string{"n1", "n2"} {
		address, transport := hraft.NewInmemTransport(hraft.ServerAddress(id))
		transports[id] = transport
		founders = append(founders, raft.Member{ID: id, Address: string(address), Voter: true})
	}
	transports["n1"].Connect("n2", transports["n2"])
	transports["n2"].Connect("n1", transports["n1"])
	for _, m := range founders {
		n := open(t, Options{
			FS: vfs.NewMem(), Dir: "tupelo", NodeID: m.ID, API: api.Options{WaitLimit: patience},
			Wiring: &Wiring{
				Transport: transports[m.ID], Peers: network, Members: founders,
				Conn: func(m raft.Member) grpc.ClientConnInterface {
					r, _ := network.get(m)
					return wire{r}
				},
			},
		})
		network.open.Store(m.ID, n.Replica)
		all = append(all, n)
	}
	leader(t, all).mustWriteSchema(t)
	zookie := follower(t, all).mustWrite(t, "doc:a#reader@user:ann")
	for _, n := range all {
		n.mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
		n.mustHave(t, "doc:a#reader@user:ann", atLeastAsFresh(zookie))
	}
}
