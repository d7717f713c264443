package store

import (
	"bytes"
	"context"
	"errors"
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
}

// write merges runs into tables.
func (t *tables) write(ctx context.Context, runs []run) (err error) {
	m, err := openMerge(t.load.fs, runs)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && t.writer != nil {
			_ = t.writer.Close() // the error that there is says more
		}
		err = errors.Join(err, m.close())
	}()
	for n := uint64(0); ; n++ {
		c := m.top()
		if c == nil {
			return t.finish()
		}
		if n%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			t.load.written.Add(progressEvery)
		}
		if err := t.add(c.key, c.value); err != nil {
			return err
		}
		if err := m.pass(); err != nil {
			return err
		}
	}
}

// progressEvery is after how many keys a bulk load says how far it is, and looks
// whether it is to go on.
const progressEvery = 4096

// add writes a key and its value, unless it is the one before again.
func (t *tables) add(key, value []byte) error {
	shape, err := t.shapeOf(key, value)
	if err != nil {
		return err
	}
	if bytes.Equal(key, t.last) {
		if !bytes.Equal(value, t.lastValue) {
			return t.contradiction(key)
		}
		t.repeated.add(shape, 1)
		return nil
	}
	t.last, t.lastValue = append(t.last[:0], key...), append(t.lastValue[:0], value...)
	t.written.add(shape, 1)
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
	if t.writer.Raw().EstimatedSize() >= tableBytes {
		return t.finish()
	}
	return nil
}

// shapeOf reads the shape of a tuple off its key and value. The index of
// expirations is not counted.
func (t *tables) shapeOf(key, value []byte) (tuple.Shape, error) {
	index := &bulkIndexes[t.index]
	if !index.versioned {
		return tuple.Shape{}, nil
	}
	nul := bytes.IndexByte(key[2:], 0)
	end := 2 + nul + 1 + 2
	if nul < 0 || len(key) < end+kindBytes {
		return tuple.Shape{}, fmt.Errorf("%w: sorted key %x", ErrFormat, key)
	}
	first := tuple.Kind{Type: decodeKind(key).Type, Relation: decodeKind(key[end-4:]).Relation}
	object, subject := first, decodeKind(key[end:])
	if index.lead[0] == tagReverse {
		object, subject = subject, first
	}
	s := tuple.Shape{Type: object.Type, Relation: object.Relation, Subject: subject}
	if len(value) > 0 {
		traits, err := decodeLive(value)
		if err != nil {
			return s, err
		}
		s.Caveat, s.Expires = traits.Caveat, traits.ExpiresNanos != 0
	}
	return s, nil
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

// shapeCounts counts by shape; runs of one shape cost an addition each.
type shapeCounts struct {
	counts map[tuple.Shape]uint64
	shape  tuple.Shape
	n      uint64 // of shape, not in counts yet
}

func (c *shapeCounts) add(s tuple.Shape, n uint64) {
	if s != c.shape {
		c.settle()
		c.shape = s
	}
	c.n += n
}

func (c *shapeCounts) settle() {
	if c.n == 0 {
		return
	}
	if c.counts == nil {
		c.counts = make(map[tuple.Shape]uint64)
	}
	c.counts[c.shape] += c.n
	c.n = 0
}

func (c *shapeCounts) total() (n uint64) {
	c.settle()
	for _, of := range c.counts {
		n += of
	}
	return n
}
