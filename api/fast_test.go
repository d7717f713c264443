package api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/codec"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// fastKinds are messages with a fast path, empty.
var fastKinds = []func() proto.Message{
	func() proto.Message { return &tupelov1.CheckRequest{} },
	func() proto.Message { return &tupelov1.BatchCheckRequest{} },
	func() proto.Message { return &tupelov1.CheckResponse{} },
	func() proto.Message { return &tupelov1.BatchCheckResponse{} },
	func() proto.Message { return &tupelov1.WriteRequest{} },
	func() proto.Message { return &tupelov1.ImportRequest{} },
}

func newFastCodec() *codec.Codec {
	c := codec.New()
	c.Add(fastMessages)
	return c
}

// agree has both read a message from wire, and both write what came of it.
func agree(t *testing.T, c *codec.Codec, empty func() proto.Message, wire []byte) {
	t.Helper()
	want, got := empty(), empty()
	wantErr := proto.Unmarshal(wire, want)
	given := slices.Clone(wire)
	gotErr := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(given)}, got)
	for i := range given {
		given[i] = 0xff // it is the transport's again
	}
	if (wantErr == nil) != (gotErr == nil) {
		t.Fatalf("%T from %x: %v, and the library: %v", want, wire, gotErr, wantErr)
	}
	if wantErr != nil {
		return
	}
	if !proto.Equal(want, got) {
		t.Fatalf("%T from %x: %v, and the library: %v", want, wire, got, want)
	}
	written, err := c.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	deterministic := proto.MarshalOptions{Deterministic: true}
	plain, err := deterministic.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if len(written.Materialize()) != len(plain) {
		t.Fatalf("%v is written as %x, by the library as %x", want, written.Materialize(), plain)
	}
	again := empty()
	if err := proto.Unmarshal(written.Materialize(), again); err != nil || !proto.Equal(again, want) {
		t.Fatalf("%v is written as %x, which is %v: %v", want, written.Materialize(), again, err)
	}
	if fields, hasMaps := fastSize(want); hasMaps && fields == len(plain) && !bytes.Equal(written.Materialize(), plain) {
		t.Fatalf("%v is written as %x, by the library as %x", want, written.Materialize(), plain)
	}
}

// plainMessages are as clients and handlers make them: no fast path may decline them.
func plainMessages() []proto.Message {
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
	return []proto.Message{
		&tupelov1.CheckRequest{Object: object, Relation: "cancel", Subject: subject},
		&tupelov1.CheckRequest{Object: object, Relation: "cancel", Subject: &tupelov1.Subject{Type: "team", Id: "core", Relation: "member"}, Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}},
		&tupelov1.CheckRequest{Consistency: exactly("zookie"), Object: object, Relation: "cancel", Subject: subject, Context: context, WithExplanation: true},
		&tupelov1.CheckRequest{Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: true}}},
		batch, &tupelov1.BatchCheckRequest{}, &tupelov1.CheckRequest{},
		&tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: "zookie"}, &tupelov1.CheckResponse{},
		answers, &tupelov1.BatchCheckResponse{},
		write, &tupelov1.WriteRequest{}, bring, &tupelov1.ImportRequest{},
	}
}

func TestMessagesInTheirPlainFormTakeTheFastPath(t *testing.T) {
	c := newFastCodec()
	for _, m := range plainMessages() {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		switch m.(type) {
		case *tupelov1.CheckRequest, *tupelov1.BatchCheckRequest, *tupelov1.WriteRequest, *tupelov1.ImportRequest:
			if !fastRead(wire, m.ProtoReflect().New().Interface()) {
				t.Errorf("%v is declined", m)
			}
		default:
			if _, ok := fastSize(m); !ok {
				t.Errorf("%v is declined", m)
			}
		}
		agree(t, c, func() proto.Message { return m.ProtoReflect().New().Interface() }, wire)
	}
}

func TestFastPathsAgreeWithTheLibraryOnDamagedMessages(t *testing.T) {
	c, rng := newFastCodec(), rand.New(rand.NewPCG(3, 3))
	small, err := proto.Marshal(&tupelov1.BatchCheckRequest{Items: []*tupelov1.BatchCheckItem{
		{Object: &tupelov1.Object{Type: "run", Id: "1"}, Relation: "cancel", Subject: &tupelov1.Subject{Type: "user", Id: "u"}}, {Relation: "ü"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	wires := [][]byte{small}
	for _, m := range plainMessages() {
		if wire, _ := proto.Marshal(m); len(wire) < 200 {
			wires = append(wires, wire)
		}
	}
	for range 60_000 {
		wire := slices.Clone(wires[rng.IntN(len(wires))])
		if rng.IntN(4) == 0 {
			wire = append(wire, wires[rng.IntN(len(wires))]...) // what is there twice is merged
		}
		for range rng.IntN(3) {
			if len(wire) > 0 {
				wire[rng.IntN(len(wire))] = []byte{0, 1, 2, 8, 10, 18, 26, 34, 42, 48, 0x80, 0xff, byte(rng.IntN(256))}[rng.IntN(13)]
			}
		}
		if rng.IntN(8) == 0 {
			wire = wire[:rng.IntN(len(wire)+1)]
		}
		for _, empty := range fastKinds {
			agree(t, c, empty, wire)
		}
	}
}

func FuzzFastMessages(f *testing.F) {
	for _, m := range plainMessages() {
		if wire, err := proto.Marshal(m); err == nil && len(wire) < 1000 {
			f.Add(wire)
		}
	}
	c := newFastCodec()
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, empty := range fastKinds {
			agree(t, c, empty, wire)
		}
	})
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
	for _, m := range plainMessages()[:1] {
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
