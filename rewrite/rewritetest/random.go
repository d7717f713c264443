package rewritetest

import (
	"fmt"
	"math/rand/v2"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Fill adds up to n random tuples over the given number of objects of each
// type. They are dense on purpose: with few objects there are cycles, self
// loops, wildcards and usersets over permissions wherever the schema allows them.
func (w *World) Fill(rng *rand.Rand, objects, n int) error {
	var relations []tuple.Named // with the subject's id left open
	for _, d := range w.Schema.Definitions {
		for _, m := range d.Members {
			r, ok := m.(*schema.Relation)
			if !ok {
				continue
			}
			for _, t := range r.Types {
				shape := tuple.Named{
					ObjectType: d.Name, Relation: r.Name,
					SubjectType: t.Type, SubjectRelation: t.Relation,
				}
				if t.Wildcard {
					shape.SubjectID = tuple.WildcardID
				}
				relations = append(relations, shape)
			}
		}
	}
	for range n {
		if len(relations) == 0 {
			break
		}
		t := relations[rng.IntN(len(relations))]
		t.ObjectID = ObjectID(rng.IntN(objects))
		if t.SubjectID == "" {
			t.SubjectID = ObjectID(rng.IntN(objects))
		}
		if err := w.Add(t); err != nil {
			return err
		}
	}
	return nil
}

// ObjectID is the id of the i-th object of each type in a filled world.
func ObjectID(i int) string { return fmt.Sprintf("o%d", i) }
