package rewrite

import (
	"sync/atomic"

	"github.com/tupelodb/tupelo/schema"
)

// sieve is the part of a slot's rewrite that lies at one object: intersections and
// exclusions, down to leaves that are unions of what needs none of these.
//
//	view = (reader + org->member) - banned
//
//	           exclusion
//	          ╱         ╲
//	reader, org->member   banned        two leaves
//
// A list that has a run of ids for every leaf can say of most ids that they are in
// it, or are not, by going through these runs side by side, without a check
// (sifting.go). The sieve itself follows from the schema.
type sieve struct {
	parts  []part // operands come before what they are operands of
	leaves []*leaf
}

// part is an operation of a sieve, or a leaf of it.
type part struct {
	op       schema.Operator // UnionOf, IntersectionOf, ExclusionOf; This stands for a leaf
	operands []int32         // parts
	leaf     int32
	// slot is whose whole expression the part is, or -1: the userset of that slot
	// contains itself.
	slot int32
}

// leaf is a union of some expressions of slots that are at the same object.
type leaf struct {
	home  int32   // one of these slots: it says the type
	nodes []int32 // of the program
	// ways lead to what is in the leaf; made when first asked for.
	ways atomic.Pointer[routes]
}

// These bound a sieve, as slots can use others many times over, and in long rows.
// What does not fit is a leaf, of which it is not known what its operations make of
// it.
const (
	maxParts     = 64
	maxSlotsDeep = 16
)

// sieve returns that of a slot, or nil where the slot has no use for one.
func (e *Engine) sieve(target int32) *sieve {
	made := e.sieves[target].Load()
	if made == nil {
		made = newSieve(e.program, target)
		e.sieves[target].Store(made)
	}
	if len(made.leaves) < 2 {
		return nil
	}
	return made
}

func newSieve(p *schema.Program, target int32) *sieve {
	b := sieveBuilder{program: p, made: &sieve{}, plain: make(map[int32]bool)}
	if !b.isPlain(target) {
		b.slot(target)
	}
	return b.made
}

type sieveBuilder struct {
	program *schema.Program
	made    *sieve
	plain   map[int32]bool // slots that were found to need no operation, or one
	deep    int            // slots that are being built
}

// isPlain reports whether a slot follows from what is at its object by unions only.
func (b *sieveBuilder) isPlain(slot int32) bool {
	if known, ok := b.plain[slot]; ok {
		return known
	}
	seen := map[int32]bool{slot: true}
	queue := []int32{slot}
	nodes := []int32{}
	for len(queue) > 0 {
		nodes = append(nodes[:0], b.program.Slots[queue[0]].Root)
		queue = queue[1:]
		for len(nodes) > 0 {
			node := &b.program.Nodes[nodes[len(nodes)-1]]
			nodes = nodes[:len(nodes)-1]
			switch node.Op {
			case schema.IntersectionOf, schema.ExclusionOf:
				b.plain[slot] = false
				return false
			case schema.UnionOf:
				nodes = append(nodes, node.Operands...)
			case schema.ComputedUserset:
				if !seen[node.Slot] {
					seen[node.Slot] = true
					queue = append(queue, node.Slot)
				}
			}
		}
	}
	b.plain[slot] = true
	return true
}

// slot builds the parts of a slot, and returns the whole.
func (b *sieveBuilder) slot(slot int32) int32 {
	b.deep++
	whole := b.node(slot, b.program.Slots[slot].Root)
	b.deep--
	if b.made.parts[whole].slot >= 0 { // that of another slot, which this one is the same as
		whole = b.add(part{op: schema.UnionOf, operands: []int32{whole}})
	}
	b.made.parts[whole].slot = slot
	return whole
}

// node builds the parts of an expression of a slot.
func (b *sieveBuilder) node(slot, n int32) int32 {
	if b.isLeaf(n) {
		return b.leaf(slot, []int32{n})
	}
	node := &b.program.Nodes[n]
	switch node.Op {
	case schema.ComputedUserset:
		return b.slot(node.Slot)
	case schema.UnionOf:
		var leaves, operands []int32
		for _, operand := range node.Operands {
			if b.isLeaf(operand) {
				leaves = append(leaves, operand)
			} else {
				operands = append(operands, b.node(slot, operand))
			}
		}
		if len(leaves) > 0 {
			operands = append(operands, b.leaf(slot, leaves))
		}
		return b.add(part{op: schema.UnionOf, operands: operands})
	default:
		var operands []int32
		for _, operand := range node.Cheap { // what has few members sets the pace
			operands = append(operands, b.node(slot, operand))
		}
		return b.add(part{op: node.Op, operands: operands})
	}
}

// isLeaf reports whether an expression goes into a leaf: any slot does if there is
// too much already.
func (b *sieveBuilder) isLeaf(n int32) bool {
	node := &b.program.Nodes[n]
	switch node.Op {
	case schema.ComputedUserset:
		return b.deep >= maxSlotsDeep || len(b.made.parts) > maxParts || b.isPlain(node.Slot)
	case schema.UnionOf, schema.IntersectionOf, schema.ExclusionOf:
		return false
	default:
		return true
	}
}

func (b *sieveBuilder) leaf(slot int32, nodes []int32) int32 {
	b.made.leaves = append(b.made.leaves, &leaf{home: slot, nodes: nodes})
	return b.add(part{op: schema.This, leaf: int32(len(b.made.leaves) - 1)})
}

func (b *sieveBuilder) add(p part) int32 {
	p.slot = -1
	b.made.parts = append(b.made.parts, p)
	return int32(len(b.made.parts) - 1)
}
