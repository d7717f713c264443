package authzed

import (
	"context"
	"math"
	"slices"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// What a tree may have at most: stored subjects, as the native Expand, and nodes and
// subjects when usersets that stand in several places are spelled out in each.
const (
	maxTreeSubjects = 10_000
	maxTreeSize     = 100_000
	maxTreeLevels   = 200 // of usersets within usersets, where circles lead along many ways
)

// ExpandPermissionTree returns the tree of a permission or relation, down to the
// subjects of relationships. What it cannot show in full is refused.
func (p permissions) ExpandPermissionTree(ctx context.Context, r *v1.ExpandPermissionTreeRequest) (*v1.ExpandPermissionTreeResponse, error) {
	answer, err := p.native.Expand(ctx, &tupelov1.ExpandRequest{
		Consistency: consistency(r.Consistency), Object: object(r.Resource), Relation: r.Permission,
		MaxDepth: 1, MaxSubjects: maxTreeSubjects,
	})
	if err != nil {
		return nil, err
	}
	if answer.Truncated {
		return nil, refuse(tooLarge, nil,
			"the tree has more than %d subjects; LookupSubjects and ReadRelationships give them one by one", maxTreeSubjects)
	}
	u := unfolding{
		opened: make(map[string]*tupelov1.UsersetTree), above: make(map[string]int),
		whole: make(map[string]unfolded), highest: math.MaxInt,
	}
	u.find(answer.Tree)
	tree, err := u.userset(answer.Tree)
	if err != nil {
		return nil, err
	}
	return &v1.ExpandPermissionTreeResponse{TreeRoot: tree, ExpandedAt: token(answer.Zookie)}, nil
}

// unfolding turns the nodes of a native tree into those of this protocol. A native
// tree opens each userset once; here it stands wherever it belongs, but not within
// itself: what is in a userset by way of itself is in it without.
type unfolding struct {
	size   int                              // nodes and subjects so far
	opened map[string]*tupelov1.UsersetTree // where the native tree opens a userset
	above  map[string]int                   // the usersets above, by their level
	whole  map[string]unfolded              // what can stand anywhere
	// highest is the level of the highest userset above that what was unfolded last
	// lacks, because it stands within it.
	highest int
}

// unfolded is a userset's tree, and how much there is of it.
type unfolded struct {
	tree *v1.PermissionRelationshipTree
	size int
}

// keyOf names a userset.
func keyOf(t *tupelov1.UsersetTree) string {
	return t.GetObject().GetType() + ":" + t.GetObject().GetId() + "#" + t.GetRelation()
}

// find lists where usersets are opened.
func (u *unfolding) find(t *tupelov1.UsersetTree) {
	if t.Kind == tupelov1.UsersetTree_KIND_USERSET && t.Relation != "" && len(t.Children) > 0 {
		u.opened[keyOf(t)] = t
	}
	for _, child := range t.Children {
		u.find(child)
	}
}

// userset turns a userset into a leaf, if it is a relation, or an operation. Within
// itself it is an empty leaf.
func (u *unfolding) userset(t *tupelov1.UsersetTree) (*v1.PermissionRelationshipTree, error) {
	key := keyOf(t)
	if t.Cut == tupelov1.UsersetTree_CUT_FOLDED || len(u.above) > maxTreeLevels {
		return nil, refuse(tooDeep, nil, "%s is further away than relationships are followed", key)
	}
	if level, within := u.above[key]; within {
		u.highest = min(u.highest, level)
		return u.leaf(t, nil)
	}
	if before, ok := u.whole[key]; ok {
		return before.tree, u.grow(before.size)
	}
	begin, level, besides := u.size, len(u.above), u.highest
	u.above[key], u.highest = level, math.MaxInt
	t = u.opened[key]
	made, err := u.body(t, t.Children[0])
	if err != nil {
		return nil, err
	}
	delete(u.above, key)
	if u.highest >= level {
		u.whole[key] = unfolded{made, u.size - begin}
		u.highest = math.MaxInt
	}
	u.highest = min(u.highest, besides)
	return made, nil
}

// body turns what a userset is made of. A permission is an operation, though it be a
// union of one.
func (u *unfolding) body(at, body *tupelov1.UsersetTree) (*v1.PermissionRelationshipTree, error) {
	switch body.Kind {
	case tupelov1.UsersetTree_KIND_THIS:
		return u.leaf(at, body.Subjects)
	case tupelov1.UsersetTree_KIND_UNION, tupelov1.UsersetTree_KIND_INTERSECTION, tupelov1.UsersetTree_KIND_EXCLUSION:
		return u.operand(at, body)
	}
	return u.operation(at, v1.AlgebraicSubjectSet_OPERATION_UNION, []*tupelov1.UsersetTree{body})
}

// operand turns an expression of a userset. An object that lacks the target of an
// arrow over all is an empty leaf.
func (u *unfolding) operand(at, t *tupelov1.UsersetTree) (*v1.PermissionRelationshipTree, error) {
	switch t.Kind {
	case tupelov1.UsersetTree_KIND_USERSET:
		if t.Relation != "" {
			return u.userset(t)
		}
	case tupelov1.UsersetTree_KIND_SELF:
		return u.leaf(at, []*tupelov1.Subject{{Type: t.Object.GetType(), Id: t.Object.GetId()}})
	case tupelov1.UsersetTree_KIND_UNION, tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET:
		return u.operation(at, v1.AlgebraicSubjectSet_OPERATION_UNION, t.Children)
	case tupelov1.UsersetTree_KIND_INTERSECTION, tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET_ALL:
		return u.operation(at, v1.AlgebraicSubjectSet_OPERATION_INTERSECTION, t.Children)
	case tupelov1.UsersetTree_KIND_EXCLUSION:
		return u.operation(at, v1.AlgebraicSubjectSet_OPERATION_EXCLUSION, t.Children)
	}
	return u.leaf(at, nil)
}

func (u *unfolding) operation(at *tupelov1.UsersetTree, operation v1.AlgebraicSubjectSet_Operation, operands []*tupelov1.UsersetTree) (*v1.PermissionRelationshipTree, error) {
	set := &v1.AlgebraicSubjectSet{Operation: operation, Children: make([]*v1.PermissionRelationshipTree, len(operands))}
	for i, operand := range operands {
		var err error
		if set.Children[i], err = u.operand(at, operand); err != nil {
			return nil, err
		}
	}
	return &v1.PermissionRelationshipTree{
		ExpandedObject: objectReference(at.Object), ExpandedRelation: at.Relation,
		TreeType: &v1.PermissionRelationshipTree_Intermediate{Intermediate: set},
	}, u.grow(1)
}

// leaf lists subjects: objects first, then usersets, which stay closed.
func (u *unfolding) leaf(at *tupelov1.UsersetTree, subjects []*tupelov1.Subject) (*v1.PermissionRelationshipTree, error) {
	direct := &v1.DirectSubjectSet{Subjects: make([]*v1.SubjectReference, len(subjects))}
	for i, s := range subjects {
		direct.Subjects[i] = subjectReference(s)
	}
	slices.SortStableFunc(direct.Subjects, func(a, b *v1.SubjectReference) int {
		return min(len(a.OptionalRelation), 1) - min(len(b.OptionalRelation), 1)
	})
	return &v1.PermissionRelationshipTree{
		ExpandedObject: objectReference(at.Object), ExpandedRelation: at.Relation,
		TreeType: &v1.PermissionRelationshipTree_Leaf{Leaf: direct},
	}, u.grow(1 + len(subjects))
}

// grow counts what was added to the tree.
func (u *unfolding) grow(by int) error {
	if u.size += by; u.size > maxTreeSize {
		return refuse(tooLarge, nil,
			"the tree has more than %d nodes and subjects; LookupSubjects gives its subjects one by one", maxTreeSize)
	}
	return nil
}
