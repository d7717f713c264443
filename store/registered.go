package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// A registered counter is a filter with a name. It has versions as tuples have,
// so that a reader at a revision sees those of then; what it counts is counted
// when it is asked for.

// MaxCounterNameBytes bounds the name of a registered counter.
const MaxCounterNameBytes = 128

// RegisterCounter gives a filter a name, to count by. It fails with
// ErrCounterExists if the name is taken. It needs format 3.
type RegisterCounter struct {
	UnixMillis int64
	// Name has 1 to MaxCounterNameBytes bytes, none of them zero.
	Name   string
	Filter tuple.Filter
	// Key is as in Write.
	Key []byte
}

// UnregisterCounter takes a name away. It fails with ErrCounterUnknown if there
// is no such counter. It needs format 3.
type UnregisterCounter struct {
	UnixMillis int64
	Name       string
	// Key is as in Write.
	Key []byte
}

func (RegisterCounter) kind() commandKind   { return kindRegisterCounter }
func (UnregisterCounter) kind() commandKind { return kindUnregisterCounter }

func (c RegisterCounter) append(dst []byte, form uint64) []byte {
	dst = appendBytes(appendUvarint(dst, uint64(c.UnixMillis)), c.Name)
	return appendFilter(dst, c.Filter, form)
}

func (c UnregisterCounter) append(dst []byte, _ uint64) []byte {
	return appendBytes(appendUvarint(dst, uint64(c.UnixMillis)), c.Name)
}

func readRegisterCounter(r *reader, form uint64) RegisterCounter {
	return RegisterCounter{UnixMillis: int64(r.uvarint()), Name: r.counterName(), Filter: readFilter(r, form)}
}

func readUnregisterCounter(r *reader) UnregisterCounter {
	return UnregisterCounter{UnixMillis: int64(r.uvarint()), Name: r.counterName()}
}

func (r *reader) counterName() string {
	name := r.id()
	if len(name) > MaxCounterNameBytes {
		r.fail()
	}
	return string(name)
}

// counterVersion is a version of a registered counter; the zero one is none.
type counterVersion struct {
	revision uint64
	filter   *tuple.Filter // nil where the name was taken away
}

// registerCounter applies a RegisterCounter.
func (b *batch) registerCounter(revision uint64, c RegisterCounter) error {
	now, err := b.registered(revision, c.Name)
	if err != nil {
		return err
	}
	if now.filter != nil {
		return refuse(ErrCounterExists)
	}
	return b.setRegistered(Changes{Revision: revision, UnixMillis: c.UnixMillis, counter: c.Name, oldCounter: now.revision}, &c.Filter)
}

// unregisterCounter applies an UnregisterCounter.
func (b *batch) unregisterCounter(revision uint64, c UnregisterCounter) error {
	now, err := b.registered(revision, c.Name)
	if err != nil {
		return err
	}
	if now.filter == nil {
		return refuse(ErrCounterUnknown)
	}
	return b.setRegistered(Changes{Revision: revision, UnixMillis: c.UnixMillis, counter: c.Name, oldCounter: now.revision}, nil)
}

// registered returns the newest version of a counter.
func (b *batch) registered(revision uint64, name string) (counterVersion, error) {
	if err := b.flush(revision); err != nil {
		return counterVersion{}, err
	}
	it, err := b.reads()
	if err != nil {
		return counterVersion{}, err
	}
	return findRegistered(it, name, revision)
}

// setRegistered puts a counter's new version into the batch.
func (b *batch) setRegistered(c Changes, f *tuple.Filter) error {
	c.counterGone = f == nil
	b.key = appendRevision(appendRegistered(b.key[:0], c.counter), c.Revision)
	if err := b.writes.Set(b.key, encodeRegistered(f), nil); err != nil {
		return err
	}
	return b.writeChanges(c)
}

