package rewrite

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// run is the scratch of one call, pooled by the engine: the memo of one
// subject at one revision and the state of the search. It lives in one
// goroutine.
type run struct {
	engine *Engine
	// ctx is kept here because a run lives no longer than the call it serves.
	ctx    context.Context
	reader Reader

	// What the request brought, and its context as each caveat takes it.
	given    Given
	contexts map[tuple.CaveatID]givenContext

	// The subject asked about, and what follows from it.
	subject     tuple.Subject
	wildcard    tuple.Subject // the wildcard that covers it, if it is an object
	subjectSlot int32         // the slot it is a userset of, or -1
	kind        int32         // its kind, by the program; -1 if the program has none

	kept kept // of groups

	goals    goals
	trail    []int32    // provisional goals, in the order they were completed
	depth    int32      // how many goals are active: the level of the next one
	readings []*reading // by distance

	// The question being answered.
	cost      Cost
	maxGoals  int // goals the memo may hold when the question is done
	pauseAt   int // steps at which to look at the context and the limit
	forgotten int // goals that were provisional and had to be dropped

	order []int32 // of a batch
}

// The search looks at the context every pauseSteps steps, and reads tuplesets
// in pages of pageSize ids.
const (
	pauseSteps = 256
	pageSize   = 256
)

// begin forgets everything and turns to a subject.
func (r *run) begin(subject tuple.Subject, given Given) {
	p := r.engine.program
	if !r.given.equal(&given) {
		clear(r.contexts)
	}
	r.given = given
	r.subject = subject
	r.wildcard = tuple.Subject{}
	r.subjectSlot = -1
	if subject.Relation == tuple.Self {
		r.wildcard = tuple.Subject{Type: subject.Type, Relation: tuple.Wildcard, ID: wildcardID}
	} else if slot, ok := p.SlotByNumber(uint16(subject.Type), uint16(subject.Relation)); ok {
		r.subjectSlot = slot
	}
	r.kind = -1
	if kind, ok := p.Kind(uint16(subject.Type), uint16(subject.Relation)); ok {
		r.kind = kind
	}
	r.kept.turn++
	r.kept.met = 0
	r.goals.reset()
	r.trail = r.trail[:0]
	r.depth = 0
}

var wildcardID = []byte(tuple.WildcardID)

// answer answers one valid question about the run's subject. After an error
// the run must begin again.
func (r *run) answer(q *Question) (Result, error) {
	r.cost = Cost{}
	before := len(r.goals.list)
	r.maxGoals = before + r.engine.limits.SubProblems
	r.pauseAt, r.forgotten = 0, 0
	verdict, missing, err := r.verdict(q)
	r.cost.SubProblems = len(r.goals.list) - before
	if err != nil {
		return Result{Cost: r.cost}, err
	}
	return Result{Verdict: verdict, Missing: missing, Cost: r.cost}, nil
}

// verdict tries the search first and falls back to the exact path (R4).
func (r *run) verdict(q *Question) (_ Verdict, missing []string, err error) {
	if !r.reaches(q.Slot) {
		return No, nil, r.pause()
	}
	goal := r.goals.at(q.Slot, q.ObjectID)
	if r.goals.list[goal].state == undefined {
		return No, nil, r.pause()
	}
	found, err := r.solve(goal, 0)
	if err != nil {
		return No, nil, err
	}
	switch found.value {
	case yes:
		return Yes, nil, nil
	case undecided:
		return r.exact(goal)
	default:
		return No, nil, nil
	}
}

// reaches reports whether a slot can be yes for the kind of the subject (R7).
func (r *run) reaches(slot int32) bool {
	return r.kind >= 0 && r.engine.program.ReachesKind(slot, r.kind)
}

// isSubject reports whether a goal asks for the subject's own userset, which
// contains itself.
func (r *run) isSubject(g int32) bool {
	return r.goals.list[g].slot == r.subjectSlot && bytes.Equal(r.goals.id(g), r.subject.ID)
}

