package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/store/tuple"
)

// tableBytes is about how large a table of a bulk load becomes: as those of the
// lowest level, where they go.
const tableBytes = 64 << 20

// tables writes the sorted keys of one index into tables that the database can
// take in as they are.
type tables struct {
	load  *BulkLoad
	index int // of bulkIndexes
	paths []string
	// written counts tuples by shape, repeated those that came again.
	written, repeated shapeCounts
	entries           uint64 // as the tables say

	writer    *sstable.Writer
	key       []byte
	last      []byte // the key before, and its value
	lastValue []byte
	shape     tuple.Shape // of that
	shapeEnd  int         // of the key's bytes that tell it
}

// write merges runs into tables.
func (t *tables) write(ctx context.Context, runs []run) (err error) {
	m, err := openMerge(runs)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && t.writer != nil {
			_ = t.writer.Close() // the error that there is says more
		}
	}()
	for n := uint64(0); ; n++ {
		c, shared := m.top()
		if c == nil {
			return t.finish()
		}
		if n%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			t.load.written.Add(progressEvery)
		}
		if err := t.add(c.key, shared, c.value); err != nil {
			return err
		}
		if n%sizeEvery == 0 && t.writer != nil && t.writer.Raw().EstimatedSize() >= tableBytes {
			if err := t.finish(); err != nil {
				return err
			}
		}
		if err := m.pass(); err != nil {
			return err
		}
	}
}

const (
	// progressEvery is after how many keys a bulk load says how far it is, and looks
	// whether it is to go on.
	progressEvery = 4096
	// sizeEvery is after how many keys it looks how large a table is.
	sizeEvery = 64
)

// add writes a key, of which some bytes are those of the one before, and its value,
// unless it is the one before again.
func (t *tables) add(key []byte, shared int, value []byte) error {
	if err := t.read(key, shared, value); err != nil {
		return err
	}
	if len(key) < shared+wordBytes && bytes.Equal(key, t.last) {
		if !bytes.Equal(value, t.lastValue) {
			return t.contradiction(key)
		}
		t.repeated.add(t.shape, 1)
		return nil
	}
	t.last, t.lastValue = append(t.last[:0], key...), append(t.lastValue[:0], value...)
	t.written.add(t.shape, 1)
	if t.writer == nil {
		if err := t.begin(); err != nil {
			return err
		}
	}
	index := &bulkIndexes[t.index]
	t.key = append(append(t.key[:0], index.lead...), key...)
	if index.versioned {
		t.key = appendRevision(t.key, t.load.revision)
	}
	if err := t.writer.Set(t.key, value); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	return nil
}

// read finds the shape of a tuple, which is that of the one before if all that tells
// it is.
func (t *tables) read(key []byte, shared int, value []byte) (err error) {
	if shared >= t.shapeEnd && t.shapeEnd > 0 && len(value) == 0 && len(t.lastValue) == 0 {
		return nil
	}
	t.shape, t.shapeEnd, err = t.shapeOf(key, value)
	return err
}

// shapeOf reads the shape of a tuple off its key and value, and up to where of the
// key it goes. The index of expirations is not counted.
func (t *tables) shapeOf(key, value []byte) (s tuple.Shape, end int, err error) {
	index := &bulkIndexes[t.index]
	if !index.versioned {
		return tuple.Shape{}, 0, nil
	}
	end = 2 + max(bytes.IndexByte(key[min(2, len(key)):], 0), 0) + 1 + 2 + kindBytes
	if end == 2+1+2+kindBytes || len(key) < end {
		return tuple.Shape{}, 0, fmt.Errorf("%w: sorted key %x", ErrFormat, key)
	}
	second := key[end-kindBytes:]
	first := tuple.Kind{Type: decodeKind(key).Type, Relation: decodeKind(key[end-kindBytes-4:]).Relation}
	object, subject := first, decodeKind(second)
	if index.lead[0] == tagReverse {
		object, subject = subject, object
	}
	s = tuple.Shape{Type: object.Type, Relation: object.Relation, Subject: subject}
	if len(value) > 0 {
		traits, err := decodeLive(value)
		if err != nil {
			return s, 0, err
		}
		s.Caveat, s.Expires = traits.Caveat, traits.ExpiresNanos != 0
	}
	return s, end, nil
}

// contradiction names the tuple that came twice with different traits.
func (t *tables) contradiction(key []byte) error {
	k, ok := decodeTupleKey(appendRevision(append(bytes.Clone(bulkIndexes[t.index].lead), key...), t.load.revision))
	if !ok {
		return fmt.Errorf("%w: sorted key %x", ErrFormat, key)
	}
	return &ContradictionError{Tuple: t.load.names.Named(k.tuple())}
}

func (t *tables) begin() error {
	path := t.load.path(fmt.Sprintf("%s-%06d.sst", bulkIndexes[t.index].name, len(t.paths)+1))
	file, err := t.load.fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	t.paths = append(t.paths, path)
	t.writer = sstable.NewWriter(objstorageprovider.NewFileWritable(file), t.load.writing)
	return nil
}

// finish ends the table at hand, which is synced then.
func (t *tables) finish() error {
	if t.writer == nil {
		return nil
	}
	w := t.writer
	t.writer = nil
	if err := w.Close(); err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	meta, err := w.Metadata()
	if err != nil {
		return fmt.Errorf("writing a table: %w", err)
	}
	t.entries += meta.Properties.NumEntries
	t.load.bytes.Add(meta.Size)
	return nil
}

// shapeCounts counts by shape. Most that come are among those that came lately, and
// cost no look into a map.
type shapeCounts struct {
	recent [64]shapeCount // what is not in counts yet, by recentOf
	counts map[tuple.Shape]uint64
}

type shapeCount struct {
	shape tuple.Shape
	n     uint64
}

// recentOf returns where the shape is among the recent ones, if it is.
func (c *shapeCounts) recentOf(s tuple.Shape) *shapeCount {
	mix := uint(s.Type)*5 + uint(s.Relation) + uint(s.Subject.Type)*9 + uint(s.Subject.Relation)*17 + uint(s.Caveat)*33
	return &c.recent[mix%uint(len(c.recent))]
}

// counted reports whether the shape was lately counted.
func (c *shapeCounts) counted(s tuple.Shape) bool {
	r := c.recentOf(s)
	return r.n > 0 && r.shape == s
}

func (c *shapeCounts) add(s tuple.Shape, n uint64) {
	r := c.recentOf(s)
	if r.shape != s {
		c.settle(r)
		r.shape = s
	}
	r.n += n
}

func (c *shapeCounts) settle(r *shapeCount) {
	if r.n == 0 {
		return
	}
	if c.counts == nil {
		c.counts = make(map[tuple.Shape]uint64)
	}
	c.counts[r.shape] += r.n
	r.n = 0
}

// all returns all counts.
func (c *shapeCounts) all() map[tuple.Shape]uint64 {
	for i := range c.recent {
		c.settle(&c.recent[i])
	}
	return c.counts
}

func (c *shapeCounts) total() (n uint64) {
	for _, of := range c.all() {
		n += of
	}
	return n
}
