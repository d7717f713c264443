package schema

import (
	"fmt"
	"slices"
	"strings"
)

// dump renders a program as text: for each slot what it stores, its
// expression as a tree with the operands in the order of the text, their ranks
// by cost where those differ, and the kinds that it reaches.
func dump(p *Program) string {
	d := dumper{Program: p}
	for _, t := range p.Types {
		fmt.Fprintf(&d.out, "type %d %s\n", t.Number, t.Name)
		for slot := t.FirstSlot; slot < t.FirstSlot+t.SlotCount; slot++ {
			d.slot(slot)
		}
	}
	return d.out.String()
}

type dumper struct {
	*Program
	out strings.Builder
}

func (d *dumper) slot(slot int32) {
	s := d.Slots[slot]
	what := "relation"
	if s.Permission {
		what = "permission"
	}
	fmt.Fprintf(&d.out, "  %s %d %s\n", what, s.Number, s.Name)
	d.node(s.Root, slot, "    ", "")
	var kinds []string
	for key, kind := range d.kindByNumber {
		if d.ReachesKind(slot, kind) {
			kinds = append(kinds, d.kind(key.typ, key.relation))
		}
	}
	slices.Sort(kinds)
	fmt.Fprintf(&d.out, "    reaches %s\n", strings.Join(kinds, ", "))
}

func (d *dumper) node(node, slot int32, indent, rank string) {
	n := d.Nodes[node]
	fmt.Fprintf(&d.out, "%s%s%s", indent, rank, d.operator(n, slot))
	for _, a := range n.Arrows {
		fmt.Fprintf(&d.out, " [%s: %s]", d.kind(a.SubjectType, a.SubjectRelation), d.userset(a.Slot))
	}
	d.out.WriteByte('\n')
	for _, operand := range n.Operands {
		rank := ""
		if !slices.Equal(n.Operands, n.Cheap) {
			rank = fmt.Sprintf("%d. ", 1+slices.Index(n.Cheap, operand))
		}
		d.node(operand, slot, indent+"  ", rank)
	}
}

func (d *dumper) operator(n Node, slot int32) string {
	switch n.Op {
	case This:
		var kinds []string
		for _, k := range d.Slots[slot].Direct {
			for _, traits := range k.Traits {
				kinds = append(kinds, d.kind(k.SubjectType, k.SubjectRelation)+d.traits(traits))
			}
		}
		return "this " + strings.Join(kinds, ", ")
	case ComputedUserset:
		return "computed " + d.Slots[n.Slot].Name
	case TupleToUserset:
		if n.All {
			return "through all of " + d.Slots[n.Slot].Name
		}
		return "through " + d.Slots[n.Slot].Name
	case Self:
		return "self"
	case UnionOf:
		return "union"
	case IntersectionOf:
		return "intersection"
	case ExclusionOf:
		return "exclusion"
	}
	return "nothing"
}

func (d *dumper) traits(t Traits) string {
	text := ""
	if t.Caveat > 0 {
		text += fmt.Sprintf(" with caveat %d", t.Caveat)
	}
	if t.Expiration {
		text += " with expiration"
	}
	return text
}

func (d *dumper) userset(slot int32) string {
	s := d.Slots[slot]
	return d.Types[s.Type].Name + "#" + s.Name
}

func (d *dumper) kind(typeNumber, relation uint16) string {
	typeIndex, _ := d.TypeByNumber(typeNumber)
	name := d.Types[typeIndex].Name
	switch relation {
	case selfNumber:
		return name
	case wildcardNumber:
		return name + ":*"
	}
	slot, _ := d.SlotByNumber(typeNumber, relation)
	return d.userset(slot)
}
