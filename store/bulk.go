package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"

	"github.com/tupelodb/tupelo/internal/durable"
	"github.com/tupelodb/tupelo/store/tuple"
)

// BulkLoad fills a store that has never had a tuple, without the log: it sorts the
// tuples by the keys of each index, outside of memory if they are many, writes the
// tables that the database would have come to, and has it take them in.
//
// What comes of it is no state that a log leads to, so it is for who begins another
// log behind it, with a snapshot. The tuples have the revision that the store was
// at when the load began, and the horizon is raised to where it is at the end: no
// older revision can be read, and no watcher begins below.
//
// Its methods may be called from any goroutine; Finish after all sorters have ended.
type BulkLoad struct {
	store    *Store
	fs       vfs.FS
	dir      string
	names    *tuple.Names
	allowed  map[tuple.Shape]bool
	schema   uint64 // its revision
	revision uint64
	memory   int64
	limit    int64 // of memory, for each sorter
	writing  sstable.WriterOptions

	added   atomic.Uint64 // tuples
	written atomic.Uint64 // keys, of all indexes
	bytes   atomic.Uint64 // of tables

	mu      sync.Mutex // held while runs are spilled, so that memory stays bounded
	runs    [len(bulkIndexes)][]run
	held    int64 // of memory, by runs
	spilled int
	counted shapeCounts
}

// BulkLoadOptions say how a bulk load works.
type BulkLoadOptions struct {
	// Dir is where sorted tuples and tables are while the load goes on, on the
	// store's file system and best on its disk. It is made, and removed by Close.
	Dir string
	// MemoryBytes is how much sorted tuples may take of memory, before they are
	// written to Dir; sorters take up to half of it beside that, and an eighth while
	// they sort. 0 is 256 MiB.
	MemoryBytes int64
	// Sorters is how many sorters there will be at a time.
	Sorters int
}

// bulkIndexes are the indexes that a load fills: what their keys begin with, and
// whether they end in a revision.
var bulkIndexes = [...]struct {
	name      string
	lead      []byte
	versioned bool
}{
	{"forward", binary.BigEndian.AppendUint32([]byte{tagForward}, storeID), true},
	{"reverse", binary.BigEndian.AppendUint32([]byte{tagReverse}, storeID), true},
	{"expiry", []byte{tagExpiry}, false},
}

const (
	bulkForward = iota
	bulkReverse
	bulkExpiry
)

const defaultBulkMemory = 256 << 20

// BulkLoad begins a load. A store that has had tuples gives ErrNotEmpty, whether
// they are there still or not.
func (s *Store) BulkLoad(o BulkLoadOptions) (*BulkLoad, error) {
	s.writer.Lock()
	defer s.writer.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if err := s.takesBulk(); err != nil {
		return nil, err
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultBulkMemory
	}
	fs := s.options.FS
	if err := fs.RemoveAll(o.Dir); err != nil {
		return nil, err
	}
	if err := durable.MakeDir(fs, o.Dir); err != nil {
		return nil, err
	}
	db := s.current.Load().db
	const lowest = 6
	options := pebbleOptions(s.options, nil)
	options.EnsureDefaults()
	return &BulkLoad{
		store: s, fs: fs, dir: o.Dir, names: s.state.names, allowed: s.state.allowed,
		schema: s.state.schema.Revision, revision: s.state.applied, memory: o.MemoryBytes,
		limit:   min(max(o.MemoryBytes/int64(2*max(o.Sorters, 1)), 1), maxChunkBytes),
		writing: options.MakeWriterOptions(lowest, db.TableFormat()),
	}, nil
}

// takesBulk refuses a store that a load could contradict.
func (s *Store) takesBulk() error {
	switch {
	case len(s.state.shapes) > 0:
		return ErrNotEmpty
	case s.state.schema == nil:
		return ErrNoSchema
	case s.current.Load().db.tuplesets != nil:
		return fmt.Errorf("%w: a store with a cache of tuplesets takes no bulk load", ErrNotEmpty)
	}
	return nil
}

