package rewrite

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Remedy is a set of changes that together make an answer yes. The tuples
// to add are plain, and such that the schema allows.
type Remedy struct {
	Add, Remove []tuple.Tuple
}

// Bounds of the search for remedies: how many are given, how many changes one
// may have, how many are tried, and how many that were not enough are explained.
const (
	maxRemedies        = 3
	maxRemedyChanges   = 3
	maxRemediesTried   = 64
	maxRemediesPursued = 4
)

func (m *Remedy) size() int { return len(m.Add) + len(m.Remove) }

// and joins two remedies.
func (m Remedy) and(o Remedy) Remedy {
	return Remedy{Add: joined(m.Add, o.Add), Remove: joined(m.Remove, o.Remove)}
}

func joined(a, b []tuple.Tuple) []tuple.Tuple {
	all := slices.Clone(a)
	for _, t := range b {
		if !slices.ContainsFunc(all, t.Equal) {
			all = append(all, t)
		}
	}
	return all
}

// within reports whether another remedy has all changes of this one.
func (m *Remedy) within(o *Remedy) bool {
	return len(joined(o.Add, m.Add)) == len(o.Add) && len(joined(o.Remove, m.Remove)) == len(o.Remove)
}

// remedies finds what would have to be true for a yes: it reads candidates off
// the branches that were tried, and asks about each with the tuples changed. What
// was not enough is explained in its turn, for what else there is in the way.
func (e *Engine) remedies(ctx context.Context, reader Reader, q Question, root *Step) ([]Remedy, error) {
	h := hunt{engine: e, reader: reader, question: q}
	h.extend(Remedy{}, root)
	for tried := 0; tried < maxRemediesTried && len(h.found) < maxRemedies && len(h.waiting) > 0; tried++ {
		m := h.waiting[0]
		h.waiting = h.waiting[1:]
		if err := h.try(ctx, m); err != nil && !ofOneQuestion(err) {
			return nil, err
		}
	}
	return h.found, nil
}

// hunt is one search for remedies.
type hunt struct {
	engine         *Engine
	reader         Reader
	question       Question
	waiting, found []Remedy // waiting are the smallest first
	pursued        int      // remedies that were not enough and were explained
}

// try asks with the changes of a remedy.
func (h *hunt) try(ctx context.Context, m Remedy) error {
	if slices.ContainsFunc(h.found, func(f Remedy) bool { return f.within(&m) }) {
		return nil // less is enough
	}
	reader := &changed{h.reader, m}
	result, err := h.engine.Check(ctx, reader, h.question)
	switch {
	case err != nil:
		return err
	case result.Verdict == Yes:
		h.found = append(h.found, m)
	case result.Verdict == No && m.size() < maxRemedyChanges && h.pursued < maxRemediesPursued:
		h.pursued++
		root, err := h.engine.reasons(ctx, reader, h.question, ExplainOptions{}, No)
		if err != nil {
			return err
		}
		h.extend(m, root)
	}
	return nil
}

// extend adds to a remedy what its explanation asks for besides.
func (h *hunt) extend(m Remedy, root *Step) {
	for _, o := range (candidates{program: h.engine.program}).of(root) {
		more := m.and(o)
		undone := slices.ContainsFunc(more.Add, func(t tuple.Tuple) bool { return slices.ContainsFunc(more.Remove, t.Equal) })
		if more.size() > m.size() && !undone {
			h.waiting = append(h.waiting, more)
		}
	}
	h.waiting = smallest(h.waiting)
}

// changed is a reader that shows the tuples that there would be.
type changed struct {
	Reader
	by Remedy
}

// Find looks a tuple up, as it would be.
func (c *changed) Find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (tuple.Traits, bool, error) {
	same := tuple.Tuple{Object: object, Relation: relation, Subject: subject}.Equal
	switch {
	case slices.ContainsFunc(c.by.Add, same):
		return tuple.Traits{}, true, nil
	case slices.ContainsFunc(c.by.Remove, same):
		return tuple.Traits{}, false, nil
	}
	return c.Reader.Find(object, relation, subject)
}

// Subjects lists subjects, as they would be. Where a page loses all of its ids,
// the next one takes its place.
func (c *changed) Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error {
	var stored tuple.Page
	page.Reset()
	for {
		room := max(1, limit-len(c.by.Add))
		if err := checkPage(&stored, c.Reader.Subjects(object, relation, kind, above, room, &stored)); err != nil {
			return err
		}
		added := c.addedTo(object, relation, kind, above)
		for i := range stored.Len() {
			id := stored.ID(i)
			for len(added) > 0 && bytes.Compare(added[0], id) <= 0 {
				page.Append(added[0], tuple.Traits{})
				added = added[1:]
			}
			same := tuple.Tuple{Object: object, Relation: relation, Subject: tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: id}}.Equal
			if !slices.ContainsFunc(c.by.Remove, same) && !slices.ContainsFunc(c.by.Add, same) {
				page.Append(id, stored.Traits(i))
			}
		}
		if !stored.More {
			for _, id := range added {
				page.Append(id, tuple.Traits{})
			}
		}
		if page.More = stored.More; !stored.More || page.Len() > 0 {
			return nil
		}
		above = bytes.Clone(stored.ID(stored.Len() - 1))
	}
}

