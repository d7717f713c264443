package raft

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	hraft "github.com/hashicorp/raft"
)

// start is where raft takes up its log again: the state has every command up to
// index, and raft is told just that.
//
// hashicorp/raft, run with NoSnapshotRestoreOnStart, takes the index of the
// newest snapshot for applied. That loses commands if the state is behind it
// (the state's disk does not sync), and replays what the state has if it is
// ahead, which it nearly always is. So raft is not shown the snapshots on disk
// when it starts, but the live state itself, described as a snapshot (R4).
type start struct {
	index, term        uint64
	covered            uint64 // the state has every command up to here; ≥ index
	configuration      hraft.Configuration
	configurationIndex uint64
}

// findStart brings the state to where the log can take over, from a snapshot if
// need be, and returns that place.
func findStart(ctx context.Context, o *Options, log *logStore, store *snapshotStore) (*start, error) {
	snapshots, err := store.list()
	if err != nil {
		return nil, err
	}
	f := &finder{options: o, log: log, store: store, snapshots: snapshots}
	if err := f.rebuild(ctx); err != nil {
		return nil, err
	}
	if o.faults.trustSnapshotIndex && len(snapshots) > 0 && snapshots[0].meta != nil {
		m := snapshots[0].meta
		return &start{m.index, m.term, m.index, m.configuration, m.configurationIndex}, nil
	}
	return f.find()
}

// finder is the state of the search; snapshots are newest first.
type finder struct {
	options   *Options
	log       *logStore
	store     *snapshotStore
	snapshots []snapshot
	damage    error // what was wrong with the snapshots that could not be used
}

// rebuild replaces a state that is behind the newest snapshot by that snapshot.
// An older one serves only if the log holds everything after it.
func (f *finder) rebuild(ctx context.Context) error {
	sm := f.options.StateMachine
	for _, sn := range f.snapshots {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("start raft: %w", err)
		}
		if sn.err != nil {
			f.damaged(sn, sn.err)
			continue
		}
		if sm.Applied() >= sn.meta.extent.floor || f.options.faults.trustSnapshotIndex {
			return nil
		}
		if !f.continues(sn) {
			continue
		}
		f.options.Logger.Warn("raft: the state is behind its snapshot and is rebuilt from it",
			"applied", sm.Applied(), "snapshot", sn.id)
		err := sm.Restore(f.store.path(sn.id, stateDir))
		if err == nil && sm.Applied() < sn.meta.extent.floor {
			err = fmt.Errorf("%w: it restored to %d, not to %d", ErrDamaged, sm.Applied(), sn.meta.extent.floor)
		}
		if err == nil {
			return nil
		}
		f.damaged(sn, err)
	}
	return nil
}

func (f *finder) damaged(sn snapshot, err error) {
	f.options.Logger.Error("raft: snapshot cannot be used", "snapshot", sn.id, "error", err)
	f.damage = errors.Join(f.damage, err)
}

// continues reports whether the log holds every entry after the snapshot that
// this node ever had.
func (f *finder) continues(sn snapshot) bool {
	previous, _, last := f.log.span()
	newest := f.snapshots[0].index
	return sn.index == newest && last <= newest ||
		previous <= sn.index && last >= newest
}

// find decides where raft starts, given the state as it is now.
func (f *finder) find() (*start, error) {
	if err := f.checkLog(); err != nil {
		return nil, err
	}
	base := f.base()
	if err := f.dropOvertaken(base); err != nil {
		return nil, err
	}
	applied := f.options.StateMachine.Applied()
	previous, previousTerm, last := f.log.span()
	s := &start{covered: applied, index: min(applied, last)}
	if base != nil {
		s.covered = max(s.covered, base.index)
		s.index = max(min(s.covered, last), base.index)
	}
	switch {
	case base != nil && s.index == base.index:
		s.term = base.term
	case s.index == previous && (previousTerm != 0 || previous == 0):
		s.term = previousTerm
	case f.log.holds(s.index):
		var l hraft.Log
		if err := f.log.entry(s.index, &l); err != nil {
			return nil, err
		}
		s.term = l.Term
	default:
		return nil, f.lost()
	}
	if len(f.snapshots) > 0 && f.snapshots[0].index > max(s.index, last) {
		return nil, f.lost()
	}
	return s, f.findConfiguration(s, base)
}

