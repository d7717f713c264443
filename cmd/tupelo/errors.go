package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

var (
	// errNo ends a command whose answer is no. The answer is printed already.
	errNo = errors.New("no")
	// errConditional ends a command whose answer depends on values that it was
	// not given. The answer is printed already.
	errConditional = errors.New("conditional")
	// errListUnfinished says that a list ended without saying whether it is all.
	errListUnfinished = errors.New("the list ended without its last message")
	// errSlow is why a stream is given up that nothing comes from.
	errSlow = errors.New("nothing came in time")
	// errOtherSchema refuses to import tuples over a schema that may not allow them.
	errOtherSchema = errors.New("the server has another schema: compare them with schema diff, and give --replace-schema to have it replaced")
	// errOtherImport refuses to go on with another import than the one begun.
	errOtherImport = errors.New("the file is about another import, or the schema has changed since it began")
	// errMissing says that an import has lost something, or somebody deleted it.
	errMissing = errors.New("less is stored than was imported")
	// errEnough ends what is read because nobody wants more of it.
	errEnough = errors.New("enough")
	// errUsage says that a command line is wrong; it is wrapped with how.
	errUsage = errors.New("see --help")
)

// usagef returns the error of a wrong command line.
func usagef(format string, args ...any) error {
	return fmt.Errorf("%s; %w", fmt.Sprintf(format, args...), errUsage)
}

// unknownForm returns the error of an answer that holds what this version of the
// command does not know.
func unknownForm(parts ...any) error {
	return fmt.Errorf("the answer holds what this version cannot draw: %s; --json prints it", strings.TrimSpace(fmt.Sprintln(parts...)))
}

// situated is an error and the place it belongs to, such as a line of a file.
type situated struct {
	place string
	err   error
}

func (s situated) Error() string { return s.place + ": " + s.err.Error() }

func (s situated) Unwrap() error { return s.err }

// failure is an error as it is printed, for people or as JSON.
type failure struct {
	// Code and Reason are the server's; see ErrorReason in the API.
	Code    string        `json:"code,omitempty"`
	Reason  string        `json:"reason,omitempty"`
	Place   string        `json:"place,omitempty"`
	Message string        `json:"message"`
	Fields  []faultyField `json:"fields,omitempty"`
	Unmet   []unmetFact   `json:"unmet,omitempty"`
	// Metadata is what goes with the reason: by name, such as the horizon.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// faultyField is a field of the request that the server refuses.
type faultyField struct {
	Field       string `json:"field"`
	Description string `json:"description"`
}

// unmetFact is a fact of the store that stands against the request.
type unmetFact struct {
	Subject     string `json:"subject"`
	Description string `json:"description"`
}

// describe collects what is known of an error.
func describe(err error) failure {
	var f failure
	var at situated
	if errors.As(err, &at) {
		f.Place = at.place
		err = at.err
	}
	st, ok := statusOf(err)
	if !ok {
		f.Message = strings.TrimSpace(err.Error()) // cobra's end in an empty line
		return f
	}
	f.Code, f.Message = code.Code(st.Code()).String(), st.Message()
	for _, detail := range st.Details() {
		f.add(detail)
	}
	return f
}

// statusOf returns the status that a server answered with.
func statusOf(err error) (*status.Status, bool) {
	var e interface {
		error
		GRPCStatus() *status.Status
	}
	if !errors.As(err, &e) {
		return nil, false
	}
	return e.GRPCStatus(), true
}

func (f *failure) add(detail any) {
	switch d := detail.(type) {
	case *errdetails.ErrorInfo:
		f.Reason, f.Metadata = d.Reason, d.Metadata
	case *errdetails.BadRequest:
		for _, v := range d.FieldViolations {
			f.Fields = append(f.Fields, faultyField{v.Field, v.Description})
		}
	case *errdetails.PreconditionFailure:
		for _, v := range d.Violations {
			f.Unmet = append(f.Unmet, unmetFact{v.Subject, v.Description})
		}
	}
}

// text renders a failure for people.
func (f failure) text() string {
	if f.Reason == tupelov1.ErrorReason_ERROR_REASON_INVALID_SCHEMA.String() {
		return f.schemaText()
	}
	var b strings.Builder
	b.WriteString("tupelo: ")
	if f.Place != "" {
		b.WriteString(f.Place + ": ")
	}
	if f.Code != "" {
		b.WriteString(f.Code + ": ")
	}
	b.WriteString(f.Message + "\n")
	if f.Code == code.Code_UNAVAILABLE.String() && f.Reason == "" {
		// The answer comes from gRPC itself, not from a Tupelo server.
		b.WriteString("  hint: is `tupelo serve` running at that address, and does it expect TLS?\n")
	}
	// What the message says already is not said again.
	for _, v := range f.Fields {
		if !strings.HasPrefix(f.Message, v.Field+": ") {
			fmt.Fprintf(&b, "  %s: %s\n", v.Field, v.Description)
		}
	}
	for _, v := range f.Unmet {
		if !strings.Contains(f.Message, v.Subject) {
			fmt.Fprintf(&b, "  %s: %s\n", v.Subject, v.Description)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Metadata)) {
		if value := f.Metadata[name]; !strings.Contains(f.Message, value) {
			fmt.Fprintf(&b, "  %s %s\n", name, value)
		}
	}
	return b.String()
}

// schemaText renders the mistakes that the server found in a schema as schema
// check renders them: the place begins with the file's name.
func (f failure) schemaText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tupelo: %s: the schema has mistakes\n", f.Code)
	for _, v := range f.Fields {
		if f.Place != "" {
			b.WriteString(f.Place + ":")
		}
		b.WriteString(v.Description + "\n")
	}
	return b.String()
}

// fail prints an error as the last thing that a command does.
func (t *terminal) fail(err error) {
	f := describe(err)
	if !t.json {
		_, _ = io.WriteString(t.diag, f.text()) // nobody is left to tell
		return
	}
	_ = writeJSON(t.diag, struct {
		Error failure `json:"error"`
	}{f})
}
