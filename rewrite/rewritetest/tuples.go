package rewritetest

import (
	"bytes"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// Tuples keeps tuples in memory and is a rewrite.Reader of them. Reads may be
// concurrent with one another, not with writes. The zero value is empty.
type Tuples struct {
	forward index // from objects to subjects
	reverse index // from subjects to objects

	// Kept is what is kept of groups for a schema of revision 1; nil if there is
	// nothing. The tuples are those of revision 1 too, and do not change any more.
	Kept *tupleset.Groups
}

// Groups returns what is kept of groups, as package rewrite wants it.
func (s *Tuples) Groups(schemaRevision uint64) (kept *tupleset.Groups, revision uint64) {
	if schemaRevision != 1 {
		return nil, 0
	}
	return s.Kept, 1
}

// index lists for each half of a tuple the other halves, by their kinds.
type index map[half][]others

// half is one side of a tuple: an object with a relation, or a subject.
type half struct {
	kind tuple.Kind
	id   string
}

// others are the other halves of one kind.
type others struct {
	kind   tuple.Kind
	ids    [][]byte // ascending
	traits []tuple.Traits
}

// Add stores a tuple, and reports whether it was not there. What is there keeps
// its traits.
func (s *Tuples) Add(t tuple.Tuple) bool {
	if s.forward == nil {
		s.forward, s.reverse = make(index), make(index)
	}
	object := tuple.Kind{Type: t.Object.Type, Relation: t.Relation}
	added := s.forward.add(half{object, string(t.Object.ID)}, t.Subject.Kind(), t.Subject.ID, t.Traits)
	return added && s.reverse.add(half{t.Subject.Kind(), string(t.Subject.ID)}, object, t.Object.ID, t.Traits)
}

func (x index) add(one half, kind tuple.Kind, id []byte, traits tuple.Traits) bool {
	other := ofKind(x[one], kind)
	if other == nil {
		x[one] = append(x[one], others{kind: kind})
		other = ofKind(x[one], kind)
	}
	at, found := slices.BinarySearchFunc(other.ids, id, bytes.Compare)
	if found {
		return false
	}
	traits.Context = bytes.Clone(traits.Context)
	other.ids = slices.Insert(other.ids, at, bytes.Clone(id))
	other.traits = slices.Insert(other.traits, at, traits)
	return true
}

// ofKind returns the other halves of one kind, or nil.
func ofKind(kinds []others, kind tuple.Kind) *others {
	for i := range kinds {
		if kinds[i].kind == kind {
			return &kinds[i]
		}
	}
	return nil
}

// Find returns the traits of object#relation@subject, if it is stored.
func (s *Tuples) Find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (traits tuple.Traits, found bool, err error) {
	kind := tuple.Kind{Type: object.Type, Relation: relation}
	other := ofKind(s.forward[half{kind, string(object.ID)}], subject.Kind())
	if other == nil {
		return traits, false, nil
	}
	at, found := slices.BinarySearchFunc(other.ids, subject.ID, bytes.Compare)
	if found {
		traits = other.traits[at]
	}
	return traits, found, nil
}

// Subjects fills page as rewrite.Reader says.
func (s *Tuples) Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error {
	one := tuple.Kind{Type: object.Type, Relation: relation}
	list(ofKind(s.forward[half{one, string(object.ID)}], kind), above, limit, page)
	return nil
}

// Objects fills page as rewrite.Reader says.
func (s *Tuples) Objects(subject tuple.Subject, objectType tuple.TypeID, relation tuple.RelationID, above []byte, limit int, page *tuple.Page) error {
	kind := tuple.Kind{Type: objectType, Relation: relation}
	list(ofKind(s.reverse[half{subject.Kind(), string(subject.ID)}], kind), above, limit, page)
	return nil
}

func list(other *others, above []byte, limit int, page *tuple.Page) {
	page.Reset()
	if other == nil {
		return
	}
	from := 0
	if above != nil {
		at, found := slices.BinarySearchFunc(other.ids, above, bytes.Compare)
		if from = at; found {
			from++
		}
	}
	to := len(other.ids)
	if to-from > limit {
		to, page.More = from+limit, true
	}
	for i := from; i < to; i++ {
		page.Append(other.ids[i], other.traits[i])
	}
}
