package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// run is a sorted part of an index: a chunk, or a file where memory is short. A
// file has, for each key, its length, the value's, both as uvarints, and the two.
type run struct {
	chunk *chunk
	file  string
}

// runBufferBytes is what reading or writing one file takes of memory.
const runBufferBytes = 128 << 10

// cursor stands on a key of a run.
type cursor struct {
	key, value []byte

	chunk *chunk
	next  int

	file   vfs.File
	reader *bufio.Reader
	buffer []byte
}

func openCursor(fs vfs.FS, r run) (*cursor, error) {
	c := &cursor{chunk: r.chunk}
	if r.chunk == nil {
		file, err := fs.Open(r.file)
		if err != nil {
			return nil, fmt.Errorf("reading sorted tuples: %w", err)
		}
		c.file, c.reader = file, bufio.NewReaderSize(file, runBufferBytes)
	}
	return c, nil
}

// advance stands on the next key; ok is false at the end.
func (c *cursor) advance() (ok bool, err error) {
	if c.chunk == nil {
		return c.read()
	}
	if c.next == len(c.chunk.items) {
		return false, nil
	}
	item := &c.chunk.items[c.next]
	c.key, c.value = c.chunk.key(item), c.chunk.value(item)
	c.next++
	return true, nil
}

func (c *cursor) read() (ok bool, err error) {
	keyBytes, err := binary.ReadUvarint(c.reader)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	valBytes, err2 := binary.ReadUvarint(c.reader)
	if err := errors.Join(err, err2); err != nil || keyBytes|valBytes > 1<<16-1 {
		return false, fmt.Errorf("reading sorted tuples: damaged lengths (%w)", err)
	}
	n := int(keyBytes + valBytes)
	if cap(c.buffer) < n {
		c.buffer = make([]byte, n)
	}
	c.buffer = c.buffer[:n]
	if _, err := io.ReadFull(c.reader, c.buffer); err != nil {
		return false, fmt.Errorf("reading sorted tuples: %w", err)
	}
	c.key, c.value = c.buffer[:keyBytes], c.buffer[keyBytes:]
	return true, nil
}

func (c *cursor) close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// merge goes through the keys of several runs in order: a heap of cursors.
type merge struct {
	heap []*cursor
	all  []*cursor
}

// openMerge stands before the first key.
func openMerge(fs vfs.FS, runs []run) (_ *merge, err error) {
	m := &merge{}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	for _, r := range runs {
		c, err := openCursor(fs, r)
		if err != nil {
			return nil, err
		}
		m.all = append(m.all, c)
		ok, err := c.advance()
		if err != nil {
			return nil, err
		}
		if ok {
			m.heap = append(m.heap, c)
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.sink(i)
	}
	return m, nil
}

// top is the cursor of the smallest key, nil after the last.
func (m *merge) top() *cursor {
	if len(m.heap) == 0 {
		return nil
	}
	return m.heap[0]
}

// pass goes on behind the smallest key.
func (m *merge) pass() error {
	ok, err := m.heap[0].advance()
	if err != nil {
		return err
	}
	if !ok {
		last := len(m.heap) - 1
		m.heap[0] = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.sink(0)
	return nil
}

// sink puts a cursor where it belongs among those below it.
func (m *merge) sink(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(m.heap); child++ {
			if bytes.Compare(m.heap[child].key, m.heap[least].key) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		m.heap[i], m.heap[least] = m.heap[least], m.heap[i]
		i = least
	}
}

func (m *merge) close() error {
	var errs []error
	for _, c := range m.all {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// spill writes what runs hold, in order, into a file, and returns that as a run.
func spill(fs vfs.FS, path string, runs []run) (_ run, err error) {
	m, err := openMerge(fs, runs)
	if err != nil {
		return run{}, err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return run{}, fmt.Errorf("writing sorted tuples: %w", err)
	}
	w := bufio.NewWriterSize(file, runBufferBytes)
	var lengths []byte
	for c := m.top(); c != nil && err == nil; c = m.top() {
		lengths = appendUvarint(appendUvarint(lengths[:0], uint64(len(c.key))), uint64(len(c.value)))
		_, _ = w.Write(lengths) // a writer keeps its error until Flush
		_, _ = w.Write(c.key)
		_, _ = w.Write(c.value)
		err = m.pass()
	}
	if err := errors.Join(err, w.Flush(), file.Close()); err != nil {
		return run{}, fmt.Errorf("writing sorted tuples: %w", err)
	}
	return run{file: path}, nil
}
