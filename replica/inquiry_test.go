package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// inquiry is a question that can be put to any node at any revision. Its answer is
// all bytes of all messages, or the error.
type inquiry struct {
	text  string
	ask   func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string
	batch []*tupelov1.BatchCheckItem // of one that the oracle can judge
	about oracle.Userset             // the subject of all of its items
	given string                     // their context
}

// refusal begins the answers that are errors.
const refusal = "error "

// tooOld reports whether a revision was too old to be asked about.
func tooOld(answer string) bool {
	return strings.HasPrefix(answer, refusal+codes.OutOfRange.String())
}

// answerOf spells one answer.
func answerOf[M proto.Message](message M, err error) string {
	if err != nil {
		return refusal + status.Code(err).String() + " " + status.Convert(err).Message()
	}
	spelled, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		panic(err) // it is what a server sends
	}
	return string(spelled)
}

// streamed spells the answers of a stream, up to its end or error.
func streamed[M any](stream grpc.ServerStreamingClient[M], err error) string {
	var all strings.Builder
	for err == nil {
		var message *M
		if message, err = stream.Recv(); err == nil {
			all.WriteString(answerOf(any(message).(proto.Message), nil))
		}
	}
	if !errors.Is(err, io.EOF) {
		all.WriteString(answerOf[proto.Message](nil, err))
	}
	return all.String()
}

// inquiry makes a random question about the world of a moment. Some of its names
// may be unknown there.
func (c *cacheTrial) inquiry(t *testing.T, m moment) inquiry {
	t.Helper()
	object, subject := c.userset(m), c.subject(m)
	text, given := c.given(t)
	o := &tupelov1.Object{Type: object.Type, Id: object.ID}
	s := &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation}
	limit := int32(c.rng.IntN(4))
	q := inquiry{text: fmt.Sprintf("%v for %v with %s, limit %d", object, subject, text, limit)}
	kinds := []func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string{
		func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
			return answerOf(client.Check(ctx, &tupelov1.CheckRequest{Consistency: at, Object: o, Relation: object.Relation, Subject: s, Context: given}))
		},
		func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
			return answerOf(client.Expand(ctx, &tupelov1.ExpandRequest{Consistency: at, Object: o, Relation: object.Relation}))
		},
		func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
			return streamed(client.ListObjects(ctx, &tupelov1.ListObjectsRequest{
				Consistency: at, ObjectType: object.Type, Relation: object.Relation, Subject: s, Context: given, Limit: limit}))
		},
		func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
			return streamed(client.ListSubjects(ctx, &tupelov1.ListSubjectsRequest{
				Consistency: at, Object: o, Relation: object.Relation, SubjectType: s.Type, SubjectRelation: s.Relation, Context: given, Limit: limit}))
		},
		func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
			return answerOf(client.ListRelations(ctx, &tupelov1.ListRelationsRequest{Consistency: at, Object: o, Subject: s, Context: given}))
		},
		func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
			return answerOf(client.Read(ctx, &tupelov1.ReadRequest{
				Consistency: at, Filter: &tupelov1.Filter{ObjectType: object.Type, SubjectType: subject.Type}, Limit: 3}))
		},
	}
	if i := c.rng.IntN(len(kinds) + 2); i < len(kinds) {
		q.ask = kinds[i]
		return q
	}
	q.about, q.given = subject, text
	for _, u := range usersetsOf(m.schema, c.objects) {
		q.batch = append(q.batch, &tupelov1.BatchCheckItem{Object: &tupelov1.Object{Type: u.Type, Id: u.ID}, Relation: u.Relation, Subject: s, Context: given})
	}
	q.ask = func(ctx context.Context, client tupelov1.TupeloClient, at *tupelov1.Consistency) string {
		return answerOf(client.BatchCheck(ctx, &tupelov1.BatchCheckRequest{Consistency: at, Items: q.batch}))
	}
	return q
}

// usersetsOf lists every relation and permission of objects of a schema, one of
// which no tuple speaks among them, as far as one batch takes them.
func usersetsOf(s *schema.Schema, objects int) (all []oracle.Userset) {
	for i := range objects + 1 {
		for _, d := range s.Definitions {
			for _, m := range d.Members {
				all = append(all, oracle.Userset{Object: oracle.Object{Type: d.Name, ID: rewritetest.ObjectID(i)}, Relation: m.MemberName()})
			}
		}
	}
	return all[:min(len(all), 1000)]
}

