package validate

import (
	"slices"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// unannotated is a schema whose permissions do not say their types, which may not
// be true without some part of it.
func unannotated(s *schema.Schema) *schema.Schema {
	same := *s
	same.Definitions = make([]*schema.Definition, len(s.Definitions))
	for i, d := range s.Definitions {
		definition := *d
		definition.Members = slices.Clone(d.Members)
		for j, m := range definition.Members {
			if p, ok := m.(*schema.Permission); ok {
				permission := *p
				permission.Types = nil
				definition.Members[j] = &permission
			}
		}
		same.Definitions[i] = &definition
	}
	return &same
}

// mutated is a schema of which a permission, by its definition and place in it,
// lacks an operand.
func mutated(s *schema.Schema, d, member int, gone schema.Expr) *schema.Schema {
	same := *s
	same.Definitions = slices.Clone(s.Definitions)
	definition := *s.Definitions[d]
	definition.Members = slices.Clone(definition.Members)
	permission := *definition.Members[member].(*schema.Permission)
	if permission.Expr = remaining(permission.Expr, gone); permission.Expr == nil {
		permission.Expr = &schema.Nil{Pos: permission.Pos}
	}
	definition.Members[member] = &permission
	same.Definitions[d] = &definition
	return &same
}

// remaining is an expression without one operand; nil if there is nothing else.
func remaining(e, gone schema.Expr) schema.Expr {
	if e == gone {
		return nil
	}
	b, ok := e.(*schema.Binary)
	if !ok {
		return e
	}
	left, right := remaining(b.Left, gone), remaining(b.Right, gone)
	switch {
	case left == nil && b.Op == schema.Exclusion:
		return &schema.Nil{Pos: b.Pos} // from nothing, nothing can be taken
	case left == nil:
		return right
	case right == nil:
		return left
	}
	same := *b
	same.Left, same.Right = left, right
	return &same
}

// compile makes the world one of another schema with the same names.
func (w *without) compile(s *schema.Schema) (err error) {
	if w.program, err = schema.Compile(s, w.names); err != nil {
		return err
	}
	w.schema, w.engine = s, rewrite.New(w.program, rewrite.Limits{})
	return nil
}

// altered is a reader that lacks the tuples of one shape, or takes one caveat as
// true.
type altered struct {
	rewrite.Reader
	gone  tuple.Shape
	holds tuple.CaveatID
	page  tuple.Page
}

// traits returns what a tuple carries, if it is there.
func (a *altered) traits(shape tuple.Shape, t tuple.Traits) (_ tuple.Traits, there bool) {
	shape.Caveat, shape.Expires = t.Caveat, t.ExpiresNanos != 0
	if a.holds != 0 && t.Caveat == a.holds {
		t.Caveat, t.Context = 0, nil
	}
	return t, shape != a.gone
}

// Find looks a tuple up.
func (a *altered) Find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (tuple.Traits, bool, error) {
	t, ok, err := a.Reader.Find(object, relation, subject)
	if err != nil || !ok {
		return t, ok, err
	}
	if t, ok = a.traits(tuple.Shape{Type: object.Type, Relation: relation, Subject: subject.Kind()}, t); !ok {
		return tuple.Traits{}, false, nil
	}
	return t, true, nil
}

// Subjects lists subjects.
func (a *altered) Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error {
	shape := tuple.Shape{Type: object.Type, Relation: relation, Subject: kind}
	return a.filter(shape, above, page, func(above []byte, into *tuple.Page) error {
		return a.Reader.Subjects(object, relation, kind, above, limit, into)
	})
}

// Objects lists objects.
func (a *altered) Objects(subject tuple.Subject, objectType tuple.TypeID, relation tuple.RelationID, above []byte, limit int, page *tuple.Page) error {
	shape := tuple.Shape{Type: objectType, Relation: relation, Subject: subject.Kind()}
	return a.filter(shape, above, page, func(above []byte, into *tuple.Page) error {
		return a.Reader.Objects(subject, objectType, relation, above, limit, into)
	})
}

// filter reads pages until one keeps something.
func (a *altered) filter(shape tuple.Shape, above []byte, page *tuple.Page, read func(above []byte, into *tuple.Page) error) error {
	page.Reset()
	for {
		if err := read(above, &a.page); err != nil {
			return err
		}
		for i := range a.page.Len() {
			if t, there := a.traits(shape, a.page.Traits(i)); there {
				page.Append(a.page.ID(i), t)
			}
		}
		if page.More = a.page.More; !page.More || page.Len() > 0 {
			return nil
		}
		above = slices.Clone(a.page.ID(a.page.Len() - 1))
	}
}
