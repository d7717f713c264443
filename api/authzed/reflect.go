package authzed

import (
	"context"
	"slices"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/schema"
)

// ReflectSchema returns what the schema has, as far as filters select it, in the
// order of its text.
func (s schemas) ReflectSchema(ctx context.Context, r *v1.ReflectSchemaRequest) (*v1.ReflectSchemaResponse, error) {
	tree, zookie, err := s.schemaAt(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	filters := schemaFilters(r.OptionalFilters)
	if err := filters.refusal(); err != nil {
		return nil, err
	}
	response := &v1.ReflectSchemaResponse{ReadAt: token(zookie)}
	for _, d := range tree.Definitions {
		if filters.definition(d.Name) {
			response.Definitions = append(response.Definitions, definitionReflected(d, filters))
		}
	}
	for _, c := range tree.Caveats {
		if filters.caveat(c.Name) {
			response.Caveats = append(response.Caveats, caveatReflected(c))
		}
	}
	return response, nil
}

// schemaFilters select by the beginnings of names; none select everything.
// Definitions and caveats are selected by those filters that name any. Of a selected
// definition all relations are, unless a filter names relations, and so with
// permissions.
type schemaFilters []*v1.ReflectionSchemaFilter

// refusal returns why one of the filters can select nothing.
func (f schemaFilters) refusal() error {
	for _, filter := range f {
		named := filter.OptionalDefinitionNameFilter != ""
		problem := ""
		switch {
		case named && filter.OptionalCaveatNameFilter != "":
			problem = "a definition and a caveat cannot be selected by one filter"
		case !named && filter.OptionalRelationNameFilter != "":
			problem = "a filter with a relation needs a definition too"
		case filter.OptionalRelationNameFilter != "" && filter.OptionalPermissionNameFilter != "":
			problem = "a relation and a permission cannot be selected by one filter"
		case !named && filter.OptionalPermissionNameFilter != "":
			problem = "a filter with a permission needs a definition too"
		default:
			continue
		}
		return refuse(badFilter, map[string]string{"filter": filter.String()}, "the filter is not valid: %s", problem)
	}
	return nil
}

func (f schemaFilters) definition(name string) bool {
	return len(f) == 0 || slices.ContainsFunc(f, func(filter *v1.ReflectionSchemaFilter) bool {
		return begins(name, filter.OptionalDefinitionNameFilter)
	})
}

func (f schemaFilters) caveat(name string) bool {
	return len(f) == 0 || slices.ContainsFunc(f, func(filter *v1.ReflectionSchemaFilter) bool {
		return begins(name, filter.OptionalCaveatNameFilter)
	})
}

func (f schemaFilters) relation(definition, name string) bool {
	return f.member(definition, name, (*v1.ReflectionSchemaFilter).GetOptionalRelationNameFilter)
}

func (f schemaFilters) permission(definition, name string) bool {
	return f.member(definition, name, (*v1.ReflectionSchemaFilter).GetOptionalPermissionNameFilter)
}

func (f schemaFilters) member(definition, name string, prefix func(*v1.ReflectionSchemaFilter) string) bool {
	all := true
	for _, filter := range f {
		if prefix(filter) == "" {
			continue
		}
		all = false
		if begins(name, prefix(filter)) && begins(definition, filter.OptionalDefinitionNameFilter) {
			return true
		}
	}
	return all
}

// begins reports whether a name begins with a prefix that a filter has.
func begins(name, prefix string) bool { return prefix != "" && strings.HasPrefix(name, prefix) }

func definitionReflected(d *schema.Definition, filters schemaFilters) *v1.ReflectionDefinition {
	reflected := &v1.ReflectionDefinition{Name: d.Name, Comment: commentReflected(d.Comments)}
	for r := range d.Relations() {
		if filters.relation(d.Name, r.Name) {
			reflected.Relations = append(reflected.Relations, relationReflected(d.Name, r))
		}
	}
	for p := range d.Permissions() {
		if filters.permission(d.Name, p.Name) {
			reflected.Permissions = append(reflected.Permissions, permissionReflected(d.Name, p))
		}
	}
	return reflected
}

func relationReflected(definition string, r *schema.Relation) *v1.ReflectionRelation {
	reflected := &v1.ReflectionRelation{Name: r.Name, Comment: commentReflected(r.Comments), ParentDefinitionName: definition}
	for _, t := range r.Types {
		reflected.SubjectTypes = append(reflected.SubjectTypes, subjectTypeReflected(t))
	}
	return reflected
}

func subjectTypeReflected(t *schema.TypeRef) *v1.ReflectionTypeReference {
	reflected := &v1.ReflectionTypeReference{SubjectDefinitionName: t.Type, OptionalCaveatName: t.Caveat}
	switch {
	case t.Wildcard:
		reflected.Typeref = &v1.ReflectionTypeReference_IsPublicWildcard{IsPublicWildcard: true}
	case t.Relation != "":
		reflected.Typeref = &v1.ReflectionTypeReference_OptionalRelationName{OptionalRelationName: t.Relation}
	default:
		reflected.Typeref = &v1.ReflectionTypeReference_IsTerminalSubject{IsTerminalSubject: true}
	}
	return reflected
}

func permissionReflected(definition string, p *schema.Permission) *v1.ReflectionPermission {
	return &v1.ReflectionPermission{Name: p.Name, Comment: commentReflected(p.Comments), ParentDefinitionName: definition}
}

// caveatReflected describes a caveat; its parameters are in the order of their names.
func caveatReflected(c *schema.Caveat) *v1.ReflectionCaveat {
	reflected := &v1.ReflectionCaveat{
		Name: c.Name, Comment: commentReflected(c.Comments), Expression: c.CanonicalExpression(),
	}
	for _, p := range c.Params {
		reflected.Parameters = append(reflected.Parameters, parameterReflected(c.Name, p))
	}
	slices.SortFunc(reflected.Parameters, func(a, b *v1.ReflectionCaveatParameter) int { return strings.Compare(a.Name, b.Name) })
	return reflected
}

func parameterReflected(caveat string, p *schema.Param) *v1.ReflectionCaveatParameter {
	return &v1.ReflectionCaveatParameter{Name: p.Name, Type: p.Type.String(), ParentCaveatName: caveat}
}

// commentReflected returns the comments above a statement, with their markers but
// without the indentation of their lines.
func commentReflected(c schema.Comments) string {
	var lines []string
	for _, comment := range c.Above {
		for line := range strings.SplitSeq(comment.Text, "\n") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return strings.Join(lines, "\n")
}
