package tuple

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// Names is the table of interned names: types, relations within a type, and
// caveats. It is immutable: [Names.Intern] and [Names.InternCaveat] return a new
// table. The zero value is an empty table.
type Names struct {
	types         []typeNames // by TypeID-1
	byName        map[string]TypeID
	caveats       []string // by CaveatID-1
	caveatsByName map[string]CaveatID
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
	next := *n
	next.types = slices.Clone(n.types)
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
	return &next, gained, nil
}

// Caveat returns the id of a caveat's name.
func (n *Names) Caveat(name string) (CaveatID, bool) {
	id, ok := n.caveatsByName[name]
	return id, ok
}

// CaveatName returns the name of a caveat; "" for none and for ids that were
// never handed out.
func (n *Names) CaveatName(c CaveatID) string {
	if c == 0 || int(c) > len(n.caveats) {
		return ""
	}
	return n.caveats[c-1]
}

// InternCaveat returns a table that also has the given caveat, and its id.
func (n *Names) InternCaveat(name string) (*Names, CaveatID, error) {
	if id, ok := n.caveatsByName[name]; ok {
		return n, id, nil
	}
	if len(n.caveats) >= math.MaxUint16 {
		return nil, 0, ErrTooManyNames
	}
	next := *n
	next.caveats = append(slices.Clone(n.caveats), name)
	next.caveatsByName = maps.Clone(n.caveatsByName)
	if next.caveatsByName == nil {
		next.caveatsByName = make(map[string]CaveatID)
	}
	id := CaveatID(len(next.caveats))
	next.caveatsByName[name] = id
	return &next, id, nil
}

// TypeNumber, RelationNumber and CaveatNumber are Type, Relation and Caveat for
// package schema, whose compiler knows names and plain numbers only: a table is
// a schema.Numbering.
func (n *Names) TypeNumber(typeName string) (uint16, bool) {
	id, ok := n.Type(typeName)
	return uint16(id), ok
}

// RelationNumber returns the number of a relation or permission of a type.
func (n *Names) RelationNumber(typeName, relation string) (uint16, bool) {
	t, ok := n.Type(typeName)
	if !ok {
		return 0, false
	}
	id, ok := n.Relation(t, relation)
	return uint16(id), ok
}

// CaveatNumber returns the number of a caveat.
func (n *Names) CaveatNumber(name string) (uint16, bool) {
	id, ok := n.Caveat(name)
	return uint16(id), ok
}

// ShapeText spells a shape as a schema does: repository#maintainer@team#member,
// document#viewer@user:* with office_hours and expiration.
func (n *Names) ShapeText(s Shape) string {
	text := n.TypeName(s.Type) + "#" + n.RelationName(s.Type, s.Relation) + "@" + n.TypeName(s.Subject.Type)
	switch s.Subject.Relation {
	case Self:
	case Wildcard:
		text += ":" + WildcardID
	default:
		text += "#" + n.RelationName(s.Subject.Type, s.Subject.Relation)
	}
	var with []string
	if s.Caveat != 0 {
		with = append(with, n.CaveatName(s.Caveat))
	}
	if s.Expires {
		with = append(with, expirationKey)
	}
	if len(with) == 0 {
		return text
	}
	return text + " with " + strings.Join(with, " and ")
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
		Caveat:          n.CaveatName(t.Traits.Caveat),
		Context:         string(t.Traits.Context),
		ExpiresNanos:    t.Traits.ExpiresNanos,
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
	traits, ok := n.traits(t)
	return Tuple{Object{ot, []byte(t.ObjectID)}, r, s, traits}, ok
}

func (n *Names) traits(t Named) (_ Traits, ok bool) {
	traits := Traits{ExpiresNanos: t.ExpiresNanos}
	if t.Caveat == "" {
		return traits, t.Context == ""
	}
	traits.Caveat, ok = n.Caveat(t.Caveat)
	if t.Context != "" {
		traits.Context = []byte(t.Context)
	}
	return traits, ok
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
