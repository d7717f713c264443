package raft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	hraft "github.com/hashicorp/raft"
)

// logStore keeps the log, the vote and the term in one Pebble: hashicorp/raft's
// LogStore and StableStore. Its keys, all big-endian:
//
//	'c' index (8)   the membership in force from that index on, as in the entry
//	'e' index (8)   the entry, see entry.go
//	'p'             index and term (8 + 8) of the last truncated entry
//	's' name        raft's stable values: vote, term
//
// The log is the range (previous, last] and has no gaps; an entry at or before
// previous is one whose space is not reclaimed yet. The 'p' record and the
// newest 'c' record at or before it outlive truncation, so that the log alone
// can say at which term and under which membership it goes on.
//
// hashicorp/raft panics, in goroutines of its own, when it cannot read an entry
// or write its term. A database inside somebody's process must not do that, so
// those methods end the calling goroutine instead, once the failure is reported
// (invariant R7); raft's deferred calls then answer whoever waits. See die.
type logStore struct {
	logger    *slog.Logger
	onFailure func(error)
	writes    *pebble.WriteOptions
	keepAfter func() uint64 // what comes after this index stays for followers; nil: nothing
	// snapshot is the index of the newest one: nothing up to it is ever overruled.
	// nil: all of the log is covered by one.
	snapshot func() uint64

	early    atomic.Pointer[func([]*hraft.Log) bool] // whether entries may be sent before they are synced; nil: never
	unsynced unsynced
	tail     tail

	// closing is held for reading by every use of db: one of raft's goroutines
	// (the one that reports the log's age) outlives raft's own shutdown.
	closing sync.RWMutex
	db      *pebble.DB // nil once closed

	bounds struct {
		sync.Mutex
		previous, previousTerm uint64 // term 0: not known
		last                   uint64
		received               uint64 // see overtaken; 0: none
	}

	written  atomic.Int64 // bytes of entries: those it was opened with, and all since
	failure  atomic.Pointer[error]
	panicked atomic.Bool // Pebble did, perhaps with its locks held: not touched again
}

const (
	configurationKey = 'c'
	entryKey         = 'e'
	previousKey      = 'p'
	stableKey        = 's'
)

// loadBounds finds the range of the log and checks that it begins where it must.
func (s *logStore) loadBounds() error {
	b := &s.bounds
	previous, err := s.read([]byte{previousKey})
	if err != nil {
		return err
	}
	if len(previous) != 0 {
		if len(previous) != 16 {
			return fmt.Errorf("%w: the record of the last truncation is %d bytes", ErrDamaged, len(previous))
		}
		b.previous = binary.BigEndian.Uint64(previous)
		b.previousTerm = binary.BigEndian.Uint64(previous[8:])
	}
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: indexKey(entryKey, b.previous+1), UpperBound: []byte{entryKey + 1},
	})
	if err != nil {
		return fmt.Errorf("read the raft log: %w", err)
	}
	defer it.Close()
	b.last = b.previous
	if it.First() {
		first := indexOf(it.Key())
		if first != b.previous+1 {
			return fmt.Errorf("%w: the raft log begins at %d, not at %d", ErrDamaged, first, b.previous+1)
		}
		it.Last()
		b.last = indexOf(it.Key())
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("read the raft log: %w", err)
	}
	size, err := s.db.EstimateDiskUsage([]byte{entryKey}, []byte{entryKey + 1})
	if err != nil {
		return fmt.Errorf("read the raft log: %w", err)
	}
	s.written.Store(int64(size))
	return nil
}

// FirstIndex returns the index of the first entry; 0 if the log is empty.
func (s *logStore) FirstIndex() (uint64, error) {
	b := &s.bounds
	b.Lock()
	defer b.Unlock()
	if b.last == b.previous {
		return 0, nil
	}
	return b.previous + 1, nil
}

// LastIndex returns the index of the last entry; 0 if the log is empty.
func (s *logStore) LastIndex() (uint64, error) {
	b := &s.bounds
	b.Lock()
	defer b.Unlock()
	if b.last == b.previous {
		return 0, nil
	}
	return b.last, nil
}

// span returns the range (previous, last] of the log and the term of the entry
// before it; term 0 if that is not known.
func (s *logStore) span() (previous, previousTerm, last uint64) {
	b := &s.bounds
	b.Lock()
	defer b.Unlock()
	return b.previous, b.previousTerm, b.last
}

func (s *logStore) holds(index uint64) bool {
	previous, _, last := s.span()
	return previous < index && index <= last
}

