package tupleset

import (
	"sync/atomic"

	"github.com/tupelodb/tupelo/store/tuple"
)

// keptEdges is how many changes between groups the log has. To go through all of it
// costs about what it takes to load an entry of a few groups.
const keptEdges = 1024

// edges is the log of changes between groups: where each of them begins. One writes,
// and others read at the same time without a lock.
type edges struct {
	places [keptEdges]atomic.Pointer[edge]
	length atomic.Uint64 // of all that was ever noted
}

// edge is where a tuple that leads from a group to others begins.
type edge struct {
	number uint64
	kind   tuple.Kind
	id     string
}

// note adds the edge that begins at a userset.
func (l *edges) note(from tuple.Subject) {
	n := l.length.Load()
	l.places[n%keptEdges].Store(&edge{number: n, kind: from.Kind(), id: string(from.ID)})
	l.length.Store(n + 1)
}

// spare reports whether none of the edges from number `from` up to number `to`
// begins at a group of a set. Where the log no longer has them they may all do.
func (l *edges) spare(set *Set, from, to uint64) bool {
	if to-from > keptEdges {
		return false
	}
	for ; from < to; from++ {
		at := l.places[from%keptEdges].Load()
		if at.number != from {
			return false // written over meanwhile
		}
		if _, found, _ := set.Find(at.kind, []byte(at.id)); found {
			return false
		}
	}
	return true
}
