package schema

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/schema/caveat"
)

// Relation numbers with a meaning of their own; the store keeps them too.
const (
	selfNumber     uint16 = 0 // the object itself
	wildcardNumber uint16 = 1 // every object of the type
	firstNumber    uint16 = 2 // the smallest of a named relation or permission
)

// Compile checks a schema and translates it to a program, with the numbers
// that the store keeps for its names. An error is an *Errors, or wraps
// [ErrNumbering]. Equal schemas and numbers give equal programs.
func Compile(s *Schema, numbers Numbering) (*Program, error) {
	c := newChecker(s)
	c.run()
	if err := c.report.err(); err != nil {
		return nil, err
	}
	p, err := build(s, numbers, func(*Program) {})
	if err != nil {
		return nil, err
	}
	for number, name := range p.caveatNames {
		p.Caveats[number] = c.compiled[name]
	}
	return p, nil
}

// build compiles a schema that passes Check. It shows the nodes to adjust
// before it draws conclusions from them.
func build(s *Schema, numbers Numbering, adjust func(*Program)) (*Program, error) {
	c := compiler{
		Program: &Program{
			Caveats:      make(map[uint16]*caveat.Caveat),
			caveatNames:  make(map[uint16]string),
			typeByName:   make(map[string]int32),
			typeByNumber: make(map[uint16]int32),
			slotByName:   make(map[slotName]int32),
			slotByNumber: make(map[slotNumber]int32),
			kindByNumber: make(map[slotNumber]int32),
		},
		arrows:  make(map[arrowOver][]ArrowTarget),
		caveats: make(map[string]uint16),
	}
	if err := c.numberCaveats(s, numbers); err != nil {
		return nil, err
	}
	for _, d := range s.Definitions {
		if err := c.addType(d, numbers); err != nil {
			return nil, err
		}
	}
	c.numberKinds()
	for _, d := range s.Definitions {
		c.translate(d)
	}
	adjust(c.Program)
	g := newGraph(c.Program)
	g.orderByCost()
	g.computeReach()
	return c.Program, nil
}

type compiler struct {
	*Program
	relations []*Relation // by slot; nil for permissions
	// arrows keeps the targets of each arrow once, however often it is written.
	arrows  map[arrowOver][]ArrowTarget
	caveats map[string]uint16 // numbers by name
}

// numberCaveats finds the numbers of the caveats.
func (c *compiler) numberCaveats(s *Schema, numbers Numbering) error {
	for _, m := range s.Caveats {
		number, ok := numbers.CaveatNumber(m.Name)
		if _, taken := c.caveatNames[number]; !ok || taken || number == 0 {
			return fmt.Errorf("%w: number of caveat %s: %d (found: %t, taken: %t)", ErrNumbering, m.Name, number, ok, taken)
		}
		c.caveats[m.Name], c.caveatNames[number] = number, m.Name
	}
	return nil
}