// covers reports whether this node has what a received snapshot at index would
// bring, and more that the snapshot would take away again: entries after it, which
// this node may have acknowledged.
//
// A leader sends a snapshot to a follower that lacks what is in it. But a message
// that was given up on can arrive late, when its sender has long gone on with
// entries. hashicorp/raft would install it, and still believe that its log ends where
// it did; the entries that come next it would take, without those in between.
func (s *logStore) covers(index, term uint64) (bool, error) {
	previous, previousTerm, last := s.span()
	switch {
	case index < previous:
		return previousTerm != 0, nil
	case index == previous || index >= last:
		return index < last && previousTerm == term, nil
	}
	var l hraft.Log
	if err := s.get(index, &l, 0); err != nil {
		return false, err
	}
	return l.Term == term, nil
}

// overtaken replaces the log by a received snapshot that has just been restored.
//
// hashicorp/raft goes on to believe in the log's old end. If that is beyond the
// snapshot, in entries that were overruled, raft finds none of those it expects
// after it, refuses everything, and is sent the same snapshot again without end. So
// while the log is empty GetLog answers for them, with no term at all, which is
// what makes raft take the leader's entries in their place.
func (s *logStore) overtaken(index, term uint64) error {
	if err := s.beginAfter(index, term); err != nil {
		return err
	}
	s.bounds.Lock()
	defer s.bounds.Unlock()
	s.bounds.received = index
	return nil
}

// beginAfter empties the log, and has it go on after an entry of which only index
// and term are known.
func (s *logStore) beginAfter(index, term uint64) error {
	previous, _, last := s.span()
	s.bounds.Lock()
	s.bounds.previous, s.bounds.previousTerm, s.bounds.last = index, term, index
	s.bounds.Unlock()
	err := s.commit(func(b *pebble.Batch) error {
		setPrevious(b, index, term)
		// What is not reclaimed must not come back.
		b.DeleteRange(indexKey(entryKey, index+1), []byte{entryKey + 1}, nil)
		return b.DeleteRange(indexKey(configurationKey, index+1), []byte{configurationKey + 1}, nil)
	})
	if err != nil || previous == last {
		return err
	}
	return s.reclaim(max(index, last))
}

// stands returns what stands in for an entry that is not in the log: the one before
// it, of which followers are told the term, and those of overtaken.
func (s *logStore) stands(index uint64, l *hraft.Log) bool {
	b := &s.bounds
	b.Lock()
	defer b.Unlock()
	switch {
	case index == b.previous && b.previousTerm != 0:
		*l = hraft.Log{Index: index, Term: b.previousTerm, Type: hraft.LogNoop}
	case b.received != 0 && b.last == b.previous && index > b.received:
		*l = hraft.Log{Index: index, Type: hraft.LogNoop}
	default:
		return false
	}
	return true
}

// GetLog reads one entry, or returns raft's ErrLogNotFound. Large commands come
// without their data; see load.
func (s *logStore) GetLog(index uint64, l *hraft.Log) error {
	if s.stands(index, l) {
		return nil
	}
	err := s.get(index, l, deferBytes)
	if err != nil && err != hraft.ErrLogNotFound {
		s.die(err)
	}
	return err
}

// entry is GetLog for a caller that takes an error for an answer, and wants the
// data whatever its size.
func (s *logStore) entry(index uint64, l *hraft.Log) error { return s.get(index, l, math.MaxInt) }

// get reads one entry, a command of more than limitBytes without its data.
func (s *logStore) get(index uint64, l *hraft.Log, limitBytes int) error {
	if !s.holds(index) {
		return hraft.ErrLogNotFound
	}
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.db == nil {
		return hraft.ErrLogNotFound // only the reporter of the log's age comes this late
	}
	if err := s.failed(); err != nil {
		return err
	}
	if s.tail.get(index, l) {
		return nil
	}
	value, closer, err := s.db.Get(indexKey(entryKey, index))
	if errors.Is(err, pebble.ErrNotFound) {
		if !s.holds(index) { // truncated meanwhile
			return hraft.ErrLogNotFound
		}
		return fmt.Errorf("%w: log entry %d is missing", ErrDamaged, index)
	}
	if err != nil {
		return fmt.Errorf("read log entry %d: %w", index, err)
	}
	defer closer.Close()
	if err := decodeEntry(index, value, l); err != nil {
		return err
	}
	if l.Type == hraft.LogCommand && len(l.Data) > limitBytes {
		l.Extensions, l.Data = deferral(len(l.Data)), nil
	}
	l.Data = slices.Clone(l.Data) // value is Pebble's
	return nil
}

// StoreLog stores one entry, as StoreLogs does.
func (s *logStore) StoreLog(l *hraft.Log) error { return s.StoreLogs([]*hraft.Log{l}) }

