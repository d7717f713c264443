package rewrite

import (
	"context"
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// ObjectsQuestion asks for the objects that a subject has a relation to.
type ObjectsQuestion struct {
	// Slot is the relation or permission; it says the type of the objects too.
	Slot int32
	// Subject is an object or a userset; a wildcard is refused.
	Subject tuple.Subject
	Given
	Window
}

// FoundObject is an entry of a list of objects.
type FoundObject struct {
	// ID is the object's id, valid until the receiver returns.
	ID []byte
	// Result is that of Check for the object; its Cost is empty where the way
	// to the object left nothing to confirm.
	Result
}

// ListObjects gives to found every object for which Check would not say no, by
// ascending id, until found returns false. It walks from the subject: first to
// all that hands its members on (the teams the subject is in, the folders it can
// see), which is what its memory is bounded by, and then through the objects of
// all these at once.
//
// Where Check of some object fails for its limits, so does ListObjects when it
// comes to that object, unless the way to the object shows the answer. The other
// errors are those of Check.
func (e *Engine) ListObjects(ctx context.Context, reader Reader, q ObjectsQuestion, found func(FoundObject) bool) (Listing, error) {
	asked := Question{Slot: q.Slot, ObjectID: wildcardID, Subject: q.Subject}
	if err := asked.validate(e.program); err != nil {
		return Listing{}, err
	}
	routes, err := e.routes(q.Slot)
	if err != nil {
		return Listing{}, err
	}
	r := e.acquire(ctx, reader)
	defer e.release(r)
	r.begin(q.Subject, q.Given)
	l := &objectList{list: newList(r, q.Window), routes: routes, subject: q.Subject}
	l.read = l.readObjects
	if r.reaches(q.Slot) {
		if err := l.walk(); err != nil {
			return l.listing(false), err
		}
	}
	if err := l.begin(q.Above); err != nil {
		return l.listing(false), err
	}
	complete, err := l.give(found)
	return l.listing(complete), err
}

// objectList is one call of ListObjects.
type objectList struct {
	*list
	routes  *routes
	subject tuple.Subject
	reading strand // of objects that are sources
	// landed has the slots in all objects of which the list has landed that have
	// the subject.
	landed map[int32]bool
}

// walk finds the sources in the order of their distance from the subject, and
// the strands of objects that follow from them.
func (l *objectList) walk() error {
	if err := l.landInGroups(); err != nil {
		return err
	}
	if err := l.leave(); err != nil {
		return err
	}
	for g := int32(0); int(g) < len(l.sources.places); g++ {
		from := l.sources.places[g]
		if from.way == closed {
			continue
		}
		slot := l.sources.goals.list[g].slot
		for i := range l.routes.bySource[slot] {
			if err := l.follow(&l.routes.bySource[slot][i], l.sources.goals.id(g), from.way, int(from.hops)+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// leave follows what stores the subject itself, or the wildcard that covers it,
// and what has the subject because of what it is: a userset contains itself, an
// object is what the language calls self.
func (l *objectList) leave() error {
	r := l.run
	for i := range l.routes.bySubject[l.subject.Kind()] {
		if err := l.follow(&l.routes.bySubject[l.subject.Kind()][i], l.subject.ID, certain, 0); err != nil {
			return err
		}
	}
	if r.wildcard.ID != nil {
		for i := range l.routes.bySubject[r.wildcard.Kind()] {
			if err := l.follow(&l.routes.bySubject[r.wildcard.Kind()][i], r.wildcard.ID, certain, 0); err != nil {
				return err
			}
		}
	}
	own := l.routes.bySelf[l.subject.Type]
	if l.subject.Relation != tuple.Self {
		own = nil
	}
	if r.subjectSlot >= 0 {
		own = l.routes.same[r.subjectSlot]
	}
	for _, at := range own {
		if at.slot == l.routes.target {
			l.add(&strand{fixed: [][]byte{l.subject.ID}, way: at.way})
		}
		if len(l.routes.bySource[at.slot]) > 0 {
			if err := l.land(at, l.subject.ID, certain, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow goes along a link: to the sources at its other end, and with a strand
// to the objects of the target.
func (l *objectList) follow(k *link, id []byte, way passage, hops int) error {
	if k.final != closed {
		s := &strand{object: k.object, subject: k.subject, id: id, way: min(way, k.final)}
		if hops > l.run.engine.limits.Depth {
			s.way = perhaps
		}
		l.add(s)
	}
	if l.hasLanded(k) {
		return nil
	}
	s := &l.reading
	s.object, s.subject, s.id = k.object, k.subject, id
	var above []byte
	for {
		if err := l.readObjects(s, above, pageSize); err != nil {
			return err
		}
		for i := range s.page.Len() {
			says := way
			if !s.page.Traits(i).None() {
				says = min(says, perhaps)
			}
			for _, at := range k.lands {
				if l.landed[at.slot] {
					continue
				}
				if err := l.land(at, s.page.ID(i), says, hops); err != nil {
					return err
				}
			}
		}
		if !s.page.More {
			return nil
		}
		above = append(above[:0], s.page.ID(s.page.Len()-1)...)
	}
}

// land notes a source. One that is not certain to have the subject is asked,
// except where it is too far away to know: what follows from it will be asked.
// A source whose way was not certain needs no second look when another way to it
// is: the answer has taken that way too.
func (l *objectList) land(at landing, id []byte, way passage, hops int) error {
	r := l.run
	if err := l.step(1); err != nil || !r.reaches(at.slot) {
		return err
	}
	g, fresh := l.sources.meet(at.slot, id)
	if err := l.sources.spend(&r.engine.limits, 1); err != nil || !fresh {
		return err
	}
	place := standing{hops: int32(hops), way: min(way, at.way)}
	switch {
	case hops > r.engine.limits.Depth:
		place.way = perhaps
	case place.way == perhaps:
		result, err := l.confirm(at.slot, id)
		switch {
		case errors.Is(err, ErrDepthExceeded), errors.Is(err, ErrCondition):
		case err != nil:
			return err
		case result.Verdict == Yes:
			place.way = certain
		case result.Verdict == No && r.goals.list[r.goals.at(at.slot, id)].state != undefined:
			place.way = closed // what is undefined can still make others conditional
		}
	}
	l.sources.places[g] = place
	return nil
}

// readObjects reads the objects of a strand.
func (l *objectList) readObjects(s *strand, above []byte, limit int) error {
	l.cost.Reads++
	subject := tuple.Subject{Type: s.subject.Type, Relation: s.subject.Relation, ID: s.id}
	err := l.run.reader.Objects(subject, s.object.Type, s.object.Relation, above, limit, &s.page)
	if err = checkPage(&s.page, err); err != nil {
		return fmt.Errorf("reading the objects of %q: %w", s.id, err)
	}
	return nil
}

// walkTo lists the objects that may be in a leaf of a sieve, by a walk from the
// subject to there.
func (l *objectList) walkTo(leaf *leaf, budget int) (*list, error) {
	routes, err := l.run.engine.waysTo(leaf)
	if err != nil {
		return nil, err
	}
	sub := &objectList{list: newList(l.run, Window{}), routes: routes, subject: l.subject}
	sub.read = sub.readObjects
	sub.sources.budget = budget
	return sub.list, sub.walk()
}

// give hands out the objects, and reports whether those were all.
func (l *objectList) give(found func(FoundObject) bool) (complete bool, err error) {
	for {
		if err := l.step(1); err != nil {
			return false, err
		}
		id, way, ok, err := l.candidate()
		if err != nil || !ok {
			return !ok, err
		}
		if way == perhaps && l.asked >= l.siftAt {
			sifted, err := l.sift(l.run.engine.sieve(l.routes.target), l.subject.ID, id, l.walkTo)
			if err != nil {
				return false, err
			}
			if sifted {
				continue
			}
		}
		entry := FoundObject{ID: id, Result: Result{Verdict: Yes}}
		switch way {
		case closed:
			continue
		case perhaps:
			l.asked++
			if entry.Result, err = l.confirm(l.routes.target, id); err != nil {
				return false, fmt.Errorf("object %q of the list: %w", id, err)
			}
		}
		if entry.Verdict == No {
			continue
		}
		if !found(entry) || l.full() {
			return l.exhausted(), nil
		}
	}
}
