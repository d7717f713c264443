package store

import (
	"bytes"
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// step is a moment of the apply or of a load at which a test can hold it.
type step int

const (
	applyCommitted step = iota // new iterators have the revision
	applyAnnounced             // and loads know
	applyEnded                 // the tuplesets that it changes are ended
	applyPublished             // readers have it
	loadBegun                  // others see that it is under way
	loadReading                // its iterator is chosen
	loadRead                   // its set is built
)

func (s *Store) reached(at step) {
	if s.at != nil {
		s.at(at)
	}
}

// changedSet is a tupleset in which a subject changed.
type changedSet struct {
	object   tuple.Object
	relation tuple.RelationID
	subject  tuple.Subject
}

// endChanged ends what the cache has of the tuplesets that were changed.
func (b *batch) endChanged() {
	for i := range b.changed {
		c := &b.changed[i]
		b.end(b.db.tuplesets, c.object, c.relation, c.subject.Kind())
		if b.db.reversed != nil {
			b.end(b.db.reversed, asObject(c.subject), c.subject.Relation, tuple.Kind{Type: c.object.Type, Relation: c.relation})
		}
	}
	b.endGroups()
	clear(b.changed)
	b.changed = b.changed[:0]
}

// end ends what a cache has of a tupleset in which a kind changed.
func (b *batch) end(cache *tupleset.Cache, object tuple.Object, relation tuple.RelationID, kind tuple.Kind) {
	if b.store.faults.endHeld {
		cache.EndHeld(object, relation)
		return
	}
	cache.End(object, relation, kind)
}

// asObject is what stands for a subject in the cache of what subjects are in: there
// its relation is that of the tupleset.
func asObject(s tuple.Subject) tuple.Object { return tuple.Object{Type: s.Type, ID: s.ID} }

// direction is one of the two caches, with the entry that answered the last read.
type direction struct {
	cache *tupleset.Cache // nil if there is none
	tag   byte            // of the keys that its sets are read from
	entry *tupleset.Entry
}

// tupleset returns what the cache says of an object's relation at the snapshot's
// revision, and whether it had to be loaded, which is tried where it may be
// worthwhile; nil if the database has to be asked. What keeps a load from being
// of use, errors among it, is nothing to the reader, who then asks the database.
func (n *Snapshot) tupleset(d *direction, object tuple.Object, relation tuple.RelationID) (set *tupleset.Set, loaded bool) {
	if d.cache == nil {
		return nil, false
	}
	if d.entry != nil && d.entry.Is(object, relation) {
		return d.entry.Set(), false
	}
	e, load := d.cache.Look(object, relation, n.revision)
	if load {
		e = n.load(d, object, relation)
	}
	if e == nil {
		return nil, load
	}
	d.entry = e
	return e.Set(), load
}

// count counts a read of a tupleset, by whether a set that was there answered it.
func (n *Snapshot) count(hit bool) {
	if hit {
		n.hits++
	} else {
		n.misses++
	}
}

// load brings a tupleset into the cache and returns its entry if that says what
// holds at the snapshot's revision.
func (n *Snapshot) load(d *direction, object tuple.Object, relation tuple.RelationID) *tupleset.Entry {
	cache := d.cache
	e, earned := cache.Begin(object, relation)
	if e == nil {
		return nil
	}
	n.store.reached(loadBegun)
	it, done, err := n.loader()
	if err != nil {
		cache.Cancel(e)
		return nil
	}
	defer done()
	n.store.reached(loadReading)
	l := loading{it: it, tag: d.tag, budget: budgets[min(earned, len(budgets)-1)], setLimit: cache.SetLimit()}
	l.last = earned >= len(budgets)-1
	// The horizon is read after the iterator was made: of versions that the
	// iterator lacks, none is newer than that (S5).
	it.set.Reset(n.view.db.horizon.Load())
	whole, err := l.read(side{tuple.Kind{Type: object.Type, Relation: relation}, object.ID})
	n.store.reached(loadRead)
	switch {
	case err != nil:
		cache.Cancel(e)
		return nil
	case !whole:
		cache.Defer(e)
		return nil
	}
	if e = cache.Fill(e, &it.set); e.Set().Newest() > n.revision {
		return nil
	}
	return e
}

// loader returns an iterator that has all that was committed when it is called
// (S10): the snapshot's own if it will do. It is given back by done.
func (n *Snapshot) loader() (it *iterator, done func(), err error) {
	committed := n.view.db.committed.Load()
	it, err = n.iterator()
	if err != nil || it.applied >= committed {
		return it, func() {}, err
	}
	it, err = n.view.db.iterator(committed)
	return it, func() { n.view.db.iterators.put(it) }, err
}

// budgets are how many versions a load may look at: the first time as many as
// cost little more than the look-up in whose place it stands, then more, as the
// tupleset proves to be asked for. With the last one the count is for each kind,
// and a kind that has more is not held.
var budgets = [...]int{64, 256, 1024, maxUsersets}

const (
	// maxPlain is how many subjects that are no usersets a set holds of a kind.
	// A search does not go through them, but asks for one. It is how many objects
	// of a relation a set of what a subject is in holds, too: lists of more read the
	// database, to which the first read is little.
	maxPlain = 1024
	// maxUsersets is how many usersets a set holds of a kind.
	maxUsersets = 16384
)

// loading reads a tupleset's newest state, and how new it is.
type loading struct {
	it       *iterator
	tag      byte
	budget   int // versions left to look at
	last     bool
	setLimit int
	kind     tuple.Kind
	begun    bool
}

// read goes through all versions of a tupleset; whole is false if the budget
// ends before.
func (l *loading) read(first side) (whole bool, err error) {
	it := l.it
	it.key = appendPrefix(it.key[:0], l.tag, first)
	split := len(it.key)
	it.within = append(it.within[:0], it.key...)
	it.newest = it.newest[:0]
	for ok := it.seekPrefix(split); ok && bytes.HasPrefix(it.Key(), it.within); {
		key := it.Key()
		if len(key) < split+kindBytes+1+revisionBytes {
			return false, fmt.Errorf("%w: tuple key %x", ErrFormat, key)
		}
		l.turnTo(decodeKind(key[split:]))
		if l.budget--; l.budget < 0 || it.set.Bytes() > l.setLimit {
			if !l.last {
				return false, nil
			}
			it.set.Leave()
			it.key = append(it.key[:0], after(key[:split+kindBytes])...)
			ok = bytes.HasPrefix(it.key, it.within) && it.seekPrefix(split)
			continue
		}
		if err := l.take(key, split); err != nil {
			return false, err
		}
		ok = it.next()
	}
	return true, it.Error()
}

// turnTo begins the section of a kind if it is another one.
func (l *loading) turnTo(kind tuple.Kind) {
	if l.begun && l.kind == kind {
		return
	}
	l.kind, l.begun = kind, true
	l.it.set.Begin(kind)
	if l.last {
		l.budget = maxUsersets
		if kind.Relation == tuple.Self || l.tag == tagReverse {
			l.budget = maxPlain
		}
	}
}

// take adds the version that the iterator stands on: the first of a tuple, its
// newest, says whether the tuple is live.
func (l *loading) take(key []byte, split int) error {
	it := l.it
	if bytes.Equal(withoutRevision(key), it.newest) {
		return nil
	}
	it.newest = append(it.newest[:0], withoutRevision(key)...)
	it.set.Saw(decodeRevision(key))
	value, err := it.ValueAndErr()
	if err != nil || !isLive(value) {
		return err
	}
	traits, err := decodeLive(value)
	if err == nil {
		it.set.Add(key[split+kindBytes:len(key)-revisionBytes-1], traits)
	}
	return err
}