// StoreLogs appends entries in one batch, and returns when they are synced (R1), or
// before if they may be sent earlier.
func (s *logStore) StoreLogs(logs []*hraft.Log) error {
	if len(logs) == 0 {
		return nil
	}
	_, _, last := s.span()
	first := logs[0].Index
	if first != last+1 {
		return s.fail(fmt.Errorf("append log entry %d after %d: not the next one", first, last))
	}
	var size int64
	commit := s.commit
	if early := s.early.Load(); early != nil && (*early)(logs) {
		commit = func(fill func(*pebble.Batch) error) error { return s.commitEarly(first, fill) }
	}
	err := commit(func(b *pebble.Batch) error {
		for i, l := range logs {
			if l.Index != first+uint64(i) {
				return fmt.Errorf("append log entry %d at place %d after %d: not the next one", l.Index, i, last)
			}
			size += putEntry(b, l)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.written.Add(size)
	s.tail.put(logs)
	s.bounds.Lock()
	defer s.bounds.Unlock()
	s.bounds.last = logs[len(logs)-1].Index
	s.bounds.received = 0
	return nil
}

// putEntry encodes an entry straight into the batch and returns the bytes it takes.
func putEntry(b *pebble.Batch, l *hraft.Log) int64 {
	var room [maxEntryHeader]byte
	header := appendEntryHeader(room[:0], l)
	op := b.SetDeferred(1+8, len(header)+len(l.Data))
	putIndexKey(op.Key, entryKey, l.Index)
	copy(op.Value[copy(op.Value, header):], l.Data)
	size := int64(len(op.Key) + len(op.Value))
	op.Finish() // cannot fail: the batch has no index
	if l.Type == hraft.LogConfiguration {
		b.Set(indexKey(configurationKey, l.Index), l.Data, nil)
	}
	return size
}

// DeleteRange removes the entries from first to last, which must be all of the
// log from its beginning (truncation) or to its end (conflict). A truncation leaves
// what followers lack, and removes nothing that no snapshot has: that is how one of
// the whole log is told from a conflict with all of it.
func (s *logStore) DeleteRange(first, last uint64) error {
	previous, _, end := s.span()
	first, last = max(first, previous+1), min(last, end)
	covered := s.snapshot == nil || last <= s.snapshot()
	switch {
	case first > last:
		return nil
	case last == end && (first > previous+1 || !covered):
		return s.truncateBack(first, last)
	case first > previous+1:
		return fmt.Errorf("delete log entries %d to %d of %d to %d: that leaves a hole", first, last, previous+1, end)
	case last < end && s.keepAfter != nil:
		if last = min(last, s.keepAfter()); last < first {
			return nil
		}
	}
	return s.truncateFront(first, last)
}

// truncateFront removes the entries up to last and remembers its term, and the
// membership that was in force there.
func (s *logStore) truncateFront(first, last uint64) error {
	var newest hraft.Log
	if err := s.entry(last, &newest); err != nil {
		return err
	}
	_, at, err := s.configuration(last)
	if err != nil {
		return err
	}
	// The range shrinks first, so that who does not find an entry inside it has
	// found damage.
	s.bounds.Lock()
	s.bounds.previous, s.bounds.previousTerm = last, newest.Term
	s.bounds.Unlock()
	err = s.commit(func(b *pebble.Batch) error {
		setPrevious(b, last, newest.Term)
		return b.DeleteRange(indexKey(configurationKey, 0), indexKey(configurationKey, at), nil)
	})
	if err != nil {
		return err
	}
	return s.reclaim(last)
}

// reclaim gives back the space of the entries up to last, which no longer count.
// Excising drops whole tables at once; tombstones would have compactions rewrite
// what is left of the log again and again, and hold on to the space till then.
func (s *logStore) reclaim(last uint64) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.db == nil {
		return errLogClosed
	}
	span := pebble.KeyRange{Start: indexKey(entryKey, 0), End: indexKey(entryKey, last+1)}
	if err := s.guard(func() error { return s.db.Excise(context.Background(), span) }); err != nil {
		return s.fail(fmt.Errorf("truncate the raft log: %w", err))
	}
	return nil
}

// truncateBack removes the entries from first on, which another leader overruled.
func (s *logStore) truncateBack(first, last uint64) error {
	s.bounds.Lock()
	s.bounds.last = first - 1
	s.bounds.Unlock()
	return s.commit(func(b *pebble.Batch) error {
		b.DeleteRange(indexKey(entryKey, first), indexKey(entryKey, last+1), nil)
		return b.DeleteRange(indexKey(configurationKey, first), []byte{configurationKey + 1}, nil)
	})
}

// IsMonotonic tells raft that the log has no gaps.
func (s *logStore) IsMonotonic() bool { return true }

func setPrevious(b *pebble.Batch, index, term uint64) {
	value := binary.BigEndian.AppendUint64(nil, index)
	b.Set([]byte{previousKey}, binary.BigEndian.AppendUint64(value, term), nil)
}

func indexKey(prefix byte, index uint64) []byte {
	key := make([]byte, 1+8)
	putIndexKey(key, prefix, index)
	return key
}

func putIndexKey(key []byte, prefix byte, index uint64) {
	key[0] = prefix
	binary.BigEndian.PutUint64(key[1:], index)
}

func indexOf(key []byte) uint64 { return binary.BigEndian.Uint64(key[1:]) }
