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
//	               are as many as expected; from then on, and for good, it names
//	               those as the founders
//	the smallest   makes the log, once all the founders say that they have no log
//	               and name the same founders as it does
//	the others     wait until a founder has a log, and for its leader to call
//
// A node names one set of founders, and a log is made only of a set that all in
// it name: two sets that are made logs of have no node in common.

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

// founders returns the members that a new log of this node begins with, or none
// if another node makes the log, or has.
func (r *Replica) founders(ctx context.Context) ([]raft.Member, error) {
	if r.options.Wiring != nil {
		return r.options.Wiring.Members, nil
	}
	if kept, err := r.keptFounders(); err != nil || kept != nil {
		return kept, err // it was stopped between the decision and the log
	}
	if r.port == nil || r.options.BootstrapExpect == 0 || r.hasBegun() {
		return nil, nil
	}
	members, err := r.lookForFounders(ctx)
	if err != nil || members == nil {
		return nil, err
	}
	r.options.Logger.Info("this node makes the cluster's log", "members", names(members))
	return members, r.keepFounders(members)
}

// lookForFounders looks until it is clear who makes the log.
func (r *Replica) lookForFounders(ctx context.Context) ([]raft.Member, error) {
	f := &founding{}
	r.founding.Store(f)
	defer r.founding.Store(nil)
	told := time.Now()
	for {
		l := r.look(ctx)
		next, err := l.judge(f.get())
		if err != nil {
			return nil, err
		}
		f.mu.Lock()
		f.founders = next.founders
		f.mu.Unlock()
		switch next.then {
		case makeLog:
			return next.founders, nil
		case followLog:
			return nil, nil
		}
		if time.Since(told) > tellEvery {
			told = time.Now()
			r.options.Logger.Warn("waiting for the other nodes that the cluster is to begin with", "for", next.missing)
		}
		select {
		case <-time.After(lookEvery):
		case <-ctx.Done():
			return nil, fmt.Errorf("looking for the nodes that the cluster is to begin with (%s): %w", next.missing, ctx.Err())
		}
	}
}

// look is what the nodes at the addresses of the list say.
type look struct {
	self   raft.Member
	expect int
	others []peer.Status
	silent []string // addresses that do not answer
}

func (r *Replica) look(ctx context.Context) look {
	l := look{self: r.self(), expect: r.options.BootstrapExpect}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	var mu sync.Mutex
	var asking sync.WaitGroup
	for _, address := range r.options.Join {
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
		return judgement{then: followLog, founders: named}, nil
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
