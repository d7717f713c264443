package api

import (
	"context"
	"errors"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Read returns a page of the stored tuples that a filter selects.
func (s *Server) Read(ctx context.Context, r *tupelov1.ReadRequest) (*tupelov1.ReadResponse, error) {
	limit, err := boundedLimit("limit", r.Limit, defaultReadLimit, maxReadLimit)
	if err != nil {
		return nil, err
	}
	if err := validateFilter(r.Filter); err != nil {
		return nil, within("filter", err)
	}
	f, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	v, position, err := s.openPage(ctx, f, r)
	if err != nil {
		return nil, err
	}
	defer v.close()
	if err := v.model.filter(r.Filter); err != nil {
		return nil, within("filter", err)
	}
	tuples, next, err := v.snapshot.Read(ctx, filterOf(r.Filter), position, limit)
	if err != nil {
		return nil, readFault(s.expired(f, err))
	}
	response := &tupelov1.ReadResponse{Tuples: tupleMessages(v.snapshot.Names(), tuples), Zookie: v.zookie}
	if next != nil {
		response.NextCursor = f.cursor(cursor{v.snapshot.Revision(), hashRead(r), next})
	}
	return response, nil
}

// openPage opens the view of a page: the first page's as its consistency asks,
// any other at the first one's revision, from the position in its cursor.
func (s *Server) openPage(ctx context.Context, f fingerprint, r *tupelov1.ReadRequest) (view, []byte, error) {
	if r.Cursor == "" {
		v, err := s.open(ctx, r.Consistency)
		return v, nil, err
	}
	if _, err := s.understand(f, r.Consistency); err != nil {
		return view{}, nil, within("consistency", err)
	}
	c, err := f.parseCursor(r.Cursor, hashRead(r))
	if err != nil {
		return view{}, nil, fault(describe(err).Reason, "cursor", "%s", err)
	}
	snapshot, err := s.snapshotAt(ctx, f, requirement{atLeast: c.revision, exact: true})
	if err != nil {
		return view{}, nil, err
	}
	m, err := s.models.at(snapshot)
	if err != nil {
		snapshot.Close()
		return view{}, nil, err
	}
	return view{snapshot, m, s.zookie(f, c.revision)}, c.position, nil
}

func readFault(err error) error {
	if errors.Is(err, store.ErrBadCursor) {
		return fault(describe(err).Reason, "cursor", "%s", err)
	}
	return err
}

// tupleMessages spells tuples; the messages share their allocations.
func tupleMessages(names *tuple.Names, tuples []tuple.Tuple) []*tupelov1.Tuple {
	type parts struct {
		tuple   tupelov1.Tuple
		object  tupelov1.Object
		subject tupelov1.Subject
	}
	all := make([]parts, len(tuples))
	messages := make([]*tupelov1.Tuple, len(tuples))
	for i, t := range tuples {
		named, p := names.Named(t), &all[i]
		p.object.Type, p.object.Id = named.ObjectType, named.ObjectID
		p.subject.Type, p.subject.Id, p.subject.Relation = named.SubjectType, named.SubjectID, named.SubjectRelation
		p.tuple.Object, p.tuple.Relation, p.tuple.Subject = &p.object, named.Relation, &p.subject
		messages[i] = &p.tuple
	}
	return messages
}
