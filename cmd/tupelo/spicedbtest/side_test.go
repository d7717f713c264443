package spicedbtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// side is one of the servers, with what it answered.
type side struct {
	v1.PermissionsServiceClient
	v1.SchemaServiceClient
	v1.WatchServiceClient
	v1.ExperimentalServiceClient

	t             *testing.T
	name, address string
	steps         []string          // in their order
	answers       map[string]string // by step
}

// note remembers what was answered in a step of a story.
func (s *side) note(step, answer string) {
	if _, twice := s.answers[step]; twice {
		s.t.Fatalf("two steps are called %q", step)
	}
	s.steps, s.answers[step] = append(s.steps, step), answer
}

// difference is one that is meant: in which steps, how the two answers begin, and why
// it stays.
type difference struct{ steps, spicedb, tupelo, why string }

// compare tells a story to both servers. They must answer alike in each step, or
// differ in a way that is meant; and what is meant must be seen.
func (both sides) compare(t *testing.T, story func(*side), meant ...difference) {
	t.Helper()
	for _, s := range []*side{both.spicedb, both.tupelo} {
		s.t, s.steps, s.answers = t, nil, make(map[string]string)
		story(s)
	}
	if theirs, ours := sorted(slices.Clone(both.spicedb.steps)), sorted(slices.Clone(both.tupelo.steps)); !slices.Equal(theirs, ours) {
		t.Errorf("the story went two ways:\n%q\n%q", theirs, ours)
	}
	seen := make([]int, len(meant))
	for _, step := range both.spicedb.steps {
		theirs, ours := both.spicedb.answers[step], both.tupelo.answers[step]
		if *answersFlag {
			t.Logf("%s: %s", step, theirs)
		}
		if theirs == ours {
			continue
		}
		i := slices.IndexFunc(meant, func(d difference) bool {
			return strings.HasPrefix(theirs, d.spicedb) && strings.HasPrefix(ours, d.tupelo) && regexp.MustCompile(d.steps).MatchString(step)
		})
		if i < 0 {
			t.Errorf("%s:\nspicedb %s\ntupelo  %s", step, theirs, ours)
		} else {
			seen[i]++
		}
	}
	for i, d := range meant {
		if seen[i] == 0 {
			t.Errorf("no step differs in this way any more: %q", d)
		}
	}
	t.Logf("%d steps, of which these differ: %v", len(both.spicedb.steps), seen)
}

// patience bounds a call, so that one that waits for ever fails its test.
const patience = time.Minute

const second = time.Second

// unary makes a call and notes its answer, which is nil if it was refused.
func unary[Q, A proto.Message](s *side, step string, call func(context.Context, Q, ...grpc.CallOption) (A, error), request Q) A {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	answer, err := call(ctx, request)
	if err != nil {
		s.note(step, refusal(err))
		var none A
		return none
	}
	s.note(step, spelled(answer))
	return answer
}

// receiver is a stream of answers.
type receiver[A proto.Message] interface{ Recv() (A, error) }

// listed makes a call whose answers are many, and notes them sorted, for there is no
// order that both promise.
func listed[Q, A proto.Message, S receiver[A]](s *side, step string, call func(context.Context, Q, ...grpc.CallOption) (S, error), request Q) []A {
	answers, err := received[Q, A](s, call, request)
	var lines []string
	for _, answer := range answers {
		lines = append(lines, spelled(answer))
	}
	lines = slices.Compact(sorted(lines)) // SpiceDB may say a thing twice
	if err != nil {
		lines = append(lines, refusal(err))
	}
	s.note(step, strings.Join(lines, "\n        "))
	return answers
}

