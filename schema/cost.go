package schema

import (
	"cmp"
	"slices"
)

// Costs are rough counts of the reads that an evaluation makes. Only their
// order matters: it decides which operand is tried first.
const (
	lookupCost    = 1    // is this very tuple stored
	computedCost  = 1    // another slot at the same object
	usersetCost   = 4    // the usersets that a relation stores, each evaluated
	arrowCost     = 8    // the objects of a tupleset, each evaluated
	recursionCost = 1000 // one more round through data, of unknown number
	maxCost       = 1 << 20
)

// orderByCost fills Cheap: for each operation the operands, cheapest first, of
// equal ones the earlier in the text. An exclusion keeps its base first.
func (g *graph) orderByCost() {
	nodes, slots := make([]int32, len(g.Nodes)), make([]int32, len(g.Slots))
	for _, component := range g.components {
		for _, slot := range component {
			for i := range g.nodesOf(slot) {
				nodes[i] = min(g.nodeCost(slot, i, nodes, slots), maxCost)
			}
			slots[slot] = nodes[g.Slots[slot].Root]
		}
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		n.Cheap = slices.Clone(n.Operands)
		if n.Op != ExclusionOf {
			slices.SortStableFunc(n.Cheap, func(a, b int32) int { return cmp.Compare(nodes[a], nodes[b]) })
		}
	}
}

// nodeCost returns the cost of a node, given those of its operands and of the
// slots outside of its component.
func (g *graph) nodeCost(slot, node int32, nodes, slots []int32) int32 {
	n := &g.Nodes[node]
	cost := int32(0)
	for _, operand := range n.Operands {
		cost = min(cost+nodes[operand], maxCost)
	}
	each := int32(0)
	switch n.Op {
	case This:
		cost, each = lookupCost, usersetCost
	case ComputedUserset:
		cost = computedCost
	case TupleToUserset:
		cost = arrowCost
	}
	for _, dependency := range g.dependencies(slot, node) {
		part := slots[dependency]
		if g.recursive(slot, dependency) {
			part = recursionCost
		}
		cost = min(cost+each+part, maxCost)
	}
	return cost
}
