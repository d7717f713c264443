package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/codec"
)

// This file reads the requests that bring relationships or select them, as fast.go does
// those of checks. A relationship with an expiration is for the library, and so is its
// request.

// wholeUpdate is an update with its messages; an import has no use of the update.
type wholeUpdate struct {
	update v1.RelationshipUpdate
	wholeRelationship
}

func readWriteRelationships(data []byte, m *v1.WriteRelationshipsRequest) bool {
	m.Reset()
	text := string(data)
	updates, list, ok := codec.Room[wholeUpdate, v1.RelationshipUpdate](text, codec.Text(1), maxUpdates)
	m.Updates = list
	return ok && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			u := &updates[len(m.Updates)]
			m.Updates = append(m.Updates, &u.update)
			ok = u.read(f.In(data), f.Text)
		case codec.Text(2):
			p := &v1.Precondition{}
			m.OptionalPreconditions = append(m.OptionalPreconditions, p)
			ok = len(m.OptionalPreconditions) <= maxPreconditions && readPrecondition(f.Text, p)
		case codec.Text(3):
			m.OptionalTransactionMetadata, ok = codec.ReadStruct(f.In(data), m.OptionalTransactionMetadata == nil)
		}
		return ok
	})
}

func (u *wholeUpdate) read(data []byte, text string) bool {
	return codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Small(1):
			u.update.Operation, ok = v1.RelationshipUpdate_Operation(f.Value), true
		case codec.Text(2):
			u.update.Relationship, ok = u.wholeRelationship.read(f.In(data), f.Text)
		}
		return ok
	})
}

// leastRelationshipBytes is what a relationship with all of its names and ids takes.
const leastRelationshipBytes = 23

func readImportBulkRelationships(data []byte, m *v1.ImportBulkRelationshipsRequest) bool {
	m.Reset()
	text := string(data)
	relationships, list, ok := codec.Room[wholeRelationship, v1.Relationship](text, codec.Text(1), len(text)/leastRelationshipBytes)
	m.Relationships = list
	return ok && codec.Read(text, func(f codec.Field) (ok bool) {
		if f.Key != codec.Text(1) {
			return false
		}
		r, ok := relationships[len(m.Relationships)].read(f.In(data), f.Text)
		m.Relationships = append(m.Relationships, r)
		return ok
	})
}

func (r *wholeRelationship) read(data []byte, text string) (*v1.Relationship, bool) {
	return &r.relationship, codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			r.relationship.Resource, ok = readObject(f.Text, &r.resource)
		case codec.Text(2):
			ok = f.Set(&r.relationship.Relation)
		case codec.Text(3):
			r.relationship.Subject, ok = r.subject.read(f.Text)
		case codec.Text(4):
			r.relationship.OptionalCaveat, ok = readCaveat(f.In(data), f.Text, r.relationship.OptionalCaveat == nil)
		}
		return ok
	})
}

// readCaveat reads a message that is the first of its field.
func readCaveat(data []byte, text string, first bool) (*v1.ContextualizedCaveat, bool) {
	c := &v1.ContextualizedCaveat{}
	return c, first && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			ok = f.Set(&c.CaveatName)
		case codec.Text(2):
			c.Context, ok = codec.ReadStruct(f.In(data), c.Context == nil)
		}
		return ok
	})
}

func readPrecondition(text string, p *v1.Precondition) bool {
	return codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Small(1):
			p.Operation, ok = v1.Precondition_Operation(f.Value), true
		case codec.Text(2):
			p.Filter, ok = readFilter(f.Text, p.Filter == nil)
		}
		return ok
	})
}

func readReadRelationships(data []byte, m *v1.ReadRelationshipsRequest) bool {
	m.Reset()
	return codec.Read(string(data), func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			m.RelationshipFilter, ok = readFilter(f.Text, m.RelationshipFilter == nil)
		case codec.Small(3):
			m.OptionalLimit, ok = f.Value, true
		case codec.Text(4):
			m.OptionalCursor, ok = readCursor(f.Text, m.OptionalCursor == nil)
		}
		return ok
	})
}

// readFilter reads a message that is the first of its field.
func readFilter(text string, first bool) (*v1.RelationshipFilter, bool) {
	r := &v1.RelationshipFilter{}
	return r, first && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			ok = f.Set(&r.ResourceType)
		case codec.Text(2):
			ok = f.Set(&r.OptionalResourceId)
		case codec.Text(3):
			ok = f.Set(&r.OptionalRelation)
		case codec.Text(4):
			r.OptionalSubjectFilter, ok = readSubjectFilter(f.Text, r.OptionalSubjectFilter == nil)
		case codec.Text(5):
			ok = f.Set(&r.OptionalResourceIdPrefix)
		}
		return ok
	})
}

// readSubjectFilter reads a message that is the first of its field.
func readSubjectFilter(text string, first bool) (*v1.SubjectFilter, bool) {
	s := &v1.SubjectFilter{}
	return s, first && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			ok = f.Set(&s.SubjectType)
		case codec.Text(2):
			ok = f.Set(&s.OptionalSubjectId)
		case codec.Text(3):
			if s.OptionalRelation == nil { // a second one is merged, its only text replaced
				s.OptionalRelation = &v1.SubjectFilter_RelationFilter{}
			}
			ok = codec.ReadTexts(f.Text, &s.OptionalRelation.Relation)
		}
		return ok
	})
}
