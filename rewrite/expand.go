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
	// NowNanos is the instant of the tree: what is expired then is left out. 0
	// shows all, with the instants of their expiration.
	NowNanos int64
}

// DefaultExpandSubjects is the default of ExpandOptions.MaxSubjects.
const DefaultExpandSubjects = 10_000

// maxTreeNodes is how many nodes a tree has when no more usersets are opened: few
// subjects can stand under many computed usersets. It bounds memory, to about
// 200 bytes for each.
const maxTreeNodes = 1 << 18

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
		now:    options.NowNanos,
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
	nodes  int // so far
	now    int64
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
	levels int          // of stored usersets to show from here
	hops   int          // objects away from the root
	traits tuple.Traits // of the tuple that led here
}

// userset opens a userset, unless it was opened before or is too far away.
func (x *expansion) userset(at place) (*Tree, error) {
	slot := &x.engine.program.Slots[at.slot]
	t := &Tree{Kind: UsersetTree, Object: x.object(slot, at), Relation: tuple.RelationID(slot.Number), Condition: at.traits}
	at.traits = tuple.Traits{}
	key := opened{at.slot, string(at.id)}
	if _, ok := x.opened[key]; ok {
		t.Cut = Repeated
		return t, nil
	}
	if at.hops > x.engine.limits.Depth {
		t.Cut = Folded
		return t, nil
	}
	if x.nodes >= maxTreeNodes {
		t.Cut = Truncated
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
	x.nodes++
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
	case schema.Self:
		return &Tree{Kind: SelfTree, Object: x.object(&x.engine.program.Slots[at.slot], at)}, nil
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
		found, err := x.stored(t, kind)
		if err != nil {
			return nil, err
		}
		open := direct.Slot >= 0 && at.levels > 1 && at.hops < x.engine.limits.Depth
		for _, s := range found {
			if !open {
				t.show(tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: s.id}, s.traits)
				continue
			}
			child, err := x.userset(place{direct.Slot, s.id, at.levels - 1, at.hops + 1, s.traits})
			if err != nil {
				return nil, err
			}
			t.Children = append(t.Children, child)
		}
	}
	return t, nil
}

// show adds a subject to a node.
func (t *Tree) show(s tuple.Subject, traits tuple.Traits) {
	t.Subjects = append(t.Subjects, s)
	if t.Conditions == nil && traits.None() {
		return
	}
	for len(t.Conditions) < len(t.Subjects) {
		t.Conditions = append(t.Conditions, tuple.Traits{})
	}
	t.Conditions[len(t.Subjects)-1] = traits
}

// arrow opens the target at each object of the tupleset. An arrow over all shows
// also the objects whose type lacks it, of which nobody is in it.
func (x *expansion) arrow(node *schema.Node, at place) (*Tree, error) {
	p := x.engine.program
	tupleset := &p.Slots[node.Slot]
	t := &Tree{Kind: arrowKinds[node.All], Object: x.object(tupleset, at), Relation: tuple.RelationID(tupleset.Number)}
	if len(node.Arrows) > 0 {
		t.Target = usersetKind(p, &p.Slots[node.Arrows[0].Slot])
	}
	targets := node.Arrows // of the kinds from here on
	for i := range tupleset.Direct {
		kind, slot := directKind(&tupleset.Direct[i]), int32(noTarget)
		if len(targets) > 0 && kind == arrowKind(&targets[0]) {
			slot, targets = targets[0].Slot, targets[1:]
		}
		if slot == noTarget && !node.All {
			continue
		}
		found, err := x.stored(t, kind)
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			child, err := x.target(kind.Type, place{slot, s.id, at.levels, at.hops + 1, s.traits})
			if err != nil {
				return nil, err
			}
			t.Children = append(t.Children, child)
		}
	}
	return t, nil
}

func arrowKind(a *schema.ArrowTarget) tuple.Kind {
	return tuple.Kind{Type: tuple.TypeID(a.SubjectType), Relation: tuple.RelationID(a.SubjectRelation)}
}

// target opens the target of an arrow at an object. Where its type has none there
// is nothing to follow, so that no depth limit folds it.
func (x *expansion) target(of tuple.TypeID, at place) (*Tree, error) {
	if at.slot != noTarget {
		return x.userset(at)
	}
	t := &Tree{Kind: UsersetTree, Object: tuple.Object{Type: of, ID: at.id}, Condition: at.traits}
	if x.nodes >= maxTreeNodes {
		t.Cut = Truncated
		return t, nil
	}
	x.nodes++
	t.Children = []*Tree{{Kind: NothingTree}}
	return t, nil
}

var arrowKinds = map[bool]TreeKind{false: ArrowTree, true: EveryArrowTree}

// usersetKind is the kind of a subject that is a userset of slot s.
func usersetKind(p *schema.Program, s *schema.Slot) tuple.Kind {
	return tuple.Kind{
		Type:     tuple.TypeID(p.Types[s.Type].Number),
		Relation: tuple.RelationID(s.Number),
	}
}

// stored reads the subjects of one kind that t's relation stores at t's
// object, as many as may still be shown; t says so if there are more.
func (x *expansion) stored(t *Tree, kind tuple.Kind) (found []storedSubject, err error) {
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
			traits := page.Traits(i)
			if x.now != 0 && traits.ExpiresNanos != 0 && traits.ExpiresNanos <= x.now {
				continue
			}
			if x.left == 0 {
				t.Cut = Truncated
				return found, nil
			}
			x.left--
			traits.Context = bytes.Clone(traits.Context)
			found = append(found, storedSubject{bytes.Clone(page.ID(i)), traits})
		}
		if page.Len() > 0 {
			after = bytes.Clone(page.ID(page.Len() - 1))
		}
	}
	return found, nil
}

// storedSubject is a subject of a tuple, by its id.
type storedSubject struct {
	id     []byte
	traits tuple.Traits
}
