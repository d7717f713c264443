package replica

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
	autopilot "github.com/hashicorp/raft-autopilot"

	"github.com/tupelodb/tupelo/raft"
)

// steering is how the leader looks after the members: it gives those a vote that
// want one and are well, removes those that are dead, by the rules of
// hashicorp/raft-autopilot, and raises the format of the state once all know it.
type steering struct {
	r *Replica

	mu     sync.Mutex
	wishes map[string]bool      // members that want to vote
	met    map[string]time.Time // when this leader first knew of a member
}

func newSteering(r *Replica) *steering { return &steering{r: r, wishes: map[string]bool{}} }

// wish notes whether a member wants to vote. It is forgotten with leadership: a
// node asks until it has its vote.
func (s *steering) wish(id string, vote bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if vote {
		s.wishes[id] = true
	} else {
		delete(s.wishes, id)
	}
}

func (s *steering) wishesVote(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wishes[id]
}

// run steers while this node leads, until it is closed.
func (s *steering) run() {
	every := s.r.options.steerEvery
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for s.awaitTick(ticker) {
		if _, err := s.r.leads(); err != nil {
			continue
		}
		pilot := autopilot.New(helm{s.r.log, s.r.life}, s, autopilot.WithPromoter(&promoter{wishes: s.wishesVote}),
			autopilot.WithLogger(hclog.NewNullLogger()), autopilot.WithUpdateInterval(every), autopilot.WithReconcileInterval(every))
		pilot.Start(s.r.life)
		for s.awaitTick(ticker) {
			if _, err := s.r.leads(); err != nil {
				break
			}
			if err := s.r.raiseFormat(s.r.life); err != nil {
				s.r.options.Logger.Debug("the format is not raised", "error", err)
			}
		}
		<-pilot.Stop()
		s.mu.Lock()
		clear(s.wishes)
		s.met = nil
		s.mu.Unlock()
	}
}

func (s *steering) awaitTick(ticker *time.Ticker) bool {
	select {
	case <-ticker.C:
		return true
	case <-s.r.life.Done():
		return false
	}
}

// AutopilotConfig implements autopilot.ApplicationIntegration.
func (s *steering) AutopilotConfig() *autopilot.Config {
	o := &s.r.options
	return &autopilot.Config{
		CleanupDeadServers: o.DeadAfter > 0, MinQuorum: uint(o.MinVoters),
		LastContactThreshold: max(time.Second, 2*o.steerEvery), MaxTrailingLogs: 1000, ServerStabilizationTime: o.stableAfter,
	}
}

// NotifyState implements autopilot.ApplicationIntegration.
func (s *steering) NotifyState(*autopilot.State) {}

// FetchServerStats implements autopilot.ApplicationIntegration. What a follower
// answers the log itself is all that counts.
func (s *steering) FetchServerStats(context.Context, map[hraft.ServerID]*autopilot.Server) map[hraft.ServerID]*autopilot.ServerStats {
	status := s.r.log.Status()
	stats := map[hraft.ServerID]*autopilot.ServerStats{
		hraft.ServerID(status.NodeID): {LastTerm: status.Term, LastIndex: status.LastIndex},
	}
	for _, f := range status.Followers {
		if f.Match == 0 {
			continue // nothing is known of it in this term
		}
		stats[hraft.ServerID(f.ID)] = &autopilot.ServerStats{
			LastContact: time.Since(f.Contact), LastTerm: status.Term, LastIndex: f.Match,
		}
	}
	return stats
}

// KnownServers implements autopilot.ApplicationIntegration: the members, dead if
// they have answered nothing for long enough while this node led.
func (s *steering) KnownServers() map[hraft.ServerID]*autopilot.Server {
	status := s.r.log.Status()
	known := make(map[hraft.ServerID]*autopilot.Server)
	add := func(m raft.Member, health autopilot.NodeStatus) {
		known[hraft.ServerID(m.ID)] = &autopilot.Server{
			ID: hraft.ServerID(m.ID), Name: m.ID, Address: hraft.ServerAddress(m.Address), RaftVersion: int(hraft.ProtocolVersionMax),
			IsLeader: m.ID == status.NodeID, NodeStatus: health, NodeType: nodeType(m.Voter || s.wishesVote(m.ID)),
		}
	}
	for _, m := range status.Members {
		add(m, autopilot.NodeAlive)
	}
	met := s.meet(status.Followers)
	for _, f := range status.Followers {
		last := f.Contact
		if last.Before(met[f.ID]) {
			last = met[f.ID]
		}
		if time.Since(last) > s.r.options.DeadAfter {
			add(f.Member, autopilot.NodeFailed)
		}
	}
	return known
}

// meet returns since when this leader has known each of its followers. One that
// was just added has answered nothing yet.
func (s *steering) meet(followers []raft.Follower) map[string]time.Time {
	now := time.Now()
	met := make(map[string]time.Time, len(followers))
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range followers {
		met[f.ID] = now
		if before, ok := s.met[f.ID]; ok {
			met[f.ID] = before
		}
	}
	s.met = met
	return met
}

