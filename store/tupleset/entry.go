package tupleset

import (
	"sync/atomic"

	"github.com/tupelodb/tupelo/store/tuple"
)

// state is how far the load of an entry came.
type state = uint32

const (
	// pending entries are being loaded.
	pending state = iota
	// held entries have their set, which never changes.
	held
	// deferred entries had more to read than was worth it so far.
	deferred
)

// Entry is a place in the cache for one tupleset, for one load of it.
type Entry struct {
	hash     uint64
	id       string
	typ      tuple.TypeID
	relation tuple.RelationID
	state    atomic.Uint32
	// ended entries are out of the cache; who has one may use it still.
	ended atomic.Bool
	// uses counts hits up to maxUses; the eviction counts them down.
	uses atomic.Uint32
	// Mark is its owner's, who may keep there how far it has followed changes that do
	// not end entries; the cache does not look at it.
	Mark atomic.Uint64
	// set is written once, before the state says that it is there.
	set Set

	// The rest belongs to the shard's lock.

	bytes      int32
	passed     uint16 // changes of kinds that the set does not hold
	earned     uint8  // how far the load may go, as an index of budgets
	inMain     bool
	prev, next *Entry
}

// Set returns the entry's set, for entries that Look or Fill returned.
func (e *Entry) Set() *Set { return &e.set }

// Is reports whether the entry is that of an object and relation.
func (e *Entry) Is(object tuple.Object, relation tuple.RelationID) bool {
	return e.typ == object.Type && e.relation == relation && e.id == string(object.ID)
}

// maxUses is how many hits count: enough to tell the hot from the warm.
const maxUses = 3

// use counts a hit. One that is lost to another at the same moment does not
// matter, and a hot entry is not written to, so that readers share its memory.
func (e *Entry) use() {
	if n := e.uses.Load(); n < maxUses {
		e.uses.Store(n + 1)
	}
}

// entryBytes is an entry's own memory with its place in the index.
const entryBytes = 112 + 32

// size is the memory of an entry and what it points to, in the allocator's steps.
func (e *Entry) size() int32 {
	return int32(entryBytes + rounded(len(e.id)) + rounded(cap(e.set.data)))
}

// rounded is what an allocation of n bytes takes, nearly.
func rounded(n int) int {
	if n <= 512 {
		return (n + 15) &^ 15
	}
	return n + n/8
}
