package rewrite

import "github.com/tupelodb/tupelo/schema"

// stackFrames bounds the recursion of the search: expressions and computed
// usersets nested at one object, times the hops of the depth limit. A frame
// takes about 300 bytes of stack.
const stackFrames = 1 << 18

// tallest returns the largest number of nested operators and computed usersets
// that the search can go through at one object.
func tallest(p *schema.Program) int {
	m := measure{program: p, slots: make([]int, len(p.Slots))}
	height := 1
	for slot := range p.Slots {
		height = max(height, m.slot(int32(slot)))
	}
	if m.cyclic {
		// The compiler refuses such programs. The search would still end: a
		// slot in progress at an object is not entered again.
		return len(p.Slots) + len(p.Nodes)
	}
	return height
}

// measure finds heights. A slot's height is 0 before it is known and
// inProgress while it is looked at.
type measure struct {
	program *schema.Program
	slots   []int
	cyclic  bool
}

const inProgress = -1

func (m *measure) slot(slot int32) int {
	switch known := m.slots[slot]; {
	case known == inProgress:
		m.cyclic = true
		return 0
	case known > 0:
		return known
	}
	m.slots[slot] = inProgress
	m.slots[slot] = 1 + m.node(m.program.Slots[slot].Root)
	return m.slots[slot]
}

func (m *measure) node(n int32) int {
	node := &m.program.Nodes[n]
	below := 0
	if node.Op == schema.ComputedUserset {
		below = m.slot(node.Slot)
	}
	for _, operand := range node.Operands {
		below = max(below, m.node(operand))
	}
	return 1 + below
}