func (l *BulkLoad) path(name string) string { return l.fs.PathJoin(l.dir, name) }

// Progress says how far the load is: tuples that were added, and the keys, about
// two for each, that are in tables.
func (l *BulkLoad) Progress() (tuples, keys uint64) { return l.added.Load(), l.written.Load() }

// Sorter returns a sorter for one goroutine; there are as many as were announced.
func (l *BulkLoad) Sorter() *BulkSorter { return &BulkSorter{load: l} }

// BulkSorter takes tuples for a load and sorts them, for one goroutine.
type BulkSorter struct {
	load    *BulkLoad
	chunks  [len(bulkIndexes)]*chunk
	counted shapeCounts
	allowed shapeCache
	fresh   uint64 // tuples not in the load's count yet
}

// Add takes a tuple; it keeps nothing of its memory. One that the schema does not
// allow gives *NotAllowedError. That one came before is found at the end.
func (s *BulkSorter) Add(t tuple.Tuple) error {
	shape := t.Shape()
	if !s.allowed.known || s.allowed.shape != shape {
		s.allowed = shapeCache{shape: shape, allowed: s.load.allowed[shape], known: true}
	}
	if !s.allowed.allowed {
		return &NotAllowedError{Tuple: t.Clone()}
	}
	s.counted.add(shape, 1)
	for i := range s.chunks {
		if i == bulkExpiry && t.Traits.ExpiresNanos == 0 {
			continue
		}
		c := s.chunk(i)
		at := len(c.bytes)
		lead := len(bulkIndexes[i].lead)
		switch i {
		case bulkForward:
			c.bytes = appendForward(c.bytes, t)
		case bulkReverse:
			c.bytes = appendReverse(c.bytes, t)
		case bulkExpiry:
			c.bytes = append(c.bytes, expiryKey(t)...)
		}
		at += lead // what the key begins with is left between two keys
		keyBytes := len(c.bytes) - at
		if i != bulkExpiry {
			c.bytes = appendLive(c.bytes, t.Traits)
		}
		c.added(at, keyBytes)
	}
	if s.fresh++; s.fresh == progressEvery {
		s.tell()
	}
	if s.size() >= s.load.limit {
		return s.handOver()
	}
	return nil
}

func (s *BulkSorter) chunk(index int) *chunk {
	if s.chunks[index] == nil {
		s.chunks[index] = newChunk(index, s.load.limit)
	}
	return s.chunks[index]
}

// size is how much the tuples take that were not handed over.
func (s *BulkSorter) size() (n int64) {
	for _, c := range s.chunks {
		if c != nil {
			n += c.size()
		}
	}
	return n
}

func (s *BulkSorter) tell() {
	s.load.added.Add(s.fresh)
	s.fresh = 0
}

// handOver sorts what there is and gives it to the load.
func (s *BulkSorter) handOver() error {
	var spare []chunkItem
	for _, c := range s.chunks {
		if c != nil {
			spare = c.sort(spare)
		}
	}
	chunks := s.chunks
	s.chunks = [len(bulkIndexes)]*chunk{}
	return s.load.take(chunks)
}

// End gives the rest to the load. The sorter is not used afterwards.
func (s *BulkSorter) End() error {
	s.tell()
	if err := s.handOver(); err != nil {
		return err
	}
	s.counted.settle()
	l := s.load
	l.mu.Lock()
	defer l.mu.Unlock()
	for shape, n := range s.counted.counts {
		l.counted.add(shape, n)
	}
	return nil
}

// take adds sorted chunks, and writes all that is in memory to files once that is
// too much.
func (l *BulkLoad) take(chunks [len(bulkIndexes)]*chunk) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, c := range chunks {
		if c != nil && len(c.items) > 0 {
			l.runs[i] = append(l.runs[i], run{chunk: c})
			l.held += c.size()
		}
	}
	if l.held <= l.memory {
		return nil
	}
	l.spilled++
	for i, runs := range l.runs {
		var kept, written []run
		for _, r := range runs {
			if r.chunk == nil {
				kept = append(kept, r)
			} else {
				written = append(written, r)
			}
		}
		if len(written) == 0 {
			continue
		}
		r, err := spill(l.fs, l.path(fmt.Sprintf("%s-%06d.run", bulkIndexes[i].name, l.spilled)), written)
		if err != nil {
			return err
		}
		l.runs[i] = append(kept, r)
	}
	l.held = 0
	return nil
}

