package rewrite

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// SubjectsQuestion asks for the subjects of one kind that are in object#relation.
type SubjectsQuestion struct {
	// Slot is the relation or permission; it says the type of the object too.
	Slot     int32
	ObjectID []byte
	// Kind is the type of the subjects, and their relation if they are usersets.
	Kind tuple.Kind
	Given
	// Window's Above may be the wildcard's id, as that of any other entry.
	Window
}

// FoundSubject is an entry of a list of subjects.
type FoundSubject struct {
	// ID is the subject's id, valid until the receiver returns. The wildcard's
	// comes before all others and stands for the subjects that are not listed.
	ID []byte
	// Result is that of Check for the subject. It is no only after a wildcard,
	// for those that the wildcard does not cover. Its Cost is empty where the way
	// to the subject left nothing to confirm.
	Result
}

// ListSubjects gives to found every subject of a kind for which Check would not
// say no, by ascending id, until found returns false. If subjects are in
// object#relation of which no tuple speaks, the wildcard comes first, and all
// subjects that tuples speak of follow, those with a no among them.
//
// It walks from the object to all the relations that its members can come from,
// which is what its memory is bounded by, and then through the subjects of all
// these at once. Limits and errors are as those of [Engine.ListObjects].
func (e *Engine) ListSubjects(ctx context.Context, reader Reader, q SubjectsQuestion, found func(FoundSubject) bool) (Listing, error) {
	anyone := tuple.Subject{Type: q.Kind.Type, Relation: q.Kind.Relation, ID: []byte{0}}
	asked := Question{Slot: q.Slot, ObjectID: q.ObjectID, Subject: anyone}
	if err := asked.validate(e.program); err != nil {
		return Listing{}, err
	}
	anyone.ID = nil
	r := e.acquire(ctx, reader)
	defer e.release(r)
	r.begin(anyone, q.Given)
	l := &subjectList{list: newList(r, q.Window), question: &q, anyone: anyone}
	l.read = l.readSubjects
	if err := l.walk(); err != nil {
		return l.listing(false), err
	}
	complete, err := l.give(found)
	return l.listing(complete), err
}

// subjectList is one call of ListSubjects.
type subjectList struct {
	*list
	question *SubjectsQuestion
	// anyone stands for all the subjects of which no tuple speaks: it has no id.
	anyone tuple.Subject
	// everything says that the walk goes into operands that cannot make anybody
	// a member. Where a wildcard is stored, a subject may be told from the
	// others by any tuple that speaks of it, also by one that takes it out of
	// what is taken away.
	everything bool
	wildcard   bool // one was met
	queue      []int32
	known      [certain + 1][][]byte // subjects that are members because of what they are
	page       tuple.Page
}

// walk finds the sources and their strands.
func (l *subjectList) walk() error {
	r := l.run
	if !r.reaches(l.question.Slot) {
		return nil
	}
	if err := l.meet(l.question.Slot, l.question.ObjectID, certain, 0); err != nil {
		return err
	}
	if err := l.spread(); err != nil {
		return err
	}
	if l.wildcard && !l.everything {
		l.everything = true
		l.queue, l.sources.places = l.queue[:0], l.sources.places[:0]
		l.cost.SubProblems += len(l.sources.goals.list)
		l.sources.goals.reset()
		return l.walk()
	}
	l.gather()
	return nil
}

// spread goes through the sources that were met, and those that are met by it.
func (l *subjectList) spread() error {
	p := l.run.engine.program
	for done := 0; done < len(l.queue); done++ {
		g := l.queue[done]
		if err := l.node(p.Slots[l.sources.goals.list[g].slot].Root, g, l.sources.places[g].way); err != nil {
			return err
		}
	}
	return nil
}

// walkTo lists the subjects that may be in a leaf of a sieve, by a walk from the
// object. Where everybody may be in it a list does not tell who is.
func (l *subjectList) walkTo(leaf *leaf, budget int) (*list, error) {
	sub := &subjectList{list: newList(l.run, Window{}), question: l.question, anyone: l.anyone}
	sub.read = sub.readSubjects
	sub.sources.budget = budget
	g, _ := sub.sources.meet(leaf.home, l.question.ObjectID) // closed: the leaf is only a part of it
	for _, n := range leaf.nodes {
		if err := sub.node(n, g, certain); err != nil {
			return nil, err
		}
	}
	if err := sub.spread(); err != nil {
		return nil, err
	}
	if sub.wildcard {
		return nil, &WorkError{Unit: "subjects"}
	}
	sub.gather()
	return sub.list, nil
}

