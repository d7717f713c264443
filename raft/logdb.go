package raft

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
)

// openLogStore opens or creates the log in dir. onFailure is called, once, when
// a write has failed: from then on nothing is written or read.
func openLogStore(fs vfs.FS, dir string, logger *slog.Logger, onFailure func(error)) (*logStore, error) {
	s := &logStore{logger: logger, onFailure: onFailure, writes: pebble.Sync}
	if err := durable.MakeDir(fs, dir); err != nil {
		return nil, err
	}
	err := s.guard(func() (err error) {
		s.db, err = pebble.Open(dir, s.pebbleOptions(fs))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open the raft log in %s: %w", dir, err)
	}
	if err := s.loadBounds(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// pebbleOptions suit a log: written once in order, read back rarely, dropped
// from the front.
func (s *logStore) pebbleOptions(fs vfs.FS) *pebble.Options {
	return &pebble.Options{
		FS:     durable.Markers{FS: fs},
		Logger: pebbleLogger{s},
		// WAL records that say how far the file was synced: a hole in the
		// middle is then told from the end, and refused.
		FormatMajorVersion: pebble.FormatTableFormatV6,
		// Entries are read back only by a follower that lags and at a start,
		// front to back: a cache would hold what nobody asks for again.
		CacheSize: 1 << 20,
		// The memtable is the cache for entries just written. It grows to this
		// size by doubling, so an idle node pays 256 KiB. Four of them let a
		// burst go on while the first is flushed.
		MemTableSize:                8 << 20,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                64,
		// Keys only grow, so tables do not overlap and a pile of them in level 0
		// costs a read nothing. They are not worth a compaction: truncation
		// drops them whole (see reclaim), and an entry is written twice, to the
		// WAL and to a table, in its life.
		L0CompactionThreshold: 8,
		L0StopWritesThreshold: 1000,
	}
}

// guard turns a panic of Pebble, which is how it meets some failed writes of its
// directory, into an error.
func (s *logStore) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			s.panicked.Store(true)
			cause, ok := r.(error)
			if !ok {
				cause = fmt.Errorf("%v", r)
			}
			err = cause
		}
	}()
	return f()
}

// read returns a copy of a value; nil if there is none.
func (s *logStore) read(key []byte) ([]byte, error) {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.db == nil {
		return nil, errLogClosed
	}
	if err := s.failed(); err != nil {
		return nil, err
	}
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the raft log's %q: %w", key[:1], err)
	}
	defer closer.Close()
	return append([]byte(nil), value...), nil
}

// commit writes one batch and waits for the sync. The first failure is the last
// write: what is on disk is then unknown, and only a restart can find out.
func (s *logStore) commit(fill func(*pebble.Batch) error) error {
	return s.write(fill, func(b *pebble.Batch) error {
		if err := s.db.Apply(b, s.writes); err != nil {
			return err
		}
		return b.Close()
	})
}

// write fills a batch and has it applied.
func (s *logStore) write(fill, apply func(*pebble.Batch) error) error {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.db == nil {
		return errLogClosed
	}
	if err := s.failed(); err != nil {
		return err
	}
	b := s.db.NewBatch()
	if err := fill(b); err != nil {
		return s.fail(err)
	}
	if err := s.guard(func() error { return apply(b) }); err != nil {
		return s.fail(fmt.Errorf("write the raft log: %w", err))
	}
	// Pebble reports a failed sync to its logger as fatal, and then returns as
	// if nothing had happened.
	return s.failed()
}

// fail notes the first failure and reports it.
func (s *logStore) fail(err error) error {
	if s.failure.CompareAndSwap(nil, &err) {
		s.onFailure(err)
	}
	return s.failed()
}

func (s *logStore) failed() error {
	if err := s.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// die reports a failure and ends the calling goroutine, because hashicorp/raft
// would end the process. Nothing after it runs but deferred calls.
func (s *logStore) die(err error) {
	s.fail(err)
	runtime.Goexit()
}

// size returns the bytes of the log's files; 0 once it is closed.
func (s *logStore) size() int64 {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.db == nil || s.panicked.Load() {
		return 0
	}
	return int64(s.db.Metrics().DiskSpaceUsage())
}

// Close closes the database. Calls after it find an empty log.
func (s *logStore) Close() error {
	if !s.panicked.Load() {
		s.unsynced.waits.Wait() // before the lock: who reads must not wait for the disk
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	if s.panicked.Load() {
		return nil
	}
	if err := s.guard(db.Close); err != nil {
		return fmt.Errorf("close the raft log: %w", err)
	}
	return nil
}

var errLogClosed = errors.New("the raft log is closed")
