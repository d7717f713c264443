package rewritetest

import (
	"encoding/json"
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
					Caveat: t.Caveat,
				}
				if t.Expiration {
					shape.ExpiresNanos = 1
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
		if t.ExpiresNanos != 0 {
			t.ExpiresNanos += int64(rng.IntN(LastInstant))
		}
		if c, ok := w.Schema.Caveat(t.Caveat); ok {
			t.Context = Context(rng, c.Params)
		}
		if err := w.Add(t); err != nil {
			return err
		}
	}
	return nil
}

// LastInstant is the last instant at which tuples of a filled world expire; the
// first is 1.
const LastInstant = 4

// Context makes a random JSON object with values for some parameters, of the
// types int, bool and string, or nothing.
func Context(rng *rand.Rand, params []*schema.Param) string {
	values := make(map[string]any)
	for _, p := range params {
		if rng.IntN(2) == 0 {
			continue
		}
		switch p.Type.Name {
		case "int":
			values[p.Name] = rng.IntN(5)
		case "bool":
			values[p.Name] = rng.IntN(2) == 0
		case "string":
			values[p.Name] = []string{"here", "elsewhere"}[rng.IntN(2)]
		}
	}
	if len(values) == 0 {
		return ""
	}
	text, err := json.Marshal(values)
	if err != nil {
		panic(err) // it is numbers, truths and words
	}
	return string(text)
}

// ObjectID is the id of the i-th object of each type in a filled world.
func ObjectID(i int) string { return fmt.Sprintf("o%d", i) }
