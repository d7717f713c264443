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
	prefix      []byte
	relation    string // empty for any
	subjectType tuple.TypeID
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
		bytes.HasPrefix(t.Object.ID, f.prefix) &&
		(f.relation == "" || f.relation == names.RelationName(t.Object.Type, t.Relation))
}

// validateWatchFilter holds a filter to what is true whatever the store holds.
func validateWatchFilter(f *tupelov1.WatchFilter) error {
	err := validateFilter(&tupelov1.Filter{
		ObjectType: f.GetObjectType(), Relation: f.GetRelation(), SubjectType: f.GetSubjectType(),
	})
	if err != nil {
		return err
	}
	if f.GetObjectIdPrefix() != "" {
		if err := validateID("object_id_prefix", f.ObjectIdPrefix); err != nil {
			return err
		}
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
			list[i] = watchFilter{prefix: readOnlyBytes(f.ObjectIdPrefix), relation: f.Relation}
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
	now := &tupelov1.Filter{ObjectType: f.ObjectType, Relation: f.Relation, SubjectType: f.SubjectType}
	if t, once := names.Type(f.ObjectType); once {
		typ, defined := m.program.TypeByName(f.ObjectType)
		if !defined {
			now.ObjectType = ""
		}
		if _, once := names.Relation(t, f.Relation); once && (!defined || !m.defines(typ, f.Relation)) {
			now.Relation = ""
		}
	}
	if _, once := names.Type(f.SubjectType); once {
		if _, defined := m.program.TypeByName(f.SubjectType); !defined {
			now.SubjectType = ""
		}
	}
	return m.filter(now)
}

func (m *model) defines(typ int32, relation string) bool {
	_, ok := m.program.Slot(typ, relation)
	return ok
}
