package raft

import (
	"time"

	hraft "github.com/hashicorp/raft"
)

// A leader that takes its own vote away, and loses touch before another node has
// that entry, is in the way of everybody: its log is the longest, so it votes for
// nobody whose votes it is needed for; and hashicorp/raft has nobody stand who has
// no vote in the newest membership of its log. If no majority is one without it,
// as with two voters, nobody leads any more, though all are well and in touch.
//
// Raft has such a node stand, until its membership is committed (Ongaro's thesis,
// 4.2.2): it asks those who vote in that membership, and counts them only. If it
// wins it has the entry committed, and with that it goes.
//
// Who has rightly gone may never hear that this is committed, and must disturb
// nobody. So it asks first who would vote for it, which changes nothing: who has
// the membership, or a leader, says no.

// standIfNeeded has this node stand for election whenever it is the one that must.
func (n *Node) standIfNeeded() {
	every := time.NewTicker(2 * n.options.ElectionTimeout)
	defer every.Stop()
	for {
		select {
		case <-every.C:
		case <-n.stopped:
			return
		}
		if q, voters := n.departing(); len(voters) > 0 && n.wouldBeElected(q, voters) {
			n.options.Logger.Warn("raft: the membership without this node's vote is not known to be committed, and nobody leads: it stands for election")
			// As long as the transport takes; if it fails, there is the next turn.
			go n.tellToStand(Member{ID: n.options.NodeID, Address: string(n.transport.LocalAddr())})
		}
	}
}

// departing returns who votes, and what to ask them, if this node has no vote in a
// membership that it does not know to be committed, and knows no leader.
func (n *Node) departing() (*hraft.RequestPreVoteRequest, []Member) {
	if _, led := n.Leader(); led || n.raft.State() != hraft.Follower {
		return nil, nil
	}
	index := n.raft.LastIndex()
	newest, since, err := n.log.configuration(index)
	if err != nil || since <= n.raft.CommitIndex() {
		return nil, nil
	}
	var voters []Member
	for _, s := range newest.Servers {
		switch m := memberOf(s); {
		case m.Voter && m.ID == n.options.NodeID:
			return nil, nil // it stands by itself
		case m.Voter:
			voters = append(voters, m)
		}
	}
	var last hraft.Log
	if err := n.log.entry(index, &last); err != nil {
		return nil, nil
	}
	return &hraft.RequestPreVoteRequest{
		RPCHeader: n.header(), Term: n.raft.CurrentTerm() + 1, LastLogIndex: last.Index, LastLogTerm: last.Term,
	}, voters
}

// wouldBeElected asks voters whether most of them would vote for this node.
func (n *Node) wouldBeElected(q *hraft.RequestPreVoteRequest, voters []Member) bool {
	asked := n.transport.(hraft.WithPreVote) // see Options.validateMembers
	granted := make(chan bool, len(voters))
	for _, m := range voters {
		go func() { // as long as the transport takes
			var a hraft.RequestPreVoteResponse
			err := asked.RequestPreVote(hraft.ServerID(m.ID), hraft.ServerAddress(m.Address), q, &a)
			granted <- err == nil && a.Granted
		}()
	}
	limit := time.NewTimer(n.options.ElectionTimeout)
	defer limit.Stop()
	votes := 0
	for range voters {
		select {
		case granted := <-granted:
			if granted {
				votes++
			}
		case <-limit.C:
		case <-n.stopped:
			return false
		}
	}
	return votes > len(voters)/2
}
