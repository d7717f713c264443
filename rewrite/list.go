package rewrite

import (
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Window says which part of a list is asked for. A list is ascending, so the
// last id of one part is where the next one goes on, at the same revision.
type Window struct {
	// Above is the id to go on from: the first is the next one. Nil begins the
	// list.
	Above []byte
	// Limit is how many entries to give; 0 and less give all.
	Limit int
}

// Listing is the end of a list.
type Listing struct {
	// Complete says that there is nothing after what was given. Without it there
	// may be: the limit was reached, or the receiver wanted no more.
	Complete bool
	// Cost is the work of the whole list.
	Cost Cost
}

// list is one call of ListObjects or ListSubjects.
type list struct {
	run  *run
	cost Cost // of everything but the answer in progress
	merge
	// sifting takes the merge's place once many entries had to be asked for.
	sifting *sifting
	asked   int // entries that had to be
	siftAt  int // how many are enough to make a sifting
	sources frontier
	left    int // entries that may still be given, if limited
	limited bool
	checked int // when the context was last looked at, in steps
}

// maxMemo is how many sub-problems a list keeps from one confirmation to the
// next; a list must not hold what all its entries have in common with none.
const maxMemo = 1 << 17

func newList(r *run, w Window) *list {
	l := &list{run: r, left: w.Limit, limited: w.Limit > 0, siftAt: r.engine.siftAfter}
	l.counts = l.worth
	l.sources.goals.seed = r.engine.seed
	l.sources.goals.reset()
	return l
}

// listing says how a list ended.
func (l *list) listing(complete bool) Listing {
	l.cost.SubProblems += len(l.sources.goals.list)
	if l.sifting != nil {
		l.spendSifting(l.sifting)
	}
	return Listing{Complete: complete, Cost: l.cost}
}

// candidate returns the next id that may be an entry, and what is known of it.
func (l *list) candidate() (id []byte, way passage, ok bool, err error) {
	if l.sifting != nil {
		return l.sifting.next()
	}
	return l.next()
}

// exhausted reports whether there can be no entry any more.
func (l *list) exhausted() bool {
	if l.sifting != nil {
		return l.sifting.exhausted()
	}
	return len(l.strands) == 0
}

// worth says what a way through a tuple with traits is worth.
func (l *list) worth(t tuple.Traits) (passage, error) {
	c, err := l.run.condition(t)
	switch c.value() {
	case yes:
		return certain, err
	case no:
		return closed, err
	default:
		return perhaps, err
	}
}

// full counts an entry that was given, and reports whether it was the last one
// that may be.
func (l *list) full() bool {
	l.left--
	return l.limited && l.left == 0
}

// confirm asks whether the run's subject is in object#relation, as Check does.
func (l *list) confirm(slot int32, objectID []byte) (Result, error) {
	r := l.run
	if len(r.goals.list) > min(maxMemo, r.engine.limits.SubProblems) {
		r.begin(r.subject, r.given)
	}
	result, err := r.answer(&Question{Slot: slot, ObjectID: objectID, Subject: r.subject})
	l.cost.add(result.Cost)
	if errors.Is(err, ErrTooManySubProblems) {
		r.begin(r.subject, r.given) // the search stopped halfway
	}
	return result, err
}

// add sums up two costs.
func (c *Cost) add(o Cost) {
	c.SubProblems += o.SubProblems
	c.Steps += o.Steps
	c.Reads += o.Reads
	c.Exact = c.Exact || o.Exact
}

// step counts work that no confirmation counts, and looks at the context.
func (l *list) step(n int) error {
	l.cost.Steps += n
	if l.cost.Steps-l.checked < pauseSteps {
		return nil
	}
	l.checked = l.cost.Steps
	if err := l.run.ctx.Err(); err != nil {
		return fmt.Errorf("list stopped: %w", err)
	}
	return nil
}

// frontier are the sources from which the entries of a list come: goals, in the
// order of their distance, nearest first. It bounds the memory of a list.
type frontier struct {
	goals  goals
	places []standing // by goal
	walked int        // edges between sources
	budget int        // how many there may be, if that is less than the limit
}

// standing is what is known of a source.
type standing struct {
	hops int32 // the shortest way to it
	way  passage
}

// meet returns the source for a slot at an object, and whether it is new.
func (f *frontier) meet(slot int32, id []byte) (g int32, fresh bool) {
	g = f.goals.at(slot, id)
	fresh = int(g) == len(f.places)
	if fresh {
		f.places = append(f.places, standing{})
	}
	return g, fresh
}

// spend counts edges and holds the frontier to the limits (R6).
func (f *frontier) spend(limits *Limits, edges int) error {
	f.walked += edges
	switch {
	case f.budget > 0 && f.walked > f.budget:
		return &WorkError{Unit: "steps", Limit: f.budget}
	case f.walked > limits.Steps:
		return &WorkError{Unit: "steps", Limit: limits.Steps}
	case len(f.goals.list) > limits.SubProblems:
		return &WorkError{Unit: "sub-problems", Limit: limits.SubProblems}
	}
	return nil
}
