package api

import (
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// This file turns the names of requests into a model's numbers. What the
// schema does not define is an error that names the field and, where there is
// one near, the name that may have been meant.

// question resolves a valid check.
func (m *model) question(o *tupelov1.Object, relation string, s *tupelov1.Subject) (rewrite.Question, error) {
	slot, err := m.slotNamed("object.type", o.Type, relation)
	if err != nil {
		return rewrite.Question{}, err
	}
	subject, err := m.subject(s)
	if err != nil {
		return rewrite.Question{}, within("subject", err)
	}
	return rewrite.Question{Slot: slot, ObjectID: readOnlyBytes(o.Id), Subject: subject}, nil
}

// subject resolves a valid subject.
func (m *model) subject(s *tupelov1.Subject) (tuple.Subject, error) {
	typ, err := m.typeNamed("type", s.Type)
	if err != nil {
		return tuple.Subject{}, err
	}
	subject := tuple.Subject{Type: tuple.TypeID(m.program.Types[typ].Number), ID: readOnlyBytes(s.Id)}
	switch {
	case s.Id == tuple.WildcardID:
		subject.Relation = tuple.Wildcard
	case s.Relation != "":
		slot, err := m.slot("relation", typ, s.Relation)
		if err != nil {
			return tuple.Subject{}, err
		}
		subject.Relation = tuple.RelationID(m.program.Slots[slot].Number)
	}
	return subject, nil
}

// tuple resolves a valid tuple. If it is to be stored, its subject must be of a
// kind that the relation takes, with what such a tuple carries; a deletion may
// name a kind that is not taken any more, so that it can be repeated after the
// schema has moved on.
func (m *model) tuple(t *tupelov1.Tuple, stored bool) (tuple.Tuple, error) {
	typ, err := m.typeNamed("object.type", t.Object.Type)
	if err != nil {
		return tuple.Tuple{}, err
	}
	slot, err := m.slot("relation", typ, t.Relation)
	if err != nil {
		return tuple.Tuple{}, err
	}
	if m.program.Slots[slot].Permission {
		return tuple.Tuple{}, m.notARelation("relation", slot)
	}
	subject, err := m.subject(t.Subject)
	if err != nil {
		return tuple.Tuple{}, within("subject", err)
	}
	resolved := tuple.Tuple{
		Object:   tuple.Object{Type: tuple.TypeID(m.program.Types[typ].Number), ID: readOnlyBytes(t.Object.Id)},
		Relation: tuple.RelationID(m.program.Slots[slot].Number),
		Subject:  subject,
	}
	if !stored {
		return resolved, nil
	}
	d := m.direct(slot, subject.Kind())
	if d == nil {
		return tuple.Tuple{}, m.notTaken(slot, t.Subject)
	}
	if resolved.Traits, err = m.traits(t); err != nil {
		return tuple.Tuple{}, err
	}
	return resolved, m.traitsTaken(slot, d, resolved.Traits)
}

// filter holds a valid filter to the schema. A relation without its type must
// be one of some type.
func (m *model) filter(f *tupelov1.Filter) error {
	if err := m.filterPart("object_type", f.GetObjectType(), "relation", f.GetRelation(), true); err != nil {
		return err
	}
	return m.filterPart("subject_type", f.GetSubjectType(), "subject_relation", f.GetSubjectRelation(), false)
}

func (m *model) filterPart(typeField, typeName, relationField, relation string, stored bool) error {
	if typeName == "" {
		return m.relationOfAnyType(relationField, relation, stored)
	}
	typ, err := m.typeNamed(typeField, typeName)
	if err != nil || relation == "" {
		return err
	}
	slot, err := m.slot(relationField, typ, relation)
	if err != nil {
		return err
	}
	if stored && m.program.Slots[slot].Permission {
		return m.notARelation(relationField, slot)
	}
	return nil
}

func (m *model) relationOfAnyType(field, relation string, stored bool) error {
	if relation == "" {
		return nil
	}
	var names []string
	permission := int32(-1)
	for i, slot := range m.program.Slots {
		switch {
		case slot.Name != relation:
			names = append(names, slot.Name)
		case stored && slot.Permission:
			permission = int32(i)
		default:
			return nil
		}
	}
	if permission >= 0 {
		return m.notARelation(field, permission)
	}
	return faultAbout(map[string]string{"relation": relation}, tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION, field,
		"the schema defines no relation %q%s", relation, didYouMean(relation, names))
}

// typeNamed returns the index of a type.
func (m *model) typeNamed(field, name string) (int32, error) {
	if typ, ok := m.program.TypeByName(name); ok {
		return typ, nil
	}
	names := make([]string, len(m.program.Types))
	for i, t := range m.program.Types {
		names[i] = t.Name
	}
	return 0, faultAbout(map[string]string{"type": name}, tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_TYPE, field,
		"the schema defines no type %q%s", name, didYouMean(name, names))
}

// slotNamed resolves the relation or permission of a named type.
func (m *model) slotNamed(typeField, typeName, relation string) (int32, error) {
	typ, err := m.typeNamed(typeField, typeName)
	if err != nil {
		return 0, err
	}
	return m.slot("relation", typ, relation)
}

// slot returns the slot of a type's relation or permission.
func (m *model) slot(field string, typ int32, name string) (int32, error) {
	if slot, ok := m.program.Slot(typ, name); ok {
		return slot, nil
	}
	t := m.program.Types[typ]
	var names []string
	for _, slot := range m.program.Slots[t.FirstSlot : t.FirstSlot+t.SlotCount] {
		names = append(names, slot.Name)
	}
	return 0, faultAbout(map[string]string{"type": t.Name, "relation": name}, tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION, field,
		"%s has no relation or permission %q%s", t.Name, name, didYouMean(name, names))
}

func didYouMean(name string, candidates []string) string {
	if nearest, ok := schema.Suggest(name, candidates); ok {
		return fmt.Sprintf("; did you mean %q?", nearest)
	}
	return ""
}

func (m *model) notARelation(field string, slot int32) error {
	typ, name := m.slotNames(slot)
	return faultAbout(map[string]string{"type": typ, "relation": name}, tupelov1.ErrorReason_ERROR_REASON_NOT_A_RELATION, field,
		"%s#%s is a permission: it is computed, tuples are stored for relations only", typ, name)
}

// direct returns what a relation says of subjects of a kind, or nil if it does
// not store them.
func (m *model) direct(slot int32, kind tuple.Kind) *schema.Direct {
	list := m.program.Slots[slot].Direct
	for i := range list {
		if list[i].SubjectType == uint16(kind.Type) && list[i].SubjectRelation == uint16(kind.Relation) {
			return &list[i]
		}
	}
	return nil
}

func (m *model) notTaken(slot int32, s *tupelov1.Subject) error {
	given := s.Type
	switch {
	case s.Id == tuple.WildcardID:
		given += ":" + tuple.WildcardID
	case s.Relation != "":
		given += "#" + s.Relation
	}
	relation := m.program.Slots[slot]
	var taken []string
	for i := range relation.Direct {
		taken = append(taken, m.kindNames(&relation.Direct[i])...)
	}
	typ, name := m.slotNames(slot)
	return faultAbout(map[string]string{"type": typ, "relation": name, "subject": given},
		tupelov1.ErrorReason_ERROR_REASON_SUBJECT_NOT_ALLOWED, "subject",
		"%s#%s does not take %s; it takes %s", typ, name, given, strings.Join(taken, ", "))
}

// slotNames returns the names of a relation or permission and of its type.
func (m *model) slotNames(slot int32) (typ, name string) {
	s := m.program.Slots[slot]
	return m.program.Types[s.Type].Name, s.Name
}

// kindNames spells a kind of subject with each set of traits that it is taken with.
func (m *model) kindNames(d *schema.Direct) []string {
	names := make([]string, len(d.Traits))
	for i, traits := range d.Traits {
		names[i] = m.kindName(d) + m.withTraits(traits)
	}
	return names
}

// kindName spells a kind of subject as the schema does: user, user:*, team#member.
func (m *model) kindName(d *schema.Direct) string {
	if d.Slot >= 0 {
		slot := m.program.Slots[d.Slot]
		return m.program.Types[slot.Type].Name + "#" + slot.Name
	}
	name := ""
	if typ, ok := m.program.TypeByNumber(d.SubjectType); ok {
		name = m.program.Types[typ].Name
	}
	if tuple.RelationID(d.SubjectRelation) == tuple.Wildcard {
		name += ":" + tuple.WildcardID
	}
	return name
}
