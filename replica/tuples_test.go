package replica

import (
	"time"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// tupleOf reads a tuple as people write it.
func tupleOf(text string) (*tupelov1.Tuple, error) {
	t, err := tuple.Parse(text)
	if err != nil {
		return nil, err
	}
	return messageOf(t)
}

// messageOf spells a tuple, with what it carries, in the protocol's messages.
func messageOf(t tuple.Named) (*tupelov1.Tuple, error) {
	m := &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
		Relation: t.Relation,
		Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
	}
	if t.ExpiresNanos != 0 {
		m.ExpiresAt = timestamppb.New(time.Unix(0, t.ExpiresNanos))
	}
	if t.Caveat != "" {
		m.Caveat = &tupelov1.Caveat{Name: t.Caveat}
	}
	if t.Context == "" {
		return m, nil
	}
	m.Caveat.Context = &structpb.Struct{}
	return m, m.Caveat.Context.UnmarshalJSON([]byte(t.Context))
}

// filterOf selects one tuple; it panics if the text is none.
func filterOf(text string) *tupelov1.Filter {
	t, err := tuple.Parse(text)
	if err != nil {
		panic(err)
	}
	return &tupelov1.Filter{
		ObjectType: t.ObjectType, ObjectId: t.ObjectID, Relation: t.Relation,
		SubjectType: t.SubjectType, SubjectId: t.SubjectID, SubjectRelation: &t.SubjectRelation,
	}
}

// textOf is the reverse of tupleOf.
func textOf(t *tupelov1.Tuple) string {
	return tuple.Named{
		ObjectType: t.GetObject().GetType(), ObjectID: t.GetObject().GetId(), Relation: t.GetRelation(),
		SubjectType: t.GetSubject().GetType(), SubjectID: t.GetSubject().GetId(), SubjectRelation: t.GetSubject().GetRelation(),
	}.String()
}

func atLeastAsFresh(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
}

func fullyConsistent() *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
}
