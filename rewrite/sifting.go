package rewrite

import (
	"bytes"
	"errors"
	"math"

	"github.com/tupelodb/tupelo/schema"
)

// sifting is a sieve at work in a list. Of each leaf it has the list of all who
// may be in it, each with the way by which: who is not in that list is not in the
// leaf. So of an id it can say, from leaf to leaf, that it is in the whole for
// certain, perhaps, or not; and which id is the next that may be.
//
// Ways ignore what is taken away, so who is in a leaf's list only by a tuple that
// may not count, or by a source that is not certain, perhaps is not in the leaf.
// That is three-valued logic once more: what is certain and what is closed are
// facts, and only what remains is asked of Check.
type sifting struct {
	sieve *sieve
	run   *run
	step  func(n int) error
	lists []*list // by leaf; nil where there is too much to walk
	// begins says which parts have all their members in lists, so that these can
	// say which id is the next.
	begins []bool
	own    []byte // the id that is in its own userset
	from   []byte // the next id is not below this one
	id     []byte
}

// A list asks siftAfter times before it makes a sifting, which takes another walk
// for each leaf. A walk that would take siftBudget times as many steps as were
// asked is given up, until as many times more were asked: so siftings cost at most
// as much as the checks would, nearly.
const (
	siftAfter  = 16
	siftBudget = 16
)

// sift makes a sifting that goes on at an id, if it pays, and reports whether it
// did. walk lists who may be in a leaf, within a number of steps.
func (l *list) sift(made *sieve, own, from []byte, walk func(leaf *leaf, budget int) (*list, error)) (bool, error) {
	asked := max(l.asked, siftAfter)
	l.siftAt = math.MaxInt
	if made == nil {
		return false, nil
	}
	s := &sifting{sieve: made, run: l.run, step: l.step, own: own, lists: make([]*list, len(made.leaves)), begins: make([]bool, len(made.parts))}
	s.from = append(s.from, from...)
	for i, leaf := range made.leaves {
		sub, err := walk(leaf, siftBudget*asked)
		if errors.Is(err, ErrTooManySubProblems) {
			l.siftAt = siftBudget * asked
			continue
		}
		if err != nil {
			return false, err
		}
		s.lists[i] = sub
	}
	s.findBegins()
	if !s.begins[len(s.begins)-1] {
		l.spendSifting(s)
		return false, nil
	}
	for _, sub := range s.lists {
		if sub == nil {
			continue
		}
		if err := sub.begin(below(nil, from)); err != nil {
			return false, err
		}
	}
	if l.sifting != nil {
		l.spendSifting(l.sifting)
	}
	l.sifting, l.strands = s, nil
	return true, nil
}

// spendSifting counts what a sifting cost.
func (l *list) spendSifting(s *sifting) {
	for _, sub := range s.lists {
		if sub != nil {
			l.cost.add(sub.listing(true).Cost)
		}
	}
}

func (s *sifting) findBegins() {
	for n := range s.sieve.parts {
		p := &s.sieve.parts[n]
		switch p.op {
		case schema.This:
			s.begins[n] = s.lists[p.leaf] != nil
		case schema.ExclusionOf:
			s.begins[n] = s.begins[p.operands[0]]
		case schema.IntersectionOf:
			for _, operand := range p.operands {
				s.begins[n] = s.begins[n] || s.begins[operand]
			}
		case schema.UnionOf:
			s.begins[n] = true
			for _, operand := range p.operands {
				s.begins[n] = s.begins[n] && s.begins[operand]
			}
		}
	}
}

// next returns the next id that may be in the whole, and what is known of it.
func (s *sifting) next() (id []byte, way passage, ok bool, err error) {
	whole := int32(len(s.sieve.parts) - 1)
	for {
		if err := s.step(1); err != nil {
			return nil, closed, false, err
		}
		least, err := s.least(whole, s.from)
		if err != nil || least == nil {
			return nil, closed, false, err
		}
		s.id = append(s.id[:0], least...)
		s.from = append(append(s.from[:0], s.id...), 0)
		if way, err = s.way(whole, s.id); err != nil || way != closed {
			return s.id, way, true, err
		}
	}
}

// least returns the first id, not below another, that a part may have, or nil. It
// is valid until the part's lists move on.
func (s *sifting) least(n int32, from []byte) (least []byte, err error) {
	p := &s.sieve.parts[n]
	switch p.op {
	case schema.This:
		list := s.lists[p.leaf]
		if err := list.seek(from); err != nil || len(list.strands) == 0 {
			return nil, err
		}
		return list.head(0), nil
	case schema.UnionOf:
		for _, operand := range p.operands {
			id, err := s.least(operand, from)
			if err != nil {
				return nil, err
			}
			if least == nil || id != nil && bytes.Compare(id, least) < 0 {
				least = id
			}
		}
	case schema.IntersectionOf:
		least, err = s.leastOfAll(p, from)
	default:
		least, err = s.least(p.operands[0], from)
	}
	if s.isOwn(p) && bytes.Compare(s.own, from) >= 0 && (least == nil || bytes.Compare(s.own, least) < 0) {
		least = s.own
	}
	return least, err
}

// leastOfAll returns the first id that all operands may have, as far as it is known
// what they have: each in turn skips to where another is, so that the one that has
// the fewest sets the pace.
func (s *sifting) leastOfAll(p *part, from []byte) (least []byte, err error) {
	least = from
	for agreed := 0; agreed < len(p.operands); {
		if err := s.step(len(p.operands)); err != nil {
			return nil, err
		}
		for _, operand := range p.operands {
			if !s.begins[operand] {
				agreed++
				continue
			}
			id, err := s.least(operand, least)
			if err != nil || id == nil {
				return nil, err
			}
			if !bytes.Equal(id, least) {
				least, agreed = id, 0
			}
			agreed++
		}
	}
	return least, nil
}

func (s *sifting) isOwn(p *part) bool { return p.slot >= 0 && p.slot == s.run.subjectSlot }

// way says what is known of an id, which is not below those of earlier calls.
func (s *sifting) way(n int32, id []byte) (way passage, err error) {
	p := &s.sieve.parts[n]
	if s.isOwn(p) && bytes.Equal(s.own, id) {
		return certain, nil
	}
	switch p.op {
	case schema.This:
		if s.lists[p.leaf] == nil {
			return perhaps, nil
		}
		return s.lists[p.leaf].wayOf(id)
	case schema.UnionOf:
		for i := 0; i < len(p.operands) && way != certain && err == nil; i++ {
			var found passage
			found, err = s.way(p.operands[i], id)
			way = max(way, found)
		}
	case schema.IntersectionOf:
		way = certain
		for i := 0; i < len(p.operands) && way != closed && err == nil; i++ {
			var found passage
			found, err = s.way(p.operands[i], id)
			way = min(way, found)
		}
	case schema.ExclusionOf:
		if way, err = s.way(p.operands[0], id); way == closed || err != nil {
			return way, err
		}
		var without passage
		switch without, err = s.way(p.operands[1], id); without {
		case certain:
			way = closed
		case perhaps:
			way = perhaps
		}
	}
	return way, err
}

// exhausted reports whether nothing is left in any list.
func (s *sifting) exhausted() bool {
	for _, sub := range s.lists {
		if sub == nil || len(sub.strands) > 0 {
			return false
		}
	}
	return s.own == nil || bytes.Compare(s.own, s.from) < 0
}
