package target

import (
	"fmt"

	v1 "github.com/openfga/api/proto/openfga/v1"

	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/schema"
)

// openfgaModel says a schema in OpenFGA's terms. Both mean the same: a relation is
// what is stored, a permission what is computed, and an arrow is "from".
func openfgaModel(text string) (*v1.WriteAuthorizationModelRequest, error) {
	parsed, err := schema.Load("data set", text)
	if err != nil {
		return nil, err
	}
	model := &v1.WriteAuthorizationModelRequest{SchemaVersion: "1.1"}
	for _, d := range parsed.Definitions {
		of := &v1.TypeDefinition{Type: d.Name}
		if len(d.Members) > 0 {
			of.Relations = make(map[string]*v1.Userset)
			of.Metadata = &v1.Metadata{Relations: make(map[string]*v1.RelationMetadata)}
		}
		for _, m := range d.Members {
			rewrite, stored := openfgaThis, &v1.RelationMetadata{}
			switch m := m.(type) {
			case *schema.Relation:
				for _, t := range m.Types {
					stored.DirectlyRelatedUserTypes = append(stored.DirectlyRelatedUserTypes, openfgaType(t))
				}
			case *schema.Permission:
				if rewrite, err = openfgaRewrite(m.Expr); err != nil {
					return nil, fmt.Errorf("%s#%s: %w", d.Name, m.Name, err)
				}
			}
			of.Relations[m.MemberName()], of.Metadata.Relations[m.MemberName()] = rewrite, stored
		}
		model.TypeDefinitions = append(model.TypeDefinitions, of)
	}
	return model, nil
}

var openfgaThis = &v1.Userset{Userset: &v1.Userset_This{This: &v1.DirectUserset{}}}

func openfgaType(t *schema.TypeRef) *v1.RelationReference {
	reference := &v1.RelationReference{Type: t.Type}
	switch {
	case t.Wildcard:
		reference.RelationOrWildcard = &v1.RelationReference_Wildcard{Wildcard: &v1.Wildcard{}}
	case t.Relation != "":
		reference.RelationOrWildcard = &v1.RelationReference_Relation{Relation: t.Relation}
	}
	return reference
}

func openfgaRewrite(e schema.Expr) (*v1.Userset, error) {
	switch e := e.(type) {
	case *schema.Ref:
		return &v1.Userset{Userset: &v1.Userset_ComputedUserset{ComputedUserset: &v1.ObjectRelation{Relation: e.Name}}}, nil
	case *schema.Arrow:
		if !e.All() {
			return &v1.Userset{Userset: &v1.Userset_TupleToUserset{TupleToUserset: &v1.TupleToUserset{
				Tupleset:        &v1.ObjectRelation{Relation: e.Relation},
				ComputedUserset: &v1.ObjectRelation{Relation: e.Target},
			}}}, nil
		}
	case *schema.Binary:
		left, err := openfgaRewrite(e.Left)
		if err != nil {
			return nil, err
		}
		right, err := openfgaRewrite(e.Right)
		if err != nil {
			return nil, err
		}
		both := &v1.Usersets{Child: []*v1.Userset{left, right}}
		switch e.Op {
		case schema.Union:
			return &v1.Userset{Userset: &v1.Userset_Union{Union: both}}, nil
		case schema.Intersection:
			return &v1.Userset{Userset: &v1.Userset_Intersection{Intersection: both}}, nil
		case schema.Exclusion:
			return &v1.Userset{Userset: &v1.Userset_Difference{Difference: &v1.Difference{Base: left, Subtract: right}}}, nil
		}
	}
	return nil, fmt.Errorf("%w: OpenFGA has no form for %T", load.ErrNotSupported, e)
}
