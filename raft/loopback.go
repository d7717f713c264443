package raft

import (
	hraft "github.com/hashicorp/raft"
)

// newLoopback returns the transport of a lone voter, which reaches itself only.
func newLoopback(nodeID string) *hraft.InmemTransport {
	address, t := hraft.NewInmemTransport(hraft.ServerAddress(nodeID))
	t.Connect(address, t)
	return t
}

// standAtOnce spares a lone voter the wait for a leader that cannot exist: it
// gets the message by which a leader hands over to its successor. Should that
// fail, the timeout does the same a second later.
func (n *Node) standAtOnce() {
	n.tellToStand(Member{ID: n.options.NodeID, Address: string(n.transport.LocalAddr())})
}