// findRegistered returns the version of a counter that holds at a revision.
func findRegistered(it *iterator, name string, revision uint64) (counterVersion, error) {
	it.key = appendRegistered(it.key[:0], name)
	end := len(it.key)
	it.key = appendRevision(it.key, revision)
	if !it.seek() || !bytes.Equal(withoutRevision(it.Key()), it.key[:end]) {
		return counterVersion{}, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return counterVersion{}, err
	}
	f, err := decodeRegistered(value)
	return counterVersion{decodeRevision(it.Key()), f}, err
}

// Counter returns the filter of the counter that is registered under a name at
// the revision, or ErrCounterUnknown.
func (n *Snapshot) Counter(name string) (tuple.Filter, error) {
	it, err := n.iterator()
	if err != nil {
		return tuple.Filter{}, err
	}
	v, err := findRegistered(it, name, n.revision)
	if err == nil && v.filter == nil {
		err = ErrCounterUnknown
	}
	if err != nil {
		return tuple.Filter{}, err
	}
	return *v.filter, nil
}

// Count returns how many tuples a filter selects, exactly as many as Read lists.
// Without an id in the filter it reads counters, and what has changed since the
// revision; with one it goes through the tuples.
func (n *Snapshot) Count(ctx context.Context, f tuple.Filter) (uint64, error) {
	it, err := n.iterator()
	if err != nil {
		return 0, err
	}
	look := whileWanted(ctx)
	if f.ObjectID == "" && f.ObjectIDPrefix == "" && f.SubjectID == "" {
		return n.countShapes(it, f, look)
	}
	var count uint64
	err = visitSpans(it, spans(f, n.view.names, n.view.shapes), n.revision, nil, look, func([]byte, tuple.Tuple) bool {
		count++
		return true
	})
	return count, err
}

// countShapes adds up the counters of the shapes that a filter selects, as the
// iterator has them, and takes back what the revisions above the snapshot's did.
func (n *Snapshot) countShapes(it *iterator, f tuple.Filter, look func() error) (uint64, error) {
	var count uint64
	err := it.scan([]byte{tagCounter}, []byte{tagCounter + 1}, look, func(key, value []byte) error {
		shape, err := decodeCounterKey(key)
		if err == nil && f.MatchesShape(n.view.names, shape) {
			count += binary.BigEndian.Uint64(value)
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	err = it.scan(changelogKey(n.revision+1), []byte{tagChangelog + 1}, look, func(key, value []byte) error {
		later, err := decodeChanges(key, value)
		if err != nil {
			return err
		}
		for _, c := range later.Tuples {
			switch {
			case !f.Matches(n.view.names, c.Tuple):
			case c.Deleted:
				count++
			case c.old == 0:
				count--
			}
		}
		return look()
	})
	return count, err
}

// scan calls visit for the keys from begin on and below end, in order, and look
// for each.
func (it *iterator) scan(begin, end []byte, look func() error, visit func(key, value []byte) error) error {
	it.key = append(it.key[:0], begin...)
	for ok := it.seek(); ok && bytes.Compare(it.Key(), end) < 0; ok = it.next() {
		value, err := it.ValueAndErr()
		if err == nil {
			err = look()
		}
		if err == nil {
			err = visit(it.Key(), value)
		}
		if err != nil {
			return err
		}
	}
	return it.Error()
}

const registeredVersion = 1

// encodeRegistered returns the record of a version: version, whether there is a
// filter, the filter.
func encodeRegistered(f *tuple.Filter) []byte {
	value := appendBool([]byte{registeredVersion}, f != nil)
	if f == nil {
		return value
	}
	return appendFilter(value, *f, formatCounters)
}

func decodeRegistered(value []byte) (*tuple.Filter, error) {
	r := &reader{rest: value}
	version := r.byte()
	var f *tuple.Filter
	if r.bool() {
		read := readFilter(r, formatCounters)
		f = &read
	}
	if version != registeredVersion || !r.done() {
		return nil, fmt.Errorf("%w: damaged record of a counter", ErrFormat)
	}
	return f, nil
}
