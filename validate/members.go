package validate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Limits of an expected list.
const (
	maxListedSubjects = 100_000
	maxRounds         = 1_000
)

var (
	errListTooLong = fmt.Errorf("the list has more than %d subjects, or comes from too far away", maxListedSubjects)
	errParadox     = errors.New("the list depends on its own exclusion, so that it has no end")
)

// members finds the subjects of a userset that tuples speak of: those of its
// expansion, combined as the rewrite says. What comes round in a circle is
// found by going round until nothing is new.
type members struct {
	*world
	ctx      context.Context // it lives no longer than a call
	reader   rewrite.Reader
	usersets []*rewrite.Tree // opened ones, those further down last
	sets     map[userset]found
}

// members returns the subjects of object#relation at an instant.
func (w *world) members(ctx context.Context, reader rewrite.Reader, slot int32, objectID []byte, nowNanos int64) (found, error) {
	tree, err := w.engine.Expand(ctx, reader, slot, objectID, rewrite.ExpandOptions{
		Depth: rewrite.DefaultDepth + 1, MaxSubjects: maxListedSubjects, NowNanos: nowNanos,
	})
	if err != nil {
		return nil, err
	}
	m := &members{world: w, ctx: ctx, reader: reader, sets: make(map[userset]found)}
	if err := m.gather(tree); err != nil {
		return nil, err
	}
	for range maxRounds {
		changed, err := m.round()
		if err != nil {
			return nil, err
		}
		if !changed {
			return m.sets[m.userset(tree.Object, tree.Relation)], nil
		}
	}
	return nil, errParadox
}

// gather lists the usersets of a tree, which has opened every one that is stored,
// unless it is too far away.
func (m *members) gather(t *rewrite.Tree) error {
	unopened := func(s tuple.Subject) bool { return s.Relation >= tuple.FirstRelation }
	if t.Cut == rewrite.Truncated || t.Cut == rewrite.Folded || slices.ContainsFunc(t.Subjects, unopened) {
		return errListTooLong
	}
	if t.Kind == rewrite.UsersetTree && t.Cut == rewrite.Whole {
		m.usersets = append(m.usersets, t)
	}
	for _, child := range t.Children {
		if err := m.gather(child); err != nil {
			return err
		}
	}
	return nil
}

// round finds every set again from the others, and reports whether one changed.
func (m *members) round() (changed bool, err error) {
	for _, t := range slices.Backward(m.usersets) {
		set, err := m.of(t.Children[0], m.userset(t.Object, t.Relation))
		if err != nil {
			return false, err
		}
		at := m.userset(t.Object, t.Relation)
		if !set.equal(m.sets[at]) {
			m.sets[at], changed = set, true
		}
	}
	return changed, nil
}

func (m *members) userset(object tuple.Object, relation tuple.RelationID) userset {
	return userset{
		object: string(object.ID), kind: tuple.Kind{Type: object.Type, Relation: relation},
		rendered: m.render(tuple.Subject{Type: object.Type, ID: object.ID, Relation: relation}),
	}
}

func (w *world) render(s tuple.Subject) string {
	text := w.names.TypeName(s.Type) + ":" + string(s.ID)
	if s.Relation >= tuple.FirstRelation {
		text += "#" + w.names.RelationName(s.Type, s.Relation)
	}
	return text
}

// of is the set of one expression of a userset.
func (m *members) of(t *rewrite.Tree, at userset) (found, error) {
	switch t.Kind {
	case rewrite.UsersetTree:
		return m.sets[m.userset(t.Object, t.Relation)].under(counts(t.Condition)), nil
	case rewrite.ThisTree:
		return m.stored(t, at)
	case rewrite.SelfTree:
		set := make(found)
		set.add(tuple.Subject{Type: t.Object.Type, ID: t.Object.ID}, rewrite.Yes, at)
		return set, nil
	case rewrite.NothingTree:
		return make(found), nil
	case rewrite.EveryArrowTree:
		return m.every(t, at)
	case rewrite.IntersectionTree:
		return m.combine(t.Children, at, intersection)
	case rewrite.ExclusionTree:
		return m.combine(t.Children, at, exclusion)
	default:
		return m.combine(t.Children, at, union)
	}
}

// counts is whether a tuple counts, if nothing is known of caveats.
func counts(t tuple.Traits) rewrite.Verdict {
	if t.Caveat != 0 {
		return rewrite.Conditional
	}
	return rewrite.Yes
}

func (m *members) combine(trees []*rewrite.Tree, at userset, combine func(a, b found) found) (found, error) {
	set := make(found)
	for i, t := range trees {
		operand, err := m.of(t, at)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			set = operand
		} else {
			set = combine(set, operand)
		}
	}
	return set, nil
}

// stored is what a relation stores, and the members of the usersets among that.
func (m *members) stored(t *rewrite.Tree, at userset) (found, error) {
	set := make(found)
	for i, s := range t.Subjects {
		verdict := rewrite.Yes
		if i < len(t.Conditions) {
			verdict = counts(t.Conditions[i])
		}
		set.add(s, verdict, at)
	}
	for _, child := range t.Children {
		set.add(tuple.Subject{Type: child.Object.Type, Relation: child.Relation, ID: child.Object.ID}, counts(child.Condition), at)
	}
	opened, err := m.combine(t.Children, at, union)
	return union(set, opened), err
}

// every is what is in the target of every object whose tuple counts, and of one.
func (m *members) every(t *rewrite.Tree, at userset) (found, error) {
	some, err := m.combine(t.Children, at, union)
	if err != nil {
		return nil, err
	}
	all, kinds := some, slices.Collect(maps.Keys(some))
	for _, child := range t.Children {
		own := m.sets[m.userset(child.Object, child.Relation)]
		all = intersection(all, own.unless(counts(child.Condition), kinds))
	}
	lacking, err := m.lacking(t)
	if err != nil || lacking == rewrite.No {
		return all, err
	}
	return intersection(all, make(found).unless(lacking, kinds)), nil
}

// lacking is whether there is an object of the tupleset whose type lacks the target,
// of which nobody is in it.
func (m *members) lacking(t *rewrite.Tree) (verdict rewrite.Verdict, err error) {
	slot, ok := m.program.SlotByNumber(uint16(t.Object.Type), uint16(t.Relation))
	if !ok {
		return rewrite.No, nil
	}
	var page tuple.Page
	for i := range m.program.Slots[slot].Direct {
		kind := kindOf(&m.program.Slots[slot].Direct[i])
		if m.targeted(t, kind.Type) {
			continue
		}
		var above []byte
		for page.More = true; page.More; {
			if err := m.reader.Subjects(t.Object, t.Relation, kind, above, 1_000, &page); err != nil {
				return rewrite.No, fmt.Errorf("reading the objects of an arrow: %w", err)
			}
			for i := range page.Len() {
				verdict = max(verdict, counts(page.Traits(i)))
				above = append(above[:0], page.ID(i)...)
			}
		}
	}
	return verdict, nil
}

// targeted reports whether a type has the target of an arrow.
func (m *members) targeted(t *rewrite.Tree, typeID tuple.TypeID) bool {
	name := m.names.RelationName(t.Target.Type, t.Target.Relation)
	index, ok := m.program.TypeByNumber(uint16(typeID))
	if !ok || name == "" {
		return false
	}
	_, ok = m.program.Slot(index, name)
	return ok
}