// BulkLoaded is what a load came to.
type BulkLoaded struct {
	// Tuples is how many there are in the store, by shape; Repeated how many of
	// those that were added had been before, with the same traits.
	Tuples   map[tuple.Shape]uint64
	Repeated uint64
	// Bytes is the size of the tables.
	Bytes uint64
	// Spills is how often memory was too small.
	Spills int
}

// Finish writes the tables and has the store take them in. What was added, less
// what was repeated, is what is in the tables of each index, shape by shape, or
// the store is left as it was. A tuple that came with different traits gives
// *ContradictionError.
func (l *BulkLoad) Finish(ctx context.Context) (BulkLoaded, error) {
	var written [len(bulkIndexes)]tables
	group, within := errgroup.WithContext(ctx)
	for i := range written {
		written[i].load, written[i].index = l, i
		group.Go(func() error { return written[i].write(within, l.runs[i]) })
	}
	if err := group.Wait(); err != nil {
		return BulkLoaded{}, err
	}
	var paths []string
	for i := range written {
		if err := l.agrees(&written[i]); err != nil {
			return BulkLoaded{}, err
		}
		paths = append(paths, written[i].paths...)
	}
	forward := &written[bulkForward]
	loaded := BulkLoaded{
		Tuples: forward.written.counts, Repeated: forward.repeated.total(), Bytes: l.bytes.Load(), Spills: l.spilled,
	}
	return loaded, l.takeIn(ctx, paths, loaded.Tuples)
}

// agrees compares what is in an index with what was added.
func (l *BulkLoad) agrees(t *tables) error {
	if n := t.written.total(); n != t.entries {
		return fmt.Errorf("%w: %d keys were written to the index %s, and its tables have %d", errBulkCount, n, bulkIndexes[t.index].name, t.entries)
	}
	if !bulkIndexes[t.index].versioned {
		return nil
	}
	t.repeated.settle()
	l.counted.settle()
	there := maps.Clone(t.written.counts)
	if there == nil {
		there = make(map[tuple.Shape]uint64)
	}
	for shape, n := range t.repeated.counts {
		there[shape] += n
	}
	if !maps.Equal(there, l.counted.counts) && len(there)+len(l.counted.counts) > 0 {
		return fmt.Errorf("%w: the index %s", errBulkCount, bulkIndexes[t.index].name)
	}
	return nil
}

// takeIn puts the tables into the database, and the counters beside them.
func (l *BulkLoad) takeIn(ctx context.Context, paths []string, counts map[tuple.Shape]uint64) error {
	s := l.store
	s.writer.Lock()
	defer s.writer.Unlock()
	if s.closed {
		return ErrClosed
	}
	if err := s.takesBulk(); err != nil {
		return err
	}
	if s.state.schema.Revision != l.schema {
		return fmt.Errorf("%w: the schema was written again", ErrNotEmpty)
	}
	b := newBatch(s)
	defer b.close()
	if len(paths) > 0 {
		if err := b.db.Ingest(ctx, paths); err != nil {
			return fmt.Errorf("taking in tables: %w", err)
		}
	}
	if err := b.raiseHorizon(s.state.applied); err != nil {
		return err
	}
	for shape, n := range counts {
		b.count(shape, int64(n))
	}
	if err := b.commit(); err != nil {
		return fmt.Errorf("committing the counters of a bulk load: %w", err)
	}
	return makeDurable(ctx, b.db)
}

// Close removes what the load had on disk.
func (l *BulkLoad) Close() error {
	if err := l.fs.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("removing what a bulk load had on disk: %w", err)
	}
	return nil
}
