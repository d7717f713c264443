package raft

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
)

// progress is how far each follower has come with the log of this node's
// present term, and when it last answered. hashicorp/raft knows, and does not
// tell; so the transport is listened to.
type progress struct {
	mu    sync.Mutex
	term  uint64
	peers map[hraft.ServerID]*peerProgress
	moved chan struct{} // closed at the next change; nil while nobody waits
}

type peerProgress struct {
	match      uint64    // its log is this node's up to here
	contact    time.Time // it answered last
	installing int       // snapshots under way to it
}

// note takes what a request of a term has shown about a follower.
func (p *progress) note(term uint64, id hraft.ServerID, change func(*peerProgress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if term < p.term {
		return
	}
	if term > p.term {
		p.term, p.peers = term, map[hraft.ServerID]*peerProgress{}
	}
	peer := p.peers[id]
	if peer == nil {
		peer = &peerProgress{}
		p.peers[id] = peer
	}
	change(peer)
	if p.moved != nil {
		close(p.moved)
		p.moved = nil
	}
}

// of returns what is known of a follower in the given term.
func (p *progress) of(term uint64, id string) peerProgress {
	p.mu.Lock()
	defer p.mu.Unlock()
	if peer := p.peers[hraft.ServerID(id)]; peer != nil && p.term == term {
		return *peer
	}
	return peerProgress{}
}

// change returns a channel that is closed when something is learnt.
func (p *progress) change() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moved == nil {
		p.moved = make(chan struct{})
	}
	return p.moved
}

// majorityContact returns the time since which a majority of the voters has
// answered this node, which is one of them if it is among them.
func (n *Node) majorityContact(term uint64) time.Time {
	var contacts []time.Time
	for _, m := range n.Members() {
		switch {
		case !m.Voter:
		case m.ID == n.options.NodeID:
			contacts = append(contacts, time.Now())
		default:
			contacts = append(contacts, n.progress.of(term, m.ID).contact)
		}
	}
	if len(contacts) == 0 {
		return time.Time{}
	}
	slices.SortFunc(contacts, func(a, b time.Time) int { return b.Compare(a) })
	return contacts[len(contacts)/2]
}

// watchedTransport is a transport that tells progress what comes back, and lets
// no message claim more than it has shown, nor hold more than it should.
type watchedTransport struct {
	hraft.Transport
	hraft.WithPreVote
	log      *logStore
	progress *progress
	stopped  <-chan struct{} // closed when the node stops
	faults   faults

	// committed is what is committed if this node leads in a term, 0 if it does
	// not. Nil until raft runs.
	committed atomic.Pointer[func(term uint64) uint64]
	pipelines *pipelines
}

func (t *watchedTransport) AppendEntries(id hraft.ServerID, to hraft.ServerAddress,
	q *hraft.AppendEntriesRequest, a *hraft.AppendEntriesResponse,
) error {
	if err := t.fill(q); err != nil {
		return err
	}
	if err := t.Transport.AppendEntries(id, to, q, a); err != nil {
		return err
	}
	t.progress.appended(id, q, a)
	if !t.countable(q, t.stopped) {
		return errUnsynced
	}
	return nil
}

var errUnsynced = errors.New("the entries that were sent are not on this node's own disk")

// countable returns once an answer may be counted: when this node has on its own
// disk what it is about (see early.go). It reports false if that will not be, or if
// quit is closed before.
func (t *watchedTransport) countable(q *hraft.AppendEntriesRequest, quit <-chan struct{}) bool {
	if len(q.Entries) == 0 || t.faults.countUnsynced {
		return true
	}
	return t.log.awaitSynced(lastOf(q), quit)
}

// lastOf is the index of the last entry that who takes a message has.
func lastOf(q *hraft.AppendEntriesRequest) uint64 { return q.PrevLogEntry + uint64(len(q.Entries)) }

// fill gives the entries of a message the data that they are without, and takes
// those out for which there is no room. Raft goes on from the last one in it. What
// stays as it is is not written: a heartbeat is one message for ever, which a follower
// in the same process may still be reading when the next is due.
func (t *watchedTransport) fill(q *hraft.AppendEntriesRequest) error {
	n, err := t.log.load(q.Entries)
	if err != nil {
		return fmt.Errorf("entries for a follower: %w", err)
	}
	if n < len(q.Entries) {
		clear(q.Entries[n:])
		q.Entries = q.Entries[:n]
	}
	boundCommit(q)
	return nil
}

// boundCommit lets a follower commit no more than the log it has in common with
// its leader for certain. hashicorp/raft reads the commit index after it has
// chosen the entries, and a follower commits up to that index whatever its own
// log holds there: between the two, a majority elsewhere may have committed an
// entry in whose place this follower still has another.
func boundCommit(q *hraft.AppendEntriesRequest) {
	if last := lastOf(q); q.LeaderCommitIndex > last {
		q.LeaderCommitIndex = last
	}
}

func (p *progress) appended(id hraft.ServerID, q *hraft.AppendEntriesRequest, a *hraft.AppendEntriesResponse) {
	if a.Term != q.Term {
		return // it belongs to somebody else, or is refused
	}
	p.note(q.Term, id, func(peer *peerProgress) {
		peer.contact = time.Now()
		if a.Success {
			peer.match = max(peer.match, lastOf(q))
		}
	})
}

func (t *watchedTransport) InstallSnapshot(id hraft.ServerID, to hraft.ServerAddress,
	q *hraft.InstallSnapshotRequest, a *hraft.InstallSnapshotResponse, data io.Reader,
) error {
	t.progress.note(q.Term, id, func(peer *peerProgress) { peer.installing++ })
	err := t.Transport.InstallSnapshot(id, to, q, a, data)
	t.progress.note(q.Term, id, func(peer *peerProgress) {
		peer.installing--
		if err == nil && a.Term == q.Term {
			peer.contact = time.Now()
		}
		if err == nil && a.Success {
			peer.match = max(peer.match, q.LastLogIndex)
		}
	})
	return err
}

// Close implements hraft.WithClose.
func (t *watchedTransport) Close() error {
	if c, ok := t.Transport.(hraft.WithClose); ok {
		return c.Close()
	}
	return nil
}
