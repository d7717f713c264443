package api

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// clusterService answers tupelo.v1.ClusterService.
type clusterService struct {
	tupelov1.UnsafeClusterServiceServer // so that a call without a method here does not compile

	s *Server
}

const (
	// statusLimit is how long one member may take to tell how it is.
	statusLimit = 2 * time.Second
	// adminLimit is how long a call may take that waits for a node to catch up, or
	// for all of them to read all that they have, if its client has more time.
	adminLimit = 10 * time.Minute
	// maxNodeIDBytes bounds what a node may be called: it is in every message of
	// the log.
	maxNodeIDBytes = 256
)

// open refuses what only a cluster can do.
func (c *clusterService) open() error {
	if c.s.cluster == nil {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_NO_CLUSTER,
			"this server is not part of a cluster: it was started without an address for other nodes")
	}
	return nil
}

// ClusterStatus tells of each member how it is.
func (c *clusterService) ClusterStatus(ctx context.Context, r *tupelov1.ClusterStatusRequest) (*tupelov1.ClusterStatusResponse, error) {
	if err := cmp.Or(c.open(), knownFieldsOnly(r)); err != nil {
		return nil, err
	}
	known, _ := c.s.cluster.Leader()
	members := c.members()
	answers := make([]NodeStatus, len(members))
	errs := askAll(ctx, statusLimit, members, func(ctx context.Context, i int) (err error) {
		answers[i], err = c.s.cluster.Status(ctx, members[i])
		return err
	})
	leader := leaderAmong(members, answers, errs, known.ID)
	response := &tupelov1.ClusterStatusResponse{NodeId: c.s.nodeID, LeaderId: leader}
	var followers []FollowerStatus
	for i, m := range members {
		one := &tupelov1.MemberStatus{Member: memberMessage(m), Leader: m.ID == leader}
		if errs[i] != nil {
			one.Error = errs[i].Error()
		} else {
			answers[i].spell(one)
		}
		if one.Leader {
			followers = answers[i].Followers
			if errs[i] == nil {
				one.LagEntries = new(uint64)
			}
		}
		response.Members = append(response.Members, one)
	}
	for _, f := range followers {
		i := slices.IndexFunc(members, func(m Member) bool { return m.ID == f.ID })
		if i >= 0 {
			f.spell(response.Members[i])
		}
	}
	return response, nil
}

// leaderAmong returns who says that it leads, in the newest term that any of those
// who answered knows. That is who the node that asked knows to lead, unless one has
// come to lead of whom this node has not heard yet.
func leaderAmong(members []Member, answers []NodeStatus, errs []error, known string) string {
	newest := uint64(0)
	for i := range members {
		if errs[i] == nil {
			newest = max(newest, answers[i].Term)
		}
	}
	for i, m := range members {
		if errs[i] == nil && answers[i].Role == "leader" && answers[i].Term == newest {
			return m.ID
		}
	}
	return known
}

// members returns the members in the order of their ids.
func (c *clusterService) members() []Member {
	members := slices.Clone(c.s.cluster.Members())
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members
}

// askAll asks all members at once, and waits for them; limit is for each.
func askAll(ctx context.Context, limit time.Duration, members []Member, ask func(context.Context, int) error) []error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	errs := make([]error, len(members))
	var all sync.WaitGroup
	for i := range members {
		all.Go(func() { errs[i] = ask(ctx, i) })
	}
	all.Wait()
	return errs
}

// spell puts what a node says of itself into a message.
func (n *NodeStatus) spell(m *tupelov1.MemberStatus) {
	m.Role, m.Term = n.Role, n.Term
	m.Applied, m.LastIndex = n.AppliedIndex, n.LastIndex
	m.SinceLeader = sinceMessage(n.LastContact)
	m.DiskBytes, m.DiskFreeBytes = n.DiskBytes, n.DiskFreeBytes
	m.Version, m.Format, m.MaxFormat = n.Version, n.Format, n.MaxFormat
}

// spell puts what the leader says of a follower into a message.
func (f *FollowerStatus) spell(m *tupelov1.MemberStatus) {
	if f.Known {
		m.LagEntries, m.Lag = &f.Lag, durationpb.New(f.Behind)
	}
	m.SinceContact, m.Installing = sinceMessage(f.Contact), f.Installing
}

// sinceMessage is how long ago something was; nothing if it never was.
func sinceMessage(then time.Time) *durationpb.Duration {
	if then.IsZero() {
		return nil
	}
	return durationpb.New(max(0, time.Since(then)))
}

func memberMessage(m Member) *tupelov1.Member {
	return &tupelov1.Member{NodeId: m.ID, Address: m.Address, Voter: m.Voter}
}

