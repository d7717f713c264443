package store

import (
	"context"
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
	memory   int64 // for runs
	limit    int64 // of memory, for each sorter
	fanIn    int   // how many runs are merged at a time
	writing  sstable.WriterOptions

	added   atomic.Uint64 // tuples
	written atomic.Uint64 // keys, of all indexes
	bytes   atomic.Uint64 // of tables

	mu      sync.Mutex
	runs    [len(bulkIndexes)][]run
	held    int64      // of memory, by runs
	files   []*runFile // where the others are
	spills  int
	counted shapeCounts
}

// BulkLoadOptions say how a bulk load works.
type BulkLoadOptions struct {
	// Dir is where sorted tuples and tables are while the load goes on, on the
	// store's file system and best on its disk. It is made, and removed by Close.
	Dir string
	// MemoryBytes is how much of memory the load takes: a quarter at most for what
	// sorters have not sorted yet, the rest for sorted tuples. Those that it has no
	// room for are written to Dir. 0 is 256 MiB.
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
	{"forward", appendStore(nil, tagForward), true},
	{"reverse", appendStore(nil, tagReverse), true},
	{"expiry", []byte{tagExpiry}, false},
}

const (
	bulkForward = iota
	bulkReverse
	bulkExpiry
)

const (
	defaultBulkMemory = 256 << 20
	// maxSorterBytes is what a sorter has at most before it sorts, some 60,000 tuples.
	// More makes fewer runs to merge, but sorting waits for memory that is in no cache:
	// with 32 MiB an import takes a sixth more processor time.
	maxSorterBytes = 8 << 20
	// maxFanIn is how many runs are merged at a time: those of 120 M tuples. Each that
	// is in a file takes a block of memory.
	maxFanIn = 2048
)

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
		schema: s.state.schema.Revision, revision: s.state.applied,
		memory:  o.MemoryBytes - o.MemoryBytes/4,
		limit:   min(max(o.MemoryBytes/int64(4*max(o.Sorters, 1)), 1), maxSorterBytes),
		fanIn:   maxFanIn,
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
func (l *BulkLoad) Sorter() *BulkSorter {
	s := &BulkSorter{load: l}
	for i := range s.chunks {
		s.chunks[i] = newChunk(i, l.limit)
	}
	return s
}

// BulkSorter takes tuples for a load and sorts them, for one goroutine.
type BulkSorter struct {
	load    *BulkLoad
	chunks  [len(bulkIndexes)]chunk
	files   [len(bulkIndexes)]*runFile
	spare   []chunkItem
	writer  runWriter
	counted shapeCounts
	fresh   uint64 // tuples not in the load's count yet
}

