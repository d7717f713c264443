package api

import (
	"context"
	"errors"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// errorRule says what one error of the packages below comes to at the edge.
type errorRule struct {
	// names are the exported errors that the rule is for, as package.Name. A
	// test finds every exported error and looks for it here.
	names  []string
	match  func(error) bool
	reason tupelov1.ErrorReason
	// says is what clients are told instead of what the error says, which may tell
	// of paths and tuples; empty: what it says.
	says string
	// about tells programs what the error is about; nil: of nothing.
	about func(error) map[string]string
}

// errorRules are tried in order. Handlers that know more of a request turn some
// of these into an *Error with fields first; the rule then is the safety net.
var errorRules = []errorRule{
	// The log. Its errors come first: one that says that the outcome of a write
	// is unknown wraps the context's error, and must not be read as "not done".
	kind("no-leader", tupelov1.ErrorReason_ERROR_REASON_NO_LEADER, "raft.ErrNoLeader", "raft.Error"),
	kind("outcome-unknown", tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN, "raft.ErrOutcomeUnknown"),
	kind("ahead", tupelov1.ErrorReason_ERROR_REASON_REVISION_UNKNOWN, "raft.ErrAhead"),
	kind("closed", tupelov1.ErrorReason_ERROR_REASON_CLOSED, "raft.ErrClosed"),
	kind("too-large", tupelov1.ErrorReason_ERROR_REASON_TOO_LARGE, "raft.ErrTooLarge"),
	kind("overloaded", tupelov1.ErrorReason_ERROR_REASON_OVERLOADED, "raft.ErrOverloaded"),
	// A node whose disk has failed does nothing from then on, and ends: another
	// can do it.
	hushed(kind("failed", tupelov1.ErrorReason_ERROR_REASON_CLOSED, "raft.ErrFailed"), "a node has failed and ends; its log says more"),

	// The store's answers to reads.
	is("store.ErrNoSchema", store.ErrNoSchema, tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA),
	is("store.ErrCounterUnknown", store.ErrCounterUnknown, tupelov1.ErrorReason_ERROR_REASON_COUNTER_UNKNOWN),
	is("store.ErrCounterExists", store.ErrCounterExists, tupelov1.ErrorReason_ERROR_REASON_COUNTER_EXISTS),
	is("store.ErrBadCursor", store.ErrBadCursor, tupelov1.ErrorReason_ERROR_REASON_DAMAGED_CURSOR),
	is("store.ErrClosed", store.ErrClosed, tupelov1.ErrorReason_ERROR_REASON_CLOSED),
	as[*store.HorizonError]("store.HorizonError", tupelov1.ErrorReason_ERROR_REASON_REVISION_EXPIRED),
	as[*store.NotAppliedError]("store.NotAppliedError", tupelov1.ErrorReason_ERROR_REASON_REVISION_NOT_REACHED),

	// The store's answers to writes.
	as[*store.TupleExistsError]("store.TupleExistsError", tupelov1.ErrorReason_ERROR_REASON_TUPLE_EXISTS),
	as[*store.DuplicateUpdateError]("store.DuplicateUpdateError", tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE),
	as[*store.NotAllowedError]("store.NotAllowedError", tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED),
	as[*store.PreconditionError]("store.PreconditionError", tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET),
	as[*store.SearchError]("store.SearchError", tupelov1.ErrorReason_ERROR_REASON_TOO_MUCH_WORK),
	as[*store.TooManyError]("store.TooManyError", tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_TUPLES),
	as[*store.StrandedError]("store.StrandedError", tupelov1.ErrorReason_ERROR_REASON_STRANDED_TUPLES),
	hushed(as[*store.FormatError]("store.FormatError", tupelov1.ErrorReason_ERROR_REASON_CLUSTER_UPGRADING),
		"the cluster is being upgraded, and takes this once every node has the new version; nothing was done"),
	as[*store.KeyReusedError]("store.KeyReusedError", tupelov1.ErrorReason_ERROR_REASON_IDEMPOTENCY_KEY_REUSED),
	is("tuple.ErrTooManyNames", tuple.ErrTooManyNames, tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_NAMES),

	// The evaluator's limits, and conditions that it cannot decide.
	is("rewrite.ErrDepthExceeded", rewrite.ErrDepthExceeded, tupelov1.ErrorReason_ERROR_REASON_DEPTH_EXCEEDED, "rewrite.DepthError"),
	is("rewrite.ErrTooManySubProblems", rewrite.ErrTooManySubProblems, tupelov1.ErrorReason_ERROR_REASON_TOO_MUCH_WORK, "rewrite.WorkError"),
	about(aboutCaveat, as[*rewrite.CaveatError]("rewrite.CaveatError", tupelov1.ErrorReason_ERROR_REASON_CONDITION_FAILED)),
	is("rewrite.ErrCondition", rewrite.ErrCondition, tupelov1.ErrorReason_ERROR_REASON_CONDITION_FAILED),
	is("rewrite.ErrWildcardSubject", rewrite.ErrWildcardSubject, tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED),

	// This package's own, where no handler has named the field.
	is("api.ErrDamagedZookie", ErrDamagedZookie, tupelov1.ErrorReason_ERROR_REASON_DAMAGED_ZOOKIE),
	is("api.ErrForeignZookie", ErrForeignZookie, tupelov1.ErrorReason_ERROR_REASON_FOREIGN_ZOOKIE),
	is("api.ErrDamagedCursor", ErrDamagedCursor, tupelov1.ErrorReason_ERROR_REASON_DAMAGED_CURSOR),
	is("api.ErrForeignCursor", ErrForeignCursor, tupelov1.ErrorReason_ERROR_REASON_FOREIGN_CURSOR),
	is("api.ErrMembership", ErrMembership, tupelov1.ErrorReason_ERROR_REASON_MEMBERSHIP),
	is("tuple.ErrObjectID", tuple.ErrObjectID, tupelov1.ErrorReason_ERROR_REASON_INVALID_ID),

	// What no client has a part in: a fault of this code or of the disk.
	is("store.ErrBadCommand", store.ErrBadCommand, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("store.ErrCommandVersion", store.ErrCommandVersion, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("store.ErrFormat", store.ErrFormat, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("rewrite.ErrQuestion", rewrite.ErrQuestion, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("rewrite.ErrAnswers", rewrite.ErrAnswers, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("rewrite.ErrProgram", rewrite.ErrProgram, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("rewrite.ErrReader", rewrite.ErrReader, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("schema.ErrNumbering", schema.ErrNumbering, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	// A schema's text is a client's only in WriteSchema, whose handler names the
	// places; anywhere else it is the stored one that cannot be read.
	as[*schema.Errors]("schema.Errors", tupelov1.ErrorReason_ERROR_REASON_INTERNAL),
	is("tuple.ErrSyntax", tuple.ErrSyntax, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),       // the API takes no text form
	is("api.ErrTokenRequired", ErrTokenRequired, tupelov1.ErrorReason_ERROR_REASON_INTERNAL), // refuses to start
	is("api.ErrWeakToken", ErrWeakToken, tupelov1.ErrorReason_ERROR_REASON_INTERNAL),         // refuses to start

	is("context.DeadlineExceeded", context.DeadlineExceeded, tupelov1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED),
	is("context.Canceled", context.Canceled, tupelov1.ErrorReason_ERROR_REASON_CANCELLED),
}

// is makes the rule of a sentinel; the types that wrap it are named too.
func is(name string, target error, reason tupelov1.ErrorReason, wrappers ...string) errorRule {
	return errorRule{
		names:  append(wrappers, name),
		match:  func(err error) bool { return errors.Is(err, target) },
		reason: reason,
	}
}

// as makes the rule of a type of errors.
func as[T error](name string, reason tupelov1.ErrorReason) errorRule {
	return errorRule{
		names: []string{name},
		match: func(err error) bool {
			var target T
			return errors.As(err, &target)
		},
		reason: reason,
	}
}

// hushed has a rule tell clients something else than the error does.
func hushed(r errorRule, says string) errorRule {
	r.says = says
	return r
}

// about has a rule tell programs what the error is about.
func about(tell func(error) map[string]string, r errorRule) errorRule {
	r.about = tell
	return r
}

// aboutCaveat names the caveat that failed, and the parameter if a value of another
// type was given for one.
func aboutCaveat(err error) map[string]string {
	var failed *rewrite.CaveatError
	if !errors.As(err, &failed) {
		return nil
	}
	told := map[string]string{"caveat": failed.Caveat}
	if parameter := failed.Parameter(); parameter != "" {
		told["parameter"] = parameter
	}
	return told
}

// kind makes the rule of one kind of the log's errors.
func kind(kind string, reason tupelov1.ErrorReason, names ...string) errorRule {
	return errorRule{
		names: names,
		match: func(err error) bool {
			var target interface {
				error
				Kind() string
			}
			return errors.As(err, &target) && target.Kind() == kind
		},
		reason: reason,
	}
}
