package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// This file turns messages of the one protocol into those of the other. What is
// absent stays absent, so that the native handlers say what is needed.

// consistency turns a requirement into the native one. None, and a message without
// any, are minimize latency, as in SpiceDB.
func consistency(c *v1.Consistency) *tupelov1.Consistency {
	switch r := c.GetRequirement().(type) {
	case *v1.Consistency_AtLeastAsFresh:
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: r.AtLeastAsFresh.GetToken()}}
	case *v1.Consistency_AtExactSnapshot:
		return exactly(r.AtExactSnapshot.GetToken())
	case *v1.Consistency_FullyConsistent:
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: r.FullyConsistent}}
	case *v1.Consistency_MinimizeLatency:
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: r.MinimizeLatency}}
	}
	return nil
}

// exactly asks for one revision.
func exactly(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie}}
}

func token(zookie string) *v1.ZedToken { return &v1.ZedToken{Token: zookie} }

func object(o *v1.ObjectReference) *tupelov1.Object {
	if o == nil {
		return nil
	}
	return &tupelov1.Object{Type: o.ObjectType, Id: o.ObjectId}
}

func objectReference(o *tupelov1.Object) *v1.ObjectReference {
	return &v1.ObjectReference{ObjectType: o.GetType(), ObjectId: o.GetId()}
}

func subject(s *v1.SubjectReference) *tupelov1.Subject {
	if s.GetObject() == nil {
		return nil
	}
	return &tupelov1.Subject{Type: s.Object.ObjectType, Id: s.Object.ObjectId, Relation: s.OptionalRelation}
}

func subjectReference(s *tupelov1.Subject) *v1.SubjectReference {
	return &v1.SubjectReference{
		Object:           &v1.ObjectReference{ObjectType: s.GetType(), ObjectId: s.GetId()},
		OptionalRelation: s.GetRelation(),
	}
}

func tuple(r *v1.Relationship) *tupelov1.Tuple { return new(wholeTuple).of(r) }

// wholeTuple is a tuple with its messages.
type wholeTuple struct {
	tuple tupelov1.Tuple
	terms
}

// of fills in what is there of a relationship.
func (w *wholeTuple) of(r *v1.Relationship) *tupelov1.Tuple {
	if r == nil {
		return nil
	}
	t := &w.tuple
	t.Object, t.Subject = w.terms.of(r.Resource, r.Subject)
	t.Relation, t.ExpiresAt = r.Relation, r.OptionalExpiresAt
	if c := r.OptionalCaveat; c != nil {
		t.Caveat = &tupelov1.Caveat{Name: c.CaveatName, Context: c.Context}
		if len(c.Context.GetFields()) == 0 {
			t.Caveat.Context = nil // SpiceDB's clients write an empty one where they have none
		}
	}
	return t
}

func relationship(t *tupelov1.Tuple) *v1.Relationship { return new(wholeRelationship).of(t) }

// wholeRelationship is a relationship with its messages.
type wholeRelationship struct {
	relationship v1.Relationship
	askedAbout
}

// of fills in a tuple.
func (w *wholeRelationship) of(t *tupelov1.Tuple) *v1.Relationship {
	r, o, s := &w.relationship, t.GetObject(), t.GetSubject()
	r.Resource, r.Subject = &w.resource, &w.subject.reference
	r.Resource.ObjectType, r.Resource.ObjectId = o.GetType(), o.GetId()
	r.Subject.Object, r.Subject.OptionalRelation = &w.subject.object, s.GetRelation()
	r.Subject.Object.ObjectType, r.Subject.Object.ObjectId = s.GetType(), s.GetId()
	r.Relation, r.OptionalExpiresAt = t.Relation, t.ExpiresAt
	if c := t.Caveat; c != nil {
		r.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: c.Name, Context: c.Context}
		if c.Context == nil {
			r.OptionalCaveat.Context = &structpb.Struct{} // as in SpiceDB: clients look into it
		}
	}
	return r
}

func partialCaveatInfo(missing []string) *v1.PartialCaveatInfo {
	if len(missing) == 0 {
		return nil
	}
	return &v1.PartialCaveatInfo{MissingRequiredContext: missing}
}
