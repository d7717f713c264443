package store

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Snapshot is the tuples and the schema at one revision. It is for one
// goroutine, and must be closed.
type Snapshot struct {
	store    *Store
	view     *view
	revision uint64
	iter     *iterator // made by the first read
	closed   bool

	forward, reverse direction // of the cache
	hits, misses     int64
}

// Snapshot returns the store at a revision; 0 asks for the newest. It fails with
// *NotAppliedError or *HorizonError if the revision cannot be read here.
func (s *Store) Snapshot(revision uint64) (*Snapshot, error) {
	for {
		v := s.acquireView()
		if v == nil {
			return nil, ErrClosed
		}
		at := cmp.Or(revision, v.applied)
		if at > v.applied {
			v.db.release()
			return nil, &NotAppliedError{Revision: at, Applied: v.applied}
		}
		horizon := v.db.horizon.Load()
		if at >= horizon {
			return &Snapshot{
				store: s, view: v, revision: at,
				forward: direction{cache: v.db.tuplesets, tag: tagForward}, reverse: direction{cache: v.db.reversed, tag: tagReverse},
			}, nil
		}
		v.db.release()
		if revision != 0 || s.current.Load() == v {
			return nil, &HorizonError{Revision: at, Horizon: horizon}
		}
		// What was the newest is past the horizon already: there is a newer one.
	}
}

// acquireView returns the current view with a reference to its database, or
// nil if the store is closed.
func (s *Store) acquireView() *view {
	for {
		v := s.current.Load()
		if v.db.acquire() {
			return v
		}
		if s.current.Load() == v {
			return nil
		}
	}
}

// Close lets go of what the snapshot holds. A second call does nothing.
func (n *Snapshot) Close() {
	if n.closed {
		return
	}
	n.closed = true
	if n.iter != nil {
		n.view.db.iterators.put(n.iter)
	}
	if n.view.db.tuplesets != nil {
		n.view.db.tuplesets.Count(n.hits, n.misses)
	}
	n.view.db.release()
}

// Another returns a snapshot that shows the same, for another goroutine, or nil if
// there is none any more.
func (n *Snapshot) Another() *Snapshot {
	if !n.view.db.acquire() {
		return nil
	}
	return &Snapshot{store: n.store, view: n.view, revision: n.revision}
}

// Revision returns the revision that the snapshot shows.
func (n *Snapshot) Revision() uint64 { return n.revision }

// Names returns the interned names. The table may know names that are newer
// than the revision.
func (n *Snapshot) Names() *tuple.Names { return n.view.names }

// Schema returns the schema that holds at the revision, or ErrNoSchema.
func (n *Snapshot) Schema() (Schema, error) {
	newest := n.view.schema
	if newest == nil {
		return Schema{}, ErrNoSchema
	}
	if newest.Revision <= n.revision {
		return *newest, nil
	}
	it, err := n.iterator()
	if err != nil {
		return Schema{}, err
	}
	it.key = append(it.key[:0], schemaKey(n.revision)...)
	if !it.seek() || !bytes.HasPrefix(it.Key(), it.key[:idsOffset]) {
		if err := it.Error(); err != nil {
			return Schema{}, fmt.Errorf("reading the schema: %w", err)
		}
		return Schema{}, ErrNoSchema
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return Schema{}, fmt.Errorf("reading the schema: %w", err)
	}
	body, err := decodeSchemaRecord(value)
	if err != nil {
		return Schema{}, err
	}
	return Schema{Revision: decodeRevision(it.Key()), Text: body.Text}, nil
}

// iterator returns the snapshot's iterator and holds it to the horizon (S5).
func (n *Snapshot) iterator() (*iterator, error) {
	if n.iter != nil {
		return n.iter, nil
	}
	it, err := n.view.db.iterator(n.view.applied)
	if err != nil {
		return nil, err
	}
	if horizon := n.view.db.horizon.Load(); n.revision < horizon {
		n.view.db.iterators.put(it)
		return nil, &HorizonError{Revision: n.revision, Horizon: horizon}
	}
	n.iter = it
	return it, nil
}

// Find returns the traits of object#relation@subject, if it is stored. Their
// context is valid until the next read.
func (n *Snapshot) Find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (traits tuple.Traits, found bool, err error) {
	if set, loaded := n.tupleset(&n.forward, object, relation); set != nil {
		if traits, found, held := set.Find(subject.Kind(), subject.ID); held {
			n.count(!loaded)
			return traits, found, nil
		}
	}
	n.count(false)
	return n.find(object, relation, subject)
}

// find is Find in the database.
func (n *Snapshot) find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (traits tuple.Traits, found bool, err error) {
	it, err := n.iterator()
	if err != nil {
		return traits, false, err
	}
	it.key = appendPrefix(it.key[:0], tagForward, side{tuple.Kind{Type: object.Type, Relation: relation}, object.ID})
	split := len(it.key)
	it.key = appendSecond(it.key, subjectSide(subject))
	end := len(it.key)
	it.key = appendRevision(it.key, n.revision)
	if !it.seekPrefix(split) || !bytes.Equal(withoutRevision(it.Key()), it.key[:end]) {
		return traits, false, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil || !isLive(value) {
		return traits, false, err
	}
	traits, err = decodeLive(value)
	return traits, err == nil, err
}

// Subjects resets page and fills it with the ids of the subjects of one kind
// of object#relation, ascending, above `above` (nil: from the first), at most
// limit, and their tuples' traits.
func (n *Snapshot) Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error {
	if set, loaded := n.tupleset(&n.forward, object, relation); set != nil {
		page.Reset()
		if set.Page(kind, above, limit, page) {
			n.count(!loaded)
			return nil
		}
	}
	n.count(false)
	first := side{tuple.Kind{Type: object.Type, Relation: relation}, object.ID}
	return n.others(tagForward, first, kind, above, limit, page)
}

// Objects is Subjects the other way: it fills page with the ids of the objects
// of one type to which a subject has a relation.
func (n *Snapshot) Objects(subject tuple.Subject, objectType tuple.TypeID, relation tuple.RelationID, above []byte, limit int, page *tuple.Page) error {
	kind := tuple.Kind{Type: objectType, Relation: relation}
	if set, loaded := n.tupleset(&n.reverse, asObject(subject), subject.Relation); set != nil {
		page.Reset()
		if set.Page(kind, above, limit, page) {
			n.count(!loaded)
			return nil
		}
	}
	n.count(false)
	return n.others(tagReverse, subjectSide(subject), kind, above, limit, page)
}

// others lists the second halves of one kind that stand with a first half.
func (n *Snapshot) others(tag byte, first side, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error {
	page.Reset()
	it, err := n.iterator()
	if err != nil {
		return err
	}
	it.key = appendPrefix(it.key[:0], tag, first)
	split := len(it.key)
	it.key = appendKind(it.key, kind)
	w := walk{it: it, split: split, revision: n.revision}
	w.bound(len(it.key))
	if len(above) > 0 {
		it.key = append(append(it.key, above...), pastNUL)
	}
	for ok := w.seek(); ok; ok = w.next() {
		if page.Len() == limit {
			page.More = true
			return nil
		}
		traits, err := w.traits()
		if err != nil {
			return err
		}
		key := it.Key()
		page.Append(key[split+kindBytes:len(key)-revisionBytes-1], traits)
	}
	return w.err
}

// withoutRevision cuts the revision off a versioned key.
func withoutRevision(key []byte) []byte { return key[:len(key)-revisionBytes] }
