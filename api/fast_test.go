package api

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/codec"
	"github.com/tupelodb/tupelo/api/codec/codectest"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newFastCodec() *codec.Codec { return held().Codec() }

func TestMessagesInTheirPlainFormTakeTheFastPath(t *testing.T) { codectest.Plain(t, held()) }

func TestFastPathsAgreeWithTheLibraryOnDamagedMessages(t *testing.T) {
	codectest.Damaged(t, held(), 60_000)
}

func FuzzFastMessages(f *testing.F) { codectest.Fuzz(f, held()) }

// held are the fast paths, and messages in their plain form.
func held() *codectest.Held {
	zookie := &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: "zookie"}}
	context, err := structpb.NewStruct(map[string]any{"hour": 12.0})
	if err != nil {
		panic(err)
	}
	object, subject := &tupelov1.Object{Type: "run", Id: "42"}, &tupelov1.Subject{Type: "user", Id: "alice"}
	batch, answers := &tupelov1.BatchCheckRequest{Consistency: zookie}, &tupelov1.BatchCheckResponse{Zookie: "zookie"}
	for i := range 1000 {
		object := &tupelov1.Object{Type: "run", Id: strings.Repeat("7", 1+i)}
		batch.Items = append(batch.Items, &tupelov1.BatchCheckItem{Object: object, Relation: "cancel", Subject: subject})
		answers.Results = append(answers.Results, &tupelov1.BatchCheckResult{Result: tupelov1.Result(i % 4)})
	}
	write, bring := &tupelov1.WriteRequest{IdempotencyKey: "key"}, &tupelov1.ImportRequest{Mode: tupelov1.ImportRequest_MODE_TOUCH}
	for i := range 1000 {
		t := &tupelov1.Tuple{Object: &tupelov1.Object{Type: "run", Id: strings.Repeat("7", 1+i)}, Relation: "job", Subject: subject}
		write.Updates = append(write.Updates, &tupelov1.Update{Operation: tupelov1.Update_Operation(i % 4), Tuple: t})
		bring.Tuples = append(bring.Tuples, t)
	}
	return &codectest.Held{
		Fast: fastMessages,
		Requests: []proto.Message{
			&tupelov1.CheckRequest{Object: object, Relation: "cancel", Subject: subject},
			&tupelov1.CheckRequest{Object: object, Relation: "cancel", Subject: &tupelov1.Subject{Type: "team", Id: "core", Relation: "member"}, Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}},
			&tupelov1.CheckRequest{Consistency: exactly("zookie"), Object: object, Relation: "cancel", Subject: subject, Context: context, WithExplanation: true},
			&tupelov1.CheckRequest{Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: true}}},
			&tupelov1.CheckRequest{}, batch, &tupelov1.BatchCheckRequest{Items: batch.Items[:2]}, &tupelov1.BatchCheckRequest{},
			write, &tupelov1.WriteRequest{}, bring, &tupelov1.ImportRequest{},
		},
		Answers: []proto.Message{
			&tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: "zookie"}, &tupelov1.CheckResponse{},
			answers, &tupelov1.BatchCheckResponse{},
		},
	}
}

func TestAnswersThatAreNotPlainAreWrittenByTheLibrary(t *testing.T) {
	for _, m := range []proto.Message{
		&tupelov1.CheckResponse{MissingContext: []string{"hour"}},
		&tupelov1.CheckResponse{Explanation: &tupelov1.Explanation{}},
		&tupelov1.CheckResponse{Zookie: "\xff"},
		&tupelov1.CheckResponse{Result: -1},
		&tupelov1.CheckResponse{Result: 128},
		(*tupelov1.CheckResponse)(nil),
		&tupelov1.BatchCheckResponse{Results: []*tupelov1.BatchCheckResult{{Error: &status.Status{}}}},
		&tupelov1.BatchCheckResponse{Results: []*tupelov1.BatchCheckResult{{MissingContext: []string{"hour"}}}},
		&tupelov1.BatchCheckResponse{Results: []*tupelov1.BatchCheckResult{nil}},
		&tupelov1.ReadResponse{},
	} {
		if _, ok := fastSize(m); ok {
			t.Errorf("%T{%v} has a fast path", m, m)
		}
	}
}

func TestReadingAndWritingTakesFewAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not those of the program under the race detector")
	}
	c := newFastCodec()
	wireOf := func(m proto.Message) mem.BufferSlice {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return mem.BufferSlice{mem.SliceBuffer(wire)}
	}
	object, subject := &tupelov1.Object{Type: "run", Id: "42"}, &tupelov1.Subject{Type: "user", Id: "alice"}
	check := wireOf(&tupelov1.CheckRequest{Object: object, Relation: "cancel", Subject: subject})
	batch := &tupelov1.BatchCheckRequest{}
	for i := range 100 {
		object := &tupelov1.Object{Type: "run", Id: fmt.Sprint(i)}
		batch.Items = append(batch.Items, &tupelov1.BatchCheckItem{Object: object, Relation: "cancel", Subject: subject})
	}
	batchWire := wireOf(batch)
	bring := &tupelov1.ImportRequest{}
	for _, item := range batch.Items {
		bring.Tuples = append(bring.Tuples, &tupelov1.Tuple{Object: item.Object, Relation: "job", Subject: subject})
	}
	bringWire := wireOf(bring)
	answer := &tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: "zookie"}
	for _, m := range []struct {
		name string
		most float64
		do   func() error
	}{
		{"reading a check: the text and the terms", 2, func() error { return c.Unmarshal(check, &tupelov1.CheckRequest{}) }},
		{"reading 100 checks: the text, the items and the list of them", 3, func() error { return c.Unmarshal(batchWire, &tupelov1.BatchCheckRequest{}) }},
		{"reading 100 tuples: the text, the tuples and the list of them", 3, func() error { return c.Unmarshal(bringWire, &tupelov1.ImportRequest{}) }},
		{"writing an answer: as the transport takes it", 3, func() error { _, err := c.Marshal(answer); return err }},
	} {
		n := testing.AllocsPerRun(200, func() {
			if err := m.do(); err != nil {
				t.Fatal(err)
			}
		})
		if n > m.most+1 { // the message itself
			t.Errorf("%s: %.0f allocations", m.name, n)
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	fast, library := newFastCodec(), codec.New()
	for _, m := range held().Requests[:1] {
		wire, _ := proto.Marshal(m)
		data := mem.BufferSlice{mem.SliceBuffer(wire)}
		for name, c := range map[string]*codec.Codec{"fast": fast, "library": library} {
			b.Run("read/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_ = c.Unmarshal(data, &tupelov1.CheckRequest{})
				}
			})
			answer := &tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: "CgZ6b29raWUKBnpvb2tpZQ"}
			b.Run("write/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					_, _ = c.Marshal(answer)
				}
			})
		}
	}
}
