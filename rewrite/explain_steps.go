package rewrite

import (
	"bytes"
	"fmt"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

func (x *explainer) slot(g int32) *schema.Slot {
	return &x.run.engine.program.Slots[x.run.goals.list[g].slot]
}

// node explains one expression of goal g's slot.
func (x *explainer) node(n, g int32, want Verdict) (*Step, error) {
	r := x.run
	node := &r.engine.program.Nodes[n]
	switch node.Op {
	case schema.This:
		return x.this(g, want)
	case schema.ComputedUserset:
		return x.userset(node.Slot, r.goals.id(g), want)
	case schema.TupleToUserset:
		return x.arrow(node, g, want)
	case schema.UnionOf:
		return x.union(node, g, want)
	case schema.IntersectionOf:
		return x.intersection(node, g, want)
	case schema.ExclusionOf:
		return x.exclusion(node, g, want)
	case schema.Nothing:
		return x.newStep(NothingStep, g), nil
	case schema.Self:
		s := x.newStep(SelfStep, g)
		if r.isSelf(g) {
			s.Verdict = Yes
		}
		return s, nil
	default:
		return nil, fmt.Errorf("%w: %d", ErrProgram, node.Op)
	}
}

// union shows the operand that is yes, or all of them.
func (x *explainer) union(node *schema.Node, g int32, want Verdict) (*Step, error) {
	s := x.newStep(UnionStep, g)
	for _, operand := range node.Cheap {
		enough, err := x.add(s, (*Step).any, func() (*Step, error) { return x.node(operand, g, want) })
		if err != nil {
			return nil, err
		}
		if enough {
			break
		}
	}
	return s, nil
}

// add explains a child and adds it to a step. If it is reason enough, those that
// were added before are not shown; so it is explained once more, without reference
// to what stands below them.
func (x *explainer) add(s *Step, combine func(s, child *Step) bool, explain func() (*Step, error)) (enough bool, err error) {
	before, omitted := len(x.order), s.Omitted
	child, err := explain()
	if err == nil && s.Kind != EveryArrowStep && child.enough() && before > s.mark {
		x.forget(s.mark)
		child, err = explain()
	}
	if err != nil {
		return false, err
	}
	enough = combine(s, child)
	if s.Omitted > omitted {
		x.forget(before)
	}
	return enough, nil
}

// enough reports whether a step is reason enough for a yes.
func (s *Step) enough() bool { return s.Verdict == Yes && !circular(s) }

// any adds an operand of a union, and reports whether it is reason enough.
func (s *Step) any(child *Step) (enough bool) {
	if child.enough() {
		s.Verdict, s.Missing, s.Children, s.Omitted = Yes, nil, []*Step{child}, 0
		return true
	}
	if child.Verdict >= s.Verdict {
		s.Verdict = child.Verdict
	}
	s.Missing = depend(s.Missing, child.Missing)
	s.show(child)
	return false
}

// show adds a child, if there are not too many.
func (s *Step) show(child *Step) {
	if len(s.Children) < maxBranches {
		s.Children = append(s.Children, child)
	} else {
		s.Omitted++
	}
}

// intersection shows all operands.
func (x *explainer) intersection(node *schema.Node, g int32, want Verdict) (*Step, error) {
	s := x.newStep(IntersectionStep, g)
	s.Verdict = Yes
	for _, operand := range node.Cheap {
		child, err := x.node(operand, g, want)
		if err != nil {
			return nil, err
		}
		s.every(child)
	}
	return s, nil
}

// every adds an operand of an intersection.
func (s *Step) every(child *Step) {
	s.Verdict = min(s.Verdict, child.Verdict)
	s.Missing = depend(s.Missing, child.Missing)
	if s.Verdict != Conditional {
		s.Missing = nil
	}
	s.show(child)
}

// exclusion shows both operands; if the first is no, only what else is in the way
// of a yes.
func (x *explainer) exclusion(node *schema.Node, g int32, want Verdict) (*Step, error) {
	s := x.newStep(ExclusionStep, g)
	from, err := x.node(node.Operands[0], g, want)
	if err != nil {
		return nil, err
	}
	s.Verdict, s.Missing, s.Children = from.Verdict, from.Missing, []*Step{from}
	if from.Verdict == No && want != No {
		return s, nil
	}
	before := len(x.order)
	subtracted, err := x.node(node.Operands[1], g, subtractedFor(want, from.Verdict))
	if err != nil {
		return nil, err
	}
	if from.Verdict == No && subtracted.Verdict == No {
		x.forget(before)
		return s, nil
	}
	s.Children = append(s.Children, subtracted)
	if s.Verdict = min(from.Verdict, Yes-subtracted.Verdict); subtracted.Note == Paradoxical {
		s.Verdict = No
	}
	if s.Verdict == Conditional {
		s.Missing = depend(s.Missing, subtracted.Missing)
	} else {
		s.Missing = nil
	}
	return s, nil
}

// subtractedFor returns what is wanted of the second operand of an exclusion of
// which something is wanted, by what the first is.
func subtractedFor(want, from Verdict) Verdict {
	switch {
	case want == whatever || want == nothing:
		return want
	case from == No:
		return whatever
	default:
		return Yes - want
	}
}

// this shows the tuple or userset that has the subject, or what was looked for.
func (x *explainer) this(g int32, want Verdict) (*Step, error) {
	r := x.run
	s := x.newStep(StoredStep, g)
	slot := x.slot(g)
	for i := range slot.Direct {
		subject, ok := r.sought(&slot.Direct[i])
		if !ok {
			continue
		}
		found, err := x.tuple(g, subject)
		if err != nil {
			return nil, err
		}
		if s.any(found) {
			return s, nil
		}
	}
	for i := range slot.Direct {
		if slot.Direct[i].Slot < 0 {
			continue
		}
		enough, err := x.subjects(s, g, slot, directKind(&slot.Direct[i]), slot.Direct[i].Slot, want, (*Step).any)
		if err != nil || enough {
			return s, err
		}
	}
	return s, nil
}

func directKind(d *schema.Direct) tuple.Kind {
	return tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)}
}

