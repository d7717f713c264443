package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// Member is one node of a cluster: a voter counts for majorities, a read replica
// gets the log and no more.
type Member struct {
	ID      string
	Address string // where other nodes reach it
	Voter   bool
}

// Cluster is the nodes of a cluster, as the API uses them. Its errors have a
// Kind as those of [Log], or wrap ErrMembership.
type Cluster interface {
	// Leader returns the node that this one takes for the leader, which may be
	// itself.
	Leader() (Member, bool)
	// Members returns the newest membership that this node knows.
	Members() []Member
	// Conn makes calls of another member's server, which gets them by
	// Server.FromNode. A call that no handler has answered fails with the kind
	// "no-leader" if it cannot have been sent, and "outcome-unknown" if it can.
	Conn(Member) grpc.ClientConnInterface
	// Status asks a member, which may be this node, how it is.
	Status(ctx context.Context, member Member) (NodeStatus, error)
	// Change changes the membership, or who leads. Only the leader does; "no-leader"
	// otherwise. What is so already is a success.
	Change(ctx context.Context, change Change) error
}

// Change is one change of the membership, or of who leads.
type Change struct {
	Kind ChangeKind
	// Member is whom it is about: all of it for AddMember, the ID for the others.
	// An empty ID has any other voter lead.
	Member Member
}

// ChangeKind says what a Change does.
type ChangeKind int

// The kinds of changes.
const (
	AddMember ChangeKind = iota + 1
	RemoveMember
	PromoteMember // to a voter, once it has caught up
	DemoteMember  // to a read replica
	TransferLeadership
)

// NodeStatus is how a node is, as it sees itself. Instants are by this node's clock.
type NodeStatus struct {
	Role         string // leader, follower, candidate or shutdown
	Term         uint64
	AppliedIndex uint64
	LastIndex    uint64
	LastContact  time.Time // it heard from a leader; zero: never
	// Followers are how far the others have come, if it leads.
	Followers []FollowerStatus

	DiskBytes, DiskFreeBytes uint64
	Version                  string // of its program
	Format, MaxFormat        uint64 // of its state, and the newest that its program knows
}

// FollowerStatus is how far another member has come, as the leader knows it.
type FollowerStatus struct {
	ID         string
	Known      bool          // in this term; if not, Lag and Behind say nothing
	Lag        uint64        // entries of the leader's log that it lacks
	Behind     time.Duration // since the leader had the first of them
	Contact    time.Time     // it answered last; zero: not in this term
	Installing bool          // a snapshot is on its way to it
}
