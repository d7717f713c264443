package dataset

import (
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Writes makes changes to objects that no tuple of the set is about: a role is
// given, and every second time taken away again. It is for one goroutine at a time.
type Writes struct {
	set    *Set
	prefix string
	serial int
	given  bool
}

// Writes returns a source of writes whose objects have ids that begin with prefix,
// which must be one that has not been used on the server before. Users too are the
// source's own.
func (s *Set) Writes(prefix string) *Writes { return &Writes{set: s, prefix: prefix} }

// Next returns the next write, and the check that is answered by it from then on.
// The two are consistent if the check is given the write's token, or asks for
// everything.
func (w *Writes) Next() (write, proof Operation) {
	if w.given {
		w.given = false
		return w.pair(false)
	}
	w.serial++
	w.given = true
	return w.pair(true)
}

// Give returns a write that gives a role on an object of its own, as every write of
// a source does that is only asked for these.
func (w *Writes) Give() (write, proof Operation) {
	w.serial++
	w.given = false
	return w.pair(true)
}

func (w *Writes) pair(give bool) (write, proof Operation) {
	at := w.set.world.written
	id := fmt.Sprintf("%s-%d", w.prefix, w.serial)
	ask := tuple.Named{
		ObjectType: at.objectType, ObjectID: id, Relation: at.relation,
		SubjectType: "user", SubjectID: w.prefix,
	}
	write = Operation{Kind: Write, Ask: ask, Delete: !give}
	ask.Relation = at.permission
	return write, Operation{Kind: Check, Consistency: AtLeastAsFresh, Ask: ask, Want: Answer{Yes: give}}
}