// tuple explains a look-up.
func (x *explainer) tuple(g int32, subject tuple.Subject) (*Step, error) {
	r := x.run
	s := x.newStep(TupleStep, g)
	s.Tuple = &tuple.Tuple{Object: s.Object, Relation: s.Relation, Subject: subject}
	s.Tuple.Subject.ID = bytes.Clone(subject.ID)
	s.Reads = 1
	traits, found, err := r.reader.Find(s.Object, s.Relation, subject)
	if err != nil {
		return nil, r.readError(s.Object, x.slot(g), err)
	}
	if !found {
		return s, nil
	}
	traits.Context = bytes.Clone(traits.Context)
	s.Tuple.Traits = traits
	return s, x.condition(s, traits)
}

// condition sets a step's verdict to that of its tuple.
func (x *explainer) condition(s *Step, traits tuple.Traits) error {
	c, err := x.run.condition(traits)
	s.Verdict, s.Missing = c.verdict, c.missing
	if c.err != nil {
		s.Verdict, s.Note = No, Failed
	}
	s.Counts = s.Verdict
	return err
}

// arrow shows the object that has the subject in the target, or all of them.
func (x *explainer) arrow(node *schema.Node, g int32, want Verdict) (*Step, error) {
	s := x.newStep(ArrowStep, g)
	tupleset := &x.run.engine.program.Slots[node.Slot]
	s.Relation = tuple.RelationID(tupleset.Number)
	if len(node.Arrows) > 0 {
		s.Target = usersetKind(x.run.engine.program, &x.run.engine.program.Slots[node.Arrows[0].Slot])
	}
	combine := (*Step).any
	some := No // the best that any object is
	if node.All {
		s.Kind, s.Verdict = EveryArrowStep, Yes
		combine = func(s, child *Step) bool {
			some = max(some, child.Verdict)
			s.everyObject(child)
			return false
		}
	}
	for i := range tupleset.Direct {
		kind := directKind(&tupleset.Direct[i])
		target := x.run.arrowTarget(node, kind)
		if target == noTarget && !node.All {
			continue
		}
		enough, err := x.subjects(s, g, tupleset, kind, target, want, combine)
		if err != nil || enough {
			return s, err
		}
	}
	if node.All {
		s.Verdict = min(s.Verdict, some)
	}
	if s.Verdict != Conditional {
		s.Missing = nil
	}
	return s, nil
}

