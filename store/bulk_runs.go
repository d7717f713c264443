package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// run is a sorted part of an index, in blocks: in memory, or one after the other in
// a file. A key is written as what it has more than the one before it, which may be
// in the block before:
//
//	block   length:4 │ checksum:4 │ records
//	record  bytes shared with the key before │ further bytes │ bytes of the value
//	        │ those of the key │ those of the value         (three uvarints first)
//
// Neighbours have most of their bytes in common, so that a run takes about a third of
// what its keys do. The length is the block's, the checksum that of the records.
type run struct {
	blocks [][]byte

	file  *runFile // if it is not in memory
	at    int64
	bytes int64
}

const (
	// runBlockBytes is about how large a block is; what reading a file takes of memory.
	runBlockBytes  = 32 << 10
	runHeaderBytes = 4 + 4
	// maxEntryBytes is what a key and its value may have: they fit into a block. The
	// ids of a tuple have 2 KiB at most, its context has 25,000 bytes.
	maxEntryBytes = runBlockBytes - runHeaderBytes - 3*binary.MaxVarintLen16
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// runFile is a file of runs: written by one goroutine, and read, by any, once it is
// complete.
type runFile struct {
	fs   vfs.FS
	path string
	file vfs.File
	size int64
}

func createRunFile(fs vfs.FS, path string) (*runFile, error) {
	file, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, fmt.Errorf("writing sorted tuples: %w", err)
	}
	return &runFile{fs: fs, path: path, file: file}, nil
}

func (f *runFile) write(b []byte) error {
	n, err := f.file.Write(b)
	f.size += int64(n)
	if err != nil {
		return fmt.Errorf("writing sorted tuples: %w", err)
	}
	return nil
}

// complete ends writing, and begins reading.
func (f *runFile) complete() error {
	if err := f.close(); err != nil {
		return fmt.Errorf("writing sorted tuples: %w", err)
	}
	var err error
	if f.file, err = f.fs.Open(f.path); err != nil {
		return fmt.Errorf("reading sorted tuples: %w", err)
	}
	return nil
}

func (f *runFile) close() error {
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}

// runWriter writes one run after the other, for one goroutine.
type runWriter struct {
	run   run
	block []byte
}

// begin begins a run: in memory without a file.
func (w *runWriter) begin(file *runFile) {
	w.run = run{file: file}
	if file != nil {
		w.run.at = file.size
	}
	w.beginBlock()
}

func (w *runWriter) beginBlock() {
	if w.run.file == nil || w.block == nil {
		w.block = make([]byte, 0, runBlockBytes)
	}
	w.block = w.block[:runHeaderBytes]
}

// put adds a key, of which the first bytes are shared with the one before, and its
// value.
func (w *runWriter) put(key []byte, shared int, value []byte) error {
	rest := key[shared:]
	if len(w.block)+3*binary.MaxVarintLen16+len(rest)+len(value) > runBlockBytes {
		if err := w.endBlock(); err != nil {
			return err
		}
		w.beginBlock()
	}
	b := w.block
	if shared|len(rest)|len(value) < 0x80 {
		b = append(b, byte(shared), byte(len(rest)), byte(len(value)))
	} else {
		b = appendUvarint(appendUvarint(appendUvarint(b, uint64(shared)), uint64(len(rest))), uint64(len(value)))
	}
	w.block = append(append(b, rest...), value...)
	return nil
}

func (w *runWriter) endBlock() error {
	binary.LittleEndian.PutUint32(w.block, uint32(len(w.block)))
	binary.LittleEndian.PutUint32(w.block[4:], crc32.Checksum(w.block[runHeaderBytes:], castagnoli))
	w.run.bytes += int64(len(w.block))
	if w.run.file != nil {
		return w.run.file.write(w.block)
	}
	w.run.blocks = append(w.run.blocks, w.block)
	return nil
}

// end returns the run.
func (w *runWriter) end() (run, error) {
	err := w.endBlock()
	if w.run.file == nil {
		w.block = nil // it is the run's
	}
	return w.run, err
}

// cursor stands on a key of a run.
type cursor struct {
	key, value []byte
	// shared is how many bytes the key has in common with the one before it.
	shared int

	rest   []byte // of the block
	run    run
	buffer []byte // for blocks of a file
}

// advance stands on the next key; ok is false at the end.
func (c *cursor) advance() (ok bool, err error) {
	b := c.rest
	if len(b) == 0 {
		if b, err = c.nextBlock(); err != nil || len(b) == 0 {
			return false, err
		}
	}
	var shared, more, value int
	if len(b) >= 3 && b[0]|b[1]|b[2] < 0x80 {
		shared, more, value = int(b[0]), int(b[1]), int(b[2])
		b = b[3:]
	} else {
		var n [3]uint64
		for i := range n {
			length := 0
			if n[i], length = binary.Uvarint(b); length <= 0 || n[i] > runBlockBytes {
				return false, errDamagedRun
			}
			b = b[length:]
		}
		shared, more, value = int(n[0]), int(n[1]), int(n[2])
	}
	if shared > len(c.key) || more+value > len(b) {
		return false, errDamagedRun
	}
	c.shared = shared
	c.key = append(c.key[:shared], b[:more]...)
	c.value = b[more : more+value]
	c.rest = b[more+value:]
	return true, nil
}

// nextBlock returns the records of the next block, none after the last.
func (c *cursor) nextBlock() ([]byte, error) {
	var b []byte
	switch {
	case len(c.run.blocks) > 0:
		b = c.run.blocks[0]
		c.run.blocks = c.run.blocks[1:]
	case c.run.file != nil && c.run.bytes > 0:
		if c.buffer == nil {
			c.buffer = make([]byte, runBlockBytes)
		}
		b = c.buffer[:min(runBlockBytes, c.run.bytes)]
		if _, err := c.run.file.file.ReadAt(b, c.run.at); err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading sorted tuples: %w", err)
		}
	default:
		return nil, nil
	}
	if len(b) < runHeaderBytes {
		return nil, errDamagedRun
	}
	length := binary.LittleEndian.Uint32(b)
	if length <= runHeaderBytes || int64(length) > int64(len(b)) {
		return nil, errDamagedRun
	}
	if crc32.Checksum(b[runHeaderBytes:length], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, errDamagedRun
	}
	c.run.at += int64(length)
	c.run.bytes -= int64(length)
	return b[runHeaderBytes:length], nil
}
