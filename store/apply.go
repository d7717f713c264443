package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Result is what a command came to.
type Result struct {
	// Revision is the command's place in the log; of a repeated one, the first's.
	Revision uint64
	// Repeated says that the command was done before under its idempotency key,
	// and that this is the result of then.
	Repeated bool
	// Err says why the command changed nothing: one of this package's errors.
	Err error
	// Deleted is how many tuples a DeleteByFilter deleted.
	Deleted int
	// Complete says that a DeleteByFilter left no tuple that it selects.
	Complete bool
}

// Apply applies commands of the log in order, each at its index as its
// revision, and returns a Result for each. All of them become visible at once.
//
// The same commands give the same bytes on every replica (S2). A command that
// cannot be done fails alone, in its Result. An error means that this replica
// cannot go on: the disk failed, or the log is of a newer version.
func (s *Store) Apply(indexes []uint64, commands [][]byte) ([]any, error) {
	s.writer.Lock()
	defer s.writer.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	b := newBatch(s)
	defer b.close()
	results := make([]any, len(commands))
	for i, data := range commands {
		result, err := b.apply(indexes[i], data)
		if err != nil {
			return nil, fmt.Errorf("applying revision %d: %w", indexes[i], err)
		}
		results[i] = result
	}
	if err := b.commit(); err != nil {
		return nil, fmt.Errorf("committing revision %d: %w", s.state.applied, err)
	}
	return results, nil
}

// batch gathers the effects of some commands until they are committed.
type batch struct {
	store *Store
	state *state
	db    *database
	// writes goes to disk as one.
	writes *pebble.Batch
	// committed reads what was committed before this batch.
	committed *iterator
	// staged has the tuples that this batch has read or changed, by their
	// forward keys without revision; undo restores it when a command fails.
	staged map[string]version
	undo   []undone
	// dirty are the shapes whose counters changed, dirtyOrder in what order.
	dirty      map[tuple.Shape]bool
	dirtyOrder []tuple.Shape
	// outcomes are those of the keys that this batch remembered or, without a
	// revision, forgot; remembered are the former, in order.
	outcomes   map[string]outcome
	remembered []keyed
	// changed are the tuplesets in which versions were written since the last
	// commit.
	changed []changedSet
	// newSchema says that a schema was written since then.
	newSchema bool
	// changes are those of the command at hand.
	changes []Change
	// unread says that the batch has changes that are not staged, so that it must
	// be committed before the next command looks at anything.
	unread bool
	key    []byte
	value  []byte
}

// version is the newest version of a tuple; the zero version is none.
type version struct {
	revision uint64
	live     bool
	traits   tuple.Traits
	// namedBy is the revision of this batch's last command that names the tuple.
	namedBy uint64
}

type undone struct {
	key string
	was version
}

func newBatch(s *Store) *batch {
	return &batch{
		store:  s,
		state:  s.state,
		db:     s.current.Load().db,
		writes: s.current.Load().db.NewBatch(),
		staged: make(map[string]version),
		dirty:  make(map[tuple.Shape]bool),

		outcomes: make(map[string]outcome),
	}
}

// apply does one command. Its second result is for what no replica survives.
func (b *batch) apply(revision uint64, data []byte) (Result, error) {
	if revision <= b.state.applied && !b.store.faults.applyAgain {
		return Result{}, fmt.Errorf("revision %d came after %d", revision, b.state.applied)
	}
	command, err := decode(data, b.store.options.MaxFormat)
	if errors.Is(err, ErrCommandVersion) {
		return Result{}, err
	}
	b.state.applied = revision
	result := Result{Revision: revision}
	if err != nil {
		result.Err = err
		return result, nil
	}
	if err = b.checkForm(command); err == nil && len(keyOf(command)) > 0 {
		err = b.once(revision, command, &result)
	} else if err == nil {
		err = b.do(revision, command, &result)
	}
	var refused refusal
	if errors.As(err, &refused) {
		result.Err, err = refused.error, nil
	}
	return result, err
}

// do does a command that is to be done.
func (b *batch) do(revision uint64, command Command, result *Result) error {
	if b.unread {
		if err := b.flush(revision); err != nil {
			return err
		}
	}
	switch c := command.(type) {
	case Write:
		return b.write(revision, c)
	case DeleteByFilter:
		return b.deleteByFilter(revision, c, result)
	case WriteSchema:
		return b.writeSchema(revision, c)
	case AdvanceHorizon:
		return b.advanceHorizon(c)
	case DeleteExpired:
		return b.deleteExpired(revision, c)
	case Lead:
		return b.lead(c)
	case Upgrade:
		return b.upgrade(c)
	case RegisterCounter:
		return b.registerCounter(revision, c)
	case UnregisterCounter:
		return b.unregisterCounter(revision, c)
	}
	return refuse(ErrBadCommand)
}

