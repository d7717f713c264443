package api

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// watchFilters select the changes that any of them does; none selects all.
type watchFilters []watchFilter

// watchFilter is a WatchFilter in the store's numbers.
type watchFilter struct {
	objectType  tuple.TypeID // 0 for any
	objectID    []byte       // empty for any
	prefix      []byte
	relation    string // empty for any
	subjectType tuple.TypeID
	subjectID   []byte
	// subjectRelation is nil for any.
	subjectRelation *string
}

// selected returns the changes that are watched; it may be the list itself.
func (list watchFilters) selected(names *tuple.Names, changes []store.Change) []store.Change {
	if len(list) == 0 {
		return changes
	}
	var selected []store.Change
	for _, c := range changes {
		if list.selects(names, c.Tuple) {
			selected = append(selected, c)
		}
	}
	return selected
}

func (list watchFilters) selects(names *tuple.Names, t tuple.Tuple) bool {
	for i := range list {
		if list[i].selects(names, t) {
			return true
		}
	}
	return false
}

func (f *watchFilter) selects(names *tuple.Names, t tuple.Tuple) bool {
	return (f.objectType == 0 || f.objectType == t.Object.Type) &&
		(f.subjectType == 0 || f.subjectType == t.Subject.Type) &&
		(len(f.objectID) == 0 || bytes.Equal(f.objectID, t.Object.ID)) &&
		(len(f.subjectID) == 0 || bytes.Equal(f.subjectID, t.Subject.ID)) &&
		bytes.HasPrefix(t.Object.ID, f.prefix) &&
		(f.relation == "" || f.relation == names.RelationName(t.Object.Type, t.Relation)) &&
		(f.subjectRelation == nil || *f.subjectRelation == names.RelationName(t.Subject.Type, t.Subject.Relation))
}

// validateWatchFilter holds a filter to what is true whatever the store holds.
func validateWatchFilter(f *tupelov1.WatchFilter) error {
	err := validateFilter(&tupelov1.Filter{
		ObjectType: f.ObjectType, ObjectId: f.ObjectId, ObjectIdPrefix: f.ObjectIdPrefix, Relation: f.Relation,
		SubjectType: f.SubjectType, SubjectId: f.SubjectId, SubjectRelation: f.SubjectRelation,
	})
	if err != nil {
		return err
	}
	return knownFieldsOnly(f)
}

// watchFilters resolves valid filters.
func (s *Server) watchFilters(ctx context.Context, filters []*tupelov1.WatchFilter) (watchFilters, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	list := make(watchFilters, len(filters))
	err := s.withSchema(ctx, func(snapshot *store.Snapshot, m *model) error {
		for i, f := range filters {
			if err := m.watchFilter(snapshot.Names(), f); err != nil {
				return within(fmt.Sprintf("filters[%d]", i), err)
			}
			list[i] = watchFilter{
				objectID: readOnlyBytes(f.ObjectId), prefix: readOnlyBytes(f.ObjectIdPrefix), relation: f.Relation,
				subjectID: readOnlyBytes(f.SubjectId), subjectRelation: f.SubjectRelation,
			}
			list[i].objectType, _ = snapshot.Names().Type(f.ObjectType)
			list[i].subjectType, _ = snapshot.Names().Type(f.SubjectType)
		}
		return nil
	})
	return list, err
}

// watchFilter holds a valid filter to the schema. What a schema of before
// defined is known too: a watch may begin before the change that took it away.
func (m *model) watchFilter(names *tuple.Names, f *tupelov1.WatchFilter) error {
	now := &tupelov1.Filter{}
	now.ObjectType, now.Relation = m.notBygone(names, f.ObjectType, f.Relation)
	subjectType, subjectRelation := m.notBygone(names, f.SubjectType, f.GetSubjectRelation())
	now.SubjectType, now.SubjectRelation = subjectType, &subjectRelation
	return m.filter(now)
}

// notBygone returns a type and a relation of it, each empty if a schema of before
// defined it and this one does not.
func (m *model) notBygone(names *tuple.Names, typeName, relation string) (string, string) {
	t, once := names.Type(typeName)
	if !once {
		return typeName, relation
	}
	_, onceRelation := names.Relation(t, relation)
	typ, defined := m.program.TypeByName(typeName)
	if _, ok := m.program.Slot(typ, relation); onceRelation && (!defined || !ok) {
		relation = ""
	}
	if !defined {
		typeName = ""
	}
	return typeName, relation
}