// received makes a call and reads its answers to their end.
func received[Q, A proto.Message, S receiver[A]](s *side, call func(context.Context, Q, ...grpc.CallOption) (S, error), request Q) (answers []A, err error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	opened, err := call(ctx, request)
	for err == nil {
		var answer A
		if answer, err = opened.Recv(); err == nil {
			answers = append(answers, answer)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return answers, err
}

// refusal spells what clients look at in an error: all but its text.
func refusal(err error) string {
	st := status.Convert(err)
	told := st.Code().String()
	if st.Code() == codes.OK {
		return told
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			told += " " + strings.TrimPrefix(info.Reason, "ERROR_REASON_") + " " + info.Domain
			if info.Reason == v1.ErrorReason_ERROR_REASON_SCHEMA_PARSE_ERROR.String() {
				continue // the place is that of the word at fault here, and differs
			}
			for _, name := range slices.Sorted(maps.Keys(info.Metadata)) {
				told += fmt.Sprintf(" %s=%q", name, strings.ReplaceAll(info.Metadata[name], "  ", " ")) // protobuf varies the spaces of its texts
			}
		}
	}
	if *textsFlag {
		told += " // " + st.Message()
	}
	return told
}

// spelled is a message in JSON, without what names a revision or a server's time.
func spelled(m proto.Message) string {
	m = proto.Clone(m)
	forget(m.ProtoReflect())
	return compact(m)
}

// compact is a message in JSON without spaces, which protojson varies.
func compact(m proto.Message) string {
	text, err := protojson.Marshal(m)
	if err != nil {
		return err.Error()
	}
	var short bytes.Buffer
	if err := json.Compact(&short, text); err != nil {
		return err.Error()
	}
	return short.String()
}

// forget removes tokens, cursors, and what a trace says of its making.
func forget(m protoreflect.Message) {
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "missing_required_context":
			sortTexts(value.List())
		case field.Message() == nil || field.IsMap() || field.Message().FullName() == "google.protobuf.Any":
		case field.IsList():
			dropNobody(m)
			list := m.Get(field).List()
			for i := range list.Len() {
				forget(list.Get(i).Message())
			}
			if unordered[field.FullName()] || commutes(m) {
				sortList(list)
			}
		case forgotten[field.Message().Name()] || field.Name() == "duration":
			m.Clear(field)
		default:
			forget(value.Message())
		}
		return true
	})
	for _, name := range []protoreflect.Name{"trace_operation_id", "source", "debug_information", "is_terminal_subject", "excluded_subject_ids"} {
		if field := m.Descriptor().Fields().ByName(name); field != nil {
			m.Clear(field)
		}
	}
	if field := m.Descriptor().Fields().ByName("message"); field != nil && m.Descriptor().FullName() == "google.rpc.Status" {
		m.Clear(field)
	}
}

// sortList puts messages into the order of their texts.
func sortList(list protoreflect.List) {
	all := make([]protoreflect.Value, list.Len())
	for i := range all {
		all[i] = list.Get(i)
	}
	slices.SortFunc(all, func(a, b protoreflect.Value) int {
		return strings.Compare(compact(a.Message().Interface()), compact(b.Message().Interface()))
	})
	for i, one := range all {
		list.Set(i, one)
	}
}

func sortTexts(list protoreflect.List) {
	all := make([]string, list.Len())
	for i := range all {
		all[i] = list.Get(i).String()
	}
	for i, one := range sorted(all) {
		list.Set(i, protoreflect.ValueOfString(one))
	}
}

// commutes reports whether a message is a node of a tree whose children have no order.
func commutes(m protoreflect.Message) bool {
	node, ok := m.Interface().(*v1.AlgebraicSubjectSet)
	return ok && node.Operation != v1.AlgebraicSubjectSet_OPERATION_EXCLUSION
}

// dropNobody takes the leaves without subjects out of a union. SpiceDB has one for an
// object that lacks the target of an arrow, Tupelo none.
func dropNobody(m protoreflect.Message) {
	if node, ok := m.Interface().(*v1.AlgebraicSubjectSet); ok && node.Operation == v1.AlgebraicSubjectSet_OPERATION_UNION {
		node.Children = slices.DeleteFunc(node.Children, func(child *v1.PermissionRelationshipTree) bool {
			return child.GetLeaf() != nil && len(child.GetLeaf().Subjects) == 0
		})
	}
}

// unordered are the lists that have no order.
var unordered = map[protoreflect.FullName]bool{
	"authzed.api.v1.DirectSubjectSet.subjects":                     true,
	"authzed.api.v1.LookupSubjectsResponse.excluded_subjects":      true,
	"authzed.api.v1.ReflectSchemaResponse.definitions":             true,
	"authzed.api.v1.ReflectSchemaResponse.caveats":                 true,
	"authzed.api.v1.ExperimentalReflectSchemaResponse.definitions": true,
	"authzed.api.v1.ExperimentalReflectSchemaResponse.caveats":     true,
	"authzed.api.v1.DiffSchemaResponse.diffs":                      true,
	"authzed.api.v1.ExperimentalDiffSchemaResponse.diffs":          true,
}

var forgotten = map[protoreflect.Name]bool{"ZedToken": true, "Cursor": true}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
