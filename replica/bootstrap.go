package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

// A new cluster begins by one node making a log that names all of its members.
// Whoever else made one too would begin another cluster, so exactly one may.
//
//	every node     looks at all addresses of its list until each answers and they
//	               are as many as expected; from then on, and across restarts, it
//	               names those as the founders
//	the smallest   makes the log, once all the founders say that they have no log
//	               and name the same founders as it does
//	the others     wait until a founder has a log, and for its leader to call
//
// A node names one set of founders, and a log is made only of a set that all in
// it name: two sets that are made logs of have no node in common.
//
// So a voter that has neither a log nor named founders has lost its directory, and
// with it what it has acknowledged. The others count on that, so it must not vote
// until they have been told: it is refused.

const (
	// lookEvery is the pause between two looks at the other nodes.
	lookEvery = 100 * time.Millisecond
	// lookLimit is how long one node may take to answer.
	lookLimit = time.Second
	// tellEvery is how often a node that waits says for what.
	tellEvery = 10 * time.Second
)

// founding is what a node tells others while it looks for those with which it is
// to begin.
type founding struct {
	mu       sync.Mutex
	founders []raft.Member // sorted by id; none: not known yet
}

func (f *founding) get() []raft.Member {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.founders
}

func (f *founding) set(founders []raft.Member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.founders = founders
}

// founders returns the members that a new log of this node begins with, or none
// if another node makes the log, or has.
func (r *Replica) founders(ctx context.Context) ([]raft.Member, error) {
	if r.options.Wiring != nil {
		return r.options.Wiring.Members, nil
	}
	if r.port == nil {
		return nil, nil
	}
	named, err := r.keptFounders()
	if err != nil {
		return nil, err
	}
	if r.hasBegun() {
		if named != nil && named[0].ID == r.options.NodeID {
			return named, nil // it may have been stopped before its log was made
		}
		return nil, nil
	}
	if r.options.BootstrapExpect == 0 && len(r.options.Join) == 0 && named == nil {
		return nil, nil
	}
	return r.lookForFounders(ctx, named)
}

// lookForFounders looks until it is clear who makes the log. named are the
// founders that this node has named before it was stopped.
func (r *Replica) lookForFounders(ctx context.Context, named []raft.Member) ([]raft.Member, error) {
	f := &founding{founders: named}
	r.founding.Store(f)
	defer r.founding.Store(nil)
	told := time.Now()
	for {
		l := r.look(ctx, named)
		next, err := l.judge(named)
		if err != nil {
			return nil, err
		}
		if named == nil && next.founders != nil {
			if err := r.keepFounders(next.founders); err != nil {
				return nil, err
			}
			named = next.founders
			f.set(named)
		}
		switch next.then {
		case makeLog:
			r.options.Logger.Info("this node makes the cluster's log", "members", names(named))
			return named, nil
		case followLog:
			return nil, nil
		}
		if time.Since(told) > tellEvery {
			told = time.Now()
			r.options.Logger.Warn("waiting for the nodes of a cluster", "for", next.missing)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the nodes of a cluster: %s: %w", next.missing, ctx.Err())
		}
	}
}

// look is what the nodes at the addresses of the list say.
type look struct {
	self   raft.Member
	expect int // 0: no founders, but a cluster that there is
	others []peer.Status
	silent []string // addresses that do not answer
}

// look asks the nodes at the addresses of the list, or of the founders if this
// node has named them.
func (r *Replica) look(ctx context.Context, named []raft.Member) look {
	l := look{self: r.self(), expect: r.options.BootstrapExpect}
	addresses := r.options.Join
	if named != nil {
		l.expect, addresses = len(named), nil
		for _, m := range named {
			addresses = append(addresses, m.Address)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, address := range addresses {
		asking.Go(func() {
			status, err := r.port.Status(ctx, address)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				l.silent = append(l.silent, address)
				return
			}
			l.others = append(l.others, status)
		})
	}
	asking.Wait()
	slices.Sort(l.silent)
	return l
}

// then is what to do after a look.
type then int

const (
	lookAgain then = iota
	makeLog        // with the founders
	followLog      // there is one
)

type judgement struct {
	then     then
	founders []raft.Member // to name from now on
	missing  string        // why to look again
}

// judge says what to do. named are the founders that this node has named before.
func (l *look) judge(named []raft.Member) (judgement, error) {
	if slices.ContainsFunc(l.others, hasLog) {
		return judgement{then: followLog, founders: named}, l.checkLost(named)
	}
	if l.expect == 0 {
		return judgement{missing: l.noCluster()}, nil
	}
	all, err := l.nodes()
	switch {
	case err != nil:
		return judgement{}, err
	case len(l.silent) > 0:
		return judgement{founders: named, missing: "no answer from " + strings.Join(l.silent, ", ")}, nil
	case len(all) < l.expect:
		return judgement{founders: named, missing: fmt.Sprintf("%d of %d are known: %s", len(all), l.expect, names(all))}, nil
	case named != nil && !slices.Equal(named, all):
		return judgement{}, fmt.Errorf("%w: there were %s, and now there are %s", ErrBootstrap, names(named), names(all))
	}
	j := judgement{founders: all}
	if all[0].ID != l.self.ID {
		j.missing = all[0].ID + " makes the log"
		return j, nil
	}
	for _, other := range l.others {
		if other.NodeID != l.self.ID && !slices.Equal(other.Members, all) {
			j.missing = other.NodeID + " does not name the same nodes yet"
			return j, nil
		}
	}
	j.then = makeLog
	return j, nil
}

func (l *look) noCluster() string {
	if len(l.silent) > 0 {
		return "no answer from " + strings.Join(l.silent, ", ")
	}
	return "those that answer are in none"
}

// checkLost refuses to be a voter of a cluster with nothing of what a voter has.
func (l *look) checkLost(named []raft.Member) error {
	for _, s := range l.others {
		votes := slices.ContainsFunc(s.Members, func(m raft.Member) bool { return m.ID == l.self.ID && m.Voter })
		if votes && hasLog(s) && named == nil {
			return fmt.Errorf("%w: node %q votes in the cluster of %q, and its directory is empty; "+
				"remove it from the cluster and start it again, or put its directory back", ErrLostLog, l.self.ID, s.NodeID)
		}
	}
	return nil
}

// hasLog reports whether a node has been in a cluster.
func hasLog(s peer.Status) bool { return s.Term > 0 || s.LastIndex > 0 || s.AppliedIndex > 0 }

// nodes returns all nodes that answered and this one, each once, sorted by id.
func (l *look) nodes() ([]raft.Member, error) {
	all := []raft.Member{l.self}
	for _, s := range l.others {
		i := slices.IndexFunc(all, func(m raft.Member) bool { return m.ID == s.NodeID })
		switch {
		case i < 0:
			all = append(all, raft.Member{ID: s.NodeID, Address: s.Address, Voter: true})
		case all[i].Address != s.Address:
			return nil, fmt.Errorf("%w: the nodes at %s and %s have the same name %q", ErrBootstrap, all[i].Address, s.Address, s.NodeID)
		}
	}
	slices.SortFunc(all, func(a, b raft.Member) int { return strings.Compare(a.ID, b.ID) })
	if len(all) > l.expect {
		return nil, fmt.Errorf("%w: %d nodes are expected, and the addresses lead to %d: %s", ErrBootstrap, l.expect, len(all), names(all))
	}
	return all, nil
}

func names(members []raft.Member) string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.ID
	}
	return strings.Join(ids, ", ")
}