// meet notes a source, and sees to it that it is gone through: again, if now
// there is a way by which its members are certain.
func (l *subjectList) meet(slot int32, id []byte, way passage, hops int) error {
	r := l.run
	if err := l.step(1); err != nil || !r.reaches(slot) {
		return err
	}
	if hops > r.engine.limits.Depth {
		way = perhaps
	}
	g, _ := l.sources.meet(slot, id)
	if err := l.sources.spend(&r.engine.limits, 1); err != nil {
		return err
	}
	if place := &l.sources.places[g]; place.way < way {
		*place = standing{hops: int32(hops), way: way}
		l.queue = append(l.queue, g)
	}
	return nil
}

// node follows one expression of a source's slot.
func (l *subjectList) node(n, g int32, way passage) error {
	node := &l.run.engine.program.Nodes[n]
	switch node.Op {
	case schema.This:
		return l.this(g, way)
	case schema.ComputedUserset:
		return l.meet(node.Slot, l.sources.goals.id(g), way, int(l.sources.places[g].hops))
	case schema.TupleToUserset:
		tupleset := &l.run.engine.program.Slots[node.Slot]
		if node.All {
			way = perhaps
		}
		for _, a := range node.Arrows {
			kind := tuple.Kind{Type: tuple.TypeID(a.SubjectType), Relation: tuple.RelationID(a.SubjectRelation)}
			if err := l.follow(g, tupleset, kind, a.Slot, way); err != nil {
				return err
			}
		}
		return nil
	case schema.UnionOf:
		return l.operands(node.Operands, g, way)
	case schema.IntersectionOf, schema.ExclusionOf:
		// Whoever is in it is in its first operand; cheap ones have few.
		if l.everything {
			return l.operands(node.Operands, g, perhaps)
		}
		return l.node(node.Cheap[0], g, perhaps)
	case schema.Nothing:
		return nil
	case schema.Self:
		if object := l.object(g); l.anyone.Kind() == (tuple.Kind{Type: object.Type, Relation: tuple.Self}) {
			l.known[way] = append(l.known[way], object.ID)
		}
		return nil
	default:
		return fmt.Errorf("%w: %d", ErrProgram, node.Op)
	}
}

func (l *subjectList) operands(nodes []int32, g int32, way passage) error {
	for _, operand := range nodes {
		if err := l.node(operand, g, way); err != nil {
			return err
		}
	}
	return nil
}

// this follows the usersets that a relation stores, and looks for a wildcard.
func (l *subjectList) this(g int32, way passage) error {
	slot := &l.run.engine.program.Slots[l.sources.goals.list[g].slot]
	for _, d := range slot.Direct {
		kind := tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)}
		if d.Slot >= 0 {
			if err := l.follow(g, slot, kind, d.Slot, way); err != nil {
				return err
			}
		}
		if l.wildcard || kind != l.run.wildcard.Kind() {
			continue
		}
		l.cost.Reads++
		_, found, err := l.run.reader.Find(l.object(g), tuple.RelationID(slot.Number), l.run.wildcard)
		if err != nil {
			return l.run.readError(l.object(g), slot, err)
		}
		l.wildcard = found
	}
	return nil
}

// follow meets a slot at the subjects of one kind that a relation stores.
func (l *subjectList) follow(g int32, relation *schema.Slot, kind tuple.Kind, target int32, way passage) error {
	if !l.run.reaches(target) {
		return nil
	}
	var above []byte
	for {
		l.cost.Reads++
		err := l.run.reader.Subjects(l.object(g), tuple.RelationID(relation.Number), kind, above, pageSize, &l.page)
		if err = checkPage(&l.page, err); err != nil {
			return l.run.readError(l.object(g), relation, err)
		}
		for i := range l.page.Len() {
			says := way
			if !l.page.Traits(i).None() {
				says = min(says, perhaps)
			}
			if err := l.meet(target, l.page.ID(i), says, int(l.sources.places[g].hops)+1); err != nil {
				return err
			}
		}
		if !l.page.More {
			return nil
		}
		above = append(above[:0], l.page.ID(l.page.Len()-1)...)
	}
}

