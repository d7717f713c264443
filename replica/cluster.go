package replica

import (
	"context"
	"fmt"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

// cluster is the nodes as the API uses them.
type cluster struct{ r *Replica }

var _ api.Cluster = (*cluster)(nil)

// Leader implements api.Cluster.
func (c *cluster) Leader() (api.Member, bool) {
	log := c.r.late.now()
	if log == nil {
		return api.Member{}, false
	}
	leader, ok := log.Leader()
	return api.Member(leader), ok
}

// Members implements api.Cluster.
func (c *cluster) Members() []api.Member {
	log := c.r.late.now()
	if log == nil {
		return nil
	}
	var members []api.Member
	for _, m := range log.Members() {
		members = append(members, api.Member(m))
	}
	return members
}

// Conn implements api.Cluster.
func (c *cluster) Conn(m api.Member) grpc.ClientConnInterface {
	if c.r.port == nil {
		return c.r.options.Wiring.Conn(raft.Member(m))
	}
	return c.r.port.Conn(m.Address)
}

// Status implements api.Cluster.
func (c *cluster) Status(ctx context.Context, m api.Member) (api.NodeStatus, error) {
	var s peer.Status
	var err error
	switch {
	case m.ID == c.r.options.NodeID:
		s, err = c.r.status(ctx)
	case c.r.port == nil:
		err = noLeader("nodes of a simulation do not tell how they are")
	default:
		s, err = c.r.port.Status(ctx, m.Address)
	}
	if err != nil {
		return api.NodeStatus{}, err
	}
	status := api.NodeStatus{
		Role: s.Role, Term: s.Term, AppliedIndex: s.AppliedIndex, LastIndex: s.LastIndex, LastContact: s.LastContact,
		DiskBytes: s.DiskBytes, DiskFreeBytes: s.DiskFreeBytes, Version: s.Version, Format: s.Format, MaxFormat: s.MaxFormat,
	}
	for _, f := range s.Followers {
		status.Followers = append(status.Followers, api.FollowerStatus{
			ID: f.ID, Known: f.Match > 0, Lag: f.Lag, Behind: f.Behind, Contact: f.Contact, Installing: f.Installing,
		})
	}
	return status, nil
}

// Change implements api.Cluster. What is asked for by an operator is done when
// it returns; a node that joins by itself waits for its vote.
func (c *cluster) Change(ctx context.Context, change api.Change) error {
	log, err := c.r.leads()
	if err != nil {
		return err
	}
	m := change.Member
	if change.Kind != api.TransferLeadership {
		c.r.steering.wish(m.ID, false) // whatever it wanted
	}
	switch change.Kind {
	case api.AddMember:
		err = c.add(ctx, log, raft.Member(m))
	case api.RemoveMember:
		err = log.Remove(ctx, m.ID)
	case api.PromoteMember:
		err = log.Promote(ctx, m.ID)
	case api.DemoteMember:
		err = log.Demote(ctx, m.ID)
	case api.TransferLeadership:
		err = log.Transfer(ctx, m.ID)
	default:
		return fmt.Errorf("%w: no change of kind %d is known", api.ErrMembership, change.Kind)
	}
	return toAPI(err)
}

func (c *cluster) add(ctx context.Context, log *raft.Node, m raft.Member) error {
	if m.Voter {
		return log.AddVoter(ctx, m.ID, m.Address)
	}
	return log.AddNonvoter(ctx, m.ID, m.Address)
}
