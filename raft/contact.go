package raft

import (
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// contact follows who leads, as this node sees it, and when a leader was heard.
type contact struct {
	mu      sync.Mutex
	changed chan struct{} // closed when another leader, or none, is seen
	last    time.Time     // of the last leader, noted when it was lost
}

func newContact() *contact { return &contact{changed: make(chan struct{})} }

// watch returns a channel that is closed when the leader changes. Who takes it
// first and then looks for the leader misses nothing.
func (c *contact) watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// lost notes when the leader that is being forgotten was heard.
func (c *contact) lost(heard time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if heard.After(c.last) {
		c.last = heard
	}
}

func (c *contact) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// watchLeader has raft say when the leader changes. It says so in the goroutine
// that makes the change, before anything else: when a leader is being forgotten,
// raft's LastContact is still that leader's. Later it may be anything: granting
// a vote sets it, and so does stepping down.
func (n *Node) watchLeader() {
	n.raft.RegisterObserver(hraft.NewObserver(nil, false, func(o *hraft.Observation) bool {
		seen, ok := o.Data.(hraft.LeaderObservation)
		if !ok {
			return false
		}
		switch {
		case seen.LeaderID != "":
		case n.raft.State() == hraft.Leader:
			n.contact.lost(n.majorityContact(n.raft.CurrentTerm()))
		default:
			n.contact.lost(n.raft.LastContact())
		}
		n.contact.wake()
		return false
	}))
}

// LastContact returns when this node last heard from a leader; on the leader
// itself, since when a majority of the voters has answered it. It is the zero
// time before the first contact. What the state has is at least what that
// leader had committed then, less what was on its way: a bound for reads that
// may be stale, not a proof for those that may not.
func (n *Node) LastContact() time.Time {
	if n.raft.State() == hraft.Leader {
		return n.majorityContact(n.raft.CurrentTerm())
	}
	_, leader := n.raft.LeaderWithID()
	heard := n.raft.LastContact()
	n.contact.mu.Lock()
	defer n.contact.mu.Unlock()
	if leader != "" && string(leader) != n.options.NodeID && heard.After(n.contact.last) {
		return heard
	}
	return n.contact.last
}