// everyObject adds an object of an arrow over all. One whose tuple may count
// forbids a yes only if it lacks the subject, and one whose tuple does not count
// is none.
func (s *Step) everyObject(child *Step) {
	switch {
	case child.Counts == Yes:
		s.Verdict = min(s.Verdict, child.holds)
	case child.Counts == Conditional && child.holds != Yes:
		s.Verdict = min(s.Verdict, Conditional)
	}
	s.Missing = depend(s.Missing, child.Missing)
	s.show(child)
}

// subjects adds a step for a slot at each subject of one kind that a relation
// stores, until it is enough.
func (x *explainer) subjects(s *Step, g int32, relation *schema.Slot, kind tuple.Kind, target int32, want Verdict, combine func(s, child *Step) bool) (enough bool, err error) {
	var page tuple.Page
	var above []byte
	for page.More = true; page.More; {
		object := x.run.object(g)
		if err := x.run.tupleset(object, relation, kind, above, &page); err != nil {
			return false, err
		}
		s.Reads++
		for i := range page.Len() {
			if err := x.run.ctx.Err(); err != nil {
				return false, fmt.Errorf("explanation stopped: %w", err)
			}
			led := &tuple.Tuple{Object: x.object(g), Relation: tuple.RelationID(relation.Number),
				Subject: tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: bytes.Clone(page.ID(i))}, Traits: page.Traits(i)}
			led.Traits.Context = bytes.Clone(led.Traits.Context)
			sought := want
			if len(s.Children) >= maxBranches && want == No {
				sought = nothing // it will not be shown
			}
			enough, err := x.add(s, combine, func() (*Step, error) { return x.through(led, target, sought) })
			if err != nil || enough {
				return enough, err
			}
		}
		if page.Len() > 0 {
			above = bytes.Clone(page.ID(page.Len() - 1))
		}
	}
	return false, nil
}

// through explains a slot at the subject of a tuple, which counts only if the
// tuple does.
func (x *explainer) through(led *tuple.Tuple, target int32, want Verdict) (*Step, error) {
	counts := &Step{}
	if err := x.condition(counts, led.Traits); err != nil {
		return nil, err
	}
	s := &Step{Kind: UsersetStep, Note: OutOfReach, Object: tuple.Object{Type: led.Subject.Type, ID: led.Subject.ID}}
	var err error
	switch {
	case target == noTarget:
	case counts.Verdict == No:
		s.Relation, s.Note = tuple.RelationID(x.run.engine.program.Slots[target].Number), NotDecisive
	default:
		if counts.Verdict == Conditional && want == Conditional {
			want = whatever
		}
		if s, err = x.userset(target, led.Subject.ID, want); err != nil {
			return nil, err
		}
	}
	if counts.Note == Failed {
		s.Note = Failed
	}
	s.Tuple, s.Counts, s.holds = led, counts.Verdict, s.Verdict
	if s.Verdict = min(s.Verdict, counts.Verdict); s.Verdict == Conditional {
		s.Missing = depend(s.Missing, counts.Missing)
	} else {
		s.Missing = nil
	}
	return s, nil
}
