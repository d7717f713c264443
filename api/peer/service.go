package peer

import (
	"context"
	"fmt"
	"time"

	"github.com/tupelodb/tupelo/api/peerv1"
)

// Node is what this node answers others. Its errors may have a method
// Kind() string with one of the Kind constants, which the others then get; any
// other error is KindFailed to them.
type Node struct {
	// Term returns the term that the node is in.
	Term func() uint64
	// ReadIndex returns a read index if this node leads, and KindNoLeader if not.
	ReadIndex func(context.Context) (uint64, error)
	// Leader returns the leader that this node knows.
	Leader func() (Member, bool)
	// Status returns how the node is.
	Status func(context.Context) (Status, error)
	// Join makes a node a member, if this node leads, and KindNoLeader if not. A
	// node that is one already is a success.
	Join func(context.Context, Member) error
	// Leave ends the membership of a node, in the same way.
	Leave func(ctx context.Context, nodeID string) error
}

func (n *Node) check() error {
	if n.Term == nil || n.ReadIndex == nil || n.Leader == nil || n.Status == nil || n.Join == nil || n.Leave == nil {
		return fmt.Errorf("%w: Services.Node must answer everything", ErrOptions)
	}
	return nil
}

// service answers tupelo.peer.v1.
type service struct {
	peerv1.UnsafePeerServer // so that a call without a method here does not compile

	port *Port
	node Node
}

// meant refuses to answer for another node.
func (s *service) meant(nodeID string) error {
	if nodeID == s.port.options.NodeID {
		return nil
	}
	return ErrWrongNode.because(nil, "asking node %q, and this is %q", nodeID, s.port.options.NodeID)
}

func (s *service) Term(_ context.Context, r *peerv1.TermRequest) (*peerv1.TermResponse, error) {
	if err := s.meant(r.GetNodeId()); err != nil {
		return nil, err
	}
	return &peerv1.TermResponse{Term: s.node.Term()}, nil
}

func (s *service) ReadIndex(ctx context.Context, r *peerv1.ReadIndexRequest) (*peerv1.ReadIndexResponse, error) {
	if err := s.meant(r.GetNodeId()); err != nil {
		return nil, err
	}
	index, err := s.node.ReadIndex(ctx)
	if err != nil {
		return nil, err
	}
	return &peerv1.ReadIndexResponse{Index: index}, nil
}

func (s *service) Status(ctx context.Context, _ *peerv1.StatusRequest) (*peerv1.StatusResponse, error) {
	status, err := s.node.Status(ctx)
	if err != nil {
		return nil, err
	}
	return status.message(time.Now()), nil
}

// maxNodeIDBytes bounds the name of a node: it is in every message of raft.
const maxNodeIDBytes = 256

func (s *service) Join(ctx context.Context, r *peerv1.JoinRequest) (*peerv1.JoinResponse, error) {
	m := memberOf(r.GetMember())
	if m.ID == "" || len(m.ID) > maxNodeIDBytes {
		return nil, ErrRefused.because(nil, "a node id of %d bytes, and 1 to %d are allowed", len(m.ID), maxNodeIDBytes)
	}
	if err := checkAddress(m.Address); err != nil {
		return nil, ErrRefused.because(err, "joining node %q", m.ID)
	}
	if err := s.node.Join(ctx, m); err != nil {
		return nil, err
	}
	s.port.options.Logger.Info("a node has joined", "node", m.ID, "address", m.Address, "voter", m.Voter)
	return &peerv1.JoinResponse{}, nil
}

func (s *service) Leave(ctx context.Context, r *peerv1.LeaveRequest) (*peerv1.LeaveResponse, error) {
	if r.GetNodeId() == "" {
		return nil, ErrRefused.because(nil, "leaving without a node id")
	}
	if err := s.node.Leave(ctx, r.GetNodeId()); err != nil {
		return nil, err
	}
	s.port.options.Logger.Info("a node has left", "node", r.GetNodeId())
	return &peerv1.LeaveResponse{}, nil
}
