package authzed

import (
	"context"
	"errors"
	"slices"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/schema"
)

// DiffSchema returns how a schema differs from the one that is stored. It compares
// what is written, comments included: unlike [schema.Diff], it takes two ways to
// write one set for two.
func (s schemas) DiffSchema(ctx context.Context, r *v1.DiffSchemaRequest) (*v1.DiffSchemaResponse, error) {
	before, zookie, err := s.schemaAt(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	after, err := otherSchema(r.ComparisonSchema)
	if err != nil {
		return nil, err
	}
	var d differences
	d.schemas(before, after)
	return &v1.DiffSchemaResponse{Diffs: d, ReadAt: token(zookie)}, nil
}

// otherSchema reads a schema to compare with. It must be one by its form: names that
// mean nothing make a difference like others.
func otherSchema(text string) (*schema.Schema, error) {
	tree, err := schema.Parse("", text)
	if err == nil {
		err = schema.Check(tree)
	}
	var problems *schema.Errors
	if !errors.As(err, &problems) {
		return tree, err
	}
	v, metadata := problemsTold(problems)
	repeated := func(p schema.Problem) bool { return p.Kind == schema.RepeatedMember }
	if v == mistypedSchema && problems.Omitted == 0 && !slices.ContainsFunc(problems.Problems, repeated) {
		return tree, nil
	}
	return nil, refuse(v, metadata, "%s", problems)
}

// differences are collected in the order of the texts: what is new, what is gone,
// and what is changed.
type differences []*v1.ReflectionSchemaDiff

func (d *differences) add(diff *v1.ReflectionSchemaDiff) { *d = append(*d, diff) }

func (d *differences) schemas(before, after *schema.Schema) {
	d.definitions(before, after)
	d.caveats(before, after)
	for _, now := range after.Definitions {
		if was, ok := before.Definition(now.Name); ok {
			d.definition(was, now)
		}
	}
	for _, now := range after.Caveats {
		if was, ok := before.Caveat(now.Name); ok {
			d.caveat(was, now)
		}
	}
}

// definitions adds those that only one of two schemas has.
func (d *differences) definitions(before, after *schema.Schema) {
	for _, now := range after.Definitions {
		if _, ok := before.Definition(now.Name); !ok {
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_DefinitionAdded{DefinitionAdded: definitionReflected(now, nil)}})
		}
	}
	for _, was := range before.Definitions {
		if _, ok := after.Definition(was.Name); !ok {
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_DefinitionRemoved{DefinitionRemoved: definitionReflected(was, nil)}})
		}
	}
}

// caveats adds those that only one of two schemas has.
func (d *differences) caveats(before, after *schema.Schema) {
	for _, now := range after.Caveats {
		if _, ok := before.Caveat(now.Name); !ok {
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatAdded{CaveatAdded: caveatReflected(now)}})
		}
	}
	for _, was := range before.Caveats {
		if _, ok := after.Caveat(was.Name); !ok {
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatRemoved{CaveatRemoved: caveatReflected(was)}})
		}
	}
}

// definition adds what two definitions of a name differ in. A relation that becomes a
// permission is gone, and the permission new.
func (d *differences) definition(was, now *schema.Definition) {
	if commentReflected(was.Comments) != commentReflected(now.Comments) {
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_DefinitionDocCommentChanged{DefinitionDocCommentChanged: definitionReflected(now, nil)}})
	}
	for _, m := range was.Members {
		if other, _ := now.Member(m.MemberName()); !sameSort(m, other) {
			d.removed(was.Name, m)
		}
	}
	for _, m := range now.Members {
		old, _ := was.Member(m.MemberName())
		if !sameSort(m, old) {
			d.added(now.Name, m)
			continue
		}
		switch m := m.(type) {
		case *schema.Relation:
			d.relation(now.Name, old.(*schema.Relation), m)
		case *schema.Permission:
			d.permission(now.Name, old.(*schema.Permission), m)
		}
	}
}

// sameSort reports whether two members are both relations or both permissions; one
// that is not there is neither.
func sameSort(a, b schema.Member) bool {
	_, first := a.(*schema.Relation)
	_, second := b.(*schema.Relation)
	return a != nil && b != nil && first == second
}

func (d *differences) removed(definition string, m schema.Member) {
	switch m := m.(type) {
	case *schema.Relation:
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_RelationRemoved{RelationRemoved: relationReflected(definition, m)}})
	case *schema.Permission:
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_PermissionRemoved{PermissionRemoved: permissionReflected(definition, m)}})
	}
}

