package rewrite

import (
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// everyArrow is yes if the target is yes at every object of the tupleset, and
// there is one. Objects whose type lacks the target are no.
func (r *run) everyArrow(node *schema.Node, g int32, hops int) (outcome, error) {
	tupleset := &r.engine.program.Slots[node.Slot]
	some, all := isNo, isYes
	for i := range tupleset.Direct {
		kind := tuple.Kind{Type: tuple.TypeID(tupleset.Direct[i].SubjectType), Relation: tuple.RelationID(tupleset.Direct[i].SubjectRelation)}
		found, every, err := r.everyOf(g, tupleset, kind, r.arrowTarget(node, kind), hops)
		switch {
		case err != nil || every.value == no:
			return every, err
		case every.value == undecided:
			all = isUnclear
		}
		some = some.orYes(found)
	}
	if some.value == yes {
		return all, nil
	}
	return some, nil
}

// everyOf says whether the target slot is yes at some subject that the tupleset
// stores, of one kind, and whether it is at every one.
func (r *run) everyOf(g int32, tupleset *schema.Slot, kind tuple.Kind, target int32, hops int) (some, every outcome, err error) {
	read := r.read(hops)
	some, every = isNo, isYes
	var after []byte
	for {
		if err := r.page(read, g, tupleset, kind, after, target); err != nil {
			return isUnclear, isUnclear, err
		}
		for i, counts := range read.counts {
			if counts == no {
				continue
			}
			found := isNo
			if target != noTarget {
				if found, err = r.solve(read.goals[i], hops+1); err != nil {
					return isUnclear, isUnclear, err
				}
			}
			switch {
			case found.value == no && counts == yes:
				return isNo, found, nil
			case found.value != yes:
				every = isUnclear
			case counts == undecided:
				found = isUnclear // there is one if the tuple counts
			}
			some = some.orYes(found)
		}
		if !read.page.More {
			return some, every, nil
		}
		after = r.lastOf(read, after)
	}
}

// noTarget stands for the target at objects that can only be no.
const noTarget = -1

// arrowTarget returns what an arrow evaluates at objects of a kind, or noTarget
// if that is no for every subject of the question's kind (R7).
func (r *run) arrowTarget(node *schema.Node, kind tuple.Kind) int32 {
	for i := range node.Arrows {
		a := &node.Arrows[i]
		if a.SubjectType == uint16(kind.Type) && a.SubjectRelation == uint16(kind.Relation) && r.reaches(a.Slot) {
			return a.Slot
		}
	}
	return noTarget
}

// everyArrow makes the gate of an arrow over all objects of a tupleset: for each
// tuple that counts the target, for each that may the target or that the tuple
// does not count; and that there is one which counts and has the target.
func (x *exact) everyArrow(node *schema.Node, g int32) (gate, error) {
	r := x.run
	tupleset := &r.engine.program.Slots[node.Slot]
	start := len(x.operands)
	exists, refuted := gateFalse, false
	for i := range tupleset.Direct {
		kind := tuple.Kind{Type: tuple.TypeID(tupleset.Direct[i].SubjectType), Relation: tuple.RelationID(tupleset.Direct[i].SubjectRelation)}
		target := r.arrowTarget(node, kind)
		err := x.each(g, tupleset, kind, func(id []byte, counts gate) {
			value := gateFalse
			if target != noTarget {
				value = x.meet(r.goals.at(target, id), x.present+1)
			}
			exists = x.either(exists, x.both(counts, value))
			if counts != gateTrue {
				value = x.either(counts, value) // what may count may also not
			}
			refuted = refuted || value == gateFalse
			x.operands = append(x.operands, value)
		})
		if err != nil {
			return gateFalse, err
		}
	}
	if refuted {
		x.operands = x.operands[:start]
		return gateFalse, nil
	}
	x.operands = append(x.operands, exists)
	return x.gateOf(start, allGate, gateTrue), nil
}

// either makes a gate that is true if one of two is.
func (x *exact) either(a, b gate) gate {
	switch {
	case a == gateTrue || b == gateTrue:
		return gateTrue
	case a == gateFalse:
		return b
	case b == gateFalse:
		return a
	}
	made := x.circuit.add()
	x.circuit.define(made, anyGate, a, b)
	return made
}
