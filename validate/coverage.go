package validate

import (
	"context"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Coverage says which parts of a schema fixtures cover.
type Coverage struct {
	// Schema is the schema's text in the canonical layout. Coverages of one schema
	// can be joined.
	Schema string
	// Parts are in the order of the text.
	Parts []Part
}

// PartKind is what a part of a schema is.
type PartKind string

// The kinds of parts.
const (
	RelationPart PartKind = "relation" // one type of subject of a relation
	OperandPart  PartKind = "operand"  // one operand of a permission
	CaveatPart   PartKind = "caveat"
)

// Part is a part of a schema that can be covered.
type Part struct {
	Kind PartKind
	// Owner is the relation or permission, type#name, or the caveat's name. Text is
	// the type of subject or the operand as the schema has it; a caveat has none.
	Owner, Text string
	// File and Pos are where it stands; the line is 0 if that is not known.
	File    string
	Pos     schema.Position
	Covered bool
}

// String names the part.
func (p *Part) String() string {
	if p.Kind == CaveatPart {
		return "caveat " + p.Owner
	}
	return p.Owner + ": " + p.Text
}

// Covered counts the parts that are.
func (c *Coverage) Covered() (n int) {
	for i := range c.Parts {
		if c.Parts[i].Covered {
			n++
		}
	}
	return n
}

// Percent is how many of 100 parts are covered; all are if there is none.
func (c *Coverage) Percent() float64 {
	if len(c.Parts) == 0 {
		return 100
	}
	return 100 * float64(c.Covered()) / float64(len(c.Parts))
}

// Join adds what another fixture of the same schema covers.
func (c *Coverage) Join(o *Coverage) {
	for i := range c.Parts {
		c.Parts[i].Covered = c.Parts[i].Covered || o.Parts[i].Covered
	}
}

// without is the world as it would be without one part of the schema.
type without struct {
	world
	reader rewrite.Reader
	// slot is the relation or permission that has the part; -1 if any may.
	slot int32
}

// coverage finds out which parts something in the fixture notices.
func (r *runner) coverage(ctx context.Context) (*Coverage, error) {
	b, err := r.baseline(ctx)
	if err != nil {
		return nil, err
	}
	c := &Coverage{Schema: schema.Format(r.schema)}
	add := func(p Part, pos schema.Position, w without) error {
		p.File, p.Pos = r.fixture.Place(pos)
		p.Covered, err = b.notices(ctx, &w)
		c.Parts = append(c.Parts, p)
		return err
	}
	for _, m := range r.schema.Caveats {
		id, _ := r.names.Caveat(m.Name)
		w := without{*r.world, &altered{Reader: r.snapshot, holds: id}, -1}
		if err := add(Part{Kind: CaveatPart, Owner: m.Name}, m.Pos, w); err != nil {
			return nil, err
		}
	}
	plain := unannotated(r.schema)
	for d, definition := range plain.Definitions {
		if err := r.definitionParts(plain, d, definition, add); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// definitionParts adds the parts of a definition.
func (r *runner) definitionParts(s *schema.Schema, d int, definition *schema.Definition, add func(Part, schema.Position, without) error) error {
	index, _ := r.program.TypeByName(definition.Name)
	for i, member := range definition.Members {
		slot, _ := r.program.Slot(index, member.MemberName())
		owner := definition.Name + "#" + member.MemberName()
		switch m := member.(type) {
		case *schema.Relation:
			for _, t := range m.Types {
				w := without{*r.world, &altered{Reader: r.snapshot, gone: r.shape(slot, t)}, slot}
				if err := add(Part{Kind: RelationPart, Owner: owner, Text: t.String()}, t.Pos, w); err != nil {
					return err
				}
			}
		case *schema.Permission:
			for leaf := range schema.Leaves(m.Expr) {
				text := leafText(leaf)
				if text == "" {
					continue
				}
				w := without{*r.world, r.snapshot, slot}
				if err := w.compile(mutated(s, d, i, leaf)); err != nil {
					return fmt.Errorf("the schema without %s of %s: %w", text, owner, err)
				}
				if err := add(Part{Kind: OperandPart, Owner: owner, Text: text}, leaf.ExprPos(), w); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// shape is that of the tuples which a relation takes by one of its types.
func (r *runner) shape(slot int32, t *schema.TypeRef) tuple.Shape {
	s := r.program.Slots[slot]
	shape := tuple.Shape{
		Type:     tuple.TypeID(r.program.Types[s.Type].Number),
		Relation: tuple.RelationID(s.Number),
		Expires:  t.Expiration,
	}
	id := ""
	if t.Wildcard {
		id = tuple.WildcardID
	}
	subject, _ := r.names.Subject(t.Type, id, t.Relation)
	shape.Subject = subject.Kind()
	shape.Caveat, _ = r.names.Caveat(t.Caveat)
	return shape
}

func leafText(e schema.Expr) string {
	switch e := e.(type) {
	case *schema.Ref:
		return e.Name
	case *schema.Arrow:
		return e.String()
	case *schema.Itself:
		return "self"
	default:
		return ""
	}
}

// baseline is what a fixture says as long as the schema is whole.
type baseline struct {
	*runner
	answers []answer
	lists   []found
	leads   map[int32]map[int32]bool // from slots to those that their answers may depend on
}

// answer is what may change of an answer.
type answer struct {
	verdict rewrite.Verdict
	failed  bool
}

func (r *runner) baseline(ctx context.Context) (*baseline, error) {
	b := &baseline{runner: r, leads: make(map[int32]map[int32]bool)}
	whole := &without{world: *r.world, reader: r.snapshot}
	for i := range r.questions {
		a, err := b.answer(ctx, whole, i)
		if err != nil {
			return nil, err
		}
		b.answers = append(b.answers, a)
	}
	for i := range r.slots {
		set, _, err := b.listed(ctx, whole, i)
		if err != nil {
			return nil, err
		}
		b.lists = append(b.lists, set)
	}
	return b, nil
}

// answer asks an assertion in a world without something.
func (b *baseline) answer(ctx context.Context, w *without, i int) (answer, error) {
	result, err := w.engine.Check(ctx, w.reader, b.questions[i])
	return answer{result.Verdict, err != nil}, ctx.Err()
}

// listed finds an expected list in a world without something; it is not ok if
// there is none.
func (b *baseline) listed(ctx context.Context, w *without, i int) (set found, ok bool, err error) {
	set, err = w.members(ctx, w.reader, b.slots[i], []byte(b.fixture.Expected[i].ObjectID), b.nowNanos)
	return set, err == nil, ctx.Err()
}

// notices reports whether an answer or a list is another one in a world without
// something. Those that cannot depend on it are not asked.
func (b *baseline) notices(ctx context.Context, w *without) (bool, error) {
	for i := range b.questions {
		if !b.depends(b.questions[i].Slot, w.slot) {
			continue
		}
		if a, err := b.answer(ctx, w, i); err != nil || a != b.answers[i] {
			return err == nil, err
		}
	}
	for i := range b.slots {
		if !b.depends(b.slots[i], w.slot) {
			continue
		}
		set, ok, err := b.listed(ctx, w, i)
		if err != nil || !ok || !set.equal(b.lists[i]) {
			return err == nil, err
		}
	}
	return false, nil
}

// depends reports whether answers of a slot may depend on another.
func (b *baseline) depends(slot, on int32) bool {
	if on < 0 {
		return true
	}
	if b.leads[slot] == nil {
		b.leads[slot] = make(map[int32]bool)
		b.follow(slot, b.leads[slot])
	}
	return b.leads[slot][on]
}

func (b *baseline) follow(slot int32, seen map[int32]bool) {
	if slot < 0 || seen[slot] {
		return
	}
	seen[slot] = true
	for nodes := []int32{b.program.Slots[slot].Root}; len(nodes) > 0; {
		node := &b.program.Nodes[nodes[0]]
		nodes = append(slices.Clone(nodes[1:]), node.Operands...)
		switch node.Op {
		case schema.This:
			for _, d := range b.program.Slots[slot].Direct {
				b.follow(d.Slot, seen)
			}
		case schema.ComputedUserset:
			b.follow(node.Slot, seen)
		case schema.TupleToUserset:
			b.follow(node.Slot, seen)
			for _, a := range node.Arrows {
				b.follow(a.Slot, seen)
			}
		}
	}
}
