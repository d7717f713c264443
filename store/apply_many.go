package store

import (
	"bytes"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
)

// manyUpdates is from how many updates on a Write is applied in the order of its
// keys (writeMany). Both ways come to the same, so it is no part of the format.
const manyUpdates = 32

// many is what writeMany works with, kept from one command to the next.
type many struct {
	keys   []byte // one after the other
	ends   []int  // of each key in keys, by update or change
	order  []int32
	states []version // by update
	shapes shapeCache
}

// shapeCache remembers the last answer: the tuples of an import come in runs of
// one shape.
type shapeCache struct {
	shape   tuple.Shape
	allowed bool
	known   bool
}

// writeMany is what write does for many updates: the same checks and changes, but
// looked up and written in the order of keys, in which Pebble finds and takes them
// several times faster, and with the database for memory of what the batch has
// done: there is no note of each tuple to keep for the next command.
func (b *batch) writeMany(revision uint64, c Write) error {
	if err := b.flush(revision); err != nil {
		return err
	}
	m := &b.store.many
	m.forget()
	for _, u := range c.Updates {
		m.keys = appendForward(m.keys, u.Tuple)
		m.ends = append(m.ends, len(m.keys))
	}
	m.sort()
	if err := b.lookUpMany(m); err != nil {
		return err
	}
	if err := b.checkMany(m, c.Updates); err != nil {
		return err
	}
	b.begin()
	for i, u := range c.Updates {
		if change, changes := changeOf(u.Tuple, m.states[i], u.Op != Delete); changes {
			b.changes = append(b.changes, change)
		}
	}
	b.unread = true
	return b.writeManyChanges(m, Changes{Revision: revision, UnixMillis: c.UnixMillis, Metadata: c.Metadata, Tuples: b.changes})
}

// forget begins another list of keys.
func (m *many) forget() {
	m.keys, m.ends, m.order = m.keys[:0], m.ends[:0], m.order[:0]
}

// key returns the key that was appended as the i-th.
func (m *many) key(i int32) []byte {
	if i == 0 {
		return m.keys[:m.ends[0]]
	}
	return m.keys[m.ends[i-1]:m.ends[i]]
}

// sort brings order into the order of keys, those that are equal as they came.
func (m *many) sort() {
	for i := range m.ends {
		m.order = append(m.order, int32(i))
	}
	slices.SortStableFunc(m.order, func(i, j int32) int { return bytes.Compare(m.key(i), m.key(j)) })
}

// lookUpMany finds the newest version of each tuple; namedBy is 1 for one that an
// update before names already.
func (b *batch) lookUpMany(m *many) error {
	m.states = slices.Grow(m.states[:0], len(m.order))[:len(m.order)]
	g := gaps{trials: b.store.gapTrials}
	for at, i := range m.order {
		key := m.key(i)
		if at > 0 && bytes.Equal(key, m.key(m.order[at-1])) {
			m.states[i] = version{namedBy: 1}
			continue
		}
		v, err := b.findNext(&g, key)
		if err != nil {
			return err
		}
		m.states[i] = v
	}
	return nil
}

// gapTrials is how many seeks lookUpMany makes before it judges whether gaps pay,
// and gapWorth how many tuples each must have answered for: a seek that no bloom
// filter can answer reads a block of every level, and costs as much as that.
const (
	gapTrials = 4
	gapWorth  = 8
)

// gaps is how lookUpMany goes through the index: tuples that are imported together
// mostly lie together, in gaps between those that are stored, and one seek to the
// first stored key behind tells that none before it is there. Where tuples lie
// scattered, each is sought by itself, which bloom filters mostly answer.
type gaps struct {
	trials         int // seeks that are left until gaps are judged
	sought, keys   int // seeks so far, and the tuples that they answered for
	inGap, scatter bool
}

// findNext is find for keys that ascend from one call to the next.
func (b *batch) findNext(g *gaps, key []byte) (version, error) {
	if g.scatter || g.trials == 0 {
		return b.find(key)
	}
	it, err := b.reads()
	if err != nil {
		return version{}, err
	}
	g.keys++
	if g.inGap && (!it.Valid() || bytes.Compare(key, withoutRevision(it.Key())) < 0) {
		return version{}, nil
	}
	if g.sought++; g.sought > g.trials && g.keys < gapWorth*g.sought {
		g.scatter = true
		return b.find(key)
	}
	it.key = append(it.key[:0], key...)
	g.inGap = true
	if !it.seek() || !bytes.Equal(withoutRevision(it.Key()), key) {
		return version{}, it.Error()
	}
	return versionAt(it)
}

// checkMany refuses the command for its first update that is at fault.
func (b *batch) checkMany(m *many, updates []Update) error {
	m.shapes = shapeCache{}
	for i := range updates {
		u := &updates[i]
		switch now := &m.states[i]; {
		case u.Op != Delete && !b.allows(&m.shapes, u.Tuple.Shape()):
			return refuse(&NotAllowedError{Index: i, Tuple: u.Tuple.Clone()})
		case now.namedBy != 0:
			return refuse(&DuplicateUpdateError{Index: i, Tuple: u.Tuple.Clone()})
		case u.Op == Create && now.live:
			return refuse(&TupleExistsError{Index: i, Tuple: u.Tuple.Clone()})
		}
	}
	return nil
}

func (b *batch) allows(last *shapeCache, s tuple.Shape) bool {
	if !last.known || last.shape != s {
		*last = shapeCache{shape: s, allowed: b.state.allowed[s], known: true}
	}
	return last.allowed
}

// writeManyChanges is what writeChanges does, index by index and each in order.
func (b *batch) writeManyChanges(m *many, c Changes) error {
	if len(c.Tuples) == 0 {
		return nil
	}
	for _, direction := range [...]func([]byte, tuple.Tuple) []byte{appendForward, appendReverse} {
		m.forget()
		for i := range c.Tuples {
			m.keys = appendRevision(direction(m.keys, c.Tuples[i].Tuple), c.Revision)
			m.ends = append(m.ends, len(m.keys))
		}
		m.sort()
		for _, i := range m.order {
			if err := b.setVersion(m.key(i), &c.Tuples[i]); err != nil {
				return err
			}
		}
	}
	for i := range c.Tuples {
		if err := b.keepStep(&c.Tuples[i]); err != nil {
			return err
		}
	}
	return b.writeRecord(&c)
}
