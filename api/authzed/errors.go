package authzed

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Domain is the domain of the ErrorInfo that errors carry.
const Domain = "authzed.com"

// errLargeValue refuses a JSON value of a request over HTTP.
var errLargeValue = errors.New("the request has more bytes than this server takes")

// statusError is an error as this protocol tells it, and what it was made of.
type statusError struct {
	status *status.Status
	cause  error
}

// Error returns the text of the status.
func (e *statusError) Error() string { return e.status.Err().Error() }

// GRPCStatus returns the status.
func (e *statusError) GRPCStatus() *status.Status { return e.status }

// Unwrap returns the error that the status was made of, or nil.
func (e *statusError) Unwrap() error { return e.cause }

// verdict is one way to refuse a request: a code, and a reason if there is one for it.
type verdict struct {
	code   codes.Code
	reason v1.ErrorReason
}

// The ways that clients of SpiceDB know.
var (
	invalid              = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED}
	unsupported          = verdict{codes.Unimplemented, v1.ErrorReason_ERROR_REASON_UNSPECIFIED}
	absent               = verdict{codes.NotFound, v1.ErrorReason_ERROR_REASON_UNSPECIFIED}
	unparsableSchema     = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_PARSE_ERROR}
	mistypedSchema       = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR}
	strandingSchema      = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_SCHEMA_TYPE_ERROR}
	unknownDefinition    = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION}
	unknownRelation      = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION}
	notAPermission       = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION}
	unknownCaveat        = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT}
	permissionWritten    = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CANNOT_UPDATE_PERMISSION}
	wrongSubjectType     = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE}
	wildcard             = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED}
	sameRelationship     = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UPDATES_ON_SAME_RELATIONSHIP}
	tooManyUpdates       = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_UPDATES_IN_REQUEST}
	tooManyPreconditions = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_PRECONDITIONS_IN_REQUEST}
	emptyPrecondition    = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EMPTY_PRECONDITION}
	unmetPrecondition    = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_WRITE_OR_DELETE_PRECONDITION_FAILURE}
	largeContext         = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_MAX_RELATIONSHIP_CONTEXT_SIZE}
	largeMetadata        = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TRANSACTION_METADATA_TOO_LARGE}
	recreated            = verdict{codes.AlreadyExists, v1.ErrorReason_ERROR_REASON_ATTEMPT_TO_RECREATE_RELATIONSHIP}
	tooManyDeletions     = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE}
	badFilter            = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER}
	badCursor            = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR}
	aboveLimit           = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT}
	tooManyChecks        = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED}
	tooDeep              = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_MAXIMUM_DEPTH_EXCEEDED}
	mistypedContext      = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR}
	failedCondition      = verdict{codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CAVEAT_EVALUATION_ERROR}
	counterThere         = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_COUNTER_ALREADY_REGISTERED}
	counterAbsent        = verdict{codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_COUNTER_NOT_REGISTERED}
	tooLarge             = verdict{codes.ResourceExhausted, v1.ErrorReason_ERROR_REASON_UNSPECIFIED}
	conflict             = verdict{codes.Aborted, v1.ErrorReason_ERROR_REASON_SERIALIZATION_FAILURE}
)

// telling is how a native reason is told.
type telling struct {
	verdict
	// names has, for names in the native error's metadata, what they are called.
	names map[string]string
}

