package store

import (
	"bytes"
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// walk goes through the tuples that are live at a revision, in key order, among
// the keys that begin with a bound. It uses its iterator's buffers, so there is
// one walk of an iterator at a time.
type walk struct {
	it       *iterator
	revision uint64
	// split is the prefix length of a walk within one prefix, which bloom
	// filters can cut short; 0 for walks across prefixes.
	split int
	// steps counts the versions passed by since the last live tuple.
	steps int
	// look is called for each key that the walk comes to, if it is set; its error
	// ends the walk.
	look func() error
	err  error
}

// pastNUL put behind an id sorts after all keys of that id, whose next byte is
// NUL, and before those of any id that it begins.
const pastNUL = 1

// maxVersionSteps is how many versions of one tuple are passed one by one
// before a seek is cheaper.
const maxVersionSteps = 8

// bound restricts the walk to keys that begin with the first n bytes of it.key.
func (w *walk) bound(n int) {
	w.it.within = append(w.it.within[:0], w.it.key[:n]...)
}

// seek stands on the first live tuple at or after it.key.
func (w *walk) seek() bool {
	w.it.newest = w.it.newest[:0]
	return w.settle(w.jump())
}

// next stands on the next live tuple.
func (w *walk) next() bool {
	w.steps = 0
	return w.settle(w.it.next())
}

func (w *walk) jump() bool {
	w.steps = 0
	if w.split > 0 {
		return w.it.seekPrefix(w.split)
	}
	return w.it.seek()
}

// settle moves on until the iterator stands on a version that is the newest of
// its tuple at the revision, and live. The order of keys, newest first, makes
// that the first version at or below the revision.
func (w *walk) settle(ok bool) bool {
	it := w.it
	for ok {
		if w.look != nil {
			if w.err = w.look(); w.err != nil {
				return false
			}
		}
		key := it.Key()
		if !bytes.HasPrefix(key, it.within) {
			return false
		}
		switch older := bytes.Equal(withoutRevision(key), it.newest); {
		case older:
			ok = w.pass(append(it.key[:0], key[:len(key)-revisionBytes-1]...), true)
		case decodeRevision(key) > w.revision:
			ok = w.pass(append(it.key[:0], withoutRevision(key)...), false)
		default:
			it.newest = append(it.newest[:0], withoutRevision(key)...)
			value, err := it.ValueAndErr()
			if err != nil {
				w.err = err
				return false
			}
			if isLive(value) {
				return true
			}
			ok = it.next()
		}
	}
	w.err = it.Error()
	return false
}

// pass goes on past a version that does not count: by a step, or, after too
// many, by a seek past the tuple or to its version at the revision.
func (w *walk) pass(target []byte, pastTuple bool) bool {
	w.it.key = target
	if w.steps++; w.steps <= maxVersionSteps {
		return w.it.next()
	}
	if pastTuple {
		w.it.key = append(w.it.key, pastNUL)
	} else {
		w.it.key = appendRevision(w.it.key, w.revision)
	}
	return w.jump()
}

// traits returns those of the tuple that the walk stands on; the context is
// valid until it moves on.
func (w *walk) traits() (tuple.Traits, error) {
	value, err := w.it.ValueAndErr()
	if err != nil {
		return tuple.Traits{}, err
	}
	return decodeLive(value)
}

// tuple returns the tuple that the walk stands on, valid until it moves on.
func (w *walk) tuple() (t tuple.Tuple, err error) {
	k, ok := decodeTupleKey(w.it.Key())
	if !ok {
		return t, fmt.Errorf("%w: tuple key %x", ErrFormat, w.it.Key())
	}
	t = k.tuple()
	t.Traits, err = w.traits()
	return t, err
}
