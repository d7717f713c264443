package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tupelodb/tupelo/api/peerv1"
	"github.com/tupelodb/tupelo/raft"
)

// The log asks other nodes by this package's port.
var _ raft.Peers = (*Port)(nil)

func (p *Port) ask(address string) peerv1.PeerClient { return peerv1.NewPeerClient(p.Conn(address)) }

// Status returns how the node at an address is.
func (p *Port) Status(ctx context.Context, address string) (Status, error) {
	answer, err := p.ask(address).Status(ctx, &peerv1.StatusRequest{})
	if err != nil {
		return Status{}, answerOf(err, "asking %s how it is", address)
	}
	return statusFrom(answer, time.Now()), nil
}

// Join asks the nodes at the addresses, and the leader that they name, to make a
// node a member, until one has or ctx ends.
func (p *Port) Join(ctx context.Context, addresses []string, m Member) error {
	return p.askLeader(ctx, addresses, fmt.Sprintf("joining node %s", m.ID), func(ctx context.Context, c peerv1.PeerClient) error {
		_, err := c.Join(ctx, &peerv1.JoinRequest{Member: messageOf(m)})
		return err
	})
}

// Leave asks for a node's membership to be ended, in the same way.
func (p *Port) Leave(ctx context.Context, addresses []string, nodeID string) error {
	return p.askLeader(ctx, addresses, fmt.Sprintf("ending the membership of node %s", nodeID), func(ctx context.Context, c peerv1.PeerClient) error {
		_, err := c.Leave(ctx, &peerv1.LeaveRequest{NodeId: nodeID})
		return err
	})
}

const (
	// askLimit is how long one node may take over a change of membership, which
	// waits for a majority of the new one.
	askLimit = 10 * time.Second
	// askPause is the pause between two rounds of all addresses.
	askPause = 250 * time.Millisecond
)

// askLeader tries the addresses in turn, and after each the leader that it names.
// What is asked for may be done twice, so a lost answer is no reason to stop.
func (p *Port) askLeader(ctx context.Context, addresses []string, doing string, call func(context.Context, peerv1.PeerClient) error) error {
	if len(addresses) == 0 {
		return ErrRefused.because(nil, "%s: no address to ask", doing)
	}
	for {
		var last error
		for _, address := range addresses {
			var again bool
			if again, last = p.askOne(ctx, address, doing, call); !again {
				return last
			}
			var e *Error
			if errors.As(last, &e) && e.Leader != "" && e.Leader != address {
				if again, last = p.askOne(ctx, e.Leader, doing, call); !again {
					return last
				}
			}
		}
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
			return last
		}
	}
}

// askOne reports whether to go on asking, beside what one node said.
func (p *Port) askOne(ctx context.Context, address, doing string, call func(context.Context, peerv1.PeerClient) error) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	err := answerOf(call(ctx, p.ask(address)), "%s, at %s", doing, address)
	again := errors.Is(err, ErrNotSent) || errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrOverloaded) ||
		errors.Is(err, ErrClosed) && p.closing.Err() == nil
	return again, err
}
