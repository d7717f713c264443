package store

import (
	"encoding/binary"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Commands and changelog records are written with these: unsigned varints,
// bytes with their length before them, tuples as their six parts.

func appendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

func appendBytes[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendTuple(dst []byte, t tuple.Tuple) []byte {
	dst = appendUvarint(dst, uint64(t.Object.Type))
	dst = appendBytes(dst, t.Object.ID)
	dst = appendUvarint(dst, uint64(t.Relation))
	dst = appendUvarint(dst, uint64(t.Subject.Type))
	dst = appendBytes(dst, t.Subject.ID)
	dst = appendUvarint(dst, uint64(t.Subject.Relation))
	dst = appendBool(dst, !t.Traits.None())
	if t.Traits.None() {
		return dst
	}
	return appendTraits(dst, t.Traits)
}

func appendTraits(dst []byte, t tuple.Traits) []byte {
	dst = appendUvarint(dst, uint64(t.Caveat))
	dst = appendBytes(dst, t.Context)
	return appendUvarint(dst, uint64(t.ExpiresNanos))
}

// reader decodes what the append functions wrote. After the first fault it
// stays bad and gives zeros, so that callers check once at the end.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() {
	r.bad, r.rest = true, nil
}

// done reports whether everything was read and nothing was wrong.
func (r *reader) done() bool { return !r.bad && len(r.rest) == 0 }

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

// bool takes 0 and 1 only, so that a value has one encoding.
func (r *reader) bool() bool {
	b := r.byte()
	if b > 1 {
		r.fail()
	}
	return b == 1
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || (n > 1 && r.rest[n-1] == 0) {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *reader) uint16() uint16 {
	v := r.uvarint()
	if v > 1<<16-1 {
		r.fail()
		return 0
	}
	return uint16(v)
}

// bytes returns a slice of the input.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// optional returns bytes that may be missing, nil then.
func (r *reader) optional() []byte {
	if b := r.bytes(); len(b) > 0 {
		return b
	}
	return nil
}

// count reads a number of items that take at least minBytes each, so that a
// damaged count cannot ask for memory that the input does not pay for.
func (r *reader) count(minBytes int) int {
	n := r.uvarint()
	if n > uint64(len(r.rest)/minBytes) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) fixed(n int) []byte {
	if len(r.rest) < n {
		r.fail()
		return make([]byte, n)
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// id reads an object id and holds it to invariant T2.
func (r *reader) id() []byte {
	id := r.bytes()
	if len(id) == 0 {
		r.fail()
	}
	for _, b := range id {
		if b == 0 {
			r.fail()
		}
	}
	return id
}

const minTupleWireBytes = 9

func (r *reader) tuple() tuple.Tuple {
	var t tuple.Tuple
	t.Object.Type = tuple.TypeID(r.uint16())
	t.Object.ID = r.id()
	t.Relation = tuple.RelationID(r.uint16())
	t.Subject.Type = tuple.TypeID(r.uint16())
	t.Subject.ID = r.id()
	t.Subject.Relation = tuple.RelationID(r.uint16())
	if t.Subject.Relation == tuple.Wildcard && string(t.Subject.ID) != tuple.WildcardID {
		r.fail()
	}
	if r.bool() {
		t.Traits = r.traits()
	}
	return t
}

// traits reads traits that say something: none have no encoding.
func (r *reader) traits() tuple.Traits {
	t := tuple.Traits{Caveat: tuple.CaveatID(r.uint16())}
	t.Context = r.optional()
	t.ExpiresNanos = int64(r.uvarint())
	if t.None() || t.ExpiresNanos < 0 || t.Caveat == 0 && t.Context != nil {
		r.fail()
	}
	return t
}