// refusal wraps an error that fails one command and nothing else.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

func refuse(err error) error { return refusal{err} }

// commit writes the batch and shows it to readers.
func (b *batch) commit() error {
	for _, shape := range b.dirtyOrder {
		value := binary.BigEndian.AppendUint64(nil, b.state.counters[shape])
		if err := b.writes.Set(counterKey(shape), value, nil); err != nil {
			return err
		}
	}
	if len(b.outcomes) > 0 {
		keys := binary.BigEndian.AppendUint64(nil, b.state.keys)
		if err := b.writes.Set(metaKeys, keys, nil); err != nil {
			return err
		}
	}
	applied := binary.BigEndian.AppendUint64(nil, b.state.applied)
	if err := b.writes.Set(metaApplied, applied, nil); err != nil {
		return err
	}
	// Not synced: the raft log has the commands until the state is durable.
	if err := b.writes.Commit(pebble.NoSync); err != nil {
		return err
	}
	b.show()
	return nil
}

// show lets readers see what was committed, in the order that S10 needs.
func (b *batch) show() {
	b.store.reached(applyCommitted)
	b.db.committed.Store(b.state.applied)
	b.announceGroups()
	b.store.reached(applyAnnounced)
	if b.store.faults.endLate {
		b.store.publish(b.db)
		b.store.reached(applyPublished)
	}
	b.endChanged()
	b.store.reached(applyEnded)
	if !b.store.faults.endLate {
		b.store.publish(b.db)
		b.store.reached(applyPublished)
	}
	b.db.iterators.retire(b.state.applied)
}

// flush commits what the batch has so far, so that the command at revision can
// search it. It must not depend on where batches begin, which differs between
// replicas (S2): after it, everything below revision is committed.
func (b *batch) flush(revision uint64) error {
	if b.writes.Empty() {
		return nil
	}
	b.state.applied = revision - 1
	if err := b.commit(); err != nil {
		return err
	}
	b.state.applied = revision
	b.unread = false
	b.close()
	b.writes = b.db.NewBatch()
	b.dirtyOrder = b.dirtyOrder[:0]
	clear(b.dirty)
	clear(b.staged)
	clear(b.outcomes)
	b.remembered = b.remembered[:0]
	return nil
}

// close lets go of what the batch reads and writes through.
func (b *batch) close() {
	if b.committed != nil {
		_ = b.committed.Close()
		b.committed = nil
	}
	_ = b.writes.Close()
}

// reads returns an iterator over what was committed.
func (b *batch) reads() (*iterator, error) {
	if b.committed == nil {
		it, err := b.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return nil, err
		}
		b.committed = &iterator{Iterator: it}
	}
	return b.committed, nil
}

// current returns the newest version of a tuple.
func (b *batch) current(key []byte) (version, error) {
	if v, ok := b.staged[string(key)]; ok {
		return v, nil
	}
	return b.find(key)
}

// find returns the newest version of a tuple that was committed before this batch.
func (b *batch) find(key []byte) (version, error) {
	it, err := b.reads()
	if err != nil {
		return version{}, err
	}
	it.key = append(it.key[:0], key...)
	if !it.seekPrefix(splitKey(key)) || string(withoutRevision(it.Key())) != string(key) {
		return version{}, it.Error()
	}
	return versionAt(it)
}

// versionAt returns the version that an iterator stands on.
func versionAt(it *iterator) (version, error) {
	value, err := it.ValueAndErr()
	v := version{revision: decodeRevision(it.Key()), live: isLive(value)}
	if err == nil && v.live {
		v.traits, err = decodeLive(bytes.Clone(value))
	}
	return v, err
}

// stage remembers the new version of a tuple and how to take it back.
func (b *batch) stage(key []byte, v version) {
	k := string(key)
	b.undo = append(b.undo, undone{k, b.staged[k]})
	b.staged[k] = v
}

// rollback forgets what the command at hand staged.
func (b *batch) rollback() {
	for i := len(b.undo) - 1; i >= 0; i-- {
		if u := b.undo[i]; u.was.namedBy == 0 {
			delete(b.staged, u.key)
		} else {
			b.staged[u.key] = u.was
		}
	}
}

// lead takes the cluster's id from the first command of its kind.
func (b *batch) lead(c Lead) error {
	if b.state.named {
		return nil
	}
	b.state.clusterID, b.state.named = c.ClusterID, true
	return b.writes.Set(metaCluster, c.ClusterID[:], nil)
}
