package schema

import "slices"

// graph is which slots the evaluation of a slot can come to, at the same
// object or through data. Slots that can come to each other form a component:
// recursion through data happens within components only.
type graph struct {
	*Program
	edges      [][]int32 // by slot
	component  []int32   // by slot: index in components
	components [][]int32 // slots; what depends on others stands behind them, as far as it can
}

func newGraph(p *Program) *graph {
	g := &graph{Program: p, edges: make([][]int32, len(p.Slots)), component: make([]int32, len(p.Slots))}
	for slot := range p.Slots {
		for i := range p.nodesOf(int32(slot)) {
			g.edges[slot] = append(g.edges[slot], p.dependencies(int32(slot), i)...)
		}
		slices.Sort(g.edges[slot])
		g.edges[slot] = slices.Compact(g.edges[slot])
	}
	t := tarjan{graph: g, index: make([]int32, len(p.Slots)), low: make([]int32, len(p.Slots))}
	for slot := range p.Slots {
		if t.index[slot] == 0 {
			t.visit(int32(slot))
		}
	}
	return g
}

// nodesOf yields the nodes of a slot's expression, operands before their node.
// They are one run of Nodes, as the compiler translates slot by slot.
func (p *Program) nodesOf(slot int32) func(yield func(int32) bool) {
	first := int32(0)
	if slot > 0 {
		first = p.Slots[slot-1].Root + 1
	}
	return func(yield func(int32) bool) {
		for i := first; i <= p.Slots[slot].Root; i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// dependencies returns the slots that a node of a slot's expression evaluates.
func (p *Program) dependencies(slot, node int32) (slots []int32) {
	n := &p.Nodes[node]
	switch n.Op {
	case This:
		for _, d := range p.Slots[slot].Direct {
			if d.Slot >= 0 {
				slots = append(slots, d.Slot)
			}
		}
	case ComputedUserset:
		slots = append(slots, n.Slot)
	case TupleToUserset:
		for _, a := range n.Arrows {
			slots = append(slots, a.Slot)
		}
	}
	return slots
}

// recursive reports whether evaluating a slot can come back to itself by way
// of another, through data.
func (g *graph) recursive(slot, dependency int32) bool {
	return g.component[slot] == g.component[dependency]
}

// tarjan finds the components with Tarjan's algorithm: a slot's low is the
// earliest visited slot that it can come back to.
type tarjan struct {
	*graph
	index, low []int32 // by slot; 0 is not visited
	visited    int32
	stack      []int32
}

func (t *tarjan) visit(slot int32) {
	t.visited++
	t.index[slot], t.low[slot] = t.visited, t.visited
	t.component[slot] = -1 // on the stack
	t.stack = append(t.stack, slot)
	for _, next := range t.edges[slot] {
		if t.index[next] == 0 {
			t.visit(next)
			t.low[slot] = min(t.low[slot], t.low[next])
		} else if t.component[next] < 0 {
			t.low[slot] = min(t.low[slot], t.index[next])
		}
	}
	if t.low[slot] != t.index[slot] {
		return
	}
	start := slices.Index(t.stack, slot)
	members := slices.Clone(t.stack[start:])
	t.stack = t.stack[:start]
	slices.Reverse(members) // what was found last mostly depends on none before it
	for _, m := range members {
		t.component[m] = int32(len(t.components))
	}
	t.components = append(t.components, members)
}
