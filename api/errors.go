package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Domain is the domain of every ErrorInfo that the API sends.
const Domain = "tupelo"

var (
	// ErrDamagedZookie says that a text is no zookie of a version known here.
	ErrDamagedZookie = errors.New("not a zookie")
	// ErrForeignZookie says that a zookie was given by another cluster.
	ErrForeignZookie = errors.New("the zookie is of another cluster")
	// ErrDamagedCursor says that a text is no cursor of a version known here.
	ErrDamagedCursor = errors.New("not a cursor")
	// ErrForeignCursor says that a cursor was given for another request.
	ErrForeignCursor = errors.New("the cursor is of another request")
	// ErrTokenRequired refuses to serve a listener that other machines reach
	// without asking for a bearer token.
	ErrTokenRequired = errors.New("a token is required to serve an address that is not loopback")
	// ErrWeakToken refuses a bearer token that is empty or holds white space.
	ErrWeakToken = errors.New("unusable bearer token")
	// ErrMembership is what a Cluster wraps where the membership does not allow a
	// change: there is no such member, another one has the address, or no voter
	// would be left. Nothing was done.
	ErrMembership = errors.New("the membership does not allow this")

	errTokenText     = errors.New("it is not base64 as RFC 4648 section 5 has it")
	errTokenShort    = errors.New("it is too short")
	errTokenChecksum = errors.New("its checksum is wrong")
	errTokenBody     = errors.New("its body is malformed")
)

// Error is a request that was refused or failed, as the client will see it.
type Error struct {
	// Reason says why, for programs; it decides the status code.
	Reason tupelov1.ErrorReason
	// Message says why, and what would help, for people.
	Message string
	// Fields are the fields of the request at fault.
	Fields []FieldFault
	// Unmet are the facts of the store that stand against the request.
	Unmet []Unmet
	// Metadata goes with the reason, for programs.
	Metadata map[string]string
	// RetryAfter is how long to wait before another try; 0 says nothing of it.
	RetryAfter time.Duration

	cause error
}

// FieldFault is a field of a request and what is wrong with it.
type FieldFault struct {
	// Path is the field's path, such as updates[3].tuple.subject.type.
	Path    string
	Message string
}

// Unmet is one fact that stands against a request.
type Unmet struct {
	Subject, Description string
}

// Error returns the message, with the path of a single faulty field before it.
func (e *Error) Error() string {
	if len(e.Fields) == 1 && e.Fields[0].Path != "" {
		return e.Fields[0].Path + ": " + e.Message
	}
	return e.Message
}

// Unwrap returns the error that the Error was made of, or nil.
func (e *Error) Unwrap() error { return e.cause }

// fault returns the error of one field. Format and args say what is wrong and what would help.
func fault(reason tupelov1.ErrorReason, field, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return &Error{Reason: reason, Message: message, Fields: []FieldFault{{field, message}}}
}

// faultAbout is fault, with names that the error is about for programs to read.
func faultAbout(metadata map[string]string, reason tupelov1.ErrorReason, field, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	return &Error{Reason: reason, Message: message, Fields: []FieldFault{{field, message}}, Metadata: metadata}
}

// refusal returns an error that no single field is to blame for.
func refusal(reason tupelov1.ErrorReason, format string, args ...any) error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// within puts the path of a message before the paths of its fields at fault,
// so that a message is validated without knowing where it stands.
func within(path string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	for i := range e.Fields {
		e.Fields[i].Path = strings.TrimSuffix(path+"."+e.Fields[i].Path, ".")
	}
	return e
}

// reasonCodes gives each reason its status code. See ErrorReason for the choice.
var reasonCodes = map[tupelov1.ErrorReason]codes.Code{
	tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD:          codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_FIELD:          codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_INVALID_ID:             codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_INVALID_NAME:           codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED:   codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS:          codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_ITEMS:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE:       codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_EMPTY_FILTER:           codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_NO_CONSISTENCY:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_DAMAGED_ZOOKIE:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_FOREIGN_ZOOKIE:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_DAMAGED_CURSOR:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_FOREIGN_CURSOR:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_INVALID_SCHEMA:         codes.InvalidArgument,
	tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA:              codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_TYPE:           codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION:       codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_NOT_A_RELATION:         codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_SUBJECT_NOT_ALLOWED:    codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET:   codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_STRANDED_TUPLES:        codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_TUPLES:        codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_DEPTH_EXCEEDED:         codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_NAMES:         codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT:         codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_INVALID_CONTEXT:        codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_TRAITS_NOT_ALLOWED:     codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_CONDITION_FAILED:       codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_NOTHING_RECORDED:       codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_CLUSTER_UPGRADING:      codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_IDEMPOTENCY_KEY_REUSED: codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_MEMBERSHIP:             codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_NO_CLUSTER:             codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_COUNTER_EXISTS:         codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_COUNTER_UNKNOWN:        codes.FailedPrecondition,
	tupelov1.ErrorReason_ERROR_REASON_TUPLE_EXISTS:           codes.AlreadyExists,
	tupelov1.ErrorReason_ERROR_REASON_REVISION_EXPIRED:       codes.OutOfRange,
	tupelov1.ErrorReason_ERROR_REASON_REVISION_UNKNOWN:       codes.OutOfRange,
	tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED:         codes.Aborted,
	tupelov1.ErrorReason_ERROR_REASON_NO_LEADER:              codes.Unavailable,
	tupelov1.ErrorReason_ERROR_REASON_REVISION_NOT_REACHED:   codes.Unavailable,
	tupelov1.ErrorReason_ERROR_REASON_CLOSED:                 codes.Unavailable,
	tupelov1.ErrorReason_ERROR_REASON_STALE_REPLICA:          codes.Unavailable,
	tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN:        codes.Unknown,
	tupelov1.ErrorReason_ERROR_REASON_OVERLOADED:             codes.ResourceExhausted,
	tupelov1.ErrorReason_ERROR_REASON_TOO_LARGE:              codes.ResourceExhausted,
	tupelov1.ErrorReason_ERROR_REASON_TOO_MUCH_WORK:          codes.ResourceExhausted,
	tupelov1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED:      codes.DeadlineExceeded,
	tupelov1.ErrorReason_ERROR_REASON_CANCELLED:              codes.Canceled,
	tupelov1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:        codes.Unauthenticated,
	tupelov1.ErrorReason_ERROR_REASON_INTERNAL:               codes.Internal,
}

