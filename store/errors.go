package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	// ErrNoSchema says that no schema was written at or before the revision.
	ErrNoSchema = errors.New("no schema has been written")
	// ErrBadCursor says that a cursor is not one that this filter's Read gave.
	ErrBadCursor = errors.New("the cursor does not belong to this filter")
	// ErrBadCommand says that a command in the log cannot be decoded, or names
	// what cannot exist; it changes nothing.
	ErrBadCommand = errors.New("malformed command")
	// ErrCommandVersion says that the log holds a command of a form that this
	// build does not know. A replica must stop there, not skip it.
	ErrCommandVersion = errors.New("unknown command version")
	// ErrFormat says that the database is, or is to become, of a format that
	// this build does not know.
	ErrFormat = errors.New("unknown database format")
	// ErrCounterExists says that the name of a counter is taken.
	ErrCounterExists = errors.New("a counter of that name is registered")
	// ErrCounterUnknown says that no counter is registered under a name.
	ErrCounterUnknown = errors.New("no counter of that name is registered")
	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the store is closed")
	// ErrNotEmpty says that a store cannot be filled by a bulk load.
	ErrNotEmpty = errors.New("the store has, or has had, tuples")

	errBulkCount      = errors.New("a bulk load counts differently in than out; nothing of it was taken in")
	errBulkSize       = errors.New("a tuple is too large for a bulk load")
	errDamagedRun     = errors.New("reading sorted tuples: a block is damaged")
	errSearchedEnough = errors.New("the search takes too long")
)

// HorizonError says that a revision is below the horizon: its versions may
// have been removed.
type HorizonError struct {
	Revision, Horizon uint64
}

func (e *HorizonError) Error() string {
	return fmt.Sprintf("revision %d is below the garbage collection horizon, revision %d", e.Revision, e.Horizon)
}

// NotAppliedError says that a revision has not been applied here yet.
type NotAppliedError struct {
	Revision, Applied uint64
}

func (e *NotAppliedError) Error() string {
	return fmt.Sprintf("revision %d has not been applied yet; the newest is %d", e.Revision, e.Applied)
}

// FormatError fails a command of a form that the active format does not have.
type FormatError struct {
	Needed, Active uint64
}

func (e *FormatError) Error() string {
	return fmt.Sprintf("the command needs format %d; the active one is %d", e.Needed, e.Active)
}

// KeyReusedError fails a command whose idempotency key was used for another one.
type KeyReusedError struct {
	Revision uint64 // of the other command
}

func (e *KeyReusedError) Error() string {
	return fmt.Sprintf("the idempotency key was used for another command, revision %d", e.Revision)
}

// TupleExistsError fails a Write whose Create met a live tuple.
type TupleExistsError struct {
	Index int // of the update
	Tuple tuple.Tuple
}

func (e *TupleExistsError) Error() string {
	return fmt.Sprintf("update %d creates a tuple that exists", e.Index)
}

// DuplicateUpdateError fails a Write that names a tuple twice.
type DuplicateUpdateError struct {
	Index int // of the second update
	Tuple tuple.Tuple
}

func (e *DuplicateUpdateError) Error() string {
	return fmt.Sprintf("update %d names a tuple that an earlier update names", e.Index)
}

// NotAllowedError fails a Write whose tuple the schema, as it is when the
// command is applied, does not allow.
type NotAllowedError struct {
	Index int // of the update
	Tuple tuple.Tuple
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("update %d writes a tuple that the schema does not allow", e.Index)
}

// PreconditionError fails a command whose precondition does not hold.
type PreconditionError struct {
	Index        int // of the precondition
	Precondition Precondition
}

func (e *PreconditionError) Error() string {
	if e.Precondition.MustMatch {
		return fmt.Sprintf("precondition %d: no tuple matches", e.Index)
	}
	return fmt.Sprintf("precondition %d: a tuple matches", e.Index)
}

// SearchError fails a command whose preconditions take too long a search.
type SearchError struct {
	Index int // of the precondition at which it became too long
	Limit int
}

func (e *SearchError) Error() string {
	return fmt.Sprintf("precondition %d: telling takes more than %d steps", e.Index, e.Limit)
}

// TooManyError fails a DeleteByFilter that selects more than its limit.
type TooManyError struct {
	Limit int
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("the filter selects more than %d tuples", e.Limit)
}

// Stranded is a shape that holds tuples and that a new schema does not allow.
type Stranded struct {
	Shape tuple.Shape
	Count uint64
	// Text spells the shape: repository#maintainer@team#member.
	Text string
}

// StrandedError fails a WriteSchema that would strand stored tuples.
type StrandedError struct {
	Stranded []Stranded
}

func (e *StrandedError) Error() string {
	parts := make([]string, len(e.Stranded))
	for i, s := range e.Stranded {
		parts[i] = fmt.Sprintf("%d of %s", s.Count, s.Text)
	}
	return "the schema would strand stored tuples: " + strings.Join(parts, ", ")
}

// ContradictionError says that a bulk load has a tuple twice, with different traits:
// which of them was meant?
type ContradictionError struct {
	Tuple tuple.Named // without traits
}

func (e *ContradictionError) Error() string {
	return fmt.Sprintf("%s is there twice, with another caveat or expiration", e.Tuple)
}
