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
	kinds map[tupleKind]*resolvedKind
	// recent has those of kinds that came lately, each where place says: looking there
	// is a comparison, where the map hashes all names.
	recent [64]*resolvedKind
}

// resolvedKind is a kind, and what its tuples have in common.
type resolvedKind struct {
	kind  tupleKind
	tuple tuple.Tuple
}

// tupleKind is a tuple without ids and traits. One that was allowed once is always.
type tupleKind struct {
	objectType, relation, subjectType, subjectRelation string
	wildcard                                           bool
}

// TupleResolver returns one that goes by the newest schema here.
func (s *Server) TupleResolver() (*TupleResolver, error) {
	r := &TupleResolver{kinds: make(map[tupleKind]*resolvedKind)}
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
	place := kind.place(len(r.recent))
	resolved := r.recent[place]
	if resolved == nil || resolved.kind != kind {
		var err error
		if resolved, err = r.resolve(n, kind); err != nil {
			return tuple.Tuple{}, err
		}
		r.recent[place] = resolved
	}
	t := resolved.tuple
	t.Object.ID, t.Subject.ID = readOnlyBytes(n.ObjectID), readOnlyBytes(n.SubjectID)
	return t, nil
}

// place is one of n for a kind. Those of a schema mostly differ in how their names
// begin or how long they are.
func (k tupleKind) place(n int) int {
	mix := len(k.objectType) + 3*len(k.relation) + 5*len(k.subjectType) + 7*len(k.subjectRelation)
	for i, name := range [...]string{k.objectType, k.relation, k.subjectType} {
		if name != "" {
			mix += int(name[0]) << i
		}
	}
	return mix % n
}

// resolve resolves a kind, of which n is a tuple.
func (r *TupleResolver) resolve(n *tuple.Named, kind tupleKind) (*resolvedKind, error) {
	if resolved := r.kinds[kind]; resolved != nil {
		return resolved, nil
	}
	t, err := r.Message(&tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: n.ObjectType, Id: n.ObjectID},
		Relation: n.Relation,
		Subject:  &tupelov1.Subject{Type: n.SubjectType, Id: n.SubjectID, Relation: n.SubjectRelation},
	})
	if err != nil {
		return nil, err
	}
	t = tuple.Tuple{
		Object: tuple.Object{Type: t.Object.Type}, Relation: t.Relation,
		Subject: tuple.Subject{Type: t.Subject.Type, Relation: t.Subject.Relation},
	}
	// The names may be in memory that is used again.
	kind = tupleKind{
		strings.Clone(kind.objectType), strings.Clone(kind.relation),
		strings.Clone(kind.subjectType), strings.Clone(kind.subjectRelation), kind.wildcard,
	}
	resolved := &resolvedKind{kind, t}
	r.kinds[kind] = resolved
	return resolved, nil
}
