package rewrite

import (
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// exact answers a question that the search left undecided, because it met the
// depth limit, a tuple that counts perhaps, or an exclusion that depends on a goal
// in progress. It lays out
// everything the question depends on as a circuit, nearest objects first, and
// finds the circuit's well-founded model (R4).
//
// Sub-problems further away than the depth limit are unknown gates, and so are
// the conditions of tuples that the request leaves open: an answer that is
// neither true nor false because of these alone is conditional. Facts of
// the memo stand for themselves, and what the model says becomes facts of the
// memo (R2), so that a batch goes this way once for each knot in the data.
//
// Distance is measured over all that a question may depend on (R5): a goal may
// be near only by way of an operand that turned out not to matter. So before a
// question fails for its depth, it is laid out once more, in full: without
// leaving out what a fact or another operand makes unnecessary. All that the
// search or the first layout came to know lies within the distance of the
// second one, which makes its outcome the one that does not depend on the
// order of operands, and never worse with a larger limit.
//
// The exact path takes several times the memory of the search and reads what
// the search might have skipped; it is bounded by the same limits. It does not
// recurse through data.
type exact struct {
	run     *run
	circuit *circuit
	full    bool
	// gates has the gate of each goal, 0 for none; hops how far away the goal
	// was found to be.
	gates []gate
	hops  []int32
	// present is the distance being laid out, -1 before the first; queue has
	// its goals, next those one hop further.
	present     int
	queue, next []int32
	operands    []gate // of the gates being built, the innermost last
	page        tuple.Page
	open        map[gate]condition // the conditions that are unknown gates
}

// exact is the exact path for one goal.
func (r *run) exact(root int32) (_ Verdict, missing []string, err error) {
	r.cost.Exact = true
	verdict, missing, err := r.layOut(root, false)
	if errors.Is(err, ErrDepthExceeded) {
		return r.layOut(root, true)
	}
	return verdict, missing, err
}

// layOut answers one goal by its circuit, in full or as far as is needed.
func (r *run) layOut(root int32, full bool) (_ Verdict, missing []string, err error) {
	x := &exact{run: r, circuit: newCircuit(), full: full, present: -1}
	top := x.meet(root, 0)
	if err := x.goalsInOrder(); err != nil {
		return No, nil, err
	}
	m, err := x.circuit.solve(r.spend)
	if err != nil {
		return No, nil, err
	}
	x.remember(m)
	switch {
	case m.isTrue(top):
		return Yes, nil, nil
	case m.isFalse(top):
		return No, nil, nil
	}
	return x.undecided(root, top, m)
}

// undecided answers a goal whose gate is neither true nor false, by the unknown
// gates that it depends on: those beyond the depth limit and conditions without
// a value are errors, others make it conditional, and without any it is a paradox.
func (x *exact) undecided(root int32, top gate, m *model) (_ Verdict, missing []string, err error) {
	verdict := No
	for _, g := range x.circuit.unknowns(top, m) {
		c, condition := x.open[g]
		if !condition {
			return No, nil, x.depthError(g)
		}
		if c.err != nil && err == nil {
			err = c.err
		}
		verdict, missing = Conditional, depend(missing, c.missing)
	}
	if err != nil {
		return No, nil, err
	}
	if verdict == No {
		x.run.goals.list[root].state = undefined
	}
	return verdict, missing, nil
}

// goalsInOrder defines the gates of all goals within the depth limit. Going
// through the distances in order finds the shortest way to each goal.
func (x *exact) goalsInOrder() error {
	for x.present = 0; x.present <= x.run.engine.limits.Depth; x.present++ {
		x.queue, x.next = x.next, x.queue[:0]
		if len(x.queue) == 0 {
			return nil
		}
		for done := 0; done < len(x.queue); done++ {
			g := x.queue[done]
			if x.circuit.gates[x.gates[g]].kind != unknown {
				continue // it was laid out when a shorter way to it was found
			}
			if err := x.goal(g); err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *exact) goal(g int32) error {
	r := x.run
	if limit := r.engine.limits.SubProblems; len(r.goals.list) > r.maxGoals {
		return &WorkError{Unit: "sub-problems", Limit: limit}
	}
	slot := &r.engine.program.Slots[r.goals.list[g].slot]
	value, err := x.node(slot.Root, g)
	if err != nil {
		return err
	}
	x.circuit.define(x.gates[g], anyGate, value)
	return nil
}

// meet returns the gate of a goal that is some hops away, and sees to it that
// the goal will be laid out.
func (x *exact) meet(g int32, hops int) gate {
	r := x.run
	known := r.goals.list[g].state
	switch {
	case r.isSubject(g):
		r.goals.list[g].state = settledYes
		return gateTrue
	case known == settledYes && !x.full:
		return gateTrue
	case known == settledNo && !x.full:
		return gateFalse
	}
	if found, known := r.membership(g); known && !x.full {
		if found == yes {
			return gateTrue
		}
		return gateFalse
	}
	for len(x.gates) < len(r.goals.list) {
		x.gates, x.hops = append(x.gates, gateFalse), append(x.hops, 0)
	}
	if x.gates[g] == gateFalse {
		x.gates[g] = x.circuit.add()
	} else if int(x.hops[g]) <= hops {
		return x.gates[g]
	}
	x.hops[g] = int32(hops)
	if hops == x.present {
		x.queue = append(x.queue, g)
	} else {
		x.next = append(x.next, g)
	}
	return x.gates[g]
}

// node returns a gate for one expression of goal g's slot.
func (x *exact) node(n, g int32) (gate, error) {
	r := x.run
	node := &r.engine.program.Nodes[n]
	switch node.Op {
	case schema.This:
		return x.this(g)
	case schema.ComputedUserset:
		if !r.reaches(node.Slot) {
			return gateFalse, nil
		}
		return x.meet(r.goals.beside(g, node.Slot), x.present), r.spend(1)
	case schema.TupleToUserset:
		if node.All {
			return x.everyArrow(node, g)
		}
		return x.arrow(node, g)
	case schema.UnionOf:
		return x.combine(node, g, anyGate, gateTrue, gateFalse)
	case schema.IntersectionOf:
		return x.combine(node, g, allGate, gateFalse, gateTrue)
	case schema.ExclusionOf:
		return x.exclusion(node, g)
	case schema.Nothing:
		return gateFalse, nil
	case schema.Self:
		if r.isSelf(g) {
			return gateTrue, nil
		}
		return gateFalse, nil
	default:
		return gateFalse, fmt.Errorf("%w: %d", ErrProgram, node.Op)
	}
}

// combine makes the gate of a union or intersection. One operand of the value
// `decides` decides it; operands of the value `idle` change nothing.
func (x *exact) combine(node *schema.Node, g int32, kind gateKind, decides, idle gate) (gate, error) {
	start, decided := len(x.operands), false
	for _, operand := range node.Cheap {
		value, err := x.node(operand, g)
		switch {
		case err != nil:
			return gateFalse, err
		case value == decides:
			decided = true
		case value != idle:
			x.operands = append(x.operands, value)
		}
		if decided && !x.full {
			break
		}
	}
	if decided {
		x.operands = x.operands[:start]
		return decides, nil
	}
	return x.gateOf(start, kind, idle), nil
}

// gateOf makes a gate of the operands from start, and takes them off the
// stack; without any it is idle.
func (x *exact) gateOf(start int, kind gateKind, idle gate) gate {
	operands := x.operands[start:]
	x.operands = x.operands[:start]
	switch len(operands) {
	case 0:
		return idle
	case 1:
		return operands[0]
	}
	made := x.circuit.add()
	x.circuit.define(made, kind, operands...)
	return made
}

func (x *exact) exclusion(node *schema.Node, g int32) (gate, error) {
	from, err := x.node(node.Operands[0], g)
	if err != nil || from == gateFalse && !x.full {
		return gateFalse, err
	}
	subtracted, err := x.node(node.Operands[1], g)
	switch {
	case err != nil || from == gateFalse || subtracted == gateTrue:
		return gateFalse, err
	case subtracted == gateFalse:
		return from, nil
	}
	made := x.circuit.add()
	x.circuit.define(made, exceptGate, from, subtracted)
	return made, nil
}

func (x *exact) this(g int32) (gate, error) {
	r := x.run
	slot := &r.engine.program.Slots[r.goals.list[g].slot]
	start := len(x.operands)
	found, err := x.storedDirectly(g, slot)
	if err != nil || found && !x.full {
		x.operands = x.operands[:start]
		return gateTrue, err
	}
	for i := range slot.Direct {
		direct := &slot.Direct[i]
		if direct.Slot < 0 || !r.reaches(direct.Slot) {
			continue
		}
		kind := tuple.Kind{Type: tuple.TypeID(direct.SubjectType), Relation: tuple.RelationID(direct.SubjectRelation)}
		if err := x.follow(g, slot, kind, direct.Slot); err != nil {
			return gateFalse, err
		}
	}
	if found {
		x.operands = x.operands[:start]
		return gateTrue, nil
	}
	return x.gateOf(start, anyGate, gateFalse), nil
}

// storedDirectly reports whether goal g's relation stores the subject by a tuple
// that counts, and puts the conditions of those that count perhaps onto the stack
// of operands.
func (x *exact) storedDirectly(g int32, slot *schema.Slot) (found bool, err error) {
	r := x.run
	for i := range slot.Direct {
		subject, ok := r.sought(&slot.Direct[i])
		if !ok {
			continue
		}
		c, err := r.stored(r.object(g), slot, subject)
		if err != nil {
			return false, err
		}
		switch c.value() {
		case yes:
			found = true
		case undecided:
			x.operands = append(x.operands, x.condition(c))
		}
	}
	return found, nil
}

// condition makes the gate of a condition.
func (x *exact) condition(c condition) gate {
	switch c.value() {
	case yes:
		return gateTrue
	case no:
		return gateFalse
	}
	g := x.circuit.add()
	if x.open == nil {
		x.open = make(map[gate]condition)
	}
	x.open[g] = c
	return g
}

func (x *exact) arrow(node *schema.Node, g int32) (gate, error) {
	r := x.run
	start := len(x.operands)
	for i := range node.Arrows {
		target := &node.Arrows[i]
		if !r.reaches(target.Slot) {
			continue
		}
		kind := tuple.Kind{Type: tuple.TypeID(target.SubjectType), Relation: tuple.RelationID(target.SubjectRelation)}
		if err := x.follow(g, &r.engine.program.Slots[node.Slot], kind, target.Slot); err != nil {
			return gateFalse, err
		}
	}
	return x.gateOf(start, anyGate, gateFalse), nil
}

// follow puts the target slot's gates at the subjects of one kind that a
// relation stores at goal g's object onto the stack of operands.
func (x *exact) follow(g int32, relation *schema.Slot, kind tuple.Kind, target int32) error {
	return x.each(g, relation, kind, func(id []byte, counts gate) {
		value := x.meet(x.run.goals.at(target, id), x.present+1)
		if value != gateFalse {
			x.operands = append(x.operands, x.both(counts, value))
		}
	})
}

// each visits the subjects of one kind that a relation stores at goal g's object
// by tuples that count or may.
func (x *exact) each(g int32, relation *schema.Slot, kind tuple.Kind, visit func(id []byte, counts gate)) error {
	r := x.run
	var after []byte
	for {
		if err := r.tupleset(r.object(g), relation, kind, after, &x.page); err != nil {
			return err
		}
		for i := range x.page.Len() {
			c, err := r.condition(x.page.Traits(i))
			if err != nil {
				return err
			}
			if counts := x.condition(c); counts != gateFalse {
				visit(x.page.ID(i), counts)
			}
		}
		if err := r.spend(1 + x.page.Len()); err != nil || !x.page.More {
			return err
		}
		after = append(after[:0], x.page.ID(x.page.Len()-1)...)
	}
}

// both makes a gate that is true if two are.
func (x *exact) both(a, b gate) gate {
	switch {
	case a == gateTrue:
		return b
	case b == gateTrue:
		return a
	case a == gateFalse || b == gateFalse:
		return gateFalse
	}
	made := x.circuit.add()
	x.circuit.define(made, allGate, a, b)
	return made
}

// remember turns what the model says of goals into facts of the memo. A goal
// is undefined for good if no unknown gate can have made it so.
func (x *exact) remember(m *model) {
	complete := true
	for _, g := range x.circuit.gates[gateTrue+1:] {
		complete = complete && g.kind != unknown
	}
	for g, at := range x.gates {
		goal := &x.run.goals.list[g]
		switch {
		case at == gateFalse:
			// not part of the circuit
		case m.isTrue(at):
			goal.state = settledYes
		case m.isFalse(at):
			goal.state = settledNo
		case complete:
			goal.state = undefined
		}
	}
}

// depthError names the goal whose gate is unknown.
func (x *exact) depthError(far gate) error {
	r := x.run
	p := r.engine.program
	for g, at := range x.gates {
		if at == far {
			slot := &p.Slots[r.goals.list[g].slot]
			return &DepthError{
				Limit:    r.engine.limits.Depth,
				Type:     p.Types[slot.Type].Name,
				ObjectID: string(r.goals.id(int32(g))),
				Relation: slot.Name,
			}
		}
	}
	return ErrDepthExceeded
}
