package peer

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The kinds of [Error], as [Error.Kind] returns them. Those that the log has too
// are spelled as it spells them.
const (
	KindNoLeader       = "no-leader"       // nothing was done: no leader was reached
	KindOutcomeUnknown = "outcome-unknown" // it may have been done
	KindClosed         = "closed"          // nothing was done: a node is shutting down
	KindOverloaded     = "overloaded"      // nothing was done: too much is in flight
	KindWrongNode      = "wrong-node"      // nothing was done: another node is at the address
	KindRefused        = "refused"         // nothing was done: the request makes no sense
	KindFailed         = "failed"          // the other node failed
)

// Error is what becomes of a call between nodes that got no answer, or that the
// other node could not answer. Two Errors match under [errors.Is] when one is
// the bare sentinel of the other's kind.
type Error struct {
	kind  string
	doing string
	cause error

	// Leader is the address of the leader that a node named which does not lead.
	Leader string
}

// The sentinels, one for each kind.
var (
	// ErrNotSent says that a call cannot have reached the other node, or that the
	// node does not lead: nothing was done, and it may be tried again elsewhere.
	ErrNotSent = &Error{kind: KindNoLeader}
	// ErrOutcomeUnknown says that a call was sent and its answer was lost.
	ErrOutcomeUnknown = &Error{kind: KindOutcomeUnknown}
	// ErrClosed says that the port, or the other node, is closed or closing.
	ErrClosed = &Error{kind: KindClosed}
	// ErrOverloaded says that the other node has too much in flight.
	ErrOverloaded = &Error{kind: KindOverloaded}
	// ErrWrongNode says that another node than the one meant is at the address.
	ErrWrongNode = &Error{kind: KindWrongNode}
	// ErrRefused says that a request makes no sense to the other node.
	ErrRefused = &Error{kind: KindRefused}
	// ErrFailed says that the other node failed; its log says more.
	ErrFailed = &Error{kind: KindFailed}
)

// The errors of opening a port and of its connections.
var (
	// ErrOptions says that Options or Services cannot be used as they are.
	ErrOptions = errors.New("bad options for the port between nodes")
	// ErrCertificatesRequired says that an address is not this machine's own, and
	// that there are no certificates to speak with others by.
	ErrCertificatesRequired = errors.New("without certificates only loopback addresses are allowed between nodes")
)

// Kind says what happened, as one of the Kind constants.
func (e *Error) Kind() string { return e.kind }

// Error spells what was being done, the kind, and the cause.
func (e *Error) Error() string {
	text := kinds[e.kind].text
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

// kinds are what a kind says, and the status that it has between nodes.
var kinds = map[string]struct {
	text string
	code codes.Code
}{
	KindNoLeader:       {"nothing was done: no leader was reached", codes.Unavailable},
	KindOutcomeUnknown: {"the outcome is unknown", codes.Unknown},
	KindClosed:         {"the node is closed", codes.Unavailable},
	KindOverloaded:     {"too much is in flight", codes.ResourceExhausted},
	KindWrongNode:      {"another node is at this address", codes.FailedPrecondition},
	KindRefused:        {"the request was refused", codes.InvalidArgument},
	KindFailed:         {"the node failed", codes.Internal},
}

// domain is that of the ErrorInfo which the errors between nodes carry.
const domain = "tupelo.peer"

// leaderKey is the metadata of that ErrorInfo that names the leader's address.
const leaderKey = "leader"

// statusOf returns the status by which another node learns of err. Kinds that
// only the log knows are failures to it. A context that ended may have done so
// after the deed.
func statusOf(err error, leader string) error {
	kind := KindFailed
	var kinded interface {
		error
		Kind() string
	}
	switch {
	case errors.As(err, &kinded):
		if _, known := kinds[kinded.Kind()]; known {
			kind = kinded.Kind()
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		kind = KindOutcomeUnknown
	}
	info := &errdetails.ErrorInfo{Domain: domain, Reason: kind}
	if kind == KindNoLeader && leader != "" {
		info.Metadata = map[string]string{leaderKey: leader}
	}
	st, detailErr := status.New(kinds[kind].code, err.Error()).WithDetails(info)
	if detailErr != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return st.Err()
}

// answerOf turns what a call of another node came to back into an Error of the
// kind that the node gave it.
func answerOf(err error, format string, args ...any) error {
	var unanswered *Error
	if err == nil || errors.As(err, &unanswered) {
		return err
	}
	st, _ := status.FromError(err)
	for _, detail := range st.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != domain {
			continue
		}
		e := ErrFailed
		if _, known := kinds[info.GetReason()]; known {
			e = &Error{kind: info.GetReason()}
		}
		answer := e.because(errors.New(st.Message()), format, args...)
		answer.Leader = info.GetMetadata()[leaderKey]
		return answer
	}
	return ErrFailed.because(err, format, args...)
}

// unanswerable reports whether a status says that the other side has no such
// call: an older version, which did nothing.
func unanswerable(err error) bool { return status.Code(err) == codes.Unimplemented }
