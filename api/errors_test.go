package api

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// errorPackages are the packages whose errors can come to a client.
var errorPackages = map[string]string{
	"store": "../store", "tuple": "../store/tuple", "schema": "../schema",
	"rewrite": "../rewrite", "raft": "../raft", "api": ".",
}

// notErrors are exported names that look like errors and never come to the API,
// with the reason.
var notErrors = map[string]string{
	"store.ErrNotEmpty":        "of bulk loads, which no call begins",
	"store.ContradictionError": "of bulk loads, which no call begins",
	"api.Error":                "what the table makes of the others",
	"raft.ErrOptions":          "of raft.Open: the process does not start",
	"raft.ErrMembership":       "of raft.Open, and of changes, whose errors a Cluster gives as api.ErrMembership",
	"raft.ErrStateLost":        "of raft.Open: the process does not start",
	"raft.ErrStateAhead":       "of raft.Open: the process does not start",
	"raft.ErrDamaged":          "of raft.Open and of snapshots between nodes",
	"raft.ErrVersion":          "of raft.Open and of snapshots between nodes",
}

// A new exported error fails this test until somebody has decided what a client
// gets for it (A6).
func TestEveryExportedErrorHasALineInTheTable(t *testing.T) {
	inTable := make(map[string]bool)
	for _, rule := range errorRules {
		for _, name := range rule.names {
			inTable[name] = true
		}
	}
	exist := make(map[string]bool)
	for pkg, dir := range errorPackages {
		for _, name := range exportedErrors(t, dir) {
			name = pkg + "." + name
			exist[name] = true
			if !inTable[name] && notErrors[name] == "" {
				t.Errorf("%s is not in error_rules.go", name)
			}
			if inTable[name] && notErrors[name] != "" {
				t.Errorf("%s is in error_rules.go and excused too", name)
			}
		}
	}
	for name := range inTable {
		if !exist[name] && !strings.HasPrefix(name, "context.") {
			t.Errorf("error_rules.go has a line for %s, which is gone", name)
		}
	}
	for name := range notErrors {
		if !exist[name] {
			t.Errorf("%s is excused, and is gone", name)
		}
	}
}

// exportedErrors lists the exported variables named Err... and the exported
// types that are errors, of the package in dir.
func exportedErrors(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	sources := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	for _, entry := range readDir(t, dir) {
		if !strings.HasSuffix(entry.Name(), ".go") || !sources(entry) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+entry.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			names = append(names, errorsDeclared(declaration)...)
		}
	}
	slices.Sort(names)
	return names
}

func readDir(t *testing.T, dir string) (infos []fs.FileInfo) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	return infos
}

