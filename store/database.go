package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// database is one Pebble with its iterators. Restore replaces it by another;
// who reads holds a reference, and the last one to let go closes it.
type database struct {
	*pebble.DB
	fs        vfs.FS
	log       *slog.Logger
	dir       string
	cache     *pebble.Cache
	iterators iteratorPool
	// tuplesets is the cache of decoded tuplesets; nil if there is none. It is the
	// database's own and goes with it.
	tuplesets *tupleset.Cache
	// reversed is the same the other way: of a subject, all objects by relation. There
	// if tuplesets is.
	reversed *tupleset.Cache
	// groups is what is kept of the groups that subjects are in; there if tuplesets is.
	groups *tupleset.Groups
	// committed is the newest revision that new iterators have, set before the
	// tuplesets that it changes are ended (S10). Readers see it a little later.
	committed atomic.Uint64
	// horizon is raised before the batch that removes versions is committed,
	// so that whoever makes an iterator and then finds the horizon at or below
	// its revision has all of that revision (S5). It is the database's own: a
	// restored one has a later horizon, which says nothing of this one's versions.
	horizon atomic.Uint64

	refs   atomic.Int64
	closed chan struct{}
	// obsolete has the directory removed once the database is closed.
	obsolete atomic.Bool
	closeErr error
}

// comparer orders keys as plain bytes; only the split is ours.
var comparer = func() *pebble.Comparer {
	c := *pebble.DefaultComparer
	c.Name = "tupelo.1"
	c.Split = splitKey
	// Both are equivalent to the default's order, and faster than the generic
	// form that a custom Split would bring.
	c.Compare = bytes.Compare
	c.ComparePointSuffixes = bytes.Compare
	c.CompareRangeSuffixes = bytes.Compare
	return &c
}()

// pebbleOptions sets Pebble up for a server that answers checks: many point
// look-ups, most of them negative, beside a steady stream of small writes.
func pebbleOptions(o Options, cache *pebble.Cache) *pebble.Options {
	p := &pebble.Options{
		FS:       durable.Markers{FS: o.FS},
		Comparer: comparer,
		Cache:    cache,
		Logger:   pebbleLogger{o.Logger},
		// Columnar blocks: a look-up decodes one column of suffixes rather
		// than restart points.
		FormatMajorVersion: pebble.FormatNewest,
		// The raft log is the write-ahead log (DESIGN section 4).
		DisableWAL: true,
		// A memtable of 32 MiB holds some 150,000 tuple writes, so that a
		// flush is rare; the arena grows as it fills, idle it costs 256 KiB.
		MemTableSize: 32 << 20,
		// Writers wait rather than let memory grow when flushes fall behind.
		MemTableStopWritesThreshold: 4,
		// Reads go through every L0 sublevel; compact them early.
		L0CompactionThreshold: 2,
		L0StopWritesThreshold: 20,
		LBaseMaxBytes:         64 << 20,
		CompactionConcurrencyRange: func() (int, int) {
			return 1, max(1, runtime.GOMAXPROCS(0)/2)
		},
		MaxOpenFiles: 4096,
	}
	// Fast compression above, zstd where most bytes lie, at its lowest level: of
	// imports of GitClub L6 takes four fifths of what the fast one leaves, and a
	// twentieth more at most than with zstd's third level, which costs an import
	// about a tenth of its processor time.
	p.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	for i := range p.Levels {
		// 10 bits a prefix: one false positive in a hundred. L6 has them too,
		// because most look-ups of a check are negative.
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		p.Levels[i].FilterType = pebble.TableFilter
		// Small blocks: a check reads one tupleset of a block.
		p.Levels[i].BlockSize = 8 << 10
		p.Levels[i].IndexBlockSize = 32 << 10
	}
	return p
}

// groupShare of the memory for tuplesets is for groups, an eighth: an entry is of the
// size of a small tupleset, and there is at most one for each subject that is asked
// about and kind of group.
const groupShare = 8

// reversedShare is for what subjects are in, an eighth too: it is asked for by lists
// of objects and loads of groups, which are fewer than checks.
const reversedShare = 8

func openDatabase(o Options, dir string) (*database, error) {
	cache := pebble.NewCache(o.CacheBytes)
	db, err := pebble.Open(dir, pebbleOptions(o, cache))
	if err != nil {
		cache.Unref()
		return nil, fmt.Errorf("opening the state database: %w", err)
	}
	d := &database{DB: db, fs: o.FS, log: o.Logger, dir: dir, cache: cache, closed: make(chan struct{})}
	if o.TuplesetCacheBytes > 0 {
		groups := o.TuplesetCacheBytes / groupShare
		reversed := o.TuplesetCacheBytes / reversedShare
		d.tuplesets = tupleset.New(o.TuplesetCacheBytes - groups - reversed)
		d.reversed = tupleset.New(reversed)
		d.groups = tupleset.NewGroups(groups, o.GroupsAfter)
	}
	d.refs.Store(1)
	return d, nil
}

// acquire takes a reference; it fails if the last one is gone.
func (d *database) acquire() bool {
	for {
		n := d.refs.Load()
		if n == 0 {
			return false
		}
		if d.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// isClosed reports whether the last reference is gone, files and all.
func (d *database) isClosed() bool {
	select {
	case <-d.closed:
		return true
	default:
		return false
	}
}

// release gives a reference back and closes the database with the last one.
func (d *database) release() {
	if d.refs.Add(-1) != 0 {
		return
	}
	d.iterators.retire(^uint64(0))
	d.closeErr = d.DB.Close()
	d.cache.Unref()
	if d.obsolete.Load() {
		// What cannot be removed is removed when the store is opened again.
		if err := d.fs.RemoveAll(d.dir); err != nil {
			d.log.Warn("removing a state database that was replaced", "dir", d.dir, "error", err)
		}
	}
	close(d.closed)
}

// scan calls visit for the keys within bounds in order, until it returns false.
// What it is given is valid during the call.
func scan(db pebble.Reader, bounds *pebble.IterOptions, visit func(key, value []byte) (more bool, err error)) (err error) {
	it, err := db.NewIter(bounds)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = closeErr
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err := visit(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// pebbleLogger sends what Pebble has to say to the server's log.
type pebbleLogger struct{ log *slog.Logger }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.log.Debug(fmt.Sprintf(format, args...), "from", "pebble")
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...), "from", "pebble")
}

// Fatalf is how Pebble says that its state in memory can no longer be trusted.
// Going on could show wrong answers, so the process ends; the log has it all.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.log.Error(fmt.Sprintf(format, args...), "from", "pebble", "fatal", true)
	os.Exit(1)
}
