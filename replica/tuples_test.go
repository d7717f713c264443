package replica

import (
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// tupleOf reads a tuple as people write it.
func tupleOf(text string) (*tupelov1.Tuple, error) {
	t, err := tuple.Parse(text)
	if err != nil {
		return nil, err
	}
	return &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
		Relation: t.Relation,
		Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
	}, nil
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
