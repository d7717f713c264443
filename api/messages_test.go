package api

import (
	"encoding/json"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Messages spelled the way people write tuples.

func parseTuple(t testing.TB, text string) tuple.Named {
	t.Helper()
	n, err := tuple.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tupleMessage(t testing.TB, text string) *tupelov1.Tuple {
	n := parseTuple(t, text)
	m := &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: n.ObjectType, Id: n.ObjectID},
		Relation: n.Relation,
		Subject:  &tupelov1.Subject{Type: n.SubjectType, Id: n.SubjectID, Relation: n.SubjectRelation},
	}
	if err := spellTraits(&n, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// tupleText spells a tuple with what it carries.
func tupleText(m *tupelov1.Tuple) string {
	n := namedOf(m)
	if m.ExpiresAt != nil {
		n.ExpiresNanos = m.ExpiresAt.AsTime().UnixNano()
	}
	if m.Caveat != nil {
		n.Caveat = m.Caveat.Name
	}
	if m.Caveat.GetContext() != nil {
		n.Context = contextText(m.Caveat.Context)
	}
	return n.String()
}

// contextText writes a context in one way; protojson's spaces vary.
func contextText(s *structpb.Struct) string {
	text, err := json.Marshal(s.AsMap())
	if err != nil {
		panic(err)
	}
	return string(text)
}

func updates(t testing.TB, op tupelov1.Update_Operation, tuples ...string) *tupelov1.WriteRequest {
	r := &tupelov1.WriteRequest{}
	for _, text := range tuples {
		r.Updates = append(r.Updates, &tupelov1.Update{Operation: op, Tuple: tupleMessage(t, text)})
	}
	return r
}

func checkRequest(t testing.TB, c *tupelov1.Consistency, question string) *tupelov1.CheckRequest {
	m := tupleMessage(t, question)
	return &tupelov1.CheckRequest{Consistency: c, Object: m.Object, Relation: m.Relation, Subject: m.Subject}
}

func checkItem(t testing.TB, question string) *tupelov1.BatchCheckItem {
	m := tupleMessage(t, question)
	return &tupelov1.BatchCheckItem{Object: m.Object, Relation: m.Relation, Subject: m.Subject}
}

func atLeast(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
}

func exactly(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie}}
}

func fully() *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
}

func minimizeLatency() *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: true}}
}

func ptr[T any](v T) *T { return &v }

// refusalOf is what a client sees of an error.
type refusalOf struct {
	code, reason, field string
	message             string
	status              *status.Status
}

func seen(t testing.TB, err error) refusalOf {
	t.Helper()
	st, ok := status.FromError(err)
	if !ok {
		t.Fatalf("not a status: %v", err)
	}
	r := refusalOf{code: st.Code().String(), message: st.Message(), status: st}
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			if d.Domain != Domain {
				t.Errorf("the domain is %q", d.Domain)
			}
			r.reason = d.Reason
		case *errdetails.BadRequest:
			r.field = d.FieldViolations[0].Field
		}
	}
	return r
}