// change has the leader change the membership, or who leads.
func (c *clusterService) change(ctx context.Context, method string, change Change, there func(context.Context, tupelov1.ClusterServiceClient) error) error {
	if err := c.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminLimit)
	defer cancel()
	_, err := atLeader(ctx, c.s, leaderCall[struct{}]{
		method: method, limit: adminLimit,
		here: func(ctx context.Context) (struct{}, error) { return struct{}{}, c.s.cluster.Change(ctx, change) },
		there: func(ctx context.Context, leader grpc.ClientConnInterface) (struct{}, error) {
			return struct{}{}, there(ctx, tupelov1.NewClusterServiceClient(leader))
		},
	})
	return err
}

// AddMember makes a node a member.
func (c *clusterService) AddMember(ctx context.Context, r *tupelov1.AddMemberRequest) (*tupelov1.AddMemberResponse, error) {
	if err := cmp.Or(knownFieldsOnly(r), validateMember(r.Member)); err != nil {
		return nil, err
	}
	m := Member{ID: r.Member.NodeId, Address: r.Member.Address, Voter: r.Member.Voter}
	return &tupelov1.AddMemberResponse{}, c.change(ctx, "AddMember", Change{AddMember, m},
		func(ctx context.Context, leader tupelov1.ClusterServiceClient) error {
			_, err := leader.AddMember(ctx, r)
			return err
		})
}

// RemoveMember ends a node's membership.
func (c *clusterService) RemoveMember(ctx context.Context, r *tupelov1.RemoveMemberRequest) (*tupelov1.RemoveMemberResponse, error) {
	if err := cmp.Or(knownFieldsOnly(r), validateNodeID(r.NodeId)); err != nil {
		return nil, err
	}
	return &tupelov1.RemoveMemberResponse{}, c.change(ctx, "RemoveMember", Change{RemoveMember, Member{ID: r.NodeId}},
		func(ctx context.Context, leader tupelov1.ClusterServiceClient) error {
			_, err := leader.RemoveMember(ctx, r)
			return err
		})
}

// PromoteMember makes a read replica a voter.
func (c *clusterService) PromoteMember(ctx context.Context, r *tupelov1.PromoteMemberRequest) (*tupelov1.PromoteMemberResponse, error) {
	if err := cmp.Or(knownFieldsOnly(r), validateNodeID(r.NodeId)); err != nil {
		return nil, err
	}
	return &tupelov1.PromoteMemberResponse{}, c.change(ctx, "PromoteMember", Change{PromoteMember, Member{ID: r.NodeId}},
		func(ctx context.Context, leader tupelov1.ClusterServiceClient) error {
			_, err := leader.PromoteMember(ctx, r)
			return err
		})
}

// DemoteMember makes a voter a read replica.
func (c *clusterService) DemoteMember(ctx context.Context, r *tupelov1.DemoteMemberRequest) (*tupelov1.DemoteMemberResponse, error) {
	if err := cmp.Or(knownFieldsOnly(r), validateNodeID(r.NodeId)); err != nil {
		return nil, err
	}
	return &tupelov1.DemoteMemberResponse{}, c.change(ctx, "DemoteMember", Change{DemoteMember, Member{ID: r.NodeId}},
		func(ctx context.Context, leader tupelov1.ClusterServiceClient) error {
			_, err := leader.DemoteMember(ctx, r)
			return err
		})
}

// TransferLeadership has another voter lead.
func (c *clusterService) TransferLeadership(ctx context.Context, r *tupelov1.TransferLeadershipRequest) (*tupelov1.TransferLeadershipResponse, error) {
	if err := knownFieldsOnly(r); err != nil {
		return nil, err
	}
	if r.NodeId != "" {
		if err := validateNodeID(r.NodeId); err != nil {
			return nil, err
		}
	}
	response := &tupelov1.TransferLeadershipResponse{}
	err := c.change(ctx, "TransferLeadership", Change{TransferLeadership, Member{ID: r.NodeId}},
		func(ctx context.Context, leader tupelov1.ClusterServiceClient) (err error) {
			response, err = leader.TransferLeadership(ctx, r)
			return err
		})
	if err == nil && response.GetLeaderId() == "" {
		leader, _ := c.s.cluster.Leader()
		response.LeaderId = leader.ID
	}
	return response, err
}

func validateMember(m *tupelov1.Member) error {
	if m == nil {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "member", "a member is needed")
	}
	if err := cmp.Or(knownFieldsOnly(m), validateNodeID(m.NodeId)); err != nil {
		return within("member", err)
	}
	if m.Address == "" {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "member.address", "an address is needed, as host:port")
	}
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil || host == "" || port == "" || port == "0" {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "member.address",
			"%q is no host:port that other nodes could dial", shorten(m.Address, maxNodeIDBytes))
	}
	return nil
}

func validateNodeID(id string) error {
	if id == "" {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "node_id", "a node id is needed")
	}
	if len(id) > maxNodeIDBytes {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "node_id", "it has %d bytes, %d are allowed", len(id), maxNodeIDBytes)
	}
	return nil
}
