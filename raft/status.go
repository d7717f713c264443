package raft

import "strings"

// Status is what a node is doing, for metrics and people. Its numbers are read
// one after the other, so they need not fit together to the last entry.
type Status struct {
	NodeID  string
	Role    string // "leader", "follower", "candidate" or "shutdown"
	Serving bool   // leads, and has applied a command of its own term
	Term    uint64
	Leader  string // the leader's node id; "" if none is known

	FirstIndex    uint64 // of the log; 0 if it is empty
	LastIndex     uint64 // of the log or the snapshot
	CommitIndex   uint64
	AppliedIndex  uint64 // of this node's state, raft's own entries included
	SnapshotIndex uint64 // of the newest snapshot; 0 for none

	LogBytes         int64  // of the log's files
	InFlight         int    // proposals whose outcome is not known yet
	InFlightBytes    int    // of those
	SnapshotFailures uint64 // since the node was opened; manual ones do not count
}

// Status returns the node's present state.
func (n *Node) Status() Status {
	role := n.leadership.load()
	_, leader := n.raft.LeaderWithID()
	first, _ := n.log.FirstIndex()
	count, bytes := n.proposals.count()
	return Status{
		NodeID:           n.options.NodeID,
		Role:             strings.ToLower(n.raft.State().String()),
		Serving:          role.ready != 0 && n.leads(role.ready),
		Term:             n.raft.CurrentTerm(),
		Leader:           string(leader),
		FirstIndex:       first,
		LastIndex:        n.raft.LastIndex(),
		CommitIndex:      n.raft.CommitIndex(),
		AppliedIndex:     n.watermark.load(),
		SnapshotIndex:    n.store.newest.Load(),
		LogBytes:         n.log.size(),
		InFlight:         count,
		InFlightBytes:    bytes,
		SnapshotFailures: n.snapshotting.failures.Load(),
	}
}
