package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/store/tuple"
)

// A file of tuples is read in blocks of whole lines, so that several goroutines can
// have their part of it, and nothing is allocated for a line.

// blockBytes is how much is read at a time; above the longest line.
const blockBytes = 1 << 20

// block is a part of a file: whole lines, the last one's end included or not.
type block struct {
	name  string // of the file
	first int    // the number of its first line
	bytes []byte
}

// text returns the lines. They are in the block's memory, so nothing of them is kept
// past release.
func (b *block) text() string { return unsafe.String(unsafe.SliceData(b.bytes), len(b.bytes)) }

// release gives the block's memory to another one.
func (b *block) release() { blockMemory.Put((*[blockBytes]byte)(b.bytes[:blockBytes])) }

// blockMemory has the memory of blocks that were worked off.
var blockMemory = sync.Pool{New: func() any { return new([blockBytes]byte) }}

func newBlockBytes() []byte { return blockMemory.Get().(*[blockBytes]byte)[:0] }

// readBlocks sends a file's blocks.
func readBlocks(ctx context.Context, name string, r io.Reader, to chan<- block) error {
	buffer := newBlockBytes()
	first := 1
	for {
		n, err := io.ReadFull(r, buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		end := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !end {
			return situated{name, err}
		}
		whole := len(buffer)
		if !end {
			whole = bytes.LastIndexByte(buffer, '\n') + 1
		}
		if len(buffer)-whole > maxLineBytes {
			line := first + bytes.Count(buffer[:whole], []byte{'\n'})
			return situated{at(name, line), errLongLine}
		}
		// What the block lacks of its last line begins the next one. The block is not
		// looked at once it is sent.
		next := append(newBlockBytes(), buffer[whole:]...)
		b := block{name, first, buffer[:whole]}
		first += bytes.Count(b.bytes, []byte{'\n'})
		select {
		case to <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
		if end {
			return nil
		}
		buffer = next
	}
}

// work takes the tuples of blocks until there are no more.
func (i *offlineImport) work(ctx context.Context, blocks <-chan block) error {
	resolver, err := i.into.Resolver()
	if err != nil {
		return err
	}
	sorter := i.load.Sorter()
	for b := range blocks {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		number := b.first
		for rest := b.text(); rest != ""; number++ {
			var text string
			text, rest, _ = strings.Cut(rest, "\n")
			if text = plainLine(text); text == "" {
				continue
			}
			t, err := resolveLine(resolver, text)
			if err != nil {
				i.bad.add(b.name, number, err)
				continue
			}
			if i.bad.any() {
				continue // the import has failed; other bad lines are worth telling
			}
			if err := sorter.Add(t); err != nil {
				return err
			}
		}
		b.release()
	}
	return sorter.End()
}

// plainLine returns what a line says; one without any space or quote can have no
// comment but as a whole. Three searches for one byte each, which processors do many
// bytes at a time, take less than one for any of them.
func plainLine(text string) string {
	text = strings.TrimSuffix(text, "\r")
	if text == "" || text[0] == '#' || text[0] == '/' ||
		strings.IndexByte(text, ' ') >= 0 || strings.IndexByte(text, '\t') >= 0 || strings.IndexByte(text, '"') >= 0 {
		return uncomment(text)
	}
	return text
}

// resolveLine returns the tuple of a line. It shares the line's memory.
func resolveLine(r *api.TupleResolver, text string) (tuple.Tuple, error) {
	if len(text) > maxLineBytes {
		return tuple.Tuple{}, errLongLine
	}
	n, err := tuple.Parse(text)
	if err != nil {
		return tuple.Tuple{}, err
	}
	if n.Caveat == "" && n.ExpiresNanos == 0 {
		return r.Parsed(&n)
	}
	message, err := tupleMessage(n)
	if err != nil {
		return tuple.Tuple{}, err
	}
	return r.Message(message)
}

// badTuples collects what cannot be imported, from several goroutines.
type badTuples struct {
	count atomic.Int64
	mu    sync.Mutex
	first []badTuple // in the order of files and lines
}

type badTuple struct {
	name   string
	number int
	text   string // of the error, which may be about memory that is used again
}

func (b *badTuples) any() bool { return b.count.Load() > 0 }

func (b *badTuples) add(name string, number int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.Add(1)
	at, _ := slices.BinarySearchFunc(b.first, number, func(t badTuple, number int) int {
		if t.name != name {
			return -1 // files are read one after the other
		}
		return t.number - number
	})
	b.first = slices.Insert(b.first, at, badTuple{name, number, err.Error()})
	if len(b.first) > maxBadLines {
		b.first = b.first[:maxBadLines]
	}
}

// err tells of the first ones.
func (b *badTuples) err() error {
	var text strings.Builder
	for _, t := range b.first {
		fmt.Fprintf(&text, "\n  %s: %s", at(t.name, t.number), t.text)
	}
	if more := int(b.count.Load()) - len(b.first); more > 0 {
		fmt.Fprintf(&text, "\n  and %d more", more)
	}
	return fmt.Errorf("%s cannot be imported, and nothing is:%s", plural(b.count.Load(), "tuple"), text.String())
}
