package raft

import (
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// contact follows who leads, as this node sees it, and when a leader was heard.
//
// Raft's LastContact is that of a leader only after the leader has become known, and
// only once it has moved since: granting a vote sets it, and so does stepping down.
// A leader becomes known with its first message, and is heard when one was taken:
// what it sends to a node that was away for long is refused at first.
type contact struct {
	mu      sync.Mutex
	changed chan struct{} // closed when another leader, or none, is seen
	last    time.Time     // of the last leader, noted when it was lost
	follows bool          // another node is known to lead
	before  time.Time     // raft's LastContact when it became known
	yields  bool          // this node has ceased to lead, and raft will set LastContact for that
}

func newContact() *contact { return &contact{changed: make(chan struct{})} }

// watch returns a channel that is closed when the leader changes. Who takes it
// first and then looks for the leader misses nothing.
func (c *contact) watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// found notes that another node leads, and raft's LastContact, which is not of it.
func (c *contact) found(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.follows, c.before = true, before
}

// deposed notes until when this node was heard itself, as the leader.
func (c *contact) deposed(heard time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.yields = true
	if heard.After(c.last) {
		c.last = heard
	}
}

// yielded notes raft's LastContact when all that stepping down does to it is done.
func (c *contact) yielded(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.yields, c.before = false, before
}

// lost notes when the leader that is being forgotten was heard, if it was.
func (c *contact) lost(raftLast time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.follows = c.heard(raftLast), false
}

// heard returns when a leader was heard, given what raft says now. It is called
// with mu held: meanwhile raft can forget no leader, nor grant a vote after that.
func (c *contact) heard(raftLast time.Time) time.Time {
	if c.follows && !c.yields && raftLast.After(c.before) && raftLast.After(c.last) {
		return raftLast
	}
	return c.last
}

func (c *contact) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.changed)
	c.changed = make(chan struct{})
}

// watchLeader has raft say when the leader changes. It says so in the goroutine
// that makes the change, before anything else: when a leader is being forgotten,
// raft's LastContact is still that leader's.
func (n *Node) watchLeader() {
	n.raft.RegisterObserver(hraft.NewObserver(nil, false, func(o *hraft.Observation) bool {
		seen, ok := o.Data.(hraft.LeaderObservation)
		if !ok {
			return false
		}
		switch {
		case string(seen.LeaderID) == n.options.NodeID:
		case seen.LeaderID != "":
			n.contact.found(n.raft.LastContact())
		case n.raft.State() == hraft.Leader:
			n.contact.deposed(n.majorityContact(n.raft.CurrentTerm()))
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
	n.contact.mu.Lock()
	defer n.contact.mu.Unlock()
	return n.contact.heard(n.raft.LastContact())
}
