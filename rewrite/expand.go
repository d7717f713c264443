package rewrite

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// ExpandOptions say how much of a userset Expand shows.
type ExpandOptions struct {
	// Depth is how many levels of stored usersets to show. At 1, which 0 means
	// too, they are leaves, as in the paper's effective userset; each further
	// level opens them once more. Computed usersets and arrows are part of the
	// rewrite and always followed, up to the engine's depth limit.
	Depth int
	// MaxSubjects is how many stored subjects the tree may show in all, the
	// objects that arrows follow among them; 0 means DefaultExpandSubjects.
	MaxSubjects int
}

// DefaultExpandSubjects is the default of ExpandOptions.MaxSubjects.
const DefaultExpandSubjects = 10_000

// Expand returns the tree of object#relation, named by its slot and object id.
// The tree is the same for the same program, tuples and options. The errors
// are ErrQuestion, those of the context, and the reader's.
func (e *Engine) Expand(ctx context.Context, reader Reader, slot int32, objectID []byte, options ExpandOptions) (*Tree, error) {
	switch {
	case slot < 0 || int(slot) >= len(e.program.Slots):
		return nil, fmt.Errorf("%w: the program has no slot %d", ErrQuestion, slot)
	case len(objectID) == 0:
		return nil, fmt.Errorf("%w: it has no object id", ErrQuestion)
	}
	x := &expansion{
		engine: e,
		ctx:    ctx,
		reader: reader,
		left:   options.MaxSubjects,
		opened: make(map[opened]struct{}),
	}
	if x.left <= 0 {
		x.left = DefaultExpandSubjects
	}
	return x.userset(place{slot: slot, id: bytes.Clone(objectID), levels: max(options.Depth, 1)})
}

// expansion is one call of Expand.
type expansion struct {
	engine *Engine
	ctx    context.Context // an expansion lives no longer than its call
	reader Reader
	left   int // subjects that may still be shown
	opened map[opened]struct{}
}

type opened struct {
	slot int32
	id   string
}

// place is where in the tree a userset stands.
type place struct {
	slot   int32
	id     []byte
	levels int // of stored usersets to show from here
	hops   int // objects away from the root
}

// userset opens a userset, unless it was opened before or is too far away.
func (x *expansion) userset(at place) (*Tree, error) {
	slot := &x.engine.program.Slots[at.slot]
	t := &Tree{Kind: UsersetTree, Object: x.object(slot, at), Relation: tuple.RelationID(slot.Number)}
	key := opened{at.slot, string(at.id)}
	if _, ok := x.opened[key]; ok {
		t.Cut = Repeated
		return t, nil
	}
	if at.hops > x.engine.limits.Depth {
		t.Cut = Folded
		return t, nil
	}
	x.opened[key] = struct{}{}
	made, err := x.node(slot.Root, at)
	if err != nil {
		return nil, err
	}
	t.Children = []*Tree{made}
	return t, nil
}

func (x *expansion) object(slot *schema.Slot, at place) tuple.Object {
	return tuple.Object{Type: tuple.TypeID(x.engine.program.Types[slot.Type].Number), ID: at.id}
}

func (x *expansion) node(n int32, at place) (*Tree, error) {
	node := &x.engine.program.Nodes[n]
	switch node.Op {
	case schema.This:
		return x.this(at)
	case schema.ComputedUserset:
		at.slot = node.Slot
		return x.userset(at)
	case schema.TupleToUserset:
		return x.arrow(node, at)
	case schema.UnionOf:
		return x.operands(UnionTree, node, at)
	case schema.IntersectionOf:
		return x.operands(IntersectionTree, node, at)
	case schema.ExclusionOf:
		return x.operands(ExclusionTree, node, at)
	case schema.Nothing:
		return &Tree{Kind: NothingTree}, nil
	default:
		return nil, fmt.Errorf("%w: %d", ErrProgram, node.Op)
	}
}

func (x *expansion) operands(kind TreeKind, node *schema.Node, at place) (*Tree, error) {
	t := &Tree{Kind: kind, Children: make([]*Tree, 0, len(node.Operands))}
	for _, operand := range node.Operands {
		child, err := x.node(operand, at)
		if err != nil {
			return nil, err
		}
		t.Children = append(t.Children, child)
	}
	return t, nil
}

// this lists what a relation stores, and opens its usersets if levels are left.
func (x *expansion) this(at place) (*Tree, error) {
	slot := &x.engine.program.Slots[at.slot]
	t := &Tree{Kind: ThisTree, Object: x.object(slot, at), Relation: tuple.RelationID(slot.Number)}
	for _, direct := range slot.Direct {
		kind := tuple.Kind{Type: tuple.TypeID(direct.SubjectType), Relation: tuple.RelationID(direct.SubjectRelation)}
		ids, err := x.stored(t, kind)
		if err != nil {
			return nil, err
		}
		open := direct.Slot >= 0 && at.levels > 1 && at.hops < x.engine.limits.Depth
		for _, id := range ids {
			if !open {
				t.Subjects = append(t.Subjects, tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: id})
				continue
			}
			child, err := x.userset(place{direct.Slot, id, at.levels - 1, at.hops + 1})
			if err != nil {
				return nil, err
			}
			t.Children = append(t.Children, child)
		}
	}
	return t, nil
}

// arrow opens the target at each object of the tupleset.
func (x *expansion) arrow(node *schema.Node, at place) (*Tree, error) {
	p := x.engine.program
	tupleset := &p.Slots[node.Slot]
	t := &Tree{Kind: ArrowTree, Object: x.object(tupleset, at), Relation: tuple.RelationID(tupleset.Number)}
	for i, target := range node.Arrows {
		if i == 0 {
			t.Target = usersetKind(p, &p.Slots[target.Slot])
		}
		kind := tuple.Kind{Type: tuple.TypeID(target.SubjectType), Relation: tuple.RelationID(target.SubjectRelation)}
		ids, err := x.stored(t, kind)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			child, err := x.userset(place{target.Slot, id, at.levels, at.hops + 1})
			if err != nil {
				return nil, err
			}
			t.Children = append(t.Children, child)
		}
	}
	return t, nil
}

// usersetKind is the kind of a subject that is a userset of slot s.
func usersetKind(p *schema.Program, s *schema.Slot) tuple.Kind {
	return tuple.Kind{
		Type:     tuple.TypeID(p.Types[s.Type].Number),
		Relation: tuple.RelationID(s.Number),
	}
}

// stored reads the subjects of one kind that t's relation stores at t's
// object, as many as may still be shown; t says so if there are more.
func (x *expansion) stored(t *Tree, kind tuple.Kind) ([][]byte, error) {
	var ids [][]byte
	var after []byte
	var page tuple.Page
	for page.More = true; page.More; {
		if err := x.ctx.Err(); err != nil {
			return nil, fmt.Errorf("expansion stopped: %w", err)
		}
		// One more than may be shown, to know whether there are more.
		err := x.reader.Subjects(t.Object, t.Relation, kind, after, min(pageSize, x.left+1), &page)
		if err = checkPage(&page, err); err != nil {
			return nil, fmt.Errorf("reading subjects of %q: %w", t.Object.ID, err)
		}
		for i := range page.Len() {
			if x.left == 0 {
				t.Cut = Truncated
				return ids, nil
			}
			x.left--
			ids = append(ids, bytes.Clone(page.ID(i)))
		}
		if len(ids) > 0 {
			after = ids[len(ids)-1]
		}
	}
	return ids, nil
}