// base returns the newest snapshot all of whose commands the state has.
func (f *finder) base() *meta {
	applied := f.options.StateMachine.Applied()
	for _, sn := range f.snapshots {
		if sn.meta != nil && applied >= sn.meta.extent.floor {
			return sn.meta
		}
	}
	return nil
}

// checkLog refuses a log that cannot be the one the state and the snapshots
// came from.
func (f *finder) checkLog() error {
	term, err := f.log.GetUint64([]byte(stableTerm))
	if err != nil {
		return err
	}
	if term == 0 && len(f.snapshots) > 0 {
		return fmt.Errorf("%w: there are snapshots, but the log is a new one; put back the log's directory", ErrStateLost)
	}
	// A checkpoint may hold more than its snapshot's index says, so a state
	// restored from it is rightly ahead of the log.
	_, _, ceiling := f.log.span()
	for _, sn := range f.snapshots {
		ceiling = max(ceiling, sn.index)
		if sn.meta != nil {
			ceiling = max(ceiling, sn.meta.extent.ceiling)
		}
	}
	if applied := f.options.StateMachine.Applied(); applied > ceiling {
		return fmt.Errorf("%w: the state has applied %d, log and snapshots end at %d; "+
			"use directories that belong together", ErrStateAhead, applied, ceiling)
	}
	return nil
}

// dropOvertaken empties a log that a received snapshot has overtaken, as is done
// after restoring one: the node stopped before it came to that.
func (f *finder) dropOvertaken(base *meta) error {
	_, _, last := f.log.span()
	if base == nil || base.index <= last {
		return nil
	}
	return f.log.beginAfter(base.index, base.term)
}

// lost says what is missing, and what to do about it.
func (f *finder) lost() error {
	applied := f.options.StateMachine.Applied()
	previous, _, last := f.log.span()
	err := fmt.Errorf("%w: the state has applied %d, the log holds %d to %d, and no usable snapshot fills the gap; "+
		"put back the state's directory or the snapshots from a backup of this node, "+
		"or empty the node's directory and restore or join anew", ErrStateLost, applied, previous+1, last)
	if f.damage != nil {
		err = fmt.Errorf("%w (%w)", err, f.damage)
	}
	return err
}

// findConfiguration finds the membership in force where raft starts: the log's
// own record of it, or that of a snapshot which overtook the log.
func (f *finder) findConfiguration(s *start, base *meta) (err error) {
	s.configuration, s.configurationIndex, err = f.log.configuration(s.index)
	if err != nil {
		return err
	}
	if base != nil && base.configurationIndex > s.configurationIndex {
		s.configuration, s.configurationIndex = base.configuration, base.configurationIndex
	}
	if s.index > 0 && s.configurationIndex == 0 {
		return fmt.Errorf("%w: neither log nor snapshots know the membership at %d", ErrDamaged, s.index)
	}
	return nil
}

// latestConfiguration returns the membership that raft will go by once it has
// read the log to its end.
func (s *start) latestConfiguration(log *logStore) (hraft.Configuration, error) {
	_, _, last := log.span()
	c, index, err := log.configuration(max(last, s.index))
	if err != nil || index >= s.configurationIndex {
		return c, err
	}
	return s.configuration, nil
}

// startView is the snapshot store that raft is given. The first list, which
// raft reads when it starts, holds the live state; later ones hold what is on disk.
type startView struct {
	*snapshotStore
	start *start
	shown atomic.Bool
}

// List implements hraft.SnapshotStore.
func (v *startView) List() ([]*hraft.SnapshotMeta, error) {
	if v.shown.Swap(true) {
		return v.snapshotStore.List()
	}
	if v.start.index == 0 {
		return nil, nil
	}
	return []*hraft.SnapshotMeta{{
		Version:            hraft.SnapshotVersionMax,
		ID:                 "live",
		Index:              v.start.index,
		Term:               v.start.term,
		Configuration:      v.start.configuration.Clone(),
		ConfigurationIndex: v.start.configurationIndex,
	}}, nil
}