// addedTo lists the ids that are added to one kind of object#relation, ascending.
func (c *changed) addedTo(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte) (ids [][]byte) {
	for _, t := range c.by.Add {
		if t.Object.Type == object.Type && t.Relation == relation && t.Subject.Kind() == kind &&
			bytes.Equal(t.Object.ID, object.ID) && bytes.Compare(t.Subject.ID, above) > 0 {
			ids = append(ids, t.Subject.ID)
		}
	}
	slices.SortFunc(ids, bytes.Compare)
	return ids
}

// candidates reads remedies off an explanation.
type candidates struct{ program *schema.Program }

// of lists what may make a step yes, the smallest first.
func (c candidates) of(s *Step) (all []Remedy) {
	if s.Verdict == Yes {
		return []Remedy{{}}
	}
	switch s.Kind {
	case TupleStep:
		if t := *s.Tuple; c.allows(t) {
			t.Traits = tuple.Traits{}
			all = []Remedy{{Add: []tuple.Tuple{t}}}
		}
	case UsersetStep:
		if s.Tuple != nil && s.Counts != Yes {
			return nil // the tuple that leads here would have to change
		}
		fallthrough
	case StoredStep, ArrowStep, UnionStep:
		for _, child := range s.Children {
			all = append(all, c.of(child)...)
		}
	case IntersectionStep, EveryArrowStep:
		counting := slices.DeleteFunc(slices.Clone(s.Children), func(child *Step) bool {
			return child.Tuple != nil && child.Counts == No && child.Kind == UsersetStep
		})
		if len(counting) > 0 && s.Omitted == 0 {
			all = each(counting, c.of)
		}
	case ExclusionStep:
		all = c.of(s.Children[0])
		if len(s.Children) > 1 {
			all = product(all, c.against(s.Children[1]))
		}
	}
	return smallest(all)
}

// against lists what may make a step no, the smallest first.
func (c candidates) against(s *Step) (all []Remedy) {
	if s.Verdict == No {
		return []Remedy{{}}
	}
	switch s.Kind {
	case TupleStep:
		return []Remedy{{Remove: []tuple.Tuple{*s.Tuple}}}
	case UsersetStep:
		if len(s.Children) == 0 {
			return []Remedy{{}} // what it stands on is shown elsewhere, or not at all
		}
		if all = c.against(s.Children[0]); len(all) == 0 && s.Tuple != nil {
			all = []Remedy{{Remove: []tuple.Tuple{*s.Tuple}}} // it is the subject itself
		}
	case StoredStep, ArrowStep, UnionStep:
		all = each(s.Children, c.against)
	case IntersectionStep, EveryArrowStep:
		for _, child := range s.Children {
			all = append(all, c.against(child)...)
		}
	case ExclusionStep:
		all = slices.Concat(c.against(s.Children[0]), c.of(s.Children[1]))
	}
	return smallest(all)
}

// each lists what does to all of some steps what a function lists for one.
func each(steps []*Step, of func(s *Step) []Remedy) []Remedy {
	all := []Remedy{{}}
	for _, s := range steps {
		all = product(all, of(s))
	}
	return all
}

// product joins each of some remedies with each of others.
func product(all, others []Remedy) (both []Remedy) {
	for _, m := range all {
		for _, o := range others {
			both = append(both, m.and(o))
		}
	}
	return smallest(both)
}

// smallest orders remedies by size, and keeps those that are worth trying.
func smallest(all []Remedy) []Remedy {
	all = slices.DeleteFunc(all, func(m Remedy) bool { return m.size() > maxRemedyChanges })
	slices.SortStableFunc(all, func(a, b Remedy) int { return cmp.Compare(a.size(), b.size()) })
	return all[:min(len(all), maxRemediesTried)]
}

// allows reports whether a relation takes a tuple without traits.
func (c candidates) allows(t tuple.Tuple) bool {
	slot, ok := c.program.SlotByNumber(uint16(t.Object.Type), uint16(t.Relation))
	if !ok || bytes.Equal(t.Subject.ID, wildcardID) {
		return false
	}
	return slices.ContainsFunc(c.program.Slots[slot].Direct, func(d schema.Direct) bool {
		return directKind(&d) == t.Subject.Kind() && slices.Contains(d.Traits, schema.Traits{})
	})
}
