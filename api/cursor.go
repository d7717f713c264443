package api

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// cursor is where a Read goes on: at the revision of its first page, behind the
// last tuple of the page before, for the same request only.
type cursor struct {
	revision uint64
	request  requestHash
	position []byte // the store's own
}

// requestHash stands for the parts of a Read that every page must repeat.
type requestHash [8]byte

// hashRead hashes the consistency and the filter of a Read.
func hashRead(r *tupelov1.ReadRequest) requestHash {
	var buf []byte
	text := func(s string) { buf = append(binary.AppendUvarint(buf, uint64(len(s))), s...) }
	switch want := r.GetConsistency().GetRequirement().(type) {
	case *tupelov1.Consistency_AtLeastAsFresh:
		buf = append(buf, 1)
		text(want.AtLeastAsFresh)
	case *tupelov1.Consistency_AtExactSnapshot:
		buf = append(buf, 2)
		text(want.AtExactSnapshot)
	case *tupelov1.Consistency_FullyConsistent:
		buf = append(buf, 3)
	default: // minimize latency, by default or by name
		buf = append(buf, 0)
	}
	f := r.GetFilter()
	text(f.GetObjectType())
	text(f.GetObjectId())
	text(f.GetRelation())
	text(f.GetSubjectType())
	text(f.GetSubjectId())
	if f != nil && f.SubjectRelation != nil {
		text(*f.SubjectRelation)
	}
	sum := sha256.Sum256(buf)
	return requestHash(sum[:])
}

// cursor returns the token of c.
func (f fingerprint) cursor(c cursor) string {
	body := binary.AppendUvarint(f.begin(nil, cursorForm), c.revision)
	body = append(body, c.request[:]...)
	return sealToken(append(body, c.position...))
}

// parseCursor reads a token for a request with the given hash. Errors wrap
// ErrDamagedCursor or ErrForeignCursor.
func (f fingerprint) parseCursor(text string, request requestHash) (cursor, error) {
	body, ofCluster, err := openToken(cursorForm, text)
	if err != nil {
		return cursor{}, fmt.Errorf("%w: %w", ErrDamagedCursor, err)
	}
	c := cursor{}
	c.revision, body, err = cutRevision(body)
	if err != nil || len(body) <= len(c.request) {
		return cursor{}, fmt.Errorf("%w: %w", ErrDamagedCursor, errTokenBody)
	}
	if ofCluster != f {
		return cursor{}, fmt.Errorf("%w: it is of another cluster", ErrForeignCursor)
	}
	n := copy(c.request[:], body)
	c.position = body[n:]
	if c.request != request {
		return cursor{}, fmt.Errorf("%w: consistency and filter must be those of the first page", ErrForeignCursor)
	}
	return c, nil
}
