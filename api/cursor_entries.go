package api

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// EntryCursors makes cursors that go on behind single entries of a message of a
// list, of which the message's own is that of its last entry. It is for protocols
// that give every entry a cursor, and is not for concurrent use.
type EntryCursors struct {
	body []byte // of a token, without its checksum
	same int    // how much of it is the same for every entry
}

// NewEntryCursors takes the cursor of a message that has entries. Errors wrap
// ErrDamagedCursor.
func NewEntryCursors(cursor string) (*EntryCursors, error) {
	body, f, err := openToken(cursorForm, cursor)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamagedCursor, err)
	}
	_, rest, err := cutRevision(body)
	if err != nil || len(rest) <= len(requestHash{}) {
		return nil, fmt.Errorf("%w: %w", ErrDamagedCursor, errTokenBody)
	}
	head := body[:len(body)-len(rest)+len(requestHash{})]
	e := &EntryCursors{body: append(f.begin(make([]byte, 0, 128), cursorForm), head...)}
	e.same = len(e.body)
	return e, nil
}

// Behind returns the cursor behind the entry with an id.
func (e *EntryCursors) Behind(id string) string {
	return e.at(func(to []byte) []byte { return append(to, id...) })
}

// at returns the cursor at a position, which appendTo appends.
func (e *EntryCursors) at(appendTo func(to []byte) []byte) string {
	e.body = slices.Grow(appendTo(e.body[:e.same]), checksumBytes) // kept, though it grows
	return sealToken(e.body)
}

// cursors makes the cursors of a request, which differ in their positions.
func (f fingerprint) cursors(revision uint64, request requestHash) *EntryCursors {
	body := binary.AppendUvarint(f.begin(make([]byte, 0, 128), cursorForm), revision)
	e := &EntryCursors{body: append(body, request[:]...)}
	e.same = len(e.body)
	return e
}
