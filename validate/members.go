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
// found by going round until nothing is new. What an exclusion takes away is found
// before that: else a subject that is let through for a round, because it is not yet
// known to be excluded, could go round in a circle for ever.
type members struct {
	*world
	usersets []*rewrite.Tree // opened ones, those further down last
	sets     map[userset]found
	levels   map[userset]int // how many exclusions deep what they take away is
}

// members returns the subjects of object#relation at an instant.
func (w *world) members(ctx context.Context, reader rewrite.Reader, slot int32, objectID []byte, nowNanos int64) (found, error) {
	tree, err := w.engine.Expand(ctx, reader, slot, objectID, rewrite.ExpandOptions{
		Depth: rewrite.DefaultDepth + 1, MaxSubjects: maxListedSubjects, NowNanos: nowNanos,
	})
	if err != nil {
		return nil, err
	}
	m := &members{world: w, sets: make(map[userset]found), levels: make(map[userset]int)}
	if err := m.gather(tree); err != nil {
		return nil, err
	}
	for level := range m.stratify() + 1 {
		for rounds := 1; m.round(level); rounds++ {
			if rounds == maxRounds {
				return nil, errParadox
			}
		}
	}
	return m.sets[m.userset(tree.Object, tree.Relation)], nil
}

// stratify finds the levels, and returns the highest. Those who depend on their own
// exclusion have no level that is high enough, and stay together on the last.
func (m *members) stratify() (highest int) {
	for raised := true; raised; {
		raised = false
		for _, t := range slices.Backward(m.usersets) {
			at := m.userset(t.Object, t.Relation)
			level := min(m.level(t.Children[0]), len(m.usersets))
			if level > m.levels[at] {
				m.levels[at], raised = level, true
			}
			highest = max(highest, level)
		}
	}
	return highest
}

// level is that of an expression.
func (m *members) level(t *rewrite.Tree) (level int) {
	if t.Kind == rewrite.UsersetTree {
		return m.levels[m.userset(t.Object, t.Relation)]
	}
	for i, child := range t.Children {
		deeper := 0
		if t.Kind == rewrite.ExclusionTree && i > 0 {
			deeper = 1
		}
		level = max(level, m.level(child)+deeper)
	}
	return level
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

// round finds every set of a level again from the others, and reports whether one
// changed.
func (m *members) round(level int) (changed bool) {
	for _, t := range slices.Backward(m.usersets) {
		at := m.userset(t.Object, t.Relation)
		if m.levels[at] != level {
			continue
		}
		set := m.of(t.Children[0], at)
		if !set.equal(m.sets[at]) {
			m.sets[at], changed = set, true
		}
	}
	return changed
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
func (m *members) of(t *rewrite.Tree, at userset) found {
	switch t.Kind {
	case rewrite.UsersetTree:
		return m.sets[m.userset(t.Object, t.Relation)].under(counts(t.Condition))
	case rewrite.ThisTree:
		return m.stored(t, at)
	case rewrite.SelfTree:
		set := make(found)
		set.add(tuple.Subject{Type: t.Object.Type, ID: t.Object.ID}, rewrite.Yes, at)
		return set
	case rewrite.NothingTree:
		return make(found)
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

func (m *members) combine(trees []*rewrite.Tree, at userset, combine func(a, b found) found) found {
	set := make(found)
	for i, t := range trees {
		operand := m.of(t, at)
		if i == 0 {
			set = operand
		} else {
			set = combine(set, operand)
		}
	}
	return set
}

// stored is what a relation stores, and the members of the usersets among that.
func (m *members) stored(t *rewrite.Tree, at userset) found {
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
	return union(set, m.combine(t.Children, at, union))
}

// every is what is in the target of every object whose tuple counts, and of one.
func (m *members) every(t *rewrite.Tree, at userset) found {
	some := m.combine(t.Children, at, union)
	all, kinds := some, slices.Collect(maps.Keys(some))
	for _, child := range t.Children {
		own := m.sets[m.userset(child.Object, child.Relation)]
		all = intersection(all, own.unless(counts(child.Condition), kinds))
	}
	return all
}
