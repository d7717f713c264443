package tuple

import (
	"bytes"
	"cmp"
)

// TypeID is the number of an object type (the paper's namespace). Zero is no type.
type TypeID uint16

// RelationID is the number of a relation or permission within its type.
type RelationID uint16

const (
	// Self stands where a subject names no relation: the object itself.
	Self RelationID = 0
	// Wildcard stands in a subject for every object of its type: user:*.
	Wildcard RelationID = 1
	// FirstRelation is the smallest id a named relation gets.
	FirstRelation RelationID = 2
)

// WildcardID is the id that a wildcard subject carries.
const WildcardID = "*"

// Object is one thing of one type, such as repository:gitclub.
type Object struct {
	Type TypeID
	ID   []byte
}

// Subject is who a tuple speaks of: an object (Relation is [Self]), a userset
// (a named relation), or every object of a type ([Wildcard]).
type Subject struct {
	Type     TypeID
	Relation RelationID
	ID       []byte
}

// Kind is the part of a subject that a schema restricts: its type and relation.
type Kind struct {
	Type     TypeID
	Relation RelationID
}

// Kind returns the subject's kind.
func (s Subject) Kind() Kind { return Kind{s.Type, s.Relation} }

// Tuple is one stored relationship. Its traits are no part of its identity.
type Tuple struct {
	Object   Object
	Relation RelationID
	Subject  Subject
	Traits   Traits
}

// Shape is a tuple without its ids: what a schema allows and counters count.
type Shape struct {
	Type     TypeID
	Relation RelationID
	Subject  Kind
	Caveat   CaveatID
	Expires  bool
}

// Shape returns the tuple's shape.
func (t Tuple) Shape() Shape {
	return Shape{t.Object.Type, t.Relation, t.Subject.Kind(), t.Traits.Caveat, t.Traits.ExpiresNanos != 0}
}

// Bare returns the shape without its traits.
func (s Shape) Bare() Shape {
	s.Caveat, s.Expires = 0, false
	return s
}

// Compare orders shapes by type, relation, subject type, subject relation,
// caveat, and those that expire last.
func (s Shape) Compare(o Shape) int {
	return cmp.Or(
		cmp.Compare(s.Type, o.Type),
		cmp.Compare(s.Relation, o.Relation),
		cmp.Compare(s.Subject.Type, o.Subject.Type),
		cmp.Compare(s.Subject.Relation, o.Subject.Relation),
		cmp.Compare(s.Caveat, o.Caveat),
		cmp.Compare(expires(s), expires(o)),
	)
}

func expires(s Shape) int {
	if s.Expires {
		return 1
	}
	return 0
}

// Equal reports whether two tuples are the same relationship, whatever their traits.
func (t Tuple) Equal(o Tuple) bool {
	return t.Shape().Bare() == o.Shape().Bare() &&
		bytes.Equal(t.Object.ID, o.Object.ID) && bytes.Equal(t.Subject.ID, o.Subject.ID)
}

// Clone returns a copy that shares no memory with t.
func (t Tuple) Clone() Tuple {
	t.Object.ID = bytes.Clone(t.Object.ID)
	t.Subject.ID = bytes.Clone(t.Subject.ID)
	t.Traits.Context = bytes.Clone(t.Traits.Context)
	return t
}
