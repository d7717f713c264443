package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
)

// storeID numbers the stores of one database, so that a later version can hold
// many; this one holds the first.
const storeID uint32 = 1

// The first byte of a key says what it is. doc.go draws the layouts.
const (
	tagMeta       byte = 0x01
	tagName       byte = 0x02
	tagSchema     byte = 0x03
	tagCounter    byte = 0x04
	tagChangelog  byte = 0x05
	tagCaveat     byte = 0x06
	tagExpiry     byte = 0x07
	tagOutcome    byte = 0x08
	tagKeyOrder   byte = 0x09
	tagRegistered byte = 0x0a
	tagForward    byte = 0x10
	tagReverse    byte = 0x11
)

var (
	metaFormat  = []byte{tagMeta, 'f'}
	metaApplied = []byte{tagMeta, 'a'}
	metaCluster = []byte{tagMeta, 'c'}
	metaHorizon = []byte{tagMeta, 'h'}
	metaKeys    = []byte{tagMeta, 'k'}
)

const (
	idsOffset     = 1 + 4     // tag, store: where a tuple key's own parts begin
	revisionBytes = 8         // the inverted revision that ends a versioned key
	kindBytes     = 2 + 2     // a type and a relation
	minTupleBytes = 5 + 2 + 2 // tag, store, type, NUL, relation of an empty prefix
)

// side is one half of a tuple key: an object and its relation, or a subject.
// Forward keys put the object's half first, reverse keys the subject's; the
// two indexes are otherwise the same.
type side struct {
	kind tuple.Kind
	id   []byte
}

func objectSide(t tuple.Tuple) side {
	return side{tuple.Kind{Type: t.Object.Type, Relation: t.Relation}, t.Object.ID}
}

func subjectSide(s tuple.Subject) side { return side{s.Kind(), s.ID} }

// appendPrefix appends the first half of a tuple key: tag, store, type, id,
// NUL, relation. Bloom filters and prefix seeks work on it.
func appendPrefix(dst []byte, tag byte, first side) []byte {
	dst = appendObject(dst, tag, first.kind.Type, first.id)
	return binary.BigEndian.AppendUint16(dst, uint16(first.kind.Relation))
}

// appendObject appends a prefix without its relation.
func appendObject(dst []byte, tag byte, t tuple.TypeID, id []byte) []byte {
	dst = appendType(dst, tag, t)
	dst = append(dst, id...)
	return append(dst, 0)
}

// appendType appends a prefix without its id.
func appendType(dst []byte, tag byte, t tuple.TypeID) []byte {
	return binary.BigEndian.AppendUint16(appendStore(dst, tag), uint16(t))
}

// appendStore appends what all keys of an index begin with.
func appendStore(dst []byte, tag byte) []byte {
	return binary.BigEndian.AppendUint32(append(dst, tag), storeID)
}

// appendKind appends the beginning of the second half: type, relation.
func appendKind(dst []byte, k tuple.Kind) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(k.Type))
	return binary.BigEndian.AppendUint16(dst, uint16(k.Relation))
}

// appendSecond appends the second half without its revision: type, relation, id, NUL.
func appendSecond(dst []byte, second side) []byte {
	dst = appendKind(dst, second.kind)
	dst = append(dst, second.id...)
	return append(dst, 0)
}

// appendRevision appends ^revision, so that newer versions sort first.
func appendRevision(dst []byte, revision uint64) []byte {
	return binary.BigEndian.AppendUint64(dst, ^revision)
}

// appendForward appends the forward key of t without its revision.
func appendForward(dst []byte, t tuple.Tuple) []byte {
	return appendSides(appendStore(dst, tagForward), objectSide(t), subjectSide(t.Subject))
}

// appendReverse appends the reverse key of t without its revision.
func appendReverse(dst []byte, t tuple.Tuple) []byte {
	return appendSides(appendStore(dst, tagReverse), subjectSide(t.Subject), objectSide(t))
}

