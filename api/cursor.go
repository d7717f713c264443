package api

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// cursor is where a Read or a list goes on: at the revision of its first page,
// behind the last entry of the page before, for the same request only.
type cursor struct {
	revision uint64
	request  requestHash
	position []byte // the store's own, or the last id of a list
}

// requestHash stands for the parts of a request that every page must repeat.
type requestHash [8]byte

// hashRead hashes the consistency and the filter of a Read.
func hashRead(r *tupelov1.ReadRequest) requestHash {
	buf := appendConsistency(nil, r.GetConsistency())
	f := r.GetFilter()
	buf = appendTexts(buf, f.GetObjectType(), f.GetObjectId(), f.GetRelation(), f.GetSubjectType(), f.GetSubjectId())
	if f != nil && f.SubjectRelation != nil {
		buf = appendTexts(buf, *f.SubjectRelation)
	}
	// Filters without one have the hashes that they always had. What is put before
	// it cannot begin a subject's relation, which is not as long as that would say.
	if prefix := f.GetObjectIdPrefix(); prefix != "" {
		buf = appendTexts(append(buf, 0xff, 0xff), prefix)
	}
	return hashOf(buf)
}

// hashList hashes the consistency and the parts of a list's request; call names
// the call.
func hashList(call string, c *tupelov1.Consistency, parts ...string) requestHash {
	return hashOf(appendTexts(appendConsistency(appendTexts([]byte{listRequest}, call), c), parts...))
}

// listRequest begins what is hashed of a list; a Read begins with its consistency.
const listRequest byte = 0x10

func hashOf(buf []byte) requestHash {
	sum := sha256.Sum256(buf)
	return requestHash(sum[:])
}

func appendTexts(buf []byte, texts ...string) []byte {
	for _, s := range texts {
		buf = append(binary.AppendUvarint(buf, uint64(len(s))), s...)
	}
	return buf
}

func appendConsistency(buf []byte, c *tupelov1.Consistency) []byte {
	switch want := c.GetRequirement().(type) {
	case *tupelov1.Consistency_AtLeastAsFresh:
		return appendTexts(append(buf, 1), want.AtLeastAsFresh)
	case *tupelov1.Consistency_AtExactSnapshot:
		return appendTexts(append(buf, 2), want.AtExactSnapshot)
	case *tupelov1.Consistency_FullyConsistent:
		return append(buf, 3)
	}
	return append(buf, 0) // minimize latency, by default or by name
}

// cursor returns the token of c.
func (f fingerprint) cursor(c cursor) string {
	return f.cursors(c.revision, c.request).at(func(to []byte) []byte { return append(to, c.position...) })
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
		return cursor{}, fmt.Errorf("%w: all but the limit must be as for the first page", ErrForeignCursor)
	}
	return c, nil
}
