package rewrite

import (
	"fmt"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Reader is one consistent revision of the tuples. A Reader serves one call at
// a time; it need not be safe for concurrent use. It must not keep the slices
// it is given.
//
// Subjects and Objects reset the page and fill it with ids, ascending, those
// above `above` (nil: from the start), at most limit, and the traits of their
// tuples. page.More says whether there may be more; it is never set on an empty
// page.
type Reader interface {
	// Find returns the traits of object#relation@subject, if it is stored. They
	// are valid until the next read.
	Find(object tuple.Object, relation tuple.RelationID, subject tuple.Subject) (traits tuple.Traits, found bool, err error)
	// Subjects lists the stored subjects of one kind of object#relation.
	Subjects(object tuple.Object, relation tuple.RelationID, kind tuple.Kind, above []byte, limit int, page *tuple.Page) error
	// Objects lists the objects of one type to which a subject has a stored
	// relation.
	Objects(subject tuple.Subject, objectType tuple.TypeID, relation tuple.RelationID, above []byte, limit int, page *tuple.Page) error
}

// Question asks whether a subject is in object#relation.
type Question struct {
	// Slot is the relation or permission, as an index in the program's Slots;
	// it says the type of the object too.
	Slot int32
	// ObjectID is the id of the object.
	ObjectID []byte
	// Subject is an object or a userset; a wildcard is refused.
	Subject tuple.Subject
	Given
}

// validate refuses what cannot be asked of the program.
func (q *Question) validate(p *schema.Program) error {
	switch {
	case q.Slot < 0 || int(q.Slot) >= len(p.Slots):
		return fmt.Errorf("%w: the program has no slot %d", ErrQuestion, q.Slot)
	case len(q.ObjectID) == 0:
		return fmt.Errorf("%w: it has no object id", ErrQuestion)
	case q.Subject.Type == 0 || len(q.Subject.ID) == 0:
		return fmt.Errorf("%w: it has no subject", ErrQuestion)
	case q.Subject.Relation == tuple.Wildcard,
		q.Subject.Relation == tuple.Self && string(q.Subject.ID) == tuple.WildcardID:
		return ErrWildcardSubject
	}
	return nil
}

// Verdict is the three-valued answer to a question. The zero value is No, so
// that an answer nobody filled in grants nothing.
type Verdict uint8

// The verdicts, in the order of what they grant.
const (
	// No says that the subject is not in the userset.
	No Verdict = iota
	// Conditional says that the subject is in the userset if a condition holds
	// which the request did not bring enough context to decide.
	Conditional
	// Yes says that the subject is in the userset.
	Yes
)

// String returns the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case No:
		return "no"
	case Conditional:
		return "conditional"
	case Yes:
		return "yes"
	default:
		return fmt.Sprintf("Verdict(%d)", uint8(v))
	}
}

// Result is the answer to a question, with what it took.
type Result struct {
	Verdict Verdict
	// Missing are the fields of the context that a conditional verdict depends
	// on, sorted. A field that is named need not be enough, and values of some
	// may make others unnecessary.
	Missing []string
	Cost    Cost
}

// Cost counts the work of one answer. In a batch, each item pays for the
// sub-problems that no item before it has paid for.
type Cost struct {
	// SubProblems is the number of distinct (slot, object) pairs met.
	SubProblems int
	// Steps is how often a sub-problem was asked for, answers from the memo
	// among them, and the work of the exact path in the same unit.
	Steps int
	// Reads is the number of calls of the Reader.
	Reads int
	// Caveats is the number of caveats evaluated.
	Caveats int
	// Exact says that the search could not decide and the exact path answered.
	Exact bool
}

// Answer is the answer to one question of a batch.
type Answer struct {
	Result
	// Err says why there is no answer; Verdict is No then, and means nothing.
	Err error
}
