package api

import (
	"context"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// What one Expand may ask for; tupelo.proto names the numbers.
const (
	maxExpandDepth        = 50
	maxExpandSubjects     = 10000
	defaultExpandSubjects = 1000
)

// Expand returns the userset tree of a relation or permission on an object.
func (s *Server) Expand(ctx context.Context, r *tupelov1.ExpandRequest) (*tupelov1.ExpandResponse, error) {
	options, err := validateExpand(r)
	if err != nil {
		return nil, err
	}
	v, err := s.open(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	defer v.close()
	slot, err := v.model.slotNamed("object.type", r.Object.Type, r.Relation)
	if err != nil {
		return nil, err
	}
	options.NowNanos = s.now().UnixNano()
	tree, err := v.model.engine.Expand(ctx, v.snapshot, slot, readOnlyBytes(r.Object.Id), options)
	if err != nil {
		return nil, err
	}
	message, err := treeMessage(v.snapshot.Names(), tree)
	if err != nil {
		return nil, err
	}
	return &tupelov1.ExpandResponse{Tree: message, Zookie: v.zookie, Truncated: tree.Truncated()}, nil
}

func validateExpand(r *tupelov1.ExpandRequest) (options rewrite.ExpandOptions, err error) {
	if err := validateObject(r.Object); err != nil {
		return options, within("object", err)
	}
	if err := validateName("relation", r.Relation, false); err != nil {
		return options, err
	}
	if options.Depth, err = boundedLimit("max_depth", r.MaxDepth, 1, maxExpandDepth); err != nil {
		return options, err
	}
	options.MaxSubjects, err = boundedLimit("max_subjects", r.MaxSubjects, defaultExpandSubjects, maxExpandSubjects)
	return options, err
}

var treeKinds = map[rewrite.TreeKind]tupelov1.UsersetTree_Kind{
	rewrite.UsersetTree:      tupelov1.UsersetTree_KIND_USERSET,
	rewrite.ThisTree:         tupelov1.UsersetTree_KIND_THIS,
	rewrite.ArrowTree:        tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET,
	rewrite.UnionTree:        tupelov1.UsersetTree_KIND_UNION,
	rewrite.IntersectionTree: tupelov1.UsersetTree_KIND_INTERSECTION,
	rewrite.ExclusionTree:    tupelov1.UsersetTree_KIND_EXCLUSION,
	rewrite.NothingTree:      tupelov1.UsersetTree_KIND_NIL,
	rewrite.EveryArrowTree:   tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET_ALL,
	rewrite.SelfTree:         tupelov1.UsersetTree_KIND_SELF,
}

var treeCuts = map[rewrite.Cut]tupelov1.UsersetTree_Cut{
	rewrite.Whole:     tupelov1.UsersetTree_CUT_UNSPECIFIED,
	rewrite.Truncated: tupelov1.UsersetTree_CUT_TRUNCATED,
	rewrite.Folded:    tupelov1.UsersetTree_CUT_FOLDED,
	rewrite.Repeated:  tupelov1.UsersetTree_CUT_REPEATED,
}

// treeMessage spells a tree with names.
func treeMessage(names *tuple.Names, t *rewrite.Tree) (*tupelov1.UsersetTree, error) {
	message := &tupelov1.UsersetTree{Kind: treeKinds[t.Kind], Cut: treeCuts[t.Cut]}
	switch t.Kind {
	case rewrite.UsersetTree, rewrite.ThisTree, rewrite.ArrowTree, rewrite.EveryArrowTree, rewrite.SelfTree:
		message.Object = &tupelov1.Object{Type: names.TypeName(t.Object.Type), Id: string(t.Object.ID)}
		message.Relation = names.RelationName(t.Object.Type, t.Relation)
		message.Target = names.RelationName(t.Target.Type, t.Target.Relation)
	}
	for _, subject := range t.Subjects {
		message.Subjects = append(message.Subjects, &tupelov1.Subject{
			Type:     names.TypeName(subject.Type),
			Id:       string(subject.ID),
			Relation: names.RelationName(subject.Type, subject.Relation),
		})
	}
	if err := putConditions(names, t, message); err != nil {
		return nil, err
	}
	for _, child := range t.Children {
		m, err := treeMessage(names, child)
		if err != nil {
			return nil, err
		}
		message.Children = append(message.Children, m)
	}
	return message, nil
}

// putConditions puts what the tuples of a node carry into its message.
func putConditions(names *tuple.Names, t *rewrite.Tree, message *tupelov1.UsersetTree) (err error) {
	if !t.Condition.None() {
		if message.Condition, err = conditionMessage(names, t.Condition); err != nil {
			return err
		}
	}
	if t.Conditions == nil {
		return nil
	}
	message.Conditions = make([]*tupelov1.Condition, len(t.Subjects))
	for i := range t.Subjects {
		if message.Conditions[i], err = conditionMessage(names, t.Conditions[i]); err != nil {
			return err
		}
	}
	return nil
}

func conditionMessage(names *tuple.Names, t tuple.Traits) (*tupelov1.Condition, error) {
	caveat, expires, err := traitsMessages(names.CaveatName(t.Caveat), string(t.Context), t.ExpiresNanos)
	return &tupelov1.Condition{Caveat: caveat, ExpiresAt: expires}, err
}
