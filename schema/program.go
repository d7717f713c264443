package schema

import "github.com/tupelodb/tupelo/schema/caveat"

// Program is a checked schema compiled to the rewrite operators of the Zanzibar
// paper (section 2.3), on integers. It is immutable and safe for concurrent use.
//
// A slot is one relation or permission of one type; the evaluator's unit of
// work is a slot and an object. Expressions are trees in one flat array: the
// nodes of a slot are one run of it, operands before their node, the root last.
type Program struct {
	Types []Type
	Slots []Slot
	Nodes []Node
	// Caveats are the compiled caveats by the store's numbers.
	Caveats map[uint16]*caveat.Caveat

	caveatNames  map[uint16]string
	typeByName   map[string]int32
	typeByNumber map[uint16]int32
	slotByName   map[slotName]int32
	slotByNumber map[slotNumber]int32
	kindByNumber map[slotNumber]int32
	reach        []bitset // by slot: the kinds it can answer yes for
}

type slotName struct {
	typ  int32
	name string
}

type slotNumber struct{ typ, relation uint16 }

// TypeByName returns the index in Types of the type with a name.
func (p *Program) TypeByName(name string) (typeIndex int32, ok bool) {
	typeIndex, ok = p.typeByName[name]
	return typeIndex, ok
}

// TypeByNumber returns the index in Types of the type with a number.
func (p *Program) TypeByNumber(number uint16) (typeIndex int32, ok bool) {
	typeIndex, ok = p.typeByNumber[number]
	return typeIndex, ok
}

// Slot returns the index in Slots of a relation or permission, by its type's
// index and its name.
func (p *Program) Slot(typeIndex int32, name string) (slot int32, ok bool) {
	slot, ok = p.slotByName[slotName{typeIndex, name}]
	return slot, ok
}

// SlotByNumber returns the index in Slots of a relation or permission, by the
// numbers of its type and itself.
func (p *Program) SlotByNumber(typeNumber, relationNumber uint16) (slot int32, ok bool) {
	slot, ok = p.slotByNumber[slotNumber{typeNumber, relationNumber}]
	return slot, ok
}

// Kind returns the index of a kind of subject, for [Program.ReachesKind]; it
// is not ok if the schema does not have the type or the relation. A subject's
// relation is 0 for the object itself, 1 for the wildcard.
func (p *Program) Kind(subjectType, subjectRelation uint16) (kind int32, ok bool) {
	kind, ok = p.kindByNumber[slotNumber{subjectType, subjectRelation}]
	return kind, ok
}

// Reaches reports whether a slot can possibly answer yes for a subject of a
// kind, whatever tuples are stored. A false is certain, a true is not.
func (p *Program) Reaches(slot int32, subjectType, subjectRelation uint16) bool {
	kind, ok := p.Kind(subjectType, subjectRelation)
	return ok && p.ReachesKind(slot, kind)
}

// ReachesKind is [Program.Reaches] for a kind that was looked up before.
func (p *Program) ReachesKind(slot, kind int32) bool { return p.reach[slot].has(kind) }

// CaveatName returns the name of a caveat, or "" if no caveat has the number.
func (p *Program) CaveatName(number uint16) string { return p.caveatNames[number] }

// Type is one definition.
type Type struct {
	Name   string
	Number uint16
	// FirstSlot and SlotCount give the type's run in Program.Slots, in the
	// order of the text.
	FirstSlot, SlotCount int32
}

// Slot is a relation or permission.
type Slot struct {
	Type       int32 // index in Program.Types
	Name       string
	Number     uint16
	Permission bool
	Root       int32 // index in Program.Nodes
	// Direct lists the kinds of subject a relation may store, in the order of
	// their numbers; empty for permissions.
	Direct []Direct
}

// Direct is one kind of subject that a relation may store.
type Direct struct {
	// SubjectType and SubjectRelation are the numbers as stored; the relation
	// is 0 for the object itself, 1 for the wildcard.
	SubjectType, SubjectRelation uint16
	// Slot evaluates a userset subject; -1 for objects and wildcards.
	Slot int32
	// Traits lists what a tuple of this kind may carry, in order, the plainest
	// first. A tuple carries exactly what one of them says.
	Traits []Traits
}

// Traits is what tuples of a kind carry: the number of their caveat, 0 for
// none, and whether they expire.
type Traits struct {
	Caveat     uint16
	Expiration bool
}

// Plain reports whether the tuples of the kind carry nothing: none of them
// needs to be looked at again once it is found.
func (d *Direct) Plain() bool { return len(d.Traits) == 1 && d.Traits[0] == Traits{} }

// Operator is what a node does.
type Operator uint8

// The operators of a program.
const (
	// This is the stored tuples of the relation, usersets expanded.
	This Operator = iota
	// ComputedUserset evaluates another slot at the same object.
	ComputedUserset
	// TupleToUserset evaluates a slot at each object that a tupleset stores: yes if
	// any is, or with All, if every one is and there is one.
	TupleToUserset
	// UnionOf is yes if any operand is.
	UnionOf
	// IntersectionOf is yes if every operand is.
	IntersectionOf
	// ExclusionOf is yes if the first operand is and the second is not.
	ExclusionOf
	// Nothing is no (the language's nil).
	Nothing
	// Self is yes if the subject is the object itself, not a userset of it.
	Self
)

// Node is one operation of an expression.
type Node struct {
	Op Operator
	// Slot is the target of ComputedUserset, the tupleset of TupleToUserset, and
	// the relation itself for This.
	Slot int32
	// Operands are the nodes of the set operators, in the order of the text
	// for Expand; Cheap lists the same, cheapest first, for Check (the first
	// operand of an exclusion stays first).
	Operands []int32
	Cheap    []int32
	// Arrows are the targets of TupleToUserset for each kind of object that the tupleset
	// stores; kinds whose type lacks the target are left out: objects of those are no.
	Arrows []ArrowTarget
	// All says that a TupleToUserset wants every object of its tupleset, and at
	// least one (the language's `.all`).
	All bool
}

// ArrowTarget is what a TupleToUserset evaluates for subjects of one kind.
type ArrowTarget struct {
	SubjectType, SubjectRelation uint16 // as stored in the tupleset
	Slot                         int32
}

// Numbering gives the numbers that the store keeps for names: types, relations
// and permissions within a type, and caveats. Type number 0, caveat number 0
// and the relation numbers 0 and 1 are reserved.
type Numbering interface {
	TypeNumber(typeName string) (uint16, bool)
	RelationNumber(typeName, relation string) (uint16, bool)
	CaveatNumber(name string) (uint16, bool)
}