// appendSides appends both halves of a tuple key without what all keys of its index
// begin with. It writes what appendPrefix and appendSecond would, in one go.
func appendSides(dst []byte, first, second side) []byte {
	at := len(dst)
	end := at + 2 + len(first.id) + 1 + 2 + kindBytes + len(second.id) + 1
	dst = slices.Grow(dst, end-at)[:end]
	b := dst[at:]
	binary.BigEndian.PutUint16(b, uint16(first.kind.Type))
	b = b[2+copy(b[2:], first.id):]
	b[0] = 0
	binary.BigEndian.PutUint16(b[1:], uint16(first.kind.Relation))
	binary.BigEndian.PutUint16(b[3:], uint16(second.kind.Type))
	binary.BigEndian.PutUint16(b[5:], uint16(second.kind.Relation))
	b = b[7+copy(b[7:], second.id):]
	b[0] = 0
	return dst
}

// splitKey returns the length of a key's prefix (pebble's Split): up to and
// with the relation of the first half for tuples, all of it for other keys and
// for bytes that are no whole key.
func splitKey(key []byte) int {
	if len(key) < minTupleBytes || (key[0] != tagForward && key[0] != tagReverse) {
		return len(key)
	}
	nul := bytes.IndexByte(key[idsOffset+2:], 0)
	end := idsOffset + 2 + nul + 1 + 2
	if nul < 0 || end > len(key) {
		return len(key)
	}
	return end
}

// tupleKey is a decoded tuple key; its ids point into the key.
type tupleKey struct {
	tag           byte
	first, second side
	revision      uint64
}

// decodeTupleKey reads a forward or reverse key with its revision.
func decodeTupleKey(key []byte) (k tupleKey, ok bool) {
	split := splitKey(key)
	if len(key) < split+kindBytes+1+revisionBytes || binary.BigEndian.Uint32(key[1:]) != storeID {
		return k, false
	}
	k.tag = key[0]
	k.first.kind.Type = tuple.TypeID(binary.BigEndian.Uint16(key[idsOffset:]))
	k.first.id = key[idsOffset+2 : split-3]
	k.first.kind.Relation = tuple.RelationID(binary.BigEndian.Uint16(key[split-2:]))
	k.second.kind = decodeKind(key[split:])
	end := len(key) - revisionBytes - 1
	k.second.id = key[split+kindBytes : end]
	k.revision = decodeRevision(key)
	return k, key[end] == 0 && len(k.first.id) > 0 && len(k.second.id) > 0 &&
		bytes.IndexByte(k.second.id, 0) < 0
}

func decodeKind(b []byte) tuple.Kind {
	return tuple.Kind{
		Type:     tuple.TypeID(binary.BigEndian.Uint16(b)),
		Relation: tuple.RelationID(binary.BigEndian.Uint16(b[2:])),
	}
}

// decodeRevision reads the revision at the end of a versioned key.
func decodeRevision(key []byte) uint64 {
	return ^binary.BigEndian.Uint64(key[len(key)-revisionBytes:])
}

// tuple returns the tuple that the key stands for; its ids point into the key.
func (k tupleKey) tuple() tuple.Tuple {
	object, subject := k.first, k.second
	if k.tag == tagReverse {
		object, subject = subject, object
	}
	return tuple.Tuple{
		Object:   tuple.Object{Type: object.kind.Type, ID: object.id},
		Relation: object.kind.Relation,
		Subject:  tuple.Subject{Type: subject.kind.Type, Relation: subject.kind.Relation, ID: subject.id},
	}
}

// The value of a tuple's version: empty for a live tuple without traits, which
// is the common case; one zero byte for a deletion; and valueTraits followed by
// the traits for a live tuple that has some.
var valueDeleted = []byte{0}

const valueTraits byte = 1