// tellings has the reasons that have a counterpart. Of others clients are told the
// native code.
var tellings = map[tupelov1.ErrorReason]telling{
	tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED: {wildcard, nil},
	tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE:     {sameRelationship, nil},
	tupelov1.ErrorReason_ERROR_REASON_EMPTY_FILTER:         {badFilter, nil},
	tupelov1.ErrorReason_ERROR_REASON_DAMAGED_CURSOR:       {badCursor, nil},
	tupelov1.ErrorReason_ERROR_REASON_FOREIGN_CURSOR:       {badCursor, nil},
	tupelov1.ErrorReason_ERROR_REASON_INVALID_SCHEMA:       {unparsableSchema, nil},
	tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA:            {unknownDefinition, nil},
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_TYPE:         {unknownDefinition, map[string]string{"type": "definition_name"}},
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION:     {unknownRelation, map[string]string{"type": "definition_name", "relation": "relation_or_permission_name"}},
	tupelov1.ErrorReason_ERROR_REASON_NOT_A_RELATION:       {permissionWritten, map[string]string{"type": "definition_name", "relation": "permission_name"}},
	tupelov1.ErrorReason_ERROR_REASON_SUBJECT_NOT_ALLOWED:  {wrongSubjectType, map[string]string{"type": "definition_name", "relation": "relation_name", "subject": "subject_type"}},
	tupelov1.ErrorReason_ERROR_REASON_TRAITS_NOT_ALLOWED:   {wrongSubjectType, map[string]string{"type": "definition_name", "relation": "relation_name", "subject": "subject_type"}},
	tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET: {unmetPrecondition, nil},
	tupelov1.ErrorReason_ERROR_REASON_STRANDED_TUPLES:      {strandingSchema, nil},
	tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_TUPLES:      {tooManyDeletions, nil},
	tupelov1.ErrorReason_ERROR_REASON_DEPTH_EXCEEDED:       {tooDeep, nil},
	tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT:       {unknownCaveat, map[string]string{"caveat": "caveat_name"}},
	tupelov1.ErrorReason_ERROR_REASON_INVALID_CONTEXT:      {mistypedContext, nil},
	tupelov1.ErrorReason_ERROR_REASON_CONDITION_FAILED:     {failedCondition, map[string]string{"caveat": "caveat_name", "parameter": "parameter_name"}},
	tupelov1.ErrorReason_ERROR_REASON_TUPLE_EXISTS:         {recreated, nil},
	tupelov1.ErrorReason_ERROR_REASON_COUNTER_EXISTS:       {counterThere, map[string]string{"counter": "counter_name"}},
	tupelov1.ErrorReason_ERROR_REASON_COUNTER_UNKNOWN:      {counterAbsent, map[string]string{"counter": "counter_name"}},
	tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED:       {conflict, nil},
}

// refuse returns the error of a request that this protocol does not allow.
func refuse(v verdict, metadata map[string]string, format string, args ...any) error {
	return &statusError{status: newStatus(v, fmt.Sprintf(format, args...), metadata, 0)}
}

// retell returns a native error under another verdict, with metadata of its own, for
// handlers that know more of it than the table does.
func retell(cause error, v verdict, metadata map[string]string) error {
	return &statusError{newStatus(v, inOwnWords(api.Described(cause)), metadata, 0), cause}
}

// reasonOf is the native reason of a handler's error.
func reasonOf(err error) tupelov1.ErrorReason { return api.Described(err).Reason }

// translated puts the error of a native handler into the words of this protocol.
//
// The rules that are in the protocol's messages, which are regular expressions, are
// looked at only where the handler refused: the handlers have rules of their own,
// and of what both refuse clients expect to hear the protocol's.
func translated(request any, err error) error {
	if err == nil {
		return nil
	}
	if _, ready := err.(*statusError); ready {
		return err
	}
	e := api.Described(err)
	t, known := tellings[e.Reason]
	if t.verdict == failedCondition && e.Metadata["parameter"] != "" {
		t.verdict = mistypedContext // one reason here, two in this protocol
	}
	switch {
	case e.Reason == tupelov1.ErrorReason_ERROR_REASON_UNSPECIFIED:
		return err // a status that is nobody's, such as Unimplemented
	case !known:
		t.code = e.Code()
	}
	if r, ok := request.(interface{ Validate() error }); ok && (t.code == codes.InvalidArgument || t.code == codes.FailedPrecondition) {
		if wrong := r.Validate(); wrong != nil {
			return &statusError{newStatus(invalid, brokenRule(wrong), nil, 0), err}
		}
	}
	about := t.metadata(e)
	switch {
	case t.verdict == wildcard:
		t.verdict, about = wildcardFault(e)
	case e.Reason == tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA:
		about = aboutDefinition(request)
	}
	return &statusError{newStatus(t.verdict, inOwnWords(e), about, e.RetryAfter), err}
}

