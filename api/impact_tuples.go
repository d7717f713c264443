package api

import (
	"bytes"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// shapes returns what a model's relations take.
func (m *model) shapes() map[tuple.Shape]bool {
	shapes := make(map[tuple.Shape]bool)
	for _, slot := range m.program.Slots {
		for _, d := range slot.Direct {
			shape := tuple.Shape{
				Type:     tuple.TypeID(m.program.Types[slot.Type].Number),
				Relation: tuple.RelationID(slot.Number),
				Subject:  tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)},
			}
			for _, traits := range d.Traits {
				shape.Caveat, shape.Expires = tuple.CaveatID(traits.Caveat), traits.Expiration
				shapes[shape] = true
			}
		}
	}
	return shapes
}

// allowedTuples is a rewrite.Reader that shows those tuples of another one that
// have certain shapes. An evaluator does not look for kinds of subject that its
// schema does not take, but it may take for granted what a tuple carries.
type allowedTuples struct {
	from   rewrite.Reader
	shapes map[tuple.Shape]bool
	page   tuple.Page // of from
}

// Find looks up one tuple.
func (a *allowedTuples) Find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (tuple.Traits, bool, error) {
	traits, found, err := a.from.Find(object, relation, subject)
	if !found || err != nil || !a.allows(tuple.Shape{Type: object.Type, Relation: relation, Subject: subject.Kind()}, traits) {
		return tuple.Traits{}, false, err
	}
	return traits, true, nil
}

// Subjects lists the subjects of one kind of object#relation.
func (a *allowedTuples) Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error {
	bare := tuple.Shape{Type: object.Type, Relation: relation, Subject: kind}
	return a.list(bare, above, limit, page, func(above []byte, limit int) error {
		return a.from.Subjects(object, relation, kind, above, limit, &a.page)
	})
}

// Objects lists the objects of one type to which a subject has a relation.
func (a *allowedTuples) Objects(subject tuple.Subject, objectType tuple.TypeID, relation tuple.RelationID, above []byte, limit int, page *tuple.Page) error {
	bare := tuple.Shape{Type: objectType, Relation: relation, Subject: subject.Kind()}
	return a.list(bare, above, limit, page, func(above []byte, limit int) error {
		return a.from.Objects(subject, objectType, relation, above, limit, &a.page)
	})
}

// list fills a page from as many pages of a.from, which read puts into a.page, as
// it takes.
func (a *allowedTuples) list(bare tuple.Shape, above []byte, limit int, page *tuple.Page, read func(above []byte, limit int) error) error {
	page.Reset()
	for {
		if err := read(above, limit-page.Len()); err != nil {
			return err
		}
		n := a.page.Len()
		for i := range n {
			if traits := a.page.Traits(i); a.allows(bare, traits) {
				page.Append(a.page.ID(i), traits)
			}
		}
		if !a.page.More {
			return nil
		}
		if page.Len() >= limit {
			page.More = true
			return nil
		}
		above = bytes.Clone(a.page.ID(n - 1))
	}
}

func (a *allowedTuples) allows(shape tuple.Shape, traits tuple.Traits) bool {
	shape.Caveat, shape.Expires = traits.Caveat, traits.ExpiresNanos != 0
	return a.shapes[shape]
}