// describe turns any error into an *Error: itself, or what the table says.
func describe(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	for _, r := range errorRules {
		if !r.match(err) {
			continue
		}
		if r.reason == tupelov1.ErrorReason_ERROR_REASON_INTERNAL {
			break
		}
		e = &Error{Reason: r.reason, Message: cmp.Or(r.says, err.Error()), RetryAfter: retryAfter[r.reason], cause: err}
		if r.about != nil {
			e.Metadata = r.about(err)
		}
		return e
	}
	return &Error{
		Reason:  tupelov1.ErrorReason_ERROR_REASON_INTERNAL,
		Message: "the server failed; its log says more", // not err: it may tell of paths and tuples
		cause:   err,
	}
}

// retryAfter is when to try again what was refused because too much is in
// flight: a queue of a thousand writes is through by then.
var retryAfter = map[tupelov1.ErrorReason]time.Duration{
	tupelov1.ErrorReason_ERROR_REASON_OVERLOADED: 100 * time.Millisecond,
}

// Described returns what clients are told of any error of a handler, for those who
// tell them in another way: one that another node has put into a status among them.
// A status that no server of this kind made has the reason UNSPECIFIED.
func Described(err error) *Error {
	ready, ok := err.(interface{ GRPCStatus() *status.Status })
	if !ok {
		return describe(err)
	}
	st := ready.GRPCStatus()
	e := &Error{Message: st.Message(), cause: err}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == Domain {
				e.Reason, e.Metadata = tupelov1.ErrorReason(tupelov1.ErrorReason_value[d.GetReason()]), d.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, f := range d.GetFieldViolations() {
				e.Fields = append(e.Fields, FieldFault{f.GetField(), f.GetDescription()})
			}
		case *errdetails.PreconditionFailure:
			for _, v := range d.GetViolations() {
				e.Unmet = append(e.Unmet, Unmet{v.GetSubject(), v.GetDescription()})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = d.GetRetryDelay().AsDuration()
		}
	}
	return e
}

// Code is the status code that the error's reason comes with.
func (e *Error) Code() codes.Code { return reasonCodes[e.Reason] }

// reasonOf returns the reason of any error, one that another node has put into a
// status, or an adapter, among them.
func reasonOf(err error) tupelov1.ErrorReason {
	if _, ready := err.(interface{ GRPCStatus() *status.Status }); ready {
		if original := errors.Unwrap(err); original != nil {
			err = original
		}
	}
	return Described(err).Reason
}

// maxMessageBytes bounds a status message: clients take trailers of a few
// kilobytes only, and lose the whole status beyond.
const maxMessageBytes = 3072

// statusOf returns the status that a client gets for err. Statuses that are
// ready, as those of the health service, stay as they are.
func statusOf(err error) *status.Status {
	if ready, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return ready.GRPCStatus()
	}
	e := describe(err)
	st := &spb.Status{Code: int32(reasonCodes[e.Reason]), Message: shorten(e.Error(), maxMessageBytes)}
	for _, detail := range details(e) {
		// In one spelling, so that equal errors are equal. One that cannot be
		// marshalled is left out: code and message say enough.
		packed := &anypb.Any{}
		if anypb.MarshalFrom(packed, detail, proto.MarshalOptions{Deterministic: true}) == nil {
			st.Details = append(st.Details, packed)
		}
	}
	return status.FromProto(st)
}

func details(e *Error) []proto.Message {
	list := []proto.Message{
		&errdetails.ErrorInfo{Reason: e.Reason.String(), Domain: Domain, Metadata: e.Metadata},
	}
	if len(e.Fields) > 0 {
		request := &errdetails.BadRequest{}
		for _, f := range e.Fields {
			request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: f.Path, Description: shorten(f.Message, maxDetailBytes), Reason: e.Reason.String(),
			})
		}
		list = append(list, request)
	}
	if e.RetryAfter > 0 {
		list = append(list, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	if len(e.Unmet) > 0 {
		failure := &errdetails.PreconditionFailure{}
		for _, u := range e.Unmet {
			failure.Violations = append(failure.Violations, &errdetails.PreconditionFailure_Violation{
				Type: e.Reason.String(), Subject: u.Subject, Description: u.Description,
			})
		}
		list = append(list, failure)
	}
	return list
}

// maxDetailBytes bounds the description of one fault; there may be some twenty.
const maxDetailBytes = 512

// shorten cuts text to at most limit bytes, between characters, and says so.
func shorten(text string, limit int) string {
	const mark = " …"
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}

// contextReason tells which of the two ways a call's context ended.
func contextReason(err error) tupelov1.ErrorReason {
	if errors.Is(err, context.DeadlineExceeded) {
		return tupelov1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED
	}
	return tupelov1.ErrorReason_ERROR_REASON_CANCELLED
}
