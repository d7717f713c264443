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
func standAtOnce(t *hraft.InmemTransport, nodeID string) {
	request := &hraft.TimeoutNowRequest{RPCHeader: hraft.RPCHeader{
		ProtocolVersion: hraft.ProtocolVersionMax,
		ID:              []byte(nodeID),
		Addr:            []byte(t.LocalAddr()),
	}}
	t.TimeoutNow(hraft.ServerID(nodeID), t.LocalAddr(), request, &hraft.TimeoutNowResponse{})
}