// brokenRule tells which field of a request breaks a rule of the protocol's messages, by
// the path that clients know: updates[0].relationship.subject: value is required.
func brokenRule(wrong error) string {
	var path []string
	for {
		rule, ok := wrong.(interface {
			Field() string
			Reason() string
			Cause() error
		})
		if !ok {
			return strings.TrimPrefix(strings.Join(path, ".")+": ", ": ") + wrong.Error()
		}
		path = append(path, protoName(rule.Field()))
		if rule.Cause() == nil {
			return strings.Join(path, ".") + ": " + rule.Reason()
		}
		wrong = rule.Cause()
	}
}

// protoName is the name in the protocol of a field that Go calls otherwise.
func protoName(goName string) string {
	var name strings.Builder
	for i, r := range goName {
		if unicode.IsUpper(r) && i > 0 {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(r))
	}
	return name.String()
}

// wildcardFault tells which subject was a wildcard. That of a resource has no reason
// of its own.
func wildcardFault(e *api.Error) (verdict, map[string]string) {
	if len(e.Fields) == 1 && strings.HasSuffix(e.Fields[0].Path, "subject.id") {
		return wildcard, map[string]string{"field": "subject.object_id"}
	}
	return invalid, nil
}

// aboutDefinition names the definition that a request is about, which no schema has
// where there is none.
func aboutDefinition(request any) map[string]string {
	var name string
	switch r := request.(type) {
	case interface{ GetResource() *v1.ObjectReference }:
		name = r.GetResource().GetObjectType()
	case interface{ GetResourceObjectType() string }:
		name = r.GetResourceObjectType()
	case interface{ GetRelationshipFilter() *v1.RelationshipFilter }:
		name = r.GetRelationshipFilter().GetResourceType()
	case *v1.WriteRelationshipsRequest:
		for _, u := range r.Updates[:min(len(r.Updates), 1)] {
			name = u.GetRelationship().GetResource().GetObjectType()
		}
	}
	if name == "" {
		return nil
	}
	return map[string]string{"definition_name": name}
}

// metadata renames what is known of an error.
func (t telling) metadata(e *api.Error) map[string]string {
	if len(t.names) == 0 {
		return nil
	}
	renamed := make(map[string]string, len(t.names))
	for native, name := range t.names {
		if value := e.Metadata[native]; value != "" {
			renamed[name] = value
		}
	}
	return renamed
}

// inOwnWords returns the message of a native error without the path of the native
// field, which means nothing to a client of this protocol, and with its word for tokens.
func inOwnWords(e *api.Error) string {
	switch e.Reason {
	case tupelov1.ErrorReason_ERROR_REASON_DAMAGED_ZOOKIE, tupelov1.ErrorReason_ERROR_REASON_FOREIGN_ZOOKIE:
		return strings.Replace(withoutPath(e), "zookie", "ZedToken", 1)
	}
	return withoutPath(e)
}

func withoutPath(e *api.Error) string {
	if len(e.Fields) == 1 && e.Fields[0].Path != "" {
		return cmp.Or(strings.TrimPrefix(e.Message, e.Fields[0].Path+": "), e.Message)
	}
	return e.Message
}

func newStatus(v verdict, message string, metadata map[string]string, retryAfter time.Duration) *status.Status {
	st := status.New(v.code, shortened(message, maxMessageBytes))
	var details []protoadapt.MessageV1
	if v.reason != v1.ErrorReason_ERROR_REASON_UNSPECIFIED || metadata != nil {
		details = append(details, &errdetails.ErrorInfo{Reason: v.reason.String(), Domain: Domain, Metadata: metadata})
	}
	if retryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	}
	if len(details) == 0 {
		return st
	}
	detailed, err := st.WithDetails(details...)
	if err != nil {
		return st // the details could not be marshalled; code and message say enough
	}
	return detailed
}

// maxMessageBytes bounds a message: a status goes into trailers, of which clients take
// a few kilobytes only, and beyond that they lose all of it.
const maxMessageBytes = 3072

// shortened cuts a text to at most limit bytes, between characters, and says so.
func shortened(text string, limit int) string {
	const mark = " …"
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}