func (d *differences) added(definition string, m schema.Member) {
	switch m := m.(type) {
	case *schema.Relation:
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_RelationAdded{RelationAdded: relationReflected(definition, m)}})
	case *schema.Permission:
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_PermissionAdded{PermissionAdded: permissionReflected(definition, m)}})
	}
}

func (d *differences) relation(definition string, was, now *schema.Relation) {
	reflected := relationReflected(definition, now)
	if commentReflected(was.Comments) != reflected.Comment {
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_RelationDocCommentChanged{RelationDocCommentChanged: reflected}})
	}
	before, after := restrictions(was), restrictions(now)
	for _, t := range was.Types {
		if !after[t.String()] {
			change := &v1.ReflectionRelationSubjectTypeChange{Relation: reflected, ChangedSubjectType: subjectTypeReflected(t)}
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_RelationSubjectTypeRemoved{RelationSubjectTypeRemoved: change}})
		}
	}
	for _, t := range now.Types {
		if !before[t.String()] {
			change := &v1.ReflectionRelationSubjectTypeChange{Relation: reflected, ChangedSubjectType: subjectTypeReflected(t)}
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_RelationSubjectTypeAdded{RelationSubjectTypeAdded: change}})
		}
	}
}

// restrictions spells what a relation takes, traits included.
func restrictions(r *schema.Relation) map[string]bool {
	spelled := make(map[string]bool, len(r.Types))
	for _, t := range r.Types {
		spelled[t.String()] = true
	}
	return spelled
}

func (d *differences) permission(definition string, was, now *schema.Permission) {
	reflected := permissionReflected(definition, now)
	if outline(was.Expr) != outline(now.Expr) {
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_PermissionExprChanged{PermissionExprChanged: reflected}})
	}
	if commentReflected(was.Comments) != reflected.Comment {
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_PermissionDocCommentChanged{PermissionDocCommentChanged: reflected}})
	}
}

// outline spells an expression so that those are equal which differ only in how a
// chain of unions or of intersections is grouped.
func outline(e schema.Expr) string {
	switch e := e.(type) {
	case *schema.Ref:
		return e.Name
	case *schema.Arrow:
		return e.String()
	case *schema.Itself:
		return "self"
	case *schema.Binary:
		return "(" + strings.Join(operands(e, e.Op), " "+e.Op.String()+" ") + ")"
	}
	return "nil"
}

// operands spells the operands that a chain of one operator joins.
func operands(e schema.Expr, op schema.Op) []string {
	b, ok := e.(*schema.Binary)
	if !ok || b.Op != op {
		return []string{outline(e)}
	}
	if op == schema.Exclusion { // of which grouping is a part
		return []string{outline(b.Left), outline(b.Right)}
	}
	return append(operands(b.Left, op), operands(b.Right, op)...)
}

func (d *differences) caveat(was, now *schema.Caveat) {
	reflected := caveatReflected(now)
	if commentReflected(was.Comments) != reflected.Comment {
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatDocCommentChanged{CaveatDocCommentChanged: reflected}})
	}
	for _, p := range was.Params {
		if parameter(now, p.Name) == nil {
			d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatParameterRemoved{CaveatParameterRemoved: parameterReflected(was.Name, p)}})
		}
	}
	for _, p := range now.Params {
		d.parameter(now.Name, parameter(was, p.Name), p)
	}
	if was.CanonicalExpression() != reflected.Expression {
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatExprChanged{CaveatExprChanged: reflected}})
	}
}

// parameter adds that a parameter is new, or of another type.
func (d *differences) parameter(caveat string, was, now *schema.Param) {
	reflected := parameterReflected(caveat, now)
	switch {
	case was == nil:
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatParameterAdded{CaveatParameterAdded: reflected}})
	case was.Type.String() != reflected.Type:
		change := &v1.ReflectionCaveatParameterTypeChange{Parameter: reflected, PreviousType: was.Type.String()}
		d.add(&v1.ReflectionSchemaDiff{Diff: &v1.ReflectionSchemaDiff_CaveatParameterTypeChanged{CaveatParameterTypeChanged: change}})
	}
}

// parameter returns a caveat's parameter, or nil.
func parameter(c *schema.Caveat, name string) *schema.Param {
	i := slices.IndexFunc(c.Params, func(p *schema.Param) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return c.Params[i]
}