func (c *cacheTrial) userset(m moment) oracle.Userset {
	all := usersetsOf(m.schema, c.objects)
	return all[c.rng.IntN(len(all))]
}

// subject is an object, or now and then a userset.
func (c *cacheTrial) subject(m moment) oracle.Userset {
	u := c.userset(m)
	if c.rng.IntN(4) > 0 {
		u.Type = m.schema.Definitions[c.rng.IntN(len(m.schema.Definitions))].Name
		u.Relation = ""
	}
	return u
}

// given is a context that may leave conditions open.
func (c *cacheTrial) given(t *testing.T) (text string, message *structpb.Struct) {
	t.Helper()
	var params []*schema.Param
	for i := range schematest.CaveatParams {
		params = append(params, &schematest.CaveatParams[i])
	}
	if text = rewritetest.Context(c.rng, params); text == "" || c.rng.IntN(3) == 0 {
		return "", nil
	}
	message = &structpb.Struct{}
	if err := message.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return text, message
}

func exactly(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie}}
}

// sameAnswers puts random questions about a moment to every node.
func (c *cacheTrial) sameAnswers(t *testing.T, m moment, n int) {
	t.Helper()
	for range n {
		c.sameAnswer(t, c.inquiry(t, m), m)
	}
}

// sameAnswer puts a question to every node, and returns the answer.
func (c *cacheTrial) sameAnswer(t *testing.T, q inquiry, m moment) string {
	t.Helper()
	want := q.ask(t.Context(), c.client(0), exactly(m.zookie))
	for i := 1; i < len(c.nodes); i++ {
		if got := q.ask(t.Context(), c.client(i), exactly(m.zookie)); got != want {
			t.Errorf("%s at %s: with a cache of %d bytes %q, without one %q", q.text, m.zookie, cacheSizes[i], got, want)
		}
	}
	c.tally.answers++
	switch {
	case tooOld(want):
		c.tally.refused++
	case len(q.batch) > 0:
		c.judge(t, q, m, want)
	}
	return want
}

// judge asks the oracle for what a batch was answered.
func (c *cacheTrial) judge(t *testing.T, q inquiry, m moment, answer string) {
	t.Helper()
	var response tupelov1.BatchCheckResponse
	if strings.HasPrefix(answer, refusal) || proto.Unmarshal([]byte(answer), &response) != nil || len(response.Results) != len(q.batch) {
		t.Fatalf("%s: %s", q.text, answer)
	}
	usersets := usersetsOf(m.schema, c.objects)
	var also []oracle.Object
	for _, u := range usersets {
		also = append(also, u.Object)
	}
	truth := oracle.Under(m.schema, m.tuples, rewritetest.Conditions(q.given, c.nowNanos.Load())).Answers(q.about, also...)
	for i, u := range usersets {
		want := map[oracle.Truth]tupelov1.Result{
			oracle.No: tupelov1.Result_RESULT_NO, oracle.Perhaps: tupelov1.Result_RESULT_CONDITIONAL, oracle.Yes: tupelov1.Result_RESULT_YES,
		}[truth[u].Truth]
		if response.Results[i].Result != want {
			t.Errorf("%v for %v with %s at %s: %s; the oracle says %v of %v", u, q.about, q.given, m.zookie, prototext.Format(response.Results[i]), want, m.tuples)
		}
		if want == tupelov1.Result_RESULT_CONDITIONAL {
			c.tally.conditional++
		}
		c.tally.byOracle++
	}
}

// updateOf makes an update of a tuple; one that deletes it speaks of no more than
// makes it that tuple.
func updateOf(t *testing.T, op tupelov1.Update_Operation, named tuple.Named) *tupelov1.Update {
	t.Helper()
	if op == tupelov1.Update_OPERATION_DELETE {
		named.Caveat, named.Context, named.ExpiresNanos = "", "", 0
	}
	message, err := messageOf(named)
	if err != nil {
		t.Fatal(err)
	}
	return &tupelov1.Update{Operation: op, Tuple: message}
}
