package raft

import (
	"encoding/binary"
	"fmt"
	"time"

	hraft "github.com/hashicorp/raft"
)

// An entry of the log is stored under its index, as
//
//	┌─────────┬──────┬──────────────┬────────────────────┬────── … ──┐
//	│ version │ type │ term         │ appended at        │ data      │
//	│ 1 byte  │ 1    │ uvarint      │ varint, Unix ns; 0 │ the rest  │
//	└─────────┴──────┴──────────────┴────────────────────┴────── … ──┘
//
// The type is hashicorp/raft's number, which is written into logs everywhere
// and does not change. Extensions are not stored: this package uses them for
// the ticket of a proposal, which means something only in the memory of the
// node that proposed it.
const entryVersion = 1

// maxEntryHeader is the most bytes an entry takes before its data.
const maxEntryHeader = 2 + 2*binary.MaxVarintLen64

// appendEntryHeader appends what precedes an entry's data.
func appendEntryHeader(buf []byte, l *hraft.Log) []byte {
	var at int64
	if !l.AppendedAt.IsZero() {
		at = l.AppendedAt.UnixNano()
	}
	buf = append(buf, entryVersion, byte(l.Type))
	buf = binary.AppendUvarint(buf, l.Term)
	return binary.AppendVarint(buf, at)
}

// decodeEntry fills l from an entry's bytes. The data is a part of b.
func decodeEntry(index uint64, b []byte, l *hraft.Log) error {
	if len(b) < 2 {
		return fmt.Errorf("%w: log entry %d is %d bytes", ErrDamaged, index, len(b))
	}
	if b[0] != entryVersion {
		return fmt.Errorf("%w: log entry %d has format %d", ErrVersion, index, b[0])
	}
	kind := hraft.LogType(b[1])
	switch kind {
	case hraft.LogCommand, hraft.LogNoop, hraft.LogBarrier, hraft.LogConfiguration:
	default:
		return fmt.Errorf("%w: log entry %d has type %d", ErrDamaged, index, b[1])
	}
	b = b[2:]
	term, n := binary.Uvarint(b)
	if n <= 0 {
		return fmt.Errorf("%w: log entry %d has no term", ErrDamaged, index)
	}
	b = b[n:]
	at, n := binary.Varint(b)
	if n <= 0 {
		return fmt.Errorf("%w: log entry %d has no time", ErrDamaged, index)
	}
	*l = hraft.Log{Index: index, Term: term, Type: kind}
	if at != 0 {
		l.AppendedAt = time.Unix(0, at)
	}
	if data := b[n:]; len(data) > 0 {
		l.Data = data
	}
	return nil
}
