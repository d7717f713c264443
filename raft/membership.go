package raft

import (
	"errors"
	"fmt"

	hraft "github.com/hashicorp/raft"
)

// Member is a node of the group: a voter counts for majorities, a non-voter gets
// the log and no more.
type Member struct {
	ID      string
	Address string // of its transport
	Voter   bool
}

func memberOf(s hraft.Server) Member {
	return Member{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == hraft.Voter}
}

// server is the member as hashicorp/raft writes it.
func (m Member) server() hraft.Server {
	s := hraft.Server{Suffrage: hraft.Nonvoter, ID: hraft.ServerID(m.ID), Address: hraft.ServerAddress(m.Address)}
	if m.Voter {
		s.Suffrage = hraft.Voter
	}
	return s
}

// Members returns the newest membership this node's log knows, committed or not.
func (n *Node) Members() []Member {
	servers := n.raft.GetConfiguration().Configuration().Servers
	members := make([]Member, len(servers))
	for i, s := range servers {
		members[i] = memberOf(s)
	}
	return members
}

// member returns the one with the given id.
func (n *Node) member(id string) (Member, bool) {
	for _, m := range n.Members() {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

// Leader returns the node this one takes for the leader.
func (n *Node) Leader() (Member, bool) {
	address, id := n.raft.LeaderWithID()
	if id == "" {
		return Member{}, false
	}
	return Member{ID: string(id), Address: string(address), Voter: true}, true
}

// validateMembers checks the membership of a new log.
func (o *Options) validateMembers() error {
	if o.Transport != nil {
		if _, ok := o.Transport.(hraft.WithPreVote); !ok {
			return errors.New("the Transport has no pre-vote")
		}
	}
	if len(o.Members) == 0 {
		return nil
	}
	if o.Transport == nil {
		return errors.New("there are Members, and no Transport to reach them")
	}
	ids, addresses := map[string]bool{}, map[string]bool{}
	voters := 0
	for _, m := range o.Members {
		switch {
		case m.ID == "" || m.Address == "":
			return fmt.Errorf("member %+v lacks an id or an address", m)
		case ids[m.ID] || addresses[m.Address]:
			return fmt.Errorf("member %+v has the id or the address of another", m)
		case m.ID == o.NodeID && m.Address != string(o.Transport.LocalAddr()):
			return fmt.Errorf("Members has this node at %s, its transport is at %s", m.Address, o.Transport.LocalAddr())
		}
		ids[m.ID], addresses[m.Address] = true, true
		if m.Voter {
			voters++
		}
	}
	if voters == 0 || !ids[o.NodeID] {
		return errors.New("among Members there must be a voter, and this node")
	}
	return nil
}

// join checks that the directory is this node's, and that the stored membership
// is one it can run. A new log begins with the given one, or with none.
func (n *Node) join() error {
	term, err := n.log.GetUint64([]byte(stableTerm))
	if err != nil {
		return err
	}
	_, _, last := n.log.span()
	c, err := n.start.latestConfiguration(n.log)
	if err != nil {
		return err
	}
	if err := n.checkOwner(c); err != nil {
		return err
	}
	if last == 0 && n.start.index == 0 && term == 0 {
		return n.begin()
	}
	var voters []hraft.ServerID
	for _, s := range c.Servers {
		if s.Suffrage == hraft.Voter {
			voters = append(voters, s.ID)
		}
	}
	alone := len(voters) == 1 && string(voters[0]) == n.options.NodeID
	switch {
	case n.options.Transport == nil && !alone:
		return fmt.Errorf("%w: the voters are %q, and without a transport node %q cannot reach others",
			ErrMembership, voters, n.options.NodeID)
	case alone && n.start.covered > max(last, n.start.index):
		// A follower may be ahead of its own log, never of its leader's. A lone
		// voter would give the same indexes to other commands.
		return fmt.Errorf("%w: the state has applied %d, the log ends at %d; put back the log's directory",
			ErrStateAhead, n.start.covered, max(last, n.start.index))
	}
	return nil
}

// begin makes a new log. Without Members it stays empty, and its node waits to
// be added by a leader.
func (n *Node) begin() error {
	members := n.options.Members
	if n.options.Transport == nil {
		members = []Member{{ID: n.options.NodeID, Address: string(n.transport.LocalAddr()), Voter: true}}
	}
	if len(members) == 0 {
		return nil
	}
	var c hraft.Configuration
	for _, m := range members {
		c.Servers = append(c.Servers, m.server())
	}
	return n.log.bootstrap(c)
}

// checkOwner compares the name in the directory with this node's. A log from
// before names were kept is that of its only voter.
func (n *Node) checkOwner(c hraft.Configuration) error {
	stored, err := n.log.Get([]byte(stableNodeID))
	if err != nil {
		return err
	}
	owner := string(stored)
	if owner == "" && len(c.Servers) == 1 {
		owner = string(c.Servers[0].ID)
	}
	switch owner {
	case n.options.NodeID:
	case "": // new, or of several and no name kept: whose it is cannot be told
	default:
		return fmt.Errorf("%w: the directory is node %q's, and this is node %q", ErrMembership, owner, n.options.NodeID)
	}
	if len(stored) != 0 {
		return nil
	}
	return n.log.Set([]byte(stableNodeID), []byte(n.options.NodeID))
}
