package tupleset

import (
	"sync/atomic"

	"github.com/tupelodb/tupelo/store/tuple"
)

// index finds entries by open addressing. Looking takes no lock: an entry keeps
// its slot, and growing makes a new table. Who changes it holds the shard's lock.
type index struct {
	table atomic.Pointer[[]slot]
	live  int // entries
	taken int // slots that are not free: entries and removed ones
}

// slot is a place for an entry. It has the entry's hash beside it, so that a look
// goes to the memory of no entry but its own: each is a wait for memory as soon as
// the cache is larger than the processor's. The hash is written before the entry,
// once: a slot that was taken stays so.
type slot struct {
	entry atomic.Pointer[Entry]
	hash  uint64
}

const smallestIndex = 16

// removed stands where an entry was; the search goes on behind it.
var removed = &Entry{}

func (x *index) reset() {
	table := make([]slot, smallestIndex)
	x.table.Store(&table)
	x.live, x.taken = 0, 0
}

// find returns the entry of an object and relation, or nil.
func (x *index) find(hash uint64, object tuple.Object, relation tuple.RelationID) *Entry {
	table := *x.table.Load()
	mask := uint64(len(table) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := table[i].entry.Load()
		if e == nil {
			return nil
		}
		if table[i].hash == hash && e != removed && e.Is(object, relation) {
			return e
		}
	}
}

// add puts an entry whose tupleset has none.
func (x *index) add(e *Entry) {
	if 4*(x.taken+1) > 3*len(*x.table.Load()) {
		x.rebuild()
	}
	x.live++
	x.taken++
	place(*x.table.Load(), e)
}

// place puts an entry into the first free slot of a table that has one.
func place(table []slot, e *Entry) {
	mask := uint64(len(table) - 1)
	i := e.hash & mask
	for table[i].entry.Load() != nil {
		i = (i + 1) & mask
	}
	table[i].hash = e.hash
	table[i].entry.Store(e)
}

// remove takes out an entry that is in the index.
func (x *index) remove(e *Entry) {
	table := *x.table.Load()
	mask := uint64(len(table) - 1)
	i := e.hash & mask
	for table[i].entry.Load() != e {
		i = (i + 1) & mask
	}
	x.live--
	table[i].entry.Store(removed)
}

// rebuild makes a table without removed entries, at most half full.
func (x *index) rebuild() {
	size := smallestIndex
	for size < 2*(x.live+1) {
		size *= 2
	}
	table := make([]slot, size)
	old := *x.table.Load()
	for i := range old {
		if e := old[i].entry.Load(); e != nil && e != removed {
			place(table, e)
		}
	}
	x.table.Store(&table)
	x.taken = x.live
}
