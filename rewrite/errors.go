package rewrite

import (
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/schema/caveat"
)

// Errors of this package. Those of one question are typed where there is more
// to say; errors.Is finds the sentinels below in them.
var (
	// ErrQuestion says that a question names no slot of the program, or has no
	// object id or no subject.
	ErrQuestion = errors.New("bad question")
	// ErrWildcardSubject says that a question asks for every object of a type
	// at once. Only tuples have wildcard subjects.
	ErrWildcardSubject = errors.New("a wildcard cannot be the subject of a question")
	// ErrDepthExceeded says that the answer depends on objects further away
	// than Limits.Depth. The error is a *DepthError.
	ErrDepthExceeded = errors.New("depth limit exceeded")
	// ErrTooManySubProblems says that a question took more work than Limits
	// allow. The error is a *WorkError.
	ErrTooManySubProblems = errors.New("too many sub-problems")
	// ErrAnswers says that BatchCheck was not given one answer to fill for
	// each question.
	ErrAnswers = errors.New("questions and answers differ in number")
	// ErrCondition says that the answer depends on a tuple of which it cannot be
	// known whether it counts: its caveat fails, or it expires and the question
	// has no instant. Where the caveat fails, the error is a *CaveatError.
	ErrCondition = errors.New("a condition has no value")
	// ErrProgram says that a program holds an operator which this package does
	// not know, or lacks a caveat.
	ErrProgram = errors.New("the program does not fit")
	// ErrReader says that a Reader broke its contract.
	ErrReader = errors.New("broken reader")
)

// DepthError says where a question met the depth limit.
type DepthError struct {
	// Limit is the number of object hops allowed.
	Limit int
	// Type, ObjectID and Relation name the first userset out of reach on which
	// the answer depends.
	Type, ObjectID, Relation string
}

// Error says the limit and the userset beyond it.
func (e *DepthError) Error() string {
	return fmt.Sprintf("%v: the answer depends on %s:%s#%s, more than %d objects away from the question",
		ErrDepthExceeded, e.Type, e.ObjectID, e.Relation, e.Limit)
}

// Unwrap returns ErrDepthExceeded.
func (e *DepthError) Unwrap() error { return ErrDepthExceeded }

// errNoInstant says why a question about a tuple that expires has no answer.
var errNoInstant = fmt.Errorf("%w: a tuple expires, and the question says no instant", ErrCondition)

// CaveatError says which caveat failed, and why: the context does not fit, or
// the expression has no value or takes too long. Err is the caveat package's.
type CaveatError struct {
	Caveat string
	Err    error
}

// Error says the caveat and why it failed.
func (e *CaveatError) Error() string {
	return fmt.Sprintf("%v: caveat %s: %v", ErrCondition, e.Caveat, e.Err)
}

// Parameter names the parameter that the context has a value of another type for,
// or is empty where that is not why the caveat failed.
func (e *CaveatError) Parameter() string {
	if misfit := (*caveat.ContextError)(nil); errors.As(e.Err, &misfit) {
		return misfit.Parameter
	}
	return ""
}

// Unwrap returns ErrCondition and the cause.
func (e *CaveatError) Unwrap() []error { return []error{ErrCondition, e.Err} }

// WorkError says which limit on work a question met.
type WorkError struct {
	// Unit is what was counted: "sub-problems", "steps", or for a list "ways
	// through the schema", whose limit is fixed.
	Unit string
	// Limit is how many were allowed.
	Limit int
}

// Error says the limit.
func (e *WorkError) Error() string {
	return fmt.Sprintf("%v: the question takes more than %d %s", ErrTooManySubProblems, e.Limit, e.Unit)
}

// Unwrap returns ErrTooManySubProblems.
func (e *WorkError) Unwrap() error { return ErrTooManySubProblems }
