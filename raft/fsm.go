package raft

import (
	"context"
	"fmt"
	"io"

	hraft "github.com/hashicorp/raft"
)

// fsm is what hashicorp/raft drives, and drives the state machine in turn. Raft
// calls everything but Persist from one goroutine.
//
// It implements BatchingFSM. Raft then hands commands and memberships to
// ApplyBatch and never calls StoreConfiguration, so there is none.
type fsm struct {
	machine   StateMachine
	watermark *watermark
	proposals *proposals
	faults    faults

	ctx     context.Context // ends when the node stops; cancels a checkpoint
	fail    func(error)
	applied func() // called after each batch

	// load reads the data of the first entries that are without, and returns how
	// many fit into memory.
	load func([]*hraft.Log) (int, error)

	overtaken func(index, term uint64) error // called with a snapshot that came from elsewhere
	broken    error                          // set once; nothing is applied after it (R7)

	indexes  []uint64 // scratch, by batch
	commands [][]byte
	places   []int // of commands in the batch
}

var _ hraft.BatchingFSM = (*fsm)(nil)

// Apply implements hraft.FSM; raft uses ApplyBatch.
func (f *fsm) Apply(l *hraft.Log) any { return f.ApplyBatch([]*hraft.Log{l})[0] }

// ApplyBatch applies a batch, in parts if its commands are large.
func (f *fsm) ApplyBatch(logs []*hraft.Log) []any {
	answers := make([]any, len(logs))
	if f.broken != nil && !f.faults.applyOnAfterFailure {
		return answers
	}
	for from := 0; from < len(logs); {
		n, err := f.load(logs[from:])
		if err == nil {
			err = f.applyPart(logs[from:from+n], answers[from:from+n])
		}
		if err != nil {
			// What was applied of the part, if anything, is not known here. Its
			// proposals are answered as unknown when the node stops, and after a
			// restart it comes again from the log.
			f.broken = err
			f.fail(err)
			return answers
		}
		unload(logs[from : from+n])
		from += n
	}
	f.applied()
	return answers
}

// applyPart applies the commands that the state does not have yet, moves the
// watermark, and then answers the proposals among them, so that who has a result
// finds its effect.
func (f *fsm) applyPart(logs []*hraft.Log, answers []any) error {
	if f.faults.wakeBeforeApply {
		f.watermark.advance(logs[len(logs)-1].Index)
	}
	f.collect(logs, answers)
	results, err := f.apply()
	if err != nil {
		return err
	}
	for i, place := range f.places {
		answers[place] = results[i]
	}
	f.watermark.advance(logs[len(logs)-1].Index)
	f.proposals.applied(logs, answers)
	return nil
}

// collect picks the commands to apply. What the state has already is skipped: a
// restored checkpoint may be ahead of the index raft knows it by (R2).
func (f *fsm) collect(logs []*hraft.Log, answers []any) {
	f.indexes, f.commands, f.places = f.indexes[:0], f.commands[:0], f.places[:0]
	has := f.machine.Applied()
	for i, l := range logs {
		if l.Type != hraft.LogCommand {
			continue
		}
		if l.Index <= has && !f.faults.applyTwice {
			answers[i] = errApplied
			continue
		}
		f.indexes = append(f.indexes, l.Index)
		f.commands = append(f.commands, l.Data)
		f.places = append(f.places, i)
	}
}

// apply runs the collected commands and checks what the machine says of it.
func (f *fsm) apply() ([]any, error) {
	if len(f.indexes) == 0 {
		return nil, nil
	}
	first, last := f.indexes[0], f.indexes[len(f.indexes)-1]
	results, err := f.machine.Apply(f.indexes, f.commands)
	clear(f.commands)
	switch {
	case err != nil:
		return nil, fmt.Errorf("apply %d to %d: %w", first, last, err)
	case len(results) != len(f.indexes):
		return nil, fmt.Errorf("apply %d to %d: %d results for %d commands", first, last, len(results), len(f.indexes))
	case f.machine.Applied() != last:
		return nil, fmt.Errorf("apply %d to %d: the state machine says it has applied %d", first, last, f.machine.Applied())
	}
	return results, nil
}

// Snapshot notes where the state is and does nothing else: raft applies nothing
// until it returns.
func (f *fsm) Snapshot() (hraft.FSMSnapshot, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	at := f.machine.Applied()
	return &fsmSnapshot{f, at}, nil
}

// Restore replaces the state by a snapshot of this node's own store, which has
// just received and verified it.
func (f *fsm) Restore(source io.ReadCloser) error {
	if w, ok := source.(hraft.ReadCloserWrapper); ok {
		source = w.WrappedReadCloser()
	}
	r, ok := source.(*snapshotReader)
	if !ok {
		return fmt.Errorf("restore from a %T: not a snapshot of this store", source)
	}
	err := f.machine.Restore(r.dir())
	if err == nil && f.machine.Applied() < r.meta.extent.floor {
		err = fmt.Errorf("%w: it restored to %d, not to %d", ErrDamaged, f.machine.Applied(), r.meta.extent.floor)
	}
	if err != nil {
		err = fmt.Errorf("restore snapshot %s: %w", r.id, err)
		f.broken = err
		f.fail(err)
		return err
	}
	if err := f.overtaken(r.meta.index, r.meta.term); err != nil {
		return fmt.Errorf("begin the log after snapshot %s: %w", r.id, err)
	}
	f.watermark.advance(max(r.meta.index, f.machine.Applied()))
	return nil
}

// fsmSnapshot is the state at one moment, to be made durable at a later one. That
// the checkpoint may then hold more does no harm: see fsm.collect.
type fsmSnapshot struct {
	fsm *fsm
	at  uint64
}

// Persist fills the sink. Raft closes it, which declares the snapshot, and only
// then truncates the log (R3).
func (s *fsmSnapshot) Persist(sink hraft.SnapshotSink) error {
	own, ok := sink.(*snapshotSink)
	if !ok {
		return fmt.Errorf("snapshot into a %T: not a sink of this store", sink)
	}
	return own.checkpoint(s.fsm.ctx, s.fsm.machine, s.at)
}

// Release implements hraft.FSMSnapshot.
func (s *fsmSnapshot) Release() {}
