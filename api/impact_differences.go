package api

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// differences returns how another schema differs from the one of a view; after
// is what the other one comes to.
func (s *Server) differences(v view, other *schema.Schema, after side) (*tupelov1.SchemaDifferences, error) {
	stored, err := v.snapshot.Schema()
	if err != nil {
		return nil, err
	}
	present, err := schema.Load("", stored.Text)
	if err != nil {
		return nil, fmt.Errorf("reading the stored schema of revision %d: %w", stored.Revision, err)
	}
	message := &tupelov1.SchemaDifferences{Zookie: v.zookie}
	for _, c := range schema.Diff(present, other) {
		message.Changes = append(message.Changes, &tupelov1.SchemaChange{
			Kind: changeKinds[c.Kind], Type: c.Type, Name: c.Name, Before: c.Before, After: c.After, Description: c.String(),
		})
	}
	message.Stranded = s.stranded(after)
	return message, nil
}

// stranded counts the stored tuples that a schema does not allow. Kinds are
// compared by their names: the counters are newer than the snapshot may be, and
// know numbers that the schema's new names would not get any more.
func (s *Server) stranded(under side) []*tupelov1.StrandedTuples {
	allowed := make(map[string]bool)
	for shape := range under.model.shapes() {
		allowed[under.names.ShapeText(shape)] = true
	}
	counters, names := s.store.Counters()
	var list []*tupelov1.StrandedTuples
	for _, shape := range slices.SortedFunc(maps.Keys(counters), tuple.Shape.Compare) {
		if text := names.ShapeText(shape); counters[shape] > 0 && !allowed[text] {
			list = append(list, &tupelov1.StrandedTuples{Kind: text, Count: counters[shape]})
		}
	}
	return list
}

var changeKinds = map[schema.ChangeKind]tupelov1.SchemaChange_Kind{
	schema.CaveatAdded:        tupelov1.SchemaChange_KIND_CAVEAT_ADDED,
	schema.CaveatRemoved:      tupelov1.SchemaChange_KIND_CAVEAT_REMOVED,
	schema.CaveatChanged:      tupelov1.SchemaChange_KIND_CAVEAT_CHANGED,
	schema.TypeAdded:          tupelov1.SchemaChange_KIND_TYPE_ADDED,
	schema.TypeRemoved:        tupelov1.SchemaChange_KIND_TYPE_REMOVED,
	schema.RelationAdded:      tupelov1.SchemaChange_KIND_RELATION_ADDED,
	schema.RelationRemoved:    tupelov1.SchemaChange_KIND_RELATION_REMOVED,
	schema.RelationWidened:    tupelov1.SchemaChange_KIND_RELATION_WIDENED,
	schema.RelationNarrowed:   tupelov1.SchemaChange_KIND_RELATION_NARROWED,
	schema.PermissionAdded:    tupelov1.SchemaChange_KIND_PERMISSION_ADDED,
	schema.PermissionRemoved:  tupelov1.SchemaChange_KIND_PERMISSION_REMOVED,
	schema.PermissionWidened:  tupelov1.SchemaChange_KIND_PERMISSION_WIDENED,
	schema.PermissionNarrowed: tupelov1.SchemaChange_KIND_PERMISSION_NARROWED,
	schema.PermissionChanged:  tupelov1.SchemaChange_KIND_PERMISSION_CHANGED,
}