// pause looks at the context and the limits; the search calls it when
// cost.Steps has come to pauseAt.
func (r *run) pause() error {
	if err := r.ctx.Err(); err != nil {
		return fmt.Errorf("evaluation stopped: %w", err)
	}
	limits := &r.engine.limits
	if r.cost.Steps > limits.Steps {
		return &WorkError{Unit: "steps", Limit: limits.Steps}
	}
	r.pauseAt = min(r.cost.Steps+pauseSteps, limits.Steps+1)
	return nil
}

// spend charges n steps.
func (r *run) spend(n int) error {
	r.cost.Steps += n
	if r.cost.Steps >= r.pauseAt {
		return r.pause()
	}
	return nil
}

// object is the object of a goal, as the reader takes it.
func (r *run) object(g int32) tuple.Object {
	p := r.engine.program
	slot := &p.Slots[r.goals.list[g].slot]
	return tuple.Object{Type: tuple.TypeID(p.Types[slot.Type].Number), ID: r.goals.id(g)}
}

// stored finds whether a goal's relation stores a subject, by a tuple that counts.
func (r *run) stored(object tuple.Object, slot *schema.Slot, subject tuple.Subject) (condition, error) {
	r.cost.Reads++
	traits, found, err := r.reader.Find(object, tuple.RelationID(slot.Number), subject)
	switch {
	case err != nil:
		return isAbsent, r.readError(object, slot, err)
	case !found:
		return isAbsent, nil
	default:
		return r.condition(traits)
	}
}

// lookUp is stored for the search, which needs no more than a value.
func (r *run) lookUp(object tuple.Object, slot *schema.Slot, subject tuple.Subject) (value, error) {
	r.cost.Reads++
	traits, found, err := r.reader.Find(object, tuple.RelationID(slot.Number), subject)
	switch {
	case err != nil:
		return undecided, r.readError(object, slot, err)
	case !found:
		return no, nil
	case traits.None():
		return yes, nil
	}
	c, err := r.condition(traits)
	return c.value(), err
}

// sought returns the subject that a relation would store if it stores the
// question's subject by one of its kinds: the subject itself or the wildcard
// that covers it. A wildcard covers objects, never usersets.
func (r *run) sought(direct *schema.Direct) (_ tuple.Subject, ok bool) {
	switch {
	case direct.SubjectType != uint16(r.subject.Type):
		return tuple.Subject{}, false
	case direct.SubjectRelation == uint16(r.subject.Relation):
		// A subject without an id stands for those of which no tuple speaks.
		return r.subject, len(r.subject.ID) > 0
	case direct.SubjectRelation == uint16(tuple.Wildcard):
		return r.wildcard, r.subject.Relation == tuple.Self
	default:
		return tuple.Subject{}, false
	}
}

// isSelf reports whether the subject is the object of a goal.
func (r *run) isSelf(g int32) bool {
	if r.subject.Relation != tuple.Self {
		return false
	}
	object := r.object(g)
	return object.Type == r.subject.Type && bytes.Equal(object.ID, r.subject.ID)
}

// tupleset reads a page of the subjects of one kind that a relation stores.
func (r *run) tupleset(object tuple.Object, slot *schema.Slot, kind tuple.Kind, after []byte, page *tuple.Page) error {
	r.cost.Reads++
	err := r.reader.Subjects(object, tuple.RelationID(slot.Number), kind, after, pageSize, page)
	if err = checkPage(page, err); err != nil {
		return r.readError(object, slot, err)
	}
	return nil
}

// checkPage holds a reader to its word: with it a loop over pages comes to an end.
func checkPage(page *tuple.Page, err error) error {
	if err == nil && page.More && page.Len() == 0 {
		return fmt.Errorf("%w: an empty page says that there is more", ErrReader)
	}
	return err
}

func (r *run) readError(object tuple.Object, slot *schema.Slot, err error) error {
	return fmt.Errorf("reading %s:%s#%s: %w",
		r.engine.program.Types[slot.Type].Name, object.ID, slot.Name, err)
}

// reading is what the search is reading at one distance from the question. It
// returns to it after it has been deeper, so each distance has its own.
type reading struct {
	page   tuple.Page
	goals  []int32 // of the page, in its order
	counts []value // whether the page's tuples count
}

func (r *run) read(hops int) *reading {
	for len(r.readings) <= hops {
		r.readings = append(r.readings, &reading{})
	}
	return r.readings[hops]
}
