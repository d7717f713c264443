package schema

// maxReachPasses bounds the rounds over one component. Real schemas need three
// or four; one made to need more gets a coarser answer, not a longer wait.
const maxReachPasses = 64

// computeReach finds, for every slot, the kinds of subject that it can answer
// yes for: the least sets that hold
//
//   - the slot itself as a userset, since a userset is a member of itself,
//   - the kinds that a relation stores, with all that its usersets reach; a
//     stored wildcard also makes objects of its type members,
//   - for self the objects of the slot's type,
//   - for a computed userset and an arrow, all that their targets reach,
//   - for a union what any operand reaches, for an intersection what every
//     operand reaches, for an exclusion what its first operand reaches.
//
// Components come in the order of their dependencies, so only within one the
// sets must be gone over until they grow no more.
func (g *graph) computeReach() {
	r := reacher{Program: g.Program, words: (len(g.kindByNumber) + 63) / 64, passes: maxReachPasses}
	g.reach = make([]bitset, len(g.Slots))
	for slot := range g.reach {
		g.reach[slot] = make(bitset, r.words)
		g.reach[slot].add(r.slotKind(int32(slot)))
	}
	for _, component := range g.components {
		r.settle(component)
	}
}

type reacher struct {
	*Program
	words  int      // of a set
	passes int      // at most over one component
	free   []bitset // scratch sets
}

// settle goes over the slots of a component until no set grows.
func (r *reacher) settle(component []int32) {
	for range r.passes {
		grown := false
		for _, slot := range component {
			if r.into(r.reach[slot], slot, r.Slots[slot].Root) {
				grown = true
			}
		}
		if !grown {
			return
		}
	}
	r.widen(component)
}

// widen gives every slot of a component all that any of them reaches, as if
// each intersection were a union: too much, but nothing is missing.
func (r *reacher) widen(component []int32) {
	all := make(bitset, r.words)
	for _, slot := range component {
		all.or(r.reach[slot])
		for node := range r.nodesOf(slot) {
			if len(r.Nodes[node].Operands) == 0 {
				r.into(all, slot, node)
			}
		}
	}
	for _, slot := range component {
		r.reach[slot].or(all)
	}
}

// into adds to set what a node of a slot's expression reaches, as far as is
// known, and reports whether the set grew.
func (r *reacher) into(set bitset, slot, node int32) (grown bool) {
	n := &r.Nodes[node]
	switch n.Op {
	case This:
		return r.stored(set, slot)
	case Self:
		return set.add(r.kindByNumber[slotNumber{r.Types[r.Slots[slot].Type].Number, selfNumber}])
	case ComputedUserset:
		return set.or(r.reach[n.Slot])
	case TupleToUserset:
		for _, a := range n.Arrows {
			grown = set.or(r.reach[a.Slot]) || grown
		}
	case UnionOf:
		for _, operand := range n.Operands {
			grown = r.into(set, slot, operand) || grown
		}
	case IntersectionOf:
		return r.intersection(set, slot, n.Operands)
	case ExclusionOf:
		return r.into(set, slot, n.Operands[0])
	}
	return grown
}

// stored adds what the tuples of a relation can make members.
func (r *reacher) stored(set bitset, slot int32) (grown bool) {
	for _, d := range r.Slots[slot].Direct {
		if d.Slot >= 0 {
			grown = set.or(r.reach[d.Slot]) || grown
			continue
		}
		grown = set.add(r.kindByNumber[slotNumber{d.SubjectType, d.SubjectRelation}]) || grown
		if d.SubjectRelation == wildcardNumber {
			grown = set.add(r.kindByNumber[slotNumber{d.SubjectType, selfNumber}]) || grown
		}
	}
	return grown
}

func (r *reacher) intersection(set bitset, slot int32, operands []int32) bool {
	common, one := r.scratch(), r.scratch()
	r.into(common, slot, operands[0])
	for _, operand := range operands[1:] {
		clear(one)
		r.into(one, slot, operand)
		common.and(one)
	}
	grown := set.or(common)
	r.free = append(r.free, common, one)
	return grown
}

func (r *reacher) scratch() bitset {
	if n := len(r.free); n > 0 {
		set := r.free[n-1]
		r.free = r.free[:n-1]
		clear(set)
		return set
	}
	return make(bitset, r.words)
}

// slotKind returns the kind of a slot as a userset.
func (p *Program) slotKind(slot int32) int32 { return int32(2*len(p.Types)) + slot }

// bitset is a set of small integers.
type bitset []uint64

func (s bitset) has(i int32) bool { return s[i/64]&(1<<(i%64)) != 0 }

func (s bitset) add(i int32) (grown bool) {
	if s.has(i) {
		return false
	}
	s[i/64] |= 1 << (i % 64)
	return true
}

func (s bitset) or(o bitset) (grown bool) {
	for i, w := range o {
		if w&^s[i] != 0 {
			s[i] |= w
			grown = true
		}
	}
	return grown
}

func (s bitset) and(o bitset) {
	for i, w := range o {
		s[i] &= w
	}
}