func isLive(value []byte) bool { return len(value) == 0 || value[0] != 0 }

// appendLive appends the value of a live tuple: tag, caveat, context, expiration.
func appendLive(dst []byte, t tuple.Traits) []byte {
	if t.None() {
		return dst
	}
	return appendTraits(append(dst, valueTraits), t)
}

// decodeLive reads the value of a live tuple; the context points into it.
func decodeLive(value []byte) (tuple.Traits, error) {
	if len(value) == 0 {
		return tuple.Traits{}, nil
	}
	r := &reader{rest: value[1:]}
	t := r.traits()
	if value[0] != valueTraits || !r.done() {
		return tuple.Traits{}, fmt.Errorf("%w: damaged value of a tuple", ErrFormat)
	}
	return t, nil
}

// nameKey keeps the name of a type, or of a relation within it.
func nameKey(t tuple.TypeID, r tuple.RelationID) []byte {
	key := binary.BigEndian.AppendUint32([]byte{tagName}, storeID)
	return appendKind(key, tuple.Kind{Type: t, Relation: r})
}

// schemaKey keeps the schema that holds from revision on.
func schemaKey(revision uint64) []byte {
	return appendRevision(binary.BigEndian.AppendUint32([]byte{tagSchema}, storeID), revision)
}

// counterKey keeps the number of live tuples of a shape.
func counterKey(s tuple.Shape) []byte {
	key := binary.BigEndian.AppendUint32([]byte{tagCounter}, storeID)
	key = appendKind(key, tuple.Kind{Type: s.Type, Relation: s.Relation})
	key = appendKind(key, s.Subject)
	key = binary.BigEndian.AppendUint16(key, uint16(s.Caveat))
	return appendBool(key, s.Expires)
}

// decodeCounterKey reads what counterKey wrote.
func decodeCounterKey(key []byte) (tuple.Shape, error) {
	if len(key) != idsOffset+2*kindBytes+3 {
		return tuple.Shape{}, fmt.Errorf("%w: counter %x", ErrFormat, key)
	}
	object, rest := decodeKind(key[idsOffset:]), key[idsOffset+kindBytes:]
	return tuple.Shape{
		Type: object.Type, Relation: object.Relation, Subject: decodeKind(rest),
		Caveat:  tuple.CaveatID(binary.BigEndian.Uint16(rest[kindBytes:])),
		Expires: rest[kindBytes+2] == 1,
	}, nil
}

// caveatKey keeps the name of a caveat.
func caveatKey(c tuple.CaveatID) []byte {
	key := binary.BigEndian.AppendUint32([]byte{tagCaveat}, storeID)
	return binary.BigEndian.AppendUint16(key, uint16(c))
}

// expiryKey finds live tuples by the instant they expire at: instant, and the
// forward key without revision.
func expiryKey(t tuple.Tuple) []byte {
	key := binary.BigEndian.AppendUint64([]byte{tagExpiry}, uint64(t.Traits.ExpiresNanos))
	return appendForward(key, t)
}

// appendOutcomeKey appends the key that keeps what came of a command under an
// idempotency key.
func appendOutcomeKey(dst, key []byte) []byte {
	return append(binary.BigEndian.AppendUint32(append(dst, tagOutcome), storeID), key...)
}

// appendKeyOrder appends the key that keeps the idempotency key of a revision,
// for the order of forgetting.
func appendKeyOrder(dst []byte, revision uint64) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, tagKeyOrder), storeID)
	return binary.BigEndian.AppendUint64(dst, revision)
}

// appendRegistered appends the key of a registered counter without its revision.
func appendRegistered(dst []byte, name string) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, tagRegistered), storeID)
	return append(append(dst, name...), 0)
}

// changelogKey keeps what a revision changed.
func changelogKey(revision uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{tagChangelog}, revision)
}

// after returns the smallest key above every key that begins with prefix, by
// adding one to its last byte that can take it.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return nil
}
