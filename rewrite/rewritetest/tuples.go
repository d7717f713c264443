package rewritetest

import (
	"bytes"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Tuples keeps tuples in memory and is a rewrite.Reader of them. Reads may be
// concurrent with one another, not with writes. The zero value is empty.
type Tuples struct {
	sets map[tupleset][]subjects
}

type tupleset struct {
	typ      tuple.TypeID
	relation tuple.RelationID
	id       string
}

// subjects are those of one kind.
type subjects struct {
	kind tuple.Kind
	ids  [][]byte // ascending
	has  map[string]struct{}
}

// Add stores a tuple, and reports whether it was not there.
func (s *Tuples) Add(t tuple.Tuple) bool {
	key := tupleset{t.Object.Type, t.Relation, string(t.Object.ID)}
	if s.sets == nil {
		s.sets = make(map[tupleset][]subjects)
	}
	kinds := s.sets[key]
	i := slices.IndexFunc(kinds, func(k subjects) bool { return k.kind == t.Subject.Kind() })
	if i < 0 {
		i = len(kinds)
		kinds = append(kinds, subjects{kind: t.Subject.Kind(), has: make(map[string]struct{})})
		s.sets[key] = kinds
	}
	at, found := slices.BinarySearchFunc(kinds[i].ids, t.Subject.ID, bytes.Compare)
	if found {
		return false
	}
	kinds[i].ids = slices.Insert(kinds[i].ids, at, bytes.Clone(t.Subject.ID))
	kinds[i].has[string(t.Subject.ID)] = struct{}{}
	return true
}

// Contains reports whether object#relation@subject is stored.
func (s *Tuples) Contains(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (bool, error) {
	kinds := s.sets[tupleset{object.Type, relation, string(object.ID)}]
	for i := range kinds {
		if kinds[i].kind == subject.Kind() {
			_, found := kinds[i].has[string(subject.ID)]
			return found, nil
		}
	}
	return false, nil
}

// Subjects fills page as rewrite.Reader says.
func (s *Tuples) Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, after []byte, limit int, page *tuple.Page) error {
	page.Reset()
	kinds := s.sets[tupleset{object.Type, relation, string(object.ID)}]
	i := slices.IndexFunc(kinds, func(k subjects) bool { return k.kind == kind })
	if i < 0 {
		return nil
	}
	ids := kinds[i].ids
	if after != nil {
		at, found := slices.BinarySearchFunc(ids, after, bytes.Compare)
		if found {
			at++
		}
		ids = ids[at:]
	}
	if len(ids) > limit {
		ids, page.More = ids[:limit], true
	}
	for _, id := range ids {
		page.Append(id, tuple.Traits{})
	}
	return nil
}
