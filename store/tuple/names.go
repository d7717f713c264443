package tuple

import (
	"maps"
	"math"
	"slices"
)

// Names is the table of interned type and relation names. It is immutable:
// [Names.Intern] returns a new table. The zero value is an empty table.
type Names struct {
	types  []typeNames // by TypeID-1
	byName map[string]TypeID
}

type typeNames struct {
	name      string
	relations []string // by RelationID-FirstRelation
	byName    map[string]RelationID
}

// Interned is one name that a table gained. Relation is Self for a type.
type Interned struct {
	Type     TypeID
	Relation RelationID
	Name     string
}

// Type returns the id of a type's name.
func (n *Names) Type(name string) (TypeID, bool) {
	id, ok := n.byName[name]
	return id, ok
}

// Relation returns the id of a relation's or permission's name within a type.
func (n *Names) Relation(t TypeID, name string) (RelationID, bool) {
	e := n.entry(t)
	if e == nil {
		return 0, false
	}
	id, ok := e.byName[name]
	return id, ok
}

// TypeName returns the name of a type, or "" if the id was never handed out.
func (n *Names) TypeName(t TypeID) string {
	if e := n.entry(t); e != nil {
		return e.name
	}
	return ""
}

// RelationName returns the name of a relation within a type; "" for Self,
// Wildcard, and ids that were never handed out.
func (n *Names) RelationName(t TypeID, r RelationID) string {
	e := n.entry(t)
	if e == nil || r < FirstRelation || int(r-FirstRelation) >= len(e.relations) {
		return ""
	}
	return e.relations[r-FirstRelation]
}

func (n *Names) entry(t TypeID) *typeNames {
	if t == 0 || int(t) > len(n.types) {
		return nil
	}
	return &n.types[t-1]
}

// Intern returns a table that also has the given type and its relations, and
// what it gained, in the order of the arguments: the same calls give the same
// ids on every replica. It fails with ErrTooManyNames, and n stays as it was.
func (n *Names) Intern(typeName string, relations []string) (*Names, []Interned, error) {
	var gained []Interned
	next := &Names{types: slices.Clone(n.types), byName: n.byName}
	t, ok := n.byName[typeName]
	if !ok {
		if len(n.types) >= math.MaxUint16 {
			return nil, nil, ErrTooManyNames
		}
		t = TypeID(len(n.types) + 1)
		next.byName = maps.Clone(n.byName)
		if next.byName == nil {
			next.byName = make(map[string]TypeID)
		}
		next.byName[typeName] = t
		next.types = append(next.types, typeNames{name: typeName})
		gained = append(gained, Interned{Type: t, Name: typeName})
	}
	e := &next.types[t-1]
	e.relations = slices.Clone(e.relations)
	e.byName = maps.Clone(e.byName)
	if e.byName == nil {
		e.byName = make(map[string]RelationID)
	}
	for _, name := range relations {
		if _, ok := e.byName[name]; ok {
			continue
		}
		if len(e.relations) > math.MaxUint16-int(FirstRelation) {
			return nil, nil, ErrTooManyNames
		}
		r := FirstRelation + RelationID(len(e.relations))
		e.relations = append(e.relations, name)
		e.byName[name] = r
		gained = append(gained, Interned{Type: t, Relation: r, Name: name})
	}
	return next, gained, nil
}

// ShapeText spells a shape: repository#maintainer@team#member, document#viewer@user:*.
func (n *Names) ShapeText(s Shape) string {
	text := n.TypeName(s.Type) + "#" + n.RelationName(s.Type, s.Relation) + "@" + n.TypeName(s.Subject.Type)
	switch s.Subject.Relation {
	case Self:
		return text
	case Wildcard:
		return text + ":" + WildcardID
	}
	return text + "#" + n.RelationName(s.Subject.Type, s.Subject.Relation)
}

// Named spells t with names.
func (n *Names) Named(t Tuple) Named {
	return Named{
		ObjectType:      n.TypeName(t.Object.Type),
		ObjectID:        string(t.Object.ID),
		Relation:        n.RelationName(t.Object.Type, t.Relation),
		SubjectType:     n.TypeName(t.Subject.Type),
		SubjectID:       string(t.Subject.ID),
		SubjectRelation: n.RelationName(t.Subject.Type, t.Subject.Relation),
	}
}

// Tuple turns a named tuple into ids; ok is false if a name is not in the table.
// The ids are copied. An id of WildcardID without a relation is the wildcard.
func (n *Names) Tuple(t Named) (_ Tuple, ok bool) {
	ot, ok := n.Type(t.ObjectType)
	if !ok {
		return Tuple{}, false
	}
	r, ok := n.Relation(ot, t.Relation)
	if !ok {
		return Tuple{}, false
	}
	s, ok := n.Subject(t.SubjectType, t.SubjectID, t.SubjectRelation)
	if !ok {
		return Tuple{}, false
	}
	return Tuple{Object{ot, []byte(t.ObjectID)}, r, s}, true
}

// Subject turns a named subject into ids, as [Names.Tuple] does.
func (n *Names) Subject(typeName, id, relation string) (_ Subject, ok bool) {
	st, ok := n.Type(typeName)
	if !ok {
		return Subject{}, false
	}
	s := Subject{Type: st, ID: []byte(id)}
	switch {
	case relation != "":
		s.Relation, ok = n.Relation(st, relation)
	case id == WildcardID:
		s.Relation = Wildcard
	}
	return s, ok
}