// RemoveFailedServer implements autopilot.ApplicationIntegration.
func (s *steering) RemoveFailedServer(server *autopilot.Server) {
	log := s.r.options.Logger.With("node", server.Name, "address", server.Address)
	ctx, cancel := context.WithTimeout(s.r.life, helmLimit)
	defer cancel()
	if err := s.r.log.Remove(ctx, server.Name); err != nil {
		log.Warn("a dead node is not removed", "error", err)
		return
	}
	// If it comes back at once it is somebody new: its silence has not begun.
	s.mu.Lock()
	delete(s.met, server.Name)
	s.mu.Unlock()
	log.Warn("a dead node is removed from the cluster", "unanswered", s.r.options.DeadAfter)
}

const readReplicaType autopilot.NodeType = "read-replica"

func nodeType(voter bool) autopilot.NodeType {
	if voter {
		return autopilot.NodeVoter
	}
	return readReplicaType
}

// promoter gives votes to those that want one, and are stable.
type promoter struct {
	autopilot.StablePromoter
	wishes func(id string) bool
}

// CalculatePromotionsAndDemotions implements autopilot.Promoter.
func (p *promoter) CalculatePromotionsAndDemotions(c *autopilot.Config, state *autopilot.State) autopilot.RaftChanges {
	var changes autopilot.RaftChanges
	for _, id := range p.StablePromoter.CalculatePromotionsAndDemotions(c, state).Promotions {
		if p.wishes(string(id)) {
			changes.Promotions = append(changes.Promotions, id)
		}
	}
	return changes
}

// GetNodeTypes implements autopilot.Promoter.
func (p *promoter) GetNodeTypes(_ *autopilot.Config, state *autopilot.State) map[hraft.ServerID]autopilot.NodeType {
	types := make(map[hraft.ServerID]autopilot.NodeType)
	for id, server := range state.Servers {
		types[id] = nodeType(server.HasVotingRights() || p.wishes(string(id)))
	}
	return types
}

// helmLimit bounds one change of the membership.
const helmLimit = 10 * time.Second

// helm is the log as autopilot turns it.
type helm struct {
	log  *raft.Node
	life context.Context // of the replica
}

// turned is a change that is made.
type turned struct {
	err           error
	configuration hraft.Configuration
}

// Error implements raft.Future.
func (t turned) Error() error { return t.err }

// Index implements raft.IndexFuture; nobody looks at it.
func (t turned) Index() uint64 { return 0 }

// Configuration implements raft.ConfigurationFuture.
func (t turned) Configuration() hraft.Configuration { return t.configuration }

func (h helm) turn(change func(context.Context) error) turned {
	ctx, cancel := context.WithTimeout(h.life, helmLimit)
	defer cancel()
	return turned{err: change(ctx)}
}

// AddNonvoter implements autopilot.Raft.
func (h helm) AddNonvoter(id hraft.ServerID, address hraft.ServerAddress, _ uint64, _ time.Duration) hraft.IndexFuture {
	return h.turn(func(ctx context.Context) error { return h.log.AddNonvoter(ctx, string(id), string(address)) })
}

// AddVoter implements autopilot.Raft; it is how a vote is given.
func (h helm) AddVoter(id hraft.ServerID, _ hraft.ServerAddress, _ uint64, _ time.Duration) hraft.IndexFuture {
	return h.turn(func(ctx context.Context) error { return h.log.Promote(ctx, string(id)) })
}

// DemoteVoter implements autopilot.Raft.
func (h helm) DemoteVoter(id hraft.ServerID, _ uint64, _ time.Duration) hraft.IndexFuture {
	return h.turn(func(ctx context.Context) error { return h.log.Demote(ctx, string(id)) })
}

// RemoveServer implements autopilot.Raft.
func (h helm) RemoveServer(id hraft.ServerID, _ uint64, _ time.Duration) hraft.IndexFuture {
	return h.turn(func(ctx context.Context) error { return h.log.Remove(ctx, string(id)) })
}

// LeadershipTransferToServer implements autopilot.Raft.
func (h helm) LeadershipTransferToServer(id hraft.ServerID, _ hraft.ServerAddress) hraft.Future {
	return h.turn(func(ctx context.Context) error { return h.log.Transfer(ctx, string(id)) })
}

// GetConfiguration implements autopilot.Raft.
func (h helm) GetConfiguration() hraft.ConfigurationFuture {
	var c hraft.Configuration
	for _, m := range h.log.Members() {
		suffrage := hraft.Nonvoter
		if m.Voter {
			suffrage = hraft.Voter
		}
		c.Servers = append(c.Servers, hraft.Server{ID: hraft.ServerID(m.ID), Address: hraft.ServerAddress(m.Address), Suffrage: suffrage})
	}
	return turned{configuration: c}
}

// LastIndex implements autopilot.Raft.
func (h helm) LastIndex() uint64 { return h.log.Status().LastIndex }

// Leader implements autopilot.Raft.
func (h helm) Leader() hraft.ServerAddress {
	leader, _ := h.log.Leader()
	return hraft.ServerAddress(leader.Address)
}

// Stats implements autopilot.Raft: a leader's last entry is of its own term.
func (h helm) Stats() map[string]string {
	return map[string]string{"last_log_term": strconv.FormatUint(h.log.Term(), 10)}
}

// State implements autopilot.Raft.
func (h helm) State() hraft.RaftState {
	if h.log.Status().Role == "leader" {
		return hraft.Leader
	}
	return hraft.Follower
}
