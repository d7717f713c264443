package raft

import (
	"strings"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Status is what a node is doing, for metrics and people. Its numbers are read
// one after the other, so they need not fit together to the last entry.
type Status struct {
	NodeID  string
	Role    string // "leader", "follower", "candidate" or "shutdown"
	Serving bool   // leads, and has applied a command of its own term
	Term    uint64
	Leader  string // the leader's node id; "" if none is known

	Members     []Member   // the newest membership this node's log knows
	Followers   []Follower // on the leader: the other members
	LastContact time.Time  // see Node.LastContact

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

// Follower is how far another member has come, as the leader knows it.
type Follower struct {
	Member
	Match      uint64        // its log is the leader's up to here; 0: not known yet in this term
	Lag        uint64        // entries of the leader's log it lacks
	Behind     time.Duration // since the leader appended the first entry it lacks; 0 if it lacks none
	Contact    time.Time     // it answered last; zero: not in this term
	Installing bool          // a snapshot is on its way to it
}

// followers returns the progress of the other members; nil on any node but the
// leader.
func (n *Node) followers() []Follower {
	term := n.raft.CurrentTerm()
	if !n.leads(term) {
		return nil
	}
	var all []Follower
	for _, m := range n.Members() {
		if m.ID == n.options.NodeID {
			continue
		}
		p := n.progress.of(term, m.ID)
		f := Follower{Member: m, Match: p.match, Contact: p.contact, Installing: p.installing > 0}
		if last := n.raft.LastIndex(); last > p.match {
			f.Lag = last - p.match
			f.Behind = n.appendedAgo(p.match + 1)
		}
		all = append(all, f)
	}
	return all
}

// appendedAgo returns how long ago an entry came into the log; for one that has
// been truncated, the first that is left.
func (n *Node) appendedAgo(index uint64) time.Duration {
	var l hraft.Log
	first, _ := n.log.FirstIndex()
	if err := n.log.entry(max(index, first), &l); err != nil || l.AppendedAt.IsZero() {
		return 0
	}
	return max(0, time.Since(l.AppendedAt))
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
		Members:          n.Members(),
		Followers:        n.followers(),
		LastContact:      n.LastContact(),
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