// object is the object of a source.
func (l *subjectList) object(g int32) tuple.Object {
	p := l.run.engine.program
	slot := &p.Slots[l.sources.goals.list[g].slot]
	return tuple.Object{Type: tuple.TypeID(p.Types[slot.Type].Number), ID: l.sources.goals.id(g)}
}

// gather makes the strands of the sources. Objects are stored in relations.
// Usersets that are stored are sources themselves, as are those that were met by
// other ways, which contain themselves all the same.
func (l *subjectList) gather() {
	p := l.run.engine.program
	for g := range l.sources.places {
		at := &l.sources.goals.list[g]
		slot, way := &p.Slots[at.slot], l.sources.places[g].way
		if at.slot == l.run.subjectSlot {
			l.known[way] = append(l.known[way], l.sources.goals.id(int32(g)))
		}
		stores := func(d schema.Direct) bool {
			return d.Slot < 0 && d.SubjectType == uint16(l.anyone.Type) && d.SubjectRelation == uint16(l.anyone.Relation)
		}
		if slices.ContainsFunc(slot.Direct, stores) {
			l.add(&strand{object: usersetKind(p, slot), subject: l.anyone.Kind(), id: l.sources.goals.id(int32(g)), way: way})
		}
	}
	for way, ids := range l.known {
		slices.SortFunc(ids, bytes.Compare)
		l.add(&strand{fixed: ids, way: passage(way)})
	}
}

// readSubjects reads the subjects of a strand.
func (l *subjectList) readSubjects(s *strand, above []byte, limit int) error {
	l.cost.Reads++
	object := tuple.Object{Type: s.object.Type, ID: s.id}
	err := l.run.reader.Subjects(object, s.object.Relation, s.subject, above, limit, &s.page)
	if err = checkPage(&s.page, err); err != nil {
		return fmt.Errorf("reading the subjects of %q: %w", s.id, err)
	}
	return nil
}

// give hands out the wildcard and then the subjects, and reports whether those
// were all.
func (l *subjectList) give(found func(FoundSubject) bool) (complete bool, err error) {
	var others Result // of those that are not listed
	if l.wildcard {
		if others, err = l.confirm(l.question.Slot, l.question.ObjectID); err != nil {
			return false, fmt.Errorf("the wildcard of the list: %w", err)
		}
	}
	above := l.question.Above
	if string(above) == tuple.WildcardID {
		above = nil
	} else if above == nil && others.Verdict != No {
		if !found(FoundSubject{wildcardID, others}) || l.full() {
			return false, nil
		}
	}
	if err := l.begin(above); err != nil {
		return false, err
	}
	for {
		if err := l.step(1); err != nil {
			return false, err
		}
		id, way, ok, err := l.candidate()
		if err != nil || !ok {
			return !ok, err
		}
		if way == perhaps && l.asked >= l.siftAt && !l.wildcard {
			sifted, err := l.sift(l.run.engine.sieve(l.question.Slot), l.question.ObjectID, id, l.walkTo)
			if err != nil {
				return false, err
			}
			if sifted {
				continue
			}
		}
		if way == closed && l.wildcard {
			way = perhaps // by the wildcard
		}
		entry := FoundSubject{ID: id, Result: Result{Verdict: Yes}}
		switch way {
		case closed:
			entry.Verdict = No
		case perhaps:
			l.asked++
			subject := l.anyone
			subject.ID = id
			l.run.begin(subject, l.question.Given)
			if entry.Result, err = l.confirm(l.question.Slot, l.question.ObjectID); err != nil {
				return false, fmt.Errorf("subject %q of the list: %w", id, err)
			}
		}
		if entry.Verdict == No && others.Verdict == No {
			continue
		}
		if !found(entry) || l.full() {
			return l.exhausted(), nil
		}
	}
}
