package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// MaxKeyBytes bounds an idempotency key.
const MaxKeyBytes = 128

// Limits of what is remembered. They decide what the apply does, so they are
// part of the format (see formatKeys).
const (
	keyWindow = 24 * time.Hour
	maxKeys   = 1 << 20
	// A command that is remembered forgets up to forgottenByKey others, more
	// than it adds, so that a backlog shrinks; an AdvanceHorizon forgets more,
	// for when no more keys come.
	forgottenByKey     = 4
	forgottenByHorizon = 1000
)

// keyLimits are the limits of one store; tests lower them.
type keyLimits struct {
	windowMillis int64
	count        uint64
}

var formatKeyLimits = keyLimits{windowMillis: keyWindow.Milliseconds(), count: maxKeys}

// outcome is what is remembered of a command that was applied under a key.
type outcome struct {
	revision uint64
	deleted  int
	complete bool
	digest   digest
}

// digest tells the contents of commands apart.
type digest [16]byte

// keyed is a remembered key in the order of remembering.
type keyed struct {
	revision   uint64
	unixMillis int64
	key        []byte
}

// keyOf returns the idempotency key of a command, empty for none.
func keyOf(c Command) []byte {
	switch c := c.(type) {
	case Write:
		return c.Key
	case DeleteByFilter:
		return c.Key
	case WriteSchema:
		return c.Key
	case RegisterCounter:
		return c.Key
	case UnregisterCounter:
		return c.Key
	}
	return nil
}

// withKey returns a command with another key, and whether its kind takes one.
func withKey(c Command, key []byte) (Command, bool) {
	switch c := c.(type) {
	case Write:
		c.Key = key
		return c, true
	case DeleteByFilter:
		c.Key = key
		return c, true
	case WriteSchema:
		c.Key = key
		return c, true
	case RegisterCounter:
		c.Key = key
		return c, true
	case UnregisterCounter:
		c.Key = key
		return c, true
	}
	return c, false
}

// contentOf returns what a command asks for, and its clock. What differs between
// two tries of one request is left out: the clock; what the proposer looked up
// for a DeleteByFilter; and what its build made of a schema's text.
func contentOf(c Command) (content Command, unixMillis int64) {
	switch c := c.(type) {
	case Write:
		unixMillis, c.UnixMillis, c.Key = c.UnixMillis, 0, nil
		return c, unixMillis
	case DeleteByFilter:
		unixMillis, c.UnixMillis, c.Key = c.UnixMillis, 0, nil
		c.ReadAt, c.Tuples, c.More = 0, nil, false
		return c, unixMillis
	case WriteSchema:
		return WriteSchema{Text: c.Text}, c.UnixMillis
	case RegisterCounter:
		unixMillis, c.UnixMillis, c.Key = c.UnixMillis, 0, nil
		return c, unixMillis
	case UnregisterCounter:
		unixMillis, c.UnixMillis, c.Key = c.UnixMillis, 0, nil
		return c, unixMillis
	}
	return c, 0
}

// digestOf returns the digest of an encoded content.
func digestOf(encoded []byte) digest {
	sum := sha256.Sum256(encoded)
	return digest(sum[:len(digest{})])
}

// once does a command that carries a key, unless it was done under that key.
// What fails is not remembered: another try of it is done, or fails, anew.
func (b *batch) once(revision uint64, c Command, result *Result) error {
	key := keyOf(c)
	content, unixMillis := contentOf(c)
	b.value = appendCommand(b.value[:0], content)
	sum := digestOf(b.value)
	past, known, err := b.outcome(key)
	if err != nil {
		return err
	}
	if !known || b.store.faults.forgetKeys {
		if err := b.do(revision, c, result); err != nil {
			return err
		}
		return b.remember(key, unixMillis, outcome{revision, result.Deleted, result.Complete, sum})
	}
	if past.digest != sum {
		return refuse(&KeyReusedError{Revision: past.revision})
	}
	*result = Result{Revision: past.revision, Repeated: true, Deleted: past.deleted, Complete: past.complete}
	return nil
}

// outcome returns what is remembered of a key.
func (b *batch) outcome(key []byte) (o outcome, known bool, err error) {
	if o, staged := b.outcomes[string(key)]; staged {
		return o, o.revision != 0, nil
	}
	it, err := b.reads()
	if err != nil {
		return outcome{}, false, err
	}
	it.key = appendOutcomeKey(it.key[:0], key)
	if !it.seekPrefix(len(it.key)) || !bytes.Equal(it.Key(), it.key) {
		return outcome{}, false, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return outcome{}, false, err
	}
	o, err = decodeOutcome(value)
	return o, err == nil, err
}

