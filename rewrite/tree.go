package rewrite

import "github.com/tupelodb/tupelo/store/tuple"

// TreeKind is what a node of a Tree stands for.
type TreeKind uint8

// The kinds of nodes.
const (
	// UsersetTree is object#relation: the one asked about, a computed userset,
	// the target of an arrow, or a stored userset that was opened. Its one
	// child says what it is made of; there is none if the node is cut. Without
	// a relation it is an object of an EveryArrowTree whose type lacks the target.
	// Nobody is in that, and its child is a NothingTree.
	UsersetTree TreeKind = iota
	// ThisTree is what a relation stores: Subjects, and as Children the stored
	// usersets that were opened.
	ThisTree
	// ArrowTree is a tuple to userset: a UsersetTree for each object that the
	// tupleset, Object and Relation, stores and whose type has the target.
	ArrowTree
	// UnionTree, IntersectionTree and ExclusionTree combine their children, in
	// the order of the schema's text.
	UnionTree
	IntersectionTree
	ExclusionTree
	// NothingTree is the empty set, the language's nil.
	NothingTree
	// EveryArrowTree is an ArrowTree which wants all of its children, and one at
	// least. It has one for each object that the tupleset stores.
	EveryArrowTree
	// SelfTree is the object itself, the language's self: Object.
	SelfTree
)

// Cut says what a node of a Tree leaves out.
type Cut uint8

const (
	// Whole nodes leave nothing out.
	Whole Cut = iota
	// Truncated nodes lack subjects or children: the limit on subjects, or on the
	// tree's nodes, was reached here or before.
	Truncated
	// Folded nodes are further away than the engine's depth limit.
	Folded
	// Repeated nodes are opened earlier in the tree, in preorder. This is how a
	// cycle in the data ends.
	Repeated
)

// Tree is the answer of Expand: the userset tree of the Zanzibar paper
// (section 2.4.5), whose leaves are subjects and whose inner nodes are the
// rewrite's operators.
type Tree struct {
	Kind TreeKind
	Cut  Cut
	// Object and Relation are the userset of a UsersetTree, and the stored
	// relation of a ThisTree or an arrow. Relation is 0 where the object lacks
	// the target of an arrow over all.
	Object   tuple.Object
	Relation tuple.RelationID
	// Target names an arrow's target, by the first type that has it.
	Target tuple.Kind
	// Subjects are ordered by kind and id. Conditions has the traits of their
	// tuples, one for each; it is nil if none has any.
	Subjects   []tuple.Subject
	Conditions []tuple.Traits
	Children   []*Tree
	// Condition is the traits of the tuple by which a UsersetTree stands under
	// the relation or arrow that it stands under.
	Condition tuple.Traits
}

// Truncated reports whether any node of the tree is.
func (t *Tree) Truncated() bool {
	if t.Cut == Truncated {
		return true
	}
	for _, child := range t.Children {
		if child.Truncated() {
			return true
		}
	}
	return false
}
