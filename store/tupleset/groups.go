package tupleset

import (
	"math"
	"sync/atomic"

	"github.com/tupelodb/tupelo/store/tuple"
)

// MaxGroups is how many groups an entry holds. Who is in more of one kind is asked
// for by walking.
const MaxGroups = 4096

// UsualGroupsAfter is how many groups a search goes through before it is worthwhile to
// find out what the subject is in.
const UsualGroupsAfter = 16

// Groups keeps what groups subjects are in, within a bound of memory. It is safe for
// concurrent use; looking takes no lock.
type Groups struct {
	// entries has a set for each subject and kind of group, under the subject with
	// the kind before its id.
	entries *Cache
	edges   edges
	// changed is the newest revision that was announced to change groups.
	changed atomic.Uint64
	passed  atomic.Int64 // entries that an edge ended
	key     []byte       // where Step puts keys together
	after   int
	faults  GroupFaults
	// at is told between the steps of a load that begins, for tests that hold it
	// there; nil otherwise.
	at func()
}

// GroupFaults are ways to break what is promised of groups. Only tests set them, to see
// that they would notice.
type GroupFaults struct {
	Keep   bool // G3: first steps end nothing
	Trust  bool // G4: the log is not looked at
	Behind bool // G2: a load may be older than the newest change
	Late   bool // G2: a load takes its place in the log last
}

// NewGroups returns one that takes at most limitBytes, and some 100 KiB for its log.
// Before anybody reads, Announce tells it the revision of the tuples that there are. A
// search should go through `after` groups before it begins a load.
func NewGroups(limitBytes int64, after int) *Groups {
	return &Groups{entries: New(limitBytes), after: after}
}

// Break has it break promises.
func (c *Groups) Break(f GroupFaults) { c.faults = f }

// Announce says that a revision, which no reader has yet, changes groups (G3).
func (c *Groups) Announce(revision uint64) { c.changed.Store(revision) }

// Changed is the newest revision that was announced.
func (c *Groups) Changed() uint64 { return c.changed.Load() }

// Step notes a change of a tuple by which a subject is in a group. Groups of the
// given kinds may follow from it. One at a time calls it: the apply.
func (c *Groups) Step(subject tuple.Subject, targets []tuple.Kind) {
	if subject.Relation >= tuple.FirstRelation {
		c.edges.note(subject)
		return
	}
	if c.faults.Keep {
		return
	}
	for _, target := range targets {
		c.key = appendKey(c.key[:0], target, subject.ID)
		c.entries.End(tuple.Object{Type: subject.Type, ID: c.key}, subject.Relation, target)
	}
}

// Clear ends everything, for a new schema.
func (c *Groups) Clear() { c.entries.Clear() }

// Close ends everything and takes in nothing any more.
func (c *Groups) Close() { c.entries.Close() }

// Stats returns figures of the entries; those that the log ended are among the
// endings.
func (c *Groups) Stats() Stats {
	st := c.entries.Stats()
	st.Endings += c.passed.Load()
	return st
}

// NoteConditions begins a set that says that there may be more groups than those in
// it, under conditions (G1).
func (b *Builder) NoteConditions() {
	b.Begin(tuple.Kind{})
	b.Leave()
}

// Unconditional reports whether no conditions were met where a set was found.
func (s *Set) Unconditional() bool {
	_, held := s.Section(tuple.Kind{})
	return held
}

// appendKey puts together what an entry's subject has for an id below.
func appendKey(key []byte, target tuple.Kind, id []byte) []byte {
	key = append(key, byte(target.Type>>8), byte(target.Type), byte(target.Relation>>8), byte(target.Relation))
	return append(key, id...)
}

// GroupView is a cache as one reader sees it. It is for one goroutine, and can be used
// again for another reader.
type GroupView struct {
	cache        *Groups
	revision     uint64
	key          []byte
	hits, misses int64
}

// Open turns to a cache, or to none, for a reader at a revision that it has got.
func (v *GroupView) Open(c *Groups, revision uint64) {
	v.Close()
	v.cache, v.revision = c, revision
}

// Close lets go of the cache.
func (v *GroupView) Close() {
	if v.cache != nil && v.hits+v.misses > 0 {
		v.cache.entries.Count(v.hits, v.misses)
	}
	v.cache, v.hits, v.misses = nil, 0, 0
}

// After is how many groups a search should go through before it begins a load.
func (v *GroupView) After() int {
	if v.cache == nil {
		return math.MaxInt
	}
	return v.cache.after
}

// On reports whether there is a cache.
func (v *GroupView) On() bool { return v.cache != nil }

// Look returns the groups of a kind that a subject is in at the reader's revision,
// and those on the way to them; nil if that is not known.
func (v *GroupView) Look(subject tuple.Subject, target tuple.Kind) *Set {
	if v.cache == nil {
		return nil
	}
	set := v.look(subject, target)
	if set == nil {
		v.misses++
	} else {
		v.hits++
	}
	return set
}

func (v *GroupView) look(subject tuple.Subject, target tuple.Kind) *Set {
	c := v.cache
	e, _ := c.entries.Look(v.at(subject, target), subject.Relation, v.revision)
	if e == nil {
		return nil
	}
	from, to := e.Mark.Load(), c.edges.length.Load()
	if from == to || c.faults.Trust {
		return e.Set()
	}
	// Another reader may have moved the mark on since, past `to` even.
	if from < to {
		if !c.edges.spare(e.Set(), from, to) {
			c.entries.Cancel(e)
			c.passed.Add(1)
			return nil
		}
		e.Mark.Store(to)
	}
	return e.Set()
}

func (v *GroupView) at(subject tuple.Subject, target tuple.Kind) tuple.Object {
	v.key = appendKey(v.key[:0], target, subject.ID)
	return tuple.Object{Type: subject.Type, ID: v.key}
}

// GroupLoad is an entry that is being loaded.
type GroupLoad struct {
	cache *Groups
	entry *Entry
	// Newest is the revision from which on the entry holds.
	Newest uint64
	// Earned is how often a load of the entry was put off.
	Earned int
	// LimitBytes is the memory that the set may take.
	LimitBytes int
}

// Begin registers a load, for which the reader then reads at its revision; it ends
// with Fill, Defer or Cancel. It is not ok if somebody else is at it or has done
// it, or if the reader is behind the newest change of groups (G2).
func (v *GroupView) Begin(subject tuple.Subject, target tuple.Kind) (l GroupLoad, ok bool) {
	c := v.cache
	e, earned := c.entries.Begin(v.at(subject, target), subject.Relation)
	if e == nil {
		return GroupLoad{}, false
	}
	// The order counts (G2).
	c.reached()
	e.Mark.Store(c.edges.length.Load())
	c.reached()
	newest := c.changed.Load()
	c.reached()
	if c.faults.Late {
		e.Mark.Store(c.edges.length.Load())
	}
	if newest > v.revision && !c.faults.Behind {
		c.entries.Cancel(e)
		return GroupLoad{}, false
	}
	return GroupLoad{cache: c, entry: e, Newest: min(newest, v.revision), Earned: earned, LimitBytes: c.entries.SetLimit()}, true
}

func (c *Groups) reached() {
	if c.at != nil {
		c.at()
	}
}

// Fill ends a load with the groups that were found.
func (l *GroupLoad) Fill(b *Builder) { l.cache.entries.Fill(l.entry, b) }

// Defer ends a load that took more than it was worth so far.
func (l *GroupLoad) Defer() { l.cache.entries.Defer(l.entry) }

// Cancel ends a load that failed.
func (l *GroupLoad) Cancel() { l.cache.entries.Cancel(l.entry) }
