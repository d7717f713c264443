package dataset

import (
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operations.
const (
	// Check asks whether Ask holds.
	Check Kind = iota
	// BatchCheck asks so for each of Batch, in one call.
	BatchCheck
	// ListObjects asks on which objects of Ask's type its subject has its relation.
	ListObjects
	// ListSubjects asks which subjects of Ask's type have its relation on its object.
	ListSubjects
	// Write adds Ask's tuple, or deletes it.
	Write
	// Watch tells Deliver of every change after Token, until its context ends.
	Watch
)

// String returns the name that results have for the kind.
func (k Kind) String() string {
	return [...]string{"check", "batch-check", "list-objects", "list-subjects", "write", "watch"}[k]
}

// Consistency says how fresh an answer must be.
type Consistency uint8

// The levels of consistency.
const (
	// MinimizeLatency leaves it to the server, by its own defaults.
	MinimizeLatency Consistency = iota
	// FullyConsistent asks for everything that was acknowledged before the call.
	FullyConsistent
	// AtLeastAsFresh asks for what Token stands for, or newer. Where servers have
	// no such tokens it asks for everything.
	AtLeastAsFresh
)

// Operation is one call of a server.
type Operation struct {
	Kind        Kind
	Consistency Consistency
	// Token is of an earlier answer, for AtLeastAsFresh.
	Token string
	// Ask is a tuple to write, or a question in the form of one: Relation may be a
	// permission, and a list leaves out the id that it asks for.
	Ask    tuple.Named
	Batch  []tuple.Named
	Delete bool // of a Write
	// Deliver is told, by a Watch, of which object ("type:id") a tuple has been
	// changed, and whether deleted.
	Deliver func(object string, deleted bool)
	// Want is the right answer.
	Want Answer
}

// Answer is what an operation was answered, or must be.
type Answer struct {
	Yes    bool   // of a Check
	Each   []bool // of a BatchCheck
	Listed Listed // of a list
	// Token stands for the revision that a Write made, where servers have tokens.
	Token string
}

// Listed is a set of ids: how many, and the sum of their hashes. Two lists that
// have the same are taken for equal, in whatever order they came.
type Listed struct {
	Count int
	Sum   uint64
}

// Add adds an id (FNV-1a).
func (l *Listed) Add(id string) {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	l.Count++
	l.Sum += h
}

// Wrong returns what is wrong with an answer, or "".
func (o *Operation) Wrong(got Answer) string {
	switch o.Kind {
	case Check:
		if got.Yes != o.Want.Yes {
			return fmt.Sprintf("%s: answered %v, is %v", o.Ask, got.Yes, o.Want.Yes)
		}
	case BatchCheck:
		if len(got.Each) != len(o.Want.Each) {
			return fmt.Sprintf("a batch of %d checks: answered %d", len(o.Want.Each), len(got.Each))
		}
		for i, yes := range got.Each {
			if yes != o.Want.Each[i] {
				return fmt.Sprintf("%s, number %d of a batch: answered %v, is %v", o.Batch[i], i, yes, !yes)
			}
		}
	case ListObjects, ListSubjects:
		if got.Listed != o.Want.Listed {
			return fmt.Sprintf("%s of %s: listed %d (sum %x), are %d (sum %x)",
				o.Kind, o.Ask, got.Listed.Count, got.Listed.Sum, o.Want.Listed.Count, o.Want.Listed.Sum)
		}
	}
	return ""
}

func check(objectType, objectID, relation, subjectType, subjectID string, yes bool) Operation {
	return Operation{Kind: Check, Want: Answer{Yes: yes}, Ask: tuple.Named{
		ObjectType: objectType, ObjectID: objectID, Relation: relation, SubjectType: subjectType, SubjectID: subjectID,
	}}
}

func listObjects(objectType, relation, subjectType, subjectID string, want Listed) Operation {
	return Operation{Kind: ListObjects, Want: Answer{Listed: want}, Ask: tuple.Named{
		ObjectType: objectType, Relation: relation, SubjectType: subjectType, SubjectID: subjectID,
	}}
}

func listSubjects(objectType, objectID, relation, subjectType string, want Listed) Operation {
	return Operation{Kind: ListSubjects, Want: Answer{Listed: want}, Ask: tuple.Named{
		ObjectType: objectType, ObjectID: objectID, Relation: relation, SubjectType: subjectType,
	}}
}