// Add takes a tuple; it keeps nothing of its memory. One that the schema does not
// allow gives *NotAllowedError. That one came before is found at the end.
func (s *BulkSorter) Add(t tuple.Tuple) error {
	shape := t.Shape()
	if !s.counted.counted(shape) && !s.load.allowed[shape] {
		return &NotAllowedError{Tuple: t.Clone()}
	}
	s.counted.add(shape, 1)
	object, subject := objectSide(t), subjectSide(t.Subject)
	for i := range s.chunks {
		c := &s.chunks[i]
		at := len(c.bytes)
		switch i {
		case bulkForward:
			c.bytes = appendSides(c.bytes, object, subject)
		case bulkReverse:
			c.bytes = appendSides(c.bytes, subject, object)
		case bulkExpiry:
			if t.Traits.ExpiresNanos == 0 {
				continue
			}
			c.bytes = append(c.bytes, expiryKey(t)[len(bulkIndexes[i].lead):]...)
		}
		keyBytes := len(c.bytes) - at
		if i != bulkExpiry {
			c.bytes = appendLive(c.bytes, t.Traits)
		}
		if n := len(c.bytes) - at; n > maxEntryBytes {
			return fmt.Errorf("%w: a tuple has %d bytes, %d are allowed", errBulkSize, n, maxEntryBytes)
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

// size is how much the tuples take that were not handed over.
func (s *BulkSorter) size() (n int64) {
	for i := range s.chunks {
		n += s.chunks[i].size()
	}
	return n
}

func (s *BulkSorter) tell() {
	s.load.added.Add(s.fresh)
	s.fresh = 0
}

// handOver sorts what there is and gives it to the load.
func (s *BulkSorter) handOver() error {
	for i := range s.chunks {
		c := &s.chunks[i]
		if len(c.items) == 0 {
			continue
		}
		s.spare = c.sort(s.spare)
		room := c.size() + runBlockBytes // a run takes less than its chunk
		if s.load.reserve(room) {
			r, err := c.write(&s.writer, nil)
			if err != nil {
				return err
			}
			s.load.take(i, r, room)
		} else if err := s.spill(i); err != nil {
			return err
		}
		c.reset()
	}
	return nil
}

// spill makes a run of a sorted chunk in this sorter's file of the index.
func (s *BulkSorter) spill(index int) (err error) {
	if s.files[index] == nil {
		if s.files[index], err = s.load.createFile(index); err != nil {
			return err
		}
	}
	r, err := s.chunks[index].write(&s.writer, s.files[index])
	if err != nil {
		return err
	}
	s.load.take(index, r, 0)
	return nil
}

// End gives the rest to the load. The sorter is not used afterwards.
func (s *BulkSorter) End() error {
	s.tell()
	if err := s.handOver(); err != nil {
		return err
	}
	l := s.load
	l.mu.Lock()
	defer l.mu.Unlock()
	for shape, n := range s.counted.all() {
		l.counted.add(shape, n)
	}
	return nil
}

// reserve takes memory for a run, if there is as much. What comes first stays in
// memory, and all that has no room there goes to files.
func (l *BulkLoad) reserve(bytes int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held+bytes > l.memory {
		return false
	}
	l.held += bytes
	return true
}

// take adds a run for which there was reserved so much.
func (l *BulkLoad) take(index int, r run, reserved int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[index] = append(l.runs[index], r)
	l.held += int64(len(r.blocks))*runBlockBytes - reserved
	if r.file != nil {
		l.spills++
	}
}

func (l *BulkLoad) createFile(index int) (*runFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := fmt.Sprintf("%s-%06d.runs", bulkIndexes[index].name, len(l.files)+1)
	f, err := createRunFile(l.fs, l.path(name))
	if err == nil {
		l.files = append(l.files, f)
	}
	return f, err
}

// BulkLoaded is what a load came to.
type BulkLoaded struct {
	// Tuples is how many there are in the store, by shape; Repeated how many of
	// those that were added had been before, with the same traits.
	Tuples   map[tuple.Shape]uint64
	Repeated uint64
	// Bytes is the size of the tables.
	Bytes uint64
	// Spills is how many runs there was no room for in memory.
	Spills int
}

// Finish writes the tables and has the store take them in. What was added, less
// what was repeated, is what is in the tables of each index, shape by shape, or
// the store is left as it was. A tuple that came with different traits gives
// *ContradictionError.
func (l *BulkLoad) Finish(ctx context.Context) (BulkLoaded, error) {
	for _, f := range l.files {
		if err := f.complete(); err != nil {
			return BulkLoaded{}, err
		}
	}
	var written [len(bulkIndexes)]tables
	group, within := errgroup.WithContext(ctx)
	for i := range written {
		written[i].load, written[i].index = l, i
		group.Go(func() error {
			runs, err := l.fewer(within, i)
			if err != nil {
				return err
			}
			return written[i].write(within, runs)
		})
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
		Tuples: forward.written.all(), Repeated: forward.repeated.total(), Bytes: l.bytes.Load(), Spills: l.spills,
	}
	return loaded, l.takeIn(ctx, paths, loaded.Tuples)
}

// fewer returns the runs of an index, after it has merged some if there are more than
// can be merged at a time.
func (l *BulkLoad) fewer(ctx context.Context, index int) ([]run, error) {
	runs := l.runs[index]
	for len(runs) > l.fanIn {
		r, err := l.one(ctx, index, runs[:l.fanIn])
		if err != nil {
			return nil, err
		}
		runs = append(runs[l.fanIn:], r)
	}
	return runs, nil
}

// one merges runs into one, in a file of its own.
func (l *BulkLoad) one(ctx context.Context, index int, runs []run) (run, error) {
	m, err := openMerge(runs)
	if err != nil {
		return run{}, err
	}
	file, err := l.createFile(index)
	if err != nil {
		return run{}, err
	}
	var w runWriter
	var last []byte
	w.begin(file)
	for n := 0; ; n++ {
		c, shared := m.top()
		if c == nil {
			break
		}
		if n%progressEvery == 0 && ctx.Err() != nil {
			return run{}, ctx.Err()
		}
		shared += sharedBytes(last[shared:], c.key[shared:])
		if err := w.put(c.key, shared, c.value); err != nil {
			return run{}, err
		}
		last = append(last[:shared], c.key[shared:]...)
		if err := m.pass(); err != nil {
			return run{}, err
		}
	}
	r, err := w.end()
	if err != nil {
		return run{}, err
	}
	return r, file.complete()
}

// agrees compares what is in an index with what was added.
func (l *BulkLoad) agrees(t *tables) error {
	if n := t.written.total(); n != t.entries {
		return fmt.Errorf("%w: %d keys were written to the index %s, and its tables have %d", errBulkCount, n, bulkIndexes[t.index].name, t.entries)
	}
	if !bulkIndexes[t.index].versioned {
		return nil
	}
	there := maps.Clone(t.written.all())
	if there == nil {
		there = make(map[tuple.Shape]uint64)
	}
	for shape, n := range t.repeated.all() {
		there[shape] += n
	}
	if !maps.Equal(there, l.counted.all()) {
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
	for _, f := range l.files {
		_ = f.close() // it is removed, whatever has become of it
	}
	if err := l.fs.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("removing what a bulk load had on disk: %w", err)
	}
	return nil
}
