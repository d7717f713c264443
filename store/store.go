package store

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/atomicfs"

	"github.com/tupelodb/tupelo/internal/durable"
	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// Options say where a store lives.
type Options struct {
	// FS is the file system of all its files; vfs.Default for the machine's.
	FS vfs.FS
	// Dir is a directory that the store has for itself; it is made if absent.
	Dir string
	// CacheBytes bounds the cache of blocks read; 0 is 256 MiB. The memory is
	// taken as blocks are read, not before.
	CacheBytes int64
	// TuplesetCacheBytes bounds the cache of decoded tuplesets, which answers the
	// reads of checks without the database's blocks; 0 is none. The memory is
	// taken as tuplesets are read, not before.
	TuplesetCacheBytes int64
	// GroupsAfter is how many groups a check goes through before it finds out, and
	// keeps within the same bound, what groups its subject is in, for tests; 0 is
	// tupleset.UsualGroupsAfter, and less than that means at once.
	GroupsAfter int
	// MaxFormat makes the store behave as a build that knows formats only up to
	// it, for tests of upgrades; 0 is the build's MaxFormat.
	MaxFormat uint64
	// Logger takes what Pebble reports; nil discards it.
	Logger *slog.Logger
}

// Store holds tuples at revisions. Readers take a [Snapshot]; the only writer
// is [Store.Apply]. All methods but Apply and Restore are safe for concurrent
// use; those two are called by one goroutine at a time.
type Store struct {
	options Options
	marker  *atomicfs.Marker // which directory is the database
	serial  int              // of that directory

	current   atomic.Pointer[view]
	keyLimits keyLimits
	// searchLimit is maxSearched; tests lower it.
	searchLimit int
	// manyUpdates is the constant of that name; tests change it.
	manyUpdates int
	// gapTrials is the constant of that name; tests change it.
	gapTrials int
	many      many // the apply's
	faults    faults
	// at is told of the steps of loads and of the apply, for tests that hold them
	// there; nil otherwise.
	at func(step)

	// writer guards state and the swap of databases.
	writer sync.Mutex
	state  *state
	closed bool
	// replaced are databases that a restore replaced and somebody still read
	// at the last one.
	replaced []*database
}

const (
	markerName      = "database"
	defaultCacheMiB = 256
)

// Open opens the store in o.Dir and removes what a crash left half made.
func Open(o Options) (*Store, error) {
	if o.CacheBytes == 0 {
		o.CacheBytes = defaultCacheMiB << 20
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.GroupsAfter == 0 {
		o.GroupsAfter = tupleset.UsualGroupsAfter
	}
	if o.MaxFormat == 0 {
		o.MaxFormat = MaxFormat
	}
	if o.MaxFormat > MaxFormat {
		return nil, fmt.Errorf("%w: %d, this build knows up to %d", ErrFormat, o.MaxFormat, MaxFormat)
	}
	if err := durable.MakeDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	marker, name, err := atomicfs.LocateMarker(o.FS, o.Dir, markerName)
	if err != nil {
		return nil, fmt.Errorf("finding the state database: %w", err)
	}
	s := &Store{options: o, marker: marker, keyLimits: formatKeyLimits, searchLimit: maxSearched, manyUpdates: manyUpdates, gapTrials: gapTrials}
	if err := s.openMarked(name); err != nil {
		_ = marker.Close()
		return nil, err
	}
	return s, nil
}

// openMarked opens the directory that the marker names, or makes the first.
func (s *Store) openMarked(name string) error {
	if name == "" {
		name = directoryName(1)
		if err := s.marker.Move(name); err != nil {
			return fmt.Errorf("marking the state database: %w", err)
		}
	}
	if _, err := fmt.Sscanf(name, directoryPrefix+"%d", &s.serial); err != nil {
		return fmt.Errorf("%w: the marker names %q", ErrFormat, name)
	}
	if err := s.removeOthers(name); err != nil {
		return err
	}
	db, st, err := s.openState(s.options.FS.PathJoin(s.options.Dir, name))
	if err != nil {
		return err
	}
	s.install(db, st)
	return nil
}

// openState opens a database and reads the state in it.
func (s *Store) openState(dir string) (*database, *state, error) {
	db, err := openDatabase(s.options, dir)
	if err != nil {
		return nil, nil, err
	}
	st, err := loadState(db, s.options.MaxFormat)
	if err != nil {
		db.release()
		return nil, nil, fmt.Errorf("reading the state: %w", err)
	}
	return db, st, nil
}

func (s *Store) install(db *database, st *state) {
	s.state = st
	db.horizon.Store(st.horizon)
	db.committed.Store(st.applied)
	if db.groups != nil {
		db.groups.Announce(st.applied) // before that anything may have changed groups
	}
	s.publish(db)
}

// publish shows the state to readers and wakes who waits for news.
func (s *Store) publish(db *database) {
	if old := s.current.Swap(s.state.view(db)); old != nil {
		close(old.superseded)
	}
}

const directoryPrefix = "state-"

func directoryName(serial int) string { return fmt.Sprintf(directoryPrefix+"%06d", serial) }

// removeOthers removes databases that the marker does not name: a restore that
// did not finish, or the one that a restore replaced.
func (s *Store) removeOthers(name string) error {
	list, err := s.options.FS.List(s.options.Dir)
	if err != nil {
		return err
	}
	for _, entry := range list {
		if strings.HasPrefix(entry, directoryPrefix) && entry != name {
			if err := s.options.FS.RemoveAll(s.options.FS.PathJoin(s.options.Dir, entry)); err != nil {
				return fmt.Errorf("removing an unfinished database: %w", err)
			}
		}
	}
	return s.marker.RemoveObsolete()
}

// Close closes the store and waits for open snapshots to be closed, those of
// databases that a restore replaced too.
func (s *Store) Close() error {
	s.writer.Lock()
	defer s.writer.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.closed = true
	db := s.current.Load().db
	db.release()
	errs := []error{s.marker.Close()}
	for _, d := range append(s.replaced, db) {
		<-d.closed
		errs = append(errs, d.closeErr)
	}
	return errors.Join(errs...)
}

// Applied returns the newest revision.
func (s *Store) Applied() uint64 { return s.current.Load().applied }

// Horizon returns the oldest revision that can be read.
func (s *Store) Horizon() uint64 { return s.current.Load().db.horizon.Load() }

// ClusterID returns the id that the first Lead command gave the cluster; ok is
// false before it.
func (s *Store) ClusterID() (id [16]byte, ok bool) {
	v := s.current.Load()
	return v.clusterID, v.named
}

// Counters returns the number of live tuples of each shape at the newest
// revision, and the names to spell them.
func (s *Store) Counters() (map[tuple.Shape]uint64, *tuple.Names) {
	s.writer.Lock()
	defer s.writer.Unlock()
	return maps.Clone(s.state.counters), s.state.names
}
