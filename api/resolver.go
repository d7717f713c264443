package api

import (
	"strings"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// TupleResolver turns tuples into the store's numbers and holds them to all that a
// Write would: for who brings tuples into the store past the log. It keeps the
// schema of the moment that it was made in, and is for one goroutine.
type TupleResolver struct {
	model *model
	kinds map[tupleKind]tuple.Tuple
}

// tupleKind is a tuple without ids and traits. One that was allowed once is always.
type tupleKind struct {
	objectType, relation, subjectType, subjectRelation string
	wildcard                                           bool
}

// TupleResolver returns one that goes by the newest schema here.
func (s *Server) TupleResolver() (*TupleResolver, error) {
	r := &TupleResolver{kinds: make(map[tupleKind]tuple.Tuple)}
	snapshot, err := s.store.Snapshot(0)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	if r.model, err = s.models.at(snapshot); err != nil {
		return nil, err
	}
	return r, nil
}

// Message resolves a tuple as the API has it. Errors are those of a Write, with
// paths that begin at the tuple. The result shares the message's memory.
func (r *TupleResolver) Message(t *tupelov1.Tuple) (tuple.Tuple, error) {
	if err := validateTuple(t); err != nil {
		return tuple.Tuple{}, err
	}
	return r.model.tuple(t, true)
}

// Parsed resolves a tuple without traits that [tuple.Parse] has read, and so held
// its ids to what they may be: of a kind that came before, it asks nothing more.
// The result shares the memory of its ids.
func (r *TupleResolver) Parsed(n *tuple.Named) (tuple.Tuple, error) {
	kind := tupleKind{n.ObjectType, n.Relation, n.SubjectType, n.SubjectRelation, n.SubjectID == tuple.WildcardID}
	if t, known := r.kinds[kind]; known {
		t.Object.ID, t.Subject.ID = readOnlyBytes(n.ObjectID), readOnlyBytes(n.SubjectID)
		return t, nil
	}
	t, err := r.Message(&tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: n.ObjectType, Id: n.ObjectID},
		Relation: n.Relation,
		Subject:  &tupelov1.Subject{Type: n.SubjectType, Id: n.SubjectID, Relation: n.SubjectRelation},
	})
	if err != nil {
		return t, err
	}
	// The names may be in memory that is used again.
	kind = tupleKind{
		strings.Clone(kind.objectType), strings.Clone(kind.relation),
		strings.Clone(kind.subjectType), strings.Clone(kind.subjectRelation), kind.wildcard,
	}
	r.kinds[kind] = tuple.Tuple{
		Object: tuple.Object{Type: t.Object.Type}, Relation: t.Relation,
		Subject: tuple.Subject{Type: t.Subject.Type, Relation: t.Subject.Relation},
	}
	return t, nil
}