func errorsDeclared(declaration ast.Decl) (names []string) {
	switch d := declaration.(type) {
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			value, ok := spec.(*ast.ValueSpec)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, name := range value.Names {
				if strings.HasPrefix(name.Name, "Err") {
					names = append(names, name.Name)
				}
			}
		}
	case *ast.FuncDecl:
		if d.Recv != nil && d.Name.Name == "Error" && len(d.Type.Params.List) == 0 {
			if name := receiver(d); ast.IsExported(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if name, ok := typ.(*ast.Ident); ok {
		return name.Name
	}
	return ""
}

func TestEveryReasonHasACode(t *testing.T) {
	for number, name := range tupelov1.ErrorReason_name {
		reason := tupelov1.ErrorReason(number)
		_, ok := reasonCodes[reason]
		if want := reason != tupelov1.ErrorReason_ERROR_REASON_UNSPECIFIED; ok != want {
			t.Errorf("%s has a code: %t", name, ok)
		}
	}
}

// The proto file tells clients the code of each reason.
func TestTheCodesAreThoseThatTheProtoFileDocuments(t *testing.T) {
	text, err := os.ReadFile("proto/tupelo/v1/error_reason.proto")
	if err != nil {
		t.Fatal(err)
	}
	seen, code := 0, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if comment, ok := strings.CutPrefix(line, "// "); ok {
			if word, _, found := strings.Cut(comment, ": "); found && word == strings.ToUpper(word) {
				code = word
			}
			continue
		}
		name, _, ok := strings.Cut(line, " = ")
		number, known := tupelov1.ErrorReason_value[name]
		if !ok || !known || number == 0 {
			continue
		}
		seen++
		if got := protoName(reasonCodes[tupelov1.ErrorReason(number)]); got != code {
			t.Errorf("%s is documented as %s and sent as %s", name, code, got)
		}
	}
	if want := len(tupelov1.ErrorReason_value) - 1; seen != want {
		t.Errorf("read %d reasons of %d", seen, want)
	}
}

// protoName turns InvalidArgument into INVALID_ARGUMENT.
func protoName(c codes.Code) string {
	if c == codes.Canceled {
		return "CANCELLED" // as the protocol spells it
	}
	var b strings.Builder
	for i, r := range c.String() {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

func TestErrorsOfThePackagesBelowGetTheirCodes(t *testing.T) {
	for _, c := range []struct {
		err    error
		code   codes.Code
		reason string
	}{
		{store.ErrNoSchema, codes.FailedPrecondition, "NO_SCHEMA"},
		{&store.HorizonError{Revision: 3, Horizon: 9}, codes.OutOfRange, "REVISION_EXPIRED"},
		{&store.NotAppliedError{}, codes.Unavailable, "REVISION_NOT_REACHED"},
		{&store.StrandedError{}, codes.FailedPrecondition, "STRANDED_TUPLES"},
		{&store.TupleExistsError{}, codes.AlreadyExists, "TUPLE_EXISTS"},
		{&store.FormatError{Needed: 2, Active: 1}, codes.FailedPrecondition, "CLUSTER_UPGRADING"},
		{&store.KeyReusedError{Revision: 3}, codes.FailedPrecondition, "IDEMPOTENCY_KEY_REUSED"},
		{ErrMembership, codes.FailedPrecondition, "MEMBERSHIP"},
		{tuple.ErrTooManyNames, codes.FailedPrecondition, "TOO_MANY_NAMES"},
		{&rewrite.DepthError{Limit: 50}, codes.FailedPrecondition, "DEPTH_EXCEEDED"},
		{&rewrite.WorkError{}, codes.ResourceExhausted, "TOO_MUCH_WORK"},
		{logError("no-leader"), codes.Unavailable, "NO_LEADER"},
		{logError("outcome-unknown"), codes.Unknown, "OUTCOME_UNKNOWN"},
		{logError("ahead"), codes.OutOfRange, "REVISION_UNKNOWN"},
		{logError("closed"), codes.Unavailable, "CLOSED"},
		{logError("failed"), codes.Unavailable, "CLOSED"},
		{logError("too-large"), codes.ResourceExhausted, "TOO_LARGE"},
		{logError("overloaded"), codes.ResourceExhausted, "OVERLOADED"},
		{logError("of a kind that is not known"), codes.Internal, "INTERNAL"},
		{context.DeadlineExceeded, codes.DeadlineExceeded, "DEADLINE_EXCEEDED"},
		{context.Canceled, codes.Canceled, "CANCELLED"},
		{errTest, codes.Internal, "INTERNAL"},
	} {
		wrapped := fmt.Errorf("doing something: %w", c.err)
		got := seen(t, statusOf(wrapped).Err())
		if got.code != c.code.String() || got.reason != "ERROR_REASON_"+c.reason {
			t.Errorf("%v: %s %s, want %v %s", c.err, got.code, got.reason, c.code, c.reason)
		}
	}
}

// A5: a client that reads "deadline exceeded" may take the write for undone.
func TestAnUnknownOutcomeIsNotTakenForADeadline(t *testing.T) {
	err := errors.Join(logError("outcome-unknown"), context.DeadlineExceeded)
	if got := seen(t, statusOf(err).Err()); got.code != "Unknown" || got.reason != "ERROR_REASON_OUTCOME_UNKNOWN" {
		t.Errorf("%+v", got)
	}
}

func TestAnInternalErrorTellsClientsNothing(t *testing.T) {
	for _, err := range []error{errTest, fmt.Errorf("reading /data/state: %w", store.ErrFormat), fmt.Errorf("/data/raft: %w", logError("failed"))} {
		if got := statusOf(err).Message(); strings.Contains(got, err.Error()) || got == "" {
			t.Errorf("%q is sent for %v", got, err)
		}
	}
}

// Backpressure that does not say when to come back makes clients come at once.
func TestARefusalForWhatIsInFlightSaysWhenToTryAgain(t *testing.T) {
	for err, want := range map[error]time.Duration{
		logError("overloaded"): 100 * time.Millisecond, logError("too-large"): 0, logError("no-leader"): 0,
	} {
		var got time.Duration
		for _, detail := range statusOf(err).Details() {
			if retry, ok := detail.(*errdetails.RetryInfo); ok {
				got = retry.RetryDelay.AsDuration()
			}
		}
		if got != want {
			t.Errorf("%v: try again after %s, want %s", err, got, want)
		}
	}
}

// What another node has answered keeps its reason, so that it is known whether
// the call may be made again.
func TestAReasonIsReadBackFromAStatus(t *testing.T) {
	for reason := range reasonCodes {
		if got := reasonOf(statusOf(refusal(reason, "x")).Err()); got != reason {
			t.Errorf("%s comes back as %s", reason, got)
		}
	}
	if got := reasonOf(status.Error(codes.Unimplemented, "no such call")); got != tupelov1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		t.Errorf("a status of somebody else has the reason %s", got)
	}
	if got := reasonOf(logError("no-leader")); got != tupelov1.ErrorReason_ERROR_REASON_NO_LEADER {
		t.Errorf("the log's error has the reason %s", got)
	}
}

func TestAReadyStatusStaysAsItIs(t *testing.T) {
	ready := status.Error(codes.NotFound, "unknown service")
	if got := statusOf(ready); got.Code() != codes.NotFound || got.Message() != "unknown service" {
		t.Errorf("%v", got)
	}
}

func TestPathsGrowFromTheInside(t *testing.T) {
	inner := fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "", "a subject is needed")
	err := within("updates[3]", within("tuple", within("subject", inner)))
	if got, want := err.Error(), "updates[3].tuple.subject: a subject is needed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := within("x", errTest); got != errTest {
		t.Errorf("an error without fields became %v", got)
	}
}

func TestLongMessagesAreCutAndSaySo(t *testing.T) {
	long := strings.Repeat("é", 5000)
	err := fault(tupelov1.ErrorReason_ERROR_REASON_INVALID_SCHEMA, "text", "%s", long)
	st := statusOf(err)
	if n := len(st.Message()); n > maxMessageBytes || !strings.HasSuffix(st.Message(), "é …") {
		t.Errorf("the message has %d bytes and ends %q", n, st.Message()[max(0, n-10):])
	}
	for _, detail := range st.Details() {
		if d, ok := detail.(*errdetails.BadRequest); ok && len(d.FieldViolations[0].Description) > maxDetailBytes {
			t.Errorf("the detail has %d bytes", len(d.FieldViolations[0].Description))
		}
	}
	if got := shorten("short", maxDetailBytes); got != "short" {
		t.Errorf("%q", got)
	}
}

// A6: codes in one place.
func TestStatusCodesAppearInErrorsOnly(t *testing.T) {
	for _, entry := range readDir(t, ".") {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || name == "errors.go" {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if path := strings.Trim(spec.Path.Value, `"`); path == "google.golang.org/grpc/codes" || path == "google.golang.org/grpc/status" {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
