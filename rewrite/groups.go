package rewrite

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// grouped is a [Reader] behind which is kept what groups subjects are in (package
// tupleset). A reader that shows other tuples than its store has must not be one:
// who embeds a Reader is none.
type grouped interface {
	// Groups returns what is kept, and the reader's revision; nil if there is
	// nothing for who evaluates by the schema that a revision wrote.
	Groups(schemaRevision uint64) (kept *tupleset.Groups, revision uint64)
}

// groups is what follows from the program about groups: the usersets that some
// relation stores, if they consist of stored members and other groups only. Those
// of group#all = member + manager are groups, those of group#active = member - banned
// are none. What a subject is in is found by going up, from slot to slot:
//
//	user:alice ─stored in─> group:a#member ─computed─> group:a#all ─stored in─> ...
type groups struct {
	program *schema.Program
	of      []int32 // by slot, the number of the kind of group; or noGroup
	kinds   []int32 // slots, by number
	// up has for each slot the slots that are computed from it, stores for each
	// kind of subject the relations that store it.
	up     [][]int32
	stores map[tuple.Kind][]int32
	// known has what leads to a kind of group, made when first asked for.
	known []atomic.Pointer[family]
}

const (
	noGroup = -1
	// maxGroupKinds bounds the memory for families, in schemas with more kinds of
	// group than anybody writes; those beyond are walked.
	maxGroupKinds = 256
)

// family is all that leads to one kind of group.
type family struct {
	target tuple.Kind
	within []bool // by slot
	// kinds are the slots of its groups, in the order of their kinds.
	kinds []int32
	// wildcards has the types of which some relation stores the wildcard.
	wildcards map[tuple.TypeID]bool
}

func newGroups(p *schema.Program) *groups {
	g := &groups{program: p, of: make([]int32, len(p.Slots)), up: make([][]int32, len(p.Slots)), stores: make(map[tuple.Kind][]int32)}
	pure := g.pureSlots()
	stored := make([]bool, len(p.Slots))
	for slot := range p.Slots {
		for _, d := range p.Slots[slot].Direct {
			if d.Slot >= 0 {
				stored[d.Slot] = true
			}
			if pure[slot] {
				kind := tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)}
				g.stores[kind] = append(g.stores[kind], int32(slot))
			}
		}
		if pure[slot] {
			g.eachComputed(int32(slot), func(from int32) { g.up[from] = append(g.up[from], int32(slot)) })
		}
	}
	for slot := range p.Slots {
		g.of[slot] = noGroup
		if pure[slot] && stored[slot] && len(g.kinds) < maxGroupKinds {
			g.of[slot] = int32(len(g.kinds))
			g.kinds = append(g.kinds, int32(slot))
		}
	}
	g.known = make([]atomic.Pointer[family], len(g.kinds))
	return g
}

// pureSlots finds the slots that consist of stored members, of computed slots that
// do, and of usersets of slots that do.
func (g *groups) pureSlots() []bool {
	p := g.program
	pure := make([]bool, len(p.Slots))
	users := make([][]int32, len(p.Slots)) // the slots that fall with a slot
	var fallen []int32
	for slot := range p.Slots {
		if pure[slot] = g.isPure(p.Slots[slot].Root); !pure[slot] {
			fallen = append(fallen, int32(slot))
		}
		g.eachPart(int32(slot), func(part int32) { users[part] = append(users[part], int32(slot)) })
	}
	for ; len(fallen) > 0; fallen = fallen[1:] {
		for _, user := range users[fallen[0]] {
			if pure[user] {
				pure[user] = false
				fallen = append(fallen, user)
			}
		}
	}
	return pure
}

// isPure reports whether an expression has no operators but those of groups.
func (g *groups) isPure(n int32) bool {
	node := &g.program.Nodes[n]
	switch node.Op {
	case schema.This, schema.ComputedUserset, schema.Nothing:
		return true
	case schema.UnionOf:
		return !slices.ContainsFunc(node.Operands, func(operand int32) bool { return !g.isPure(operand) })
	default:
		return false
	}
}

// eachPart visits the slots that a slot with a pure expression is made of.
func (g *groups) eachPart(slot int32, visit func(part int32)) {
	g.eachComputed(slot, visit)
	for _, d := range g.program.Slots[slot].Direct {
		if d.Slot >= 0 {
			visit(d.Slot)
		}
	}
}

func (g *groups) eachComputed(slot int32, visit func(from int32)) {
	var each func(n int32)
	each = func(n int32) {
		node := &g.program.Nodes[n]
		if node.Op == schema.ComputedUserset {
			visit(node.Slot)
		}
		for _, operand := range node.Operands {
			each(operand)
		}
	}
	each(g.program.Slots[slot].Root)
}

// family returns what leads to a kind of group.
func (g *groups) family(k int32) *family {
	if made := g.known[k].Load(); made != nil {
		return made
	}
	p := g.program
	f := &family{
		target:    usersetKind(p, &p.Slots[g.kinds[k]]),
		within:    make([]bool, len(p.Slots)),
		wildcards: make(map[tuple.TypeID]bool),
	}
	f.within[g.kinds[k]] = true
	for queue := []int32{g.kinds[k]}; len(queue) > 0; queue = queue[1:] {
		slot := queue[0]
		if g.of[slot] != noGroup {
			f.kinds = append(f.kinds, slot)
		}
		for _, d := range p.Slots[slot].Direct {
			if d.SubjectRelation == uint16(tuple.Wildcard) {
				f.wildcards[tuple.TypeID(d.SubjectType)] = true
			}
		}
		g.eachPart(slot, func(part int32) {
			if !f.within[part] {
				f.within[part] = true
				queue = append(queue, part)
			}
		})
	}
	slices.SortFunc(f.kinds, func(a, b int32) int {
		ka, kb := usersetKind(p, &p.Slots[a]), usersetKind(p, &p.Slots[b])
		return cmp.Or(cmp.Compare(ka.Type, kb.Type), cmp.Compare(ka.Relation, kb.Relation))
	})
	g.known[k].Store(f)
	return f
}
