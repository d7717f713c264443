package peer

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/peerv1"
	"github.com/tupelodb/tupelo/raft"
)

// Member is one node of the cluster, as the log's membership has it.
type Member = raft.Member

// Status is how a node is: what its log says, and what is around it. Instants
// are by the clock of whoever looks at it.
type Status struct {
	raft.Status
	// Address is where other nodes reach it.
	Address string
	// Version is that of the program.
	Version string
	// DiskBytes is what log, snapshots and state take, DiskFreeBytes what is free
	// beside them.
	DiskBytes, DiskFreeBytes uint64
	// Format is that of its state, MaxFormat the newest that its program knows.
	Format, MaxFormat uint64
}

// message turns a status into what is sent at the time of now.
func (s *Status) message(now time.Time) *peerv1.StatusResponse {
	m := &peerv1.StatusResponse{
		Node:    &peerv1.Member{NodeId: s.NodeID, Address: s.Address},
		Version: s.Version,
		Role:    s.Role, Serving: s.Serving, Term: s.Term, LeaderId: s.Leader,
		FirstIndex: s.FirstIndex, LastIndex: s.LastIndex, CommitIndex: s.CommitIndex,
		AppliedIndex: s.AppliedIndex, SnapshotIndex: s.SnapshotIndex,
		LogBytes: s.LogBytes, InFlight: int64(s.InFlight), InFlightBytes: int64(s.InFlightBytes),
		SnapshotFailures: s.SnapshotFailures,
		DiskBytes:        s.DiskBytes, DiskFreeBytes: s.DiskFreeBytes,
		Format: s.Format, MaxFormat: s.MaxFormat,
		SinceContact: since(s.LastContact, now),
	}
	for _, member := range s.Members {
		if member.ID == s.NodeID {
			m.Node.Voter = member.Voter
		}
		m.Members = append(m.Members, messageOf(member))
	}
	for _, f := range s.Followers {
		m.Followers = append(m.Followers, &peerv1.Follower{
			Member: messageOf(f.Member), MatchIndex: f.Match, Lag: f.Lag,
			Behind: durationpb.New(f.Behind), SinceContact: since(f.Contact, now), Installing: f.Installing,
		})
	}
	return m
}

// statusFrom reads a status that came in at the time of now.
func statusFrom(m *peerv1.StatusResponse, now time.Time) Status {
	s := Status{
		Address: m.GetNode().GetAddress(),
		Version: m.GetVersion(),
		Status: raft.Status{
			NodeID: m.GetNode().GetNodeId(),
			Role:   m.GetRole(), Serving: m.GetServing(), Term: m.GetTerm(), Leader: m.GetLeaderId(),
			FirstIndex: m.GetFirstIndex(), LastIndex: m.GetLastIndex(), CommitIndex: m.GetCommitIndex(),
			AppliedIndex: m.GetAppliedIndex(), SnapshotIndex: m.GetSnapshotIndex(),
			LogBytes: m.GetLogBytes(), InFlight: int(m.GetInFlight()), InFlightBytes: int(m.GetInFlightBytes()),
			SnapshotFailures: m.GetSnapshotFailures(),
			LastContact:      at(m.GetSinceContact(), now),
		},
		DiskBytes: m.GetDiskBytes(), DiskFreeBytes: m.GetDiskFreeBytes(),
		Format: m.GetFormat(), MaxFormat: m.GetMaxFormat(),
	}
	for _, member := range m.GetMembers() {
		s.Members = append(s.Members, memberOf(member))
	}
	for _, f := range m.GetFollowers() {
		s.Followers = append(s.Followers, raft.Follower{
			Member: memberOf(f.GetMember()), Match: f.GetMatchIndex(), Lag: f.GetLag(),
			Behind: f.GetBehind().AsDuration(), Contact: at(f.GetSinceContact(), now), Installing: f.GetInstalling(),
		})
	}
	return s
}

func messageOf(m Member) *peerv1.Member {
	return &peerv1.Member{NodeId: m.ID, Address: m.Address, Voter: m.Voter}
}

func memberOf(m *peerv1.Member) Member {
	return Member{ID: m.GetNodeId(), Address: m.GetAddress(), Voter: m.GetVoter()}
}

// since is how long before now something was; nothing if it never was.
func since(then, now time.Time) *durationpb.Duration {
	if then.IsZero() {
		return nil
	}
	return durationpb.New(max(0, now.Sub(then)))
}

// at is when something was, that was that long before now.
func at(since *durationpb.Duration, now time.Time) time.Time {
	if since == nil {
		return time.Time{}
	}
	return now.Add(-since.AsDuration())
}