// remember keeps the outcome of a key, and forgets the oldest of the others.
func (b *batch) remember(key []byte, unixMillis int64, o outcome) error {
	k := keyed{revision: o.revision, unixMillis: unixMillis, key: bytes.Clone(key)}
	b.outcomes[string(key)] = o
	b.remembered = append(b.remembered, k)
	b.key, b.value = appendOutcomeKey(b.key[:0], key), o.append(b.value[:0])
	if err := b.writes.Set(b.key, b.value, nil); err != nil {
		return err
	}
	b.key, b.value = appendKeyOrder(b.key[:0], k.revision), k.append(b.value[:0])
	if err := b.writes.Set(b.key, b.value, nil); err != nil {
		return err
	}
	b.state.keys++
	return b.forgetKeys(unixMillis, forgottenByKey)
}

// forgetKeys forgets keys, the oldest first and at most `most`, that were
// remembered a window before now or are too many. Now is the clock of the
// command at hand. The first key that may stay ends it: a clock that went
// backwards keeps some keys longer, up to the count.
func (b *batch) forgetKeys(unixMillis int64, most int) error {
	limits := b.store.keyLimits
	for range most {
		k, ok, err := b.oldestKey()
		if err != nil || !ok {
			return err
		}
		if b.state.keys <= limits.count && unixMillis-k.unixMillis < limits.windowMillis {
			return nil
		}
		b.state.forgotten = k.revision
		b.state.keys--
		b.outcomes[string(k.key)] = outcome{}
		b.key = appendOutcomeKey(b.key[:0], k.key)
		if err := b.writes.Delete(b.key, nil); err != nil {
			return err
		}
		b.key = appendKeyOrder(b.key[:0], k.revision)
		if err := b.writes.Delete(b.key, nil); err != nil {
			return err
		}
	}
	return nil
}

// oldestKey returns the key that was remembered first of those that are not
// forgotten.
func (b *batch) oldestKey() (k keyed, ok bool, err error) {
	if b.state.keys == 0 {
		return keyed{}, false, nil
	}
	if b.state.oldest.revision <= b.state.forgotten {
		b.state.oldest, err = b.findOldestKey()
	}
	return b.state.oldest, err == nil, err
}

// findOldestKey looks among those committed, and then among this batch's.
func (b *batch) findOldestKey() (keyed, error) {
	it, err := b.reads()
	if err != nil {
		return keyed{}, err
	}
	it.key = appendKeyOrder(it.key[:0], b.state.forgotten+1)
	if it.seek() && bytes.HasPrefix(it.Key(), it.key[:idsOffset]) {
		value, err := it.ValueAndErr()
		if err != nil {
			return keyed{}, err
		}
		return decodeKeyed(it.Key(), value)
	}
	if err := it.Error(); err != nil {
		return keyed{}, err
	}
	for _, k := range b.remembered {
		if k.revision > b.state.forgotten {
			return k, nil
		}
	}
	return keyed{}, fmt.Errorf("%w: %d idempotency keys are counted, none is there", ErrFormat, b.state.keys)
}

// loadKeys reads how many keys are remembered, and where the first is.
func (st *state) loadKeys(db *database) (err error) {
	if st.keys, err = getUint64(db, metaKeys); err != nil || st.keys == 0 {
		return err
	}
	bounds := &pebble.IterOptions{LowerBound: []byte{tagKeyOrder}, UpperBound: []byte{tagKeyOrder + 1}}
	return scan(db, bounds, func(key, value []byte) (bool, error) {
		st.oldest, err = decodeKeyed(key, value)
		st.forgotten = st.oldest.revision - 1
		return false, err
	})
}

const outcomeVersion = 1

// append appends the record of an outcome: version, revision, deleted tuples,
// whether those were all, digest.
func (o outcome) append(dst []byte) []byte {
	dst = appendUvarint(append(dst, outcomeVersion), o.revision)
	dst = appendUvarint(dst, uint64(o.deleted))
	return append(appendBool(dst, o.complete), o.digest[:]...)
}

func decodeOutcome(value []byte) (outcome, error) {
	r := &reader{rest: value}
	version := r.byte()
	o := outcome{revision: r.uvarint(), deleted: int(r.uvarint()), complete: r.bool(), digest: digest(r.fixed(len(digest{})))}
	if version != outcomeVersion || o.revision == 0 || o.deleted < 0 || !r.done() {
		return outcome{}, fmt.Errorf("%w: damaged outcome of an idempotency key", ErrFormat)
	}
	return o, nil
}

// append appends the record of a key's place in the order: clock, key.
func (k keyed) append(dst []byte) []byte {
	return appendBytes(appendUvarint(dst, uint64(k.unixMillis)), k.key)
}

// decodeKeyed reads a place in the order into memory of its own.
func decodeKeyed(key, value []byte) (keyed, error) {
	r := &reader{rest: value}
	k := keyed{unixMillis: int64(r.uvarint()), key: bytes.Clone(r.bytes())}
	if len(key) != idsOffset+revisionBytes || len(k.key) == 0 || !r.done() {
		return keyed{}, fmt.Errorf("%w: damaged place %x of an idempotency key", ErrFormat, key)
	}
	k.revision = binary.BigEndian.Uint64(key[idsOffset:])
	return k, nil
}