// addType enters a definition and its members under their names and numbers.
func (c *compiler) addType(d *Definition, numbers Numbering) error {
	number, ok := numbers.TypeNumber(d.Name)
	if _, taken := c.typeByNumber[number]; !ok || taken || number == 0 {
		return fmt.Errorf("%w: number of type %s: %d (found: %t, taken: %t)", ErrNumbering, d.Name, number, ok, taken)
	}
	index := int32(len(c.Types))
	c.typeByName[d.Name], c.typeByNumber[number] = index, index
	c.Types = append(c.Types, Type{
		Name: d.Name, Number: number,
		FirstSlot: int32(len(c.Slots)), SlotCount: int32(len(d.Members)),
	})
	for _, m := range d.Members {
		if err := c.addSlot(index, m, numbers); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) addSlot(typeIndex int32, m Member, numbers Numbering) error {
	t, name := c.Types[typeIndex], m.MemberName()
	number, ok := numbers.RelationNumber(t.Name, name)
	key := slotNumber{t.Number, number}
	if _, taken := c.slotByNumber[key]; !ok || taken || number < firstNumber {
		return fmt.Errorf("%w: number of %s#%s: %d (found: %t, taken: %t)", ErrNumbering, t.Name, name, number, ok, taken)
	}
	slot := int32(len(c.Slots))
	c.slotByName[slotName{typeIndex, name}], c.slotByNumber[key] = slot, slot
	r, isRelation := m.(*Relation)
	c.relations = append(c.relations, r)
	c.Slots = append(c.Slots, Slot{Type: typeIndex, Name: name, Number: number, Permission: !isRelation})
	return nil
}

// numberKinds numbers the kinds of subject: of each type the object and the
// wildcard, and every slot as a userset.
func (c *compiler) numberKinds() {
	for _, t := range c.Types {
		for _, relation := range []uint16{selfNumber, wildcardNumber} {
			c.kindByNumber[slotNumber{t.Number, relation}] = int32(len(c.kindByNumber))
		}
	}
	for _, s := range c.Slots {
		c.kindByNumber[slotNumber{c.Types[s.Type].Number, s.Number}] = int32(len(c.kindByNumber))
	}
}

// translate fills the slots of a definition with what they do.
func (c *compiler) translate(d *Definition) {
	typeIndex := c.typeByName[d.Name]
	for i, m := range d.Members {
		slot := c.Types[typeIndex].FirstSlot + int32(i)
		switch m := m.(type) {
		case *Relation:
			c.Slots[slot].Direct = c.direct(m)
			c.Slots[slot].Root = c.add(Node{Op: This, Slot: slot})
		case *Permission:
			c.Slots[slot].Root = c.expression(typeIndex, m.Expr)
		}
	}
}

// direct returns the kinds of subject that a relation may store, by number,
// each with what its tuples carry.
func (c *compiler) direct(r *Relation) []Direct {
	direct := make([]Direct, 0, len(r.Types))
	for _, t := range r.Types {
		typeIndex := c.typeByName[t.Type]
		d := Direct{SubjectType: c.Types[typeIndex].Number, SubjectRelation: selfNumber, Slot: -1}
		switch {
		case t.Wildcard:
			d.SubjectRelation = wildcardNumber
		case t.Relation != "":
			d.Slot = c.slotByName[slotName{typeIndex, t.Relation}]
			d.SubjectRelation = c.Slots[d.Slot].Number
		}
		d.Traits = []Traits{{Caveat: c.caveats[t.Caveat], Expiration: t.Expiration}}
		direct = append(direct, d)
	}
	slices.SortFunc(direct, func(a, b Direct) int {
		return cmp.Or(a.compareKind(b), a.Traits[0].compare(b.Traits[0]))
	})
	return mergeTraits(direct)
}

// mergeTraits makes entries of one kind one entry that allows any of their traits.
func mergeTraits(direct []Direct) []Direct {
	merged := direct[:0]
	for _, d := range direct {
		if n := len(merged); n > 0 && merged[n-1].compareKind(d) == 0 {
			merged[n-1].Traits = append(merged[n-1].Traits, d.Traits...)
		} else {
			merged = append(merged, d)
		}
	}
	return merged
}

func (d Direct) compareKind(o Direct) int {
	return cmp.Or(cmp.Compare(d.SubjectType, o.SubjectType), cmp.Compare(d.SubjectRelation, o.SubjectRelation))
}

// compare orders traits: plain ones first.
func (t Traits) compare(o Traits) int {
	if t.Caveat == o.Caveat && t.Expiration != o.Expiration {
		if o.Expiration {
			return -1
		}
		return 1
	}
	return cmp.Compare(t.Caveat, o.Caveat)
}

func (c *compiler) add(n Node) int32 {
	c.Nodes = append(c.Nodes, n)
	return int32(len(c.Nodes) - 1)
}

// expression translates an expression of a type's permission; operands stand
// before their node.
func (c *compiler) expression(typeIndex int32, e Expr) int32 {
	switch e := e.(type) {
	case *Ref:
		return c.add(Node{Op: ComputedUserset, Slot: c.slotByName[slotName{typeIndex, e.Name}]})
	case *Arrow:
		tupleset := c.slotByName[slotName{typeIndex, e.Relation}]
		return c.add(Node{Op: TupleToUserset, Slot: tupleset, All: e.All(), Arrows: c.arrowTargets(tupleset, e.Target)})
	case *Itself:
		return c.add(Node{Op: Self})
	case *Binary:
		n := Node{Op: operators[e.Op]}
		n.Operands = c.operands(typeIndex, e, nil)
		return c.add(n)
	}
	return c.add(Node{Op: Nothing})
}

var operators = map[Op]Operator{
	Union:        UnionOf,
	Intersection: IntersectionOf,
	Exclusion:    ExclusionOf,
}

// operands appends the operands of an operation. A union of unions is one
// union, an intersection of intersections one intersection, however the text
// groups them.
func (c *compiler) operands(typeIndex int32, b *Binary, to []int32) []int32 {
	for _, side := range []Expr{b.Left, b.Right} {
		inner, ok := side.(*Binary)
		if ok && inner.Op == b.Op && b.Op != Exclusion {
			to = c.operands(typeIndex, inner, to)
		} else {
			to = append(to, c.expression(typeIndex, side))
		}
	}
	return to
}

// arrowTargets returns what an arrow from a tupleset to a name evaluates, for
// each kind that the tupleset stores, in the order of the kinds.
func (c *compiler) arrowTargets(tupleset int32, name string) []ArrowTarget {
	key := arrowOver{c.relations[tupleset], name}
	if targets, ok := c.arrows[key]; ok {
		return targets
	}
	var targets []ArrowTarget
	for _, d := range c.Slots[tupleset].Direct {
		if slot, ok := c.slotByName[slotName{c.typeByNumber[d.SubjectType], name}]; ok {
			targets = append(targets, ArrowTarget{d.SubjectType, d.SubjectRelation, slot})
		}
	}
	c.arrows[key] = targets
	return targets
}
