package raft

import (
	"errors"
	"fmt"
)

// The kinds of [Error], as [Error.Kind] returns them.
const (
	KindNoLeader       = "no-leader"       // nothing was done; retry, here or at the leader
	KindOutcomeUnknown = "outcome-unknown" // the command may be applied, now or later, or never
	KindAhead          = "ahead"           // the index is beyond the log: from another history
	KindClosed         = "closed"          // nothing was done: the node is shutting down
	KindFailed         = "failed"          // nothing was done: a disk or the state machine failed
	KindTooLarge       = "too-large"       // nothing was done: the command exceeds the limit
	KindOverloaded     = "overloaded"      // nothing was done: too much is in flight; retry later
)

// Error is what a running node answers when it cannot do what it was asked.
// Two Errors match under [errors.Is] when one is the bare sentinel of the
// other's kind.
type Error struct {
	kind  string
	doing string
	cause error
}

// The sentinels, one for each kind.
var (
	// ErrNoLeader says that this node does not lead, and that nothing was done.
	ErrNoLeader = &Error{kind: KindNoLeader}
	// ErrOutcomeUnknown says that a proposal was handed to the log and its fate
	// was not learned: leadership was lost, the node stopped, or the caller's
	// context ended first.
	ErrOutcomeUnknown = &Error{kind: KindOutcomeUnknown}
	// ErrAhead says that an awaited index lies beyond the last entry of the
	// leader's log: it comes from another history (a restored backup, another
	// cluster).
	ErrAhead = &Error{kind: KindAhead}
	// ErrClosed says that the node is closed or closing, and that nothing was done.
	ErrClosed = &Error{kind: KindClosed}
	// ErrFailed says that the node's disk or state machine has failed, and that
	// nothing was done. The process should exit.
	ErrFailed = &Error{kind: KindFailed}
	// ErrTooLarge says that a command exceeds Options.MaxCommandBytes.
	ErrTooLarge = &Error{kind: KindTooLarge}
	// ErrOverloaded says that Options.MaxInFlight or MaxInFlightBytes is
	// reached, and that nothing was done.
	ErrOverloaded = &Error{kind: KindOverloaded}
)

// The errors of [Open] and of changes of the membership. They are wrapped with
// what was found and what to do.
var (
	// ErrOptions says that Options cannot be used as they are.
	ErrOptions = errors.New("bad raft options")
	// ErrMembership says that a membership does not allow what was asked: the
	// stored one is not this node's to run, or a change would name a member that
	// is not there, take an address twice or leave no voter. Nothing was done.
	ErrMembership = errors.New("raft membership does not allow this")
	// ErrStateLost says that the state lacks commands that neither the log nor
	// a usable snapshot still holds.
	ErrStateLost = errors.New("the state lacks commands that the raft log no longer holds")
	// ErrStateAhead says that the state has commands the log never had: the
	// directories of two histories were mixed.
	ErrStateAhead = errors.New("the state is ahead of the raft log")
	// ErrDamaged says that a log entry, a snapshot or an archive is not what was
	// once written.
	ErrDamaged = errors.New("damaged raft data")
	// ErrVersion says that a log entry, a snapshot or an archive was written in
	// a format this version does not know.
	ErrVersion = errors.New("unknown raft format version")
)

// errApplied answers raft for an entry that the state already had. Nobody waits
// for it: the node that proposed the entry is in an earlier life.
var errApplied = errors.New("already applied")

// Kind says what happened, as one of the Kind constants.
func (e *Error) Kind() string { return e.kind }

// Error spells the kind, what was being done, and the cause.
func (e *Error) Error() string {
	text := kindText[e.kind]
	if e.doing != "" {
		text = e.doing + ": " + text
	}
	if e.cause != nil {
		text += ": " + e.cause.Error()
	}
	return text
}

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the sentinel of e's kind.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.kind == e.kind && t.doing == "" && t.cause == nil
}

// because returns an error of e's kind that says what was being done and why it
// could not be.
func (e *Error) because(cause error, format string, args ...any) *Error {
	return &Error{kind: e.kind, doing: fmt.Sprintf(format, args...), cause: cause}
}

var kindText = map[string]string{
	KindNoLeader:       "this node is not the leader",
	KindOutcomeUnknown: "the outcome is unknown",
	KindAhead:          "the index is beyond the log",
	KindClosed:         "the node is closed",
	KindFailed:         "the node has failed",
	KindTooLarge:       "the command is too large",
	KindOverloaded:     "too many proposals are in flight",
}
