package store

import (
	"bytes"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tupelodb/tupelo/store/tupleset"
)

// iterator is a Pebble iterator that outlives one request: making one costs as
// much as several look-ups. It sees the database as it was at some moment with
// every revision up to applied in it, so it serves any revision up to there.
type iterator struct {
	*pebble.Iterator
	applied uint64

	// key is where seek keys are built.
	key []byte
	// sought is the key of the last prefix seek, if the iterator still stands
	// where that seek left it; soughtSplit is the length of its prefix.
	sought      []byte
	soughtSplit int
	standing    bool

	// Scratch of the walk that uses the iterator.
	within []byte
	newest []byte
	// set gathers a tupleset for the cache.
	set tupleset.Builder
}

// seekPrefix stands on the first key ≥ it.key with the same prefix, the first
// split bytes. The questions of one check often go through a tupleset in
// ascending order; where the last seek already tells the answer, none is made.
func (it *iterator) seekPrefix(split int) bool {
	if it.standing && split == it.soughtSplit &&
		bytes.Equal(it.sought[:split], it.key[:split]) && bytes.Compare(it.sought, it.key) <= 0 {
		if !it.Valid() {
			return false
		}
		if bytes.Compare(it.Key(), it.key) >= 0 {
			return true
		}
	}
	it.sought = append(it.sought[:0], it.key...)
	it.soughtSplit, it.standing = split, true
	return it.SeekPrefixGE(it.key)
}

// next moves on; the last seek no longer says where the iterator stands.
func (it *iterator) next() bool {
	it.standing = false
	return it.Next()
}

// seek stands on the first key ≥ it.key, whatever its prefix.
func (it *iterator) seek() bool {
	it.standing = false
	return it.SeekGE(it.key)
}

// iteratorPool keeps idle iterators of one database. The apply retires those
// that have become too old to serve the newest revision.
type iteratorPool struct {
	mu     sync.Mutex
	idle   []*iterator
	newest uint64
}

// maxIdleIterators bounds what idle iterators pin: more requests than this at
// one moment make their own.
const maxIdleIterators = 128

// get returns an iterator that has every revision up to applied in it. The
// caller has read applied before, so a new iterator has it.
func (d *database) iterator(applied uint64) (*iterator, error) {
	if it := d.iterators.take(applied); it != nil {
		return it, nil
	}
	it, err := d.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, err
	}
	return &iterator{Iterator: it, applied: applied}, nil
}

func (p *iteratorPool) take(applied uint64) *iterator {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.idle) - 1; i >= 0; i-- {
		if it := p.idle[i]; it.applied >= applied {
			last := len(p.idle) - 1
			p.idle[i], p.idle[last] = p.idle[last], nil
			p.idle = p.idle[:last]
			return it
		}
	}
	return nil
}

// put gives an iterator back. One that met an error is not used again.
func (p *iteratorPool) put(it *iterator) {
	p.mu.Lock()
	keep := it.applied >= p.newest && len(p.idle) < maxIdleIterators && it.Error() == nil
	if keep {
		p.idle = append(p.idle, it)
	}
	p.mu.Unlock()
	if !keep {
		// What it reports was reported to the reader that met it.
		_ = it.Close()
	}
}

// retire closes the idle iterators that do not have revision newest in them.
func (p *iteratorPool) retire(newest uint64) {
	p.mu.Lock()
	p.newest = newest
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, it := range idle {
		_ = it.Close()
	}
}

func (p *iteratorPool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle)
}
