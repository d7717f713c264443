package rewrite

import (
	"fmt"
	"math"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// value is what the search found out about a goal or an expression.
type value uint8

const (
	no value = iota
	yes
	undecided
)

// outcome is a value and, for a no, the lowest level of an active goal that it
// takes for no. A no of level free depends on none and is a fact. A yes is
// always a fact (R2).
type outcome struct {
	value value
	low   int32
}

const free = math.MaxInt32

var (
	isNo      = outcome{no, free}
	isYes     = outcome{yes, free}
	isUnclear = outcome{undecided, free}
)

// or adds an operand that is not yes to a union without a yes: the union is no
// if all its operands are, and then depends on whatever they depend on.
func (o outcome) or(operand outcome) outcome {
	if o.value == undecided || operand.value == undecided {
		return isUnclear
	}
	return outcome{no, min(o.low, operand.low)}
}

// orYes adds an operand of any value.
func (o outcome) orYes(operand outcome) outcome {
	if o.value == yes || operand.value == yes {
		return isYes
	}
	return o.or(operand)
}

// solve finds the value of a goal, `hops` objects away from the question.
func (r *run) solve(g int32, hops int) (outcome, error) {
	r.cost.Steps++
	if r.cost.Steps >= r.pauseAt {
		if err := r.pause(); err != nil {
			return isUnclear, err
		}
	}
	goal := &r.goals.list[g]
	switch goal.state {
	case settledYes:
		return isYes, nil
	case settledNo:
		return isNo, nil
	case unclear, undefined:
		return isUnclear, nil
	case active:
		goal.used = true
		return outcome{no, goal.level}, nil
	case provisional:
		return outcome{no, goal.level}, nil
	}
	switch {
	case r.isSubject(g):
		goal.state = settledYes
		return isYes, nil
	}
	if found, known := r.membership(g); known {
		return outcome{found, free}, nil
	}
	switch {
	case hops > r.engine.limits.Depth, r.forgotten > maxForgotten*len(r.goals.list):
		return isUnclear, nil // not in the memo: another time or place may do better
	case len(r.goals.list) > r.maxGoals:
		return isUnclear, &WorkError{Unit: "sub-problems", Limit: r.engine.limits.SubProblems}
	}
	slot := &r.engine.program.Slots[goal.slot]
	level, start := r.enter(g)
	found, err := r.node(slot.Root, g, hops)
	if err != nil {
		return isUnclear, err
	}
	return r.leave(g, level, start, found), nil
}

// node finds the value of one expression of goal g's slot.
func (r *run) node(n, g int32, hops int) (outcome, error) {
	node := &r.engine.program.Nodes[n]
	switch node.Op {
	case schema.This:
		return r.this(g, hops)
	case schema.ComputedUserset:
		if !r.reaches(node.Slot) {
			return isNo, nil
		}
		return r.solve(r.goals.beside(g, node.Slot), hops)
	case schema.TupleToUserset:
		if node.All {
			return r.everyArrow(node, g, hops)
		}
		return r.arrow(node, g, hops)
	case schema.UnionOf:
		return r.union(node, g, hops)
	case schema.IntersectionOf:
		return r.intersection(node, g, hops)
	case schema.ExclusionOf:
		return r.exclusion(node, g, hops)
	case schema.Nothing:
		return isNo, nil
	case schema.Self:
		if r.isSelf(g) {
			return isYes, nil
		}
		return isNo, nil
	default:
		return isUnclear, fmt.Errorf("%w: %d", ErrProgram, node.Op)
	}
}

// union is yes if any operand is.
func (r *run) union(node *schema.Node, g int32, hops int) (outcome, error) {
	sum := isNo
	for _, operand := range node.Cheap {
		found, err := r.node(operand, g, hops)
		if err != nil || found.value == yes {
			return found, err
		}
		sum = sum.or(found)
	}
	return sum, nil
}

// intersection is no if any operand is, whatever is unclear about the others.
func (r *run) intersection(node *schema.Node, g int32, hops int) (outcome, error) {
	all := isYes
	for _, operand := range node.Cheap {
		found, err := r.node(operand, g, hops)
		if err != nil || found.value == no {
			return found, err
		}
		if found.value == undecided {
			all = isUnclear
		}
	}
	return all, nil
}

// exclusion is yes if the first operand is and the second is not. A yes must
// be a fact, so a provisional no of the second operand does not do (R3).
func (r *run) exclusion(node *schema.Node, g int32, hops int) (outcome, error) {
	from, err := r.node(node.Operands[0], g, hops)
	if err != nil || from.value == no {
		return from, err
	}
	subtracted, err := r.node(node.Operands[1], g, hops)
	switch {
	case err != nil:
		return isUnclear, err
	case subtracted.value == yes:
		return isNo, nil
	case subtracted == isNo:
		return from, nil
	default:
		return isUnclear, nil
	}
}

// this is yes if the relation stores the subject, or the wildcard that covers
// it, or a userset which contains it. Look-ups come before recursion.
func (r *run) this(g int32, hops int) (outcome, error) {
	goal := &r.goals.list[g]
	slot := &r.engine.program.Slots[goal.slot]
	sum := isNo
	if !goal.looked {
		found, err := r.storedDirectly(g, slot)
		if err != nil || found == yes {
			return isYes, err
		}
		// A tuple that counts perhaps has to be met again by the exact path.
		if goal.looked = found == no; !goal.looked {
			sum = isUnclear
		}
	}
	for i := range slot.Direct {
		direct := &slot.Direct[i]
		if direct.Slot < 0 || !r.reaches(direct.Slot) {
			continue
		}
		kind := tuple.Kind{Type: tuple.TypeID(direct.SubjectType), Relation: tuple.RelationID(direct.SubjectRelation)}
		found, err := r.anyOf(g, slot, kind, direct.Slot, hops)
		if err != nil || found.value == yes {
			return found, err
		}
		sum = sum.or(found)
	}
	return sum, nil
}

// storedDirectly looks for the subject and its wildcard among the stored
// subjects of goal g.
func (r *run) storedDirectly(g int32, slot *schema.Slot) (value, error) {
	sum := no
	for i := range slot.Direct {
		subject, ok := r.sought(&slot.Direct[i])
		if !ok {
			continue
		}
		found, err := r.lookUp(r.object(g), slot, subject)
		if err != nil || found == yes {
			return found, err
		}
		if found == undecided {
			sum = undecided
		}
	}
	return sum, nil
}

// arrow is yes if the target is yes at any object of the tupleset. The paper
// takes the object of each subject there, also of one that is a userset.
func (r *run) arrow(node *schema.Node, g int32, hops int) (outcome, error) {
	tupleset := &r.engine.program.Slots[node.Slot]
	sum := isNo
	for i := range node.Arrows {
		target := &node.Arrows[i]
		if !r.reaches(target.Slot) {
			continue
		}
		kind := tuple.Kind{Type: tuple.TypeID(target.SubjectType), Relation: tuple.RelationID(target.SubjectRelation)}
		found, err := r.anyOf(g, tupleset, kind, target.Slot, hops)
		if err != nil || found.value == yes {
			return found, err
		}
		sum = sum.or(found)
	}
	return sum, nil
}

// anyOf is yes if the target slot is yes at any of the subjects of one kind
// that a relation stores at goal g's object: one hop.
func (r *run) anyOf(g int32, relation *schema.Slot, kind tuple.Kind, target int32, hops int) (outcome, error) {
	groups := r.engine.groups.of[target]
	if groups != noGroup {
		if found, known, err := r.anyGroup(g, relation, kind, target, hops); known || err != nil {
			return found, err
		}
	}
	read := r.read(hops)
	sum := isNo
	var after []byte
	for {
		if err := r.page(read, g, relation, kind, after, target); err != nil {
			return isUnclear, err
		}
		if groups != noGroup {
			if more, err := r.meet(groups, len(read.goals)); err != nil {
				return isUnclear, err
			} else if more {
				return r.anyOf(g, relation, kind, target, hops)
			}
		}
		if found, err := r.glance(read, target, hops+1); err != nil || found {
			return isYes, err
		}
		for i, next := range read.goals {
			if read.counts[i] == no {
				continue
			}
			found, err := r.solve(next, hops+1)
			if err != nil {
				return isUnclear, err
			}
			if found.value == yes {
				if found.value = read.counts[i]; found.value == yes {
					return found, nil
				}
			}
			sum = sum.or(found)
		}
		if !read.page.More {
			return sum, nil
		}
		after = r.lastOf(read, after)
	}
}

// page reads subjects of one kind that a relation stores at goal g's object,
// numbers the goals of a slot at them, and finds whether their tuples count.
func (r *run) page(read *reading, g int32, relation *schema.Slot, kind tuple.Kind, after []byte, target int32) error {
	if err := r.tupleset(r.object(g), relation, kind, after, &read.page); err != nil {
		return err
	}
	read.goals, read.counts = read.goals[:0], read.counts[:0]
	for i := range read.page.Len() {
		counts := yes
		if traits := read.page.Traits(i); !traits.None() {
			c, err := r.condition(traits)
			if err != nil {
				return err
			}
			counts = c.value()
		}
		read.counts = append(read.counts, counts)
		if target != noTarget {
			read.goals = append(read.goals, r.goals.at(target, read.page.ID(i)))
		}
	}
	return nil
}

// lastOf returns the last id of a page that is about to be overwritten.
func (r *run) lastOf(read *reading, scratch []byte) []byte {
	if n := len(read.goals); n > 0 {
		return r.goals.id(read.goals[n-1])
	}
	return append(scratch[:0], read.page.ID(read.page.Len()-1)...)
}

// glance looks whether a goal of a page is yes at first sight: known to be, or
// storing the subject. Where many teams are stored, this finds the one that has
// the subject before the teams within the others are gone through.
func (r *run) glance(read *reading, target int32, hops int) (bool, error) {
	slot := &r.engine.program.Slots[target]
	stores := r.engine.program.Nodes[slot.Root].Op == schema.This && hops <= r.engine.limits.Depth
	for i, g := range read.goals {
		if read.counts[i] != yes {
			continue
		}
		goal := &r.goals.list[g]
		if goal.state == settledYes {
			return true, nil
		}
		if !stores || goal.state != fresh || goal.looked {
			continue
		}
		found, err := r.storedDirectly(g, slot)
		if err != nil {
			return false, err
		}
		goal.looked = found != undecided
		if found == yes {
			goal.state = settledYes
			return true, nil
		}
	}
	return false, nil
}
