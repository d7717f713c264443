package authzed

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/schema"
)

// ComputablePermissions returns the relations and permissions that subjects of a type,
// or of a relation of it, may come to have, through whatever others.
func (s schemas) ComputablePermissions(ctx context.Context, r *v1.ComputablePermissionsRequest) (*v1.ComputablePermissionsResponse, error) {
	tree, zookie, err := s.schemaAt(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	definition, err := definitionAsked(tree, r.DefinitionName)
	if err != nil {
		return nil, err
	}
	if r.RelationName != "" {
		if _, err := memberAsked(definition, r.RelationName); err != nil {
			return nil, err
		}
	}
	u, start := newUses(tree), subjectKind{r.DefinitionName, r.RelationName}
	found := u.above(start)
	delete(found, start)
	maps.DeleteFunc(found, func(k subjectKind, _ bool) bool {
		return !strings.HasPrefix(k.definition, r.OptionalDefinitionNameFilter)
	})
	return &v1.ComputablePermissionsResponse{Permissions: u.references(found), ReadAt: token(zookie)}, nil
}

// DependentRelations returns the relations and permissions that a permission is
// computed from, through whatever others.
func (s schemas) DependentRelations(ctx context.Context, r *v1.DependentRelationsRequest) (*v1.DependentRelationsResponse, error) {
	tree, zookie, err := s.schemaAt(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	definition, err := definitionAsked(tree, r.DefinitionName)
	if err != nil {
		return nil, err
	}
	member, err := memberAsked(definition, r.PermissionName)
	if err != nil {
		return nil, err
	}
	if _, ok := member.(*schema.Permission); !ok {
		return nil, refuse(notAPermission, map[string]string{"relationName": r.PermissionName},
			"`%s` of `%s` is a relation, not a permission", r.PermissionName, r.DefinitionName)
	}
	u, start := newUses(tree), subjectKind{r.DefinitionName, r.PermissionName}
	found := u.below(start)
	delete(found, start)
	return &v1.DependentRelationsResponse{Relations: u.references(found), ReadAt: token(zookie)}, nil
}

func definitionAsked(tree *schema.Schema, name string) (*schema.Definition, error) {
	d, ok := tree.Definition(name)
	if !ok {
		return nil, refuse(unknownDefinition, map[string]string{"definition_name": name}, "the schema has no definition `%s`", name)
	}
	return d, nil
}

func memberAsked(d *schema.Definition, name string) (schema.Member, error) {
	member, ok := d.Member(name)
	if !ok {
		about := map[string]string{"definition_name": d.Name, "relation_or_permission_name": name}
		return nil, refuse(unknownRelation, about, "`%s` has no relation or permission `%s`", d.Name, name)
	}
	return member, nil
}

// subjectKind is a relation or permission of a definition, and its members as
// subjects; with no relation it is the objects themselves.
type subjectKind struct{ definition, relation string }

// use is what the value of a relation or permission is made of.
type use struct {
	kinds     []subjectKind
	wildcards []string // types of which every object may be a subject
	// tuplesets are the relations that arrows follow: the value depends on them, but
	// takes nobody from them.
	tuplesets []subjectKind
}

// uses has the relations and permissions of a schema, and what each is made of.
type uses struct {
	members map[subjectKind]schema.Member
	of      map[subjectKind]use
}

func newUses(tree *schema.Schema) uses {
	u := uses{make(map[subjectKind]schema.Member), make(map[subjectKind]use)}
	for _, d := range tree.Definitions {
		for _, m := range d.Members {
			u.members[subjectKind{d.Name, m.MemberName()}] = m
		}
	}
	for kind, member := range u.members {
		switch m := member.(type) {
		case *schema.Relation:
			u.of[kind] = ofRelation(m)
		case *schema.Permission:
			u.of[kind] = u.ofPermission(kind.definition, m)
		}
	}
	return u
}

func ofRelation(r *schema.Relation) (made use) {
	for _, t := range r.Types {
		if t.Wildcard {
			made.wildcards = append(made.wildcards, t.Type)
		} else {
			made.kinds = append(made.kinds, subjectKind{t.Type, t.Relation})
		}
	}
	return made
}

func (u uses) ofPermission(definition string, p *schema.Permission) (made use) {
	for leaf := range schema.Leaves(p.Expr) {
		switch e := leaf.(type) {
		case *schema.Ref:
			made.kinds = append(made.kinds, subjectKind{definition, e.Name})
		case *schema.Itself:
			made.kinds = append(made.kinds, subjectKind{definition, ""})
		case *schema.Arrow:
			tupleset := subjectKind{definition, e.Relation}
			made.tuplesets = append(made.tuplesets, tupleset)
			made.kinds = append(made.kinds, u.arrowTargets(tupleset, e.Target)...)
		}
	}
	return made
}

// arrowTargets returns what an arrow comes to, at each type that has it.
func (u uses) arrowTargets(tupleset subjectKind, target string) (targets []subjectKind) {
	r, ok := u.members[tupleset].(*schema.Relation)
	if !ok { // only in a schema that Check refuses
		return nil
	}
	for _, t := range r.Types {
		kind := subjectKind{t.Type, target}
		if u.members[kind] != nil {
			targets = append(targets, kind)
		}
	}
	return targets
}

// below returns all that a relation or permission is made of, itself included.
func (u uses) below(start subjectKind) map[subjectKind]bool {
	found := map[subjectKind]bool{start: true}
	tuplesets := make(map[subjectKind]bool)
	for queue := []subjectKind{start}; len(queue) > 0; queue = queue[1:] {
		made := u.of[queue[0]]
		for _, tupleset := range made.tuplesets {
			tuplesets[tupleset] = true
		}
		for _, kind := range made.kinds {
			if kind.relation != "" && !found[kind] {
				found[kind] = true
				queue = append(queue, kind)
			}
		}
	}
	maps.Copy(found, tuplesets)
	return found
}

// above returns all relations and permissions that subjects of a kind, or of one that
// is found, are used in.
func (u uses) above(start subjectKind) map[subjectKind]bool {
	in := make(map[subjectKind][]subjectKind)
	everybody := make(map[string][]subjectKind)
	for user, made := range u.of {
		for _, kind := range made.kinds {
			in[kind] = append(in[kind], user)
		}
		for _, definition := range made.wildcards {
			everybody[definition] = append(everybody[definition], user)
		}
	}
	found := make(map[subjectKind]bool)
	for queue := []subjectKind{start}; len(queue) > 0; queue = queue[1:] {
		for _, user := range slices.Concat(in[queue[0]], everybody[queue[0].definition]) {
			if !found[user] {
				found[user] = true
				queue = append(queue, user)
			}
		}
	}
	return found
}

// references spells relations and permissions, in the order of their names.
func (u uses) references(found map[subjectKind]bool) []*v1.ReflectionRelationReference {
	var list []*v1.ReflectionRelationReference
	for kind := range found {
		_, isPermission := u.members[kind].(*schema.Permission)
		list = append(list, &v1.ReflectionRelationReference{
			DefinitionName: kind.definition, RelationName: kind.relation, IsPermission: isPermission,
		})
	}
	slices.SortFunc(list, func(a, b *v1.ReflectionRelationReference) int {
		return cmp.Or(strings.Compare(a.DefinitionName, b.DefinitionName), strings.Compare(a.RelationName, b.RelationName))
	})
	return list
}
