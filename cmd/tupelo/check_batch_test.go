package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// batchServer answers yes to all, at a newer revision each time that it is free to.
type batchServer struct {
	tupelov1.TupeloClient
	requests []*tupelov1.BatchCheckRequest
	answers  int // too few by so many
}

func (s *batchServer) BatchCheck(_ context.Context, r *tupelov1.BatchCheckRequest, _ ...grpc.CallOption) (*tupelov1.BatchCheckResponse, error) {
	s.requests = append(s.requests, r)
	response := &tupelov1.BatchCheckResponse{Zookie: fmt.Sprintf("zookie-%d", len(s.requests))}
	if exact := r.Consistency.GetAtExactSnapshot(); exact != "" {
		response.Zookie = exact
	}
	for range len(r.Items) - s.answers {
		response.Results = append(response.Results, &tupelov1.BatchCheckResult{Result: tupelov1.Result_RESULT_YES})
	}
	return response, nil
}

func TestABatchOfAnySizeIsAnsweredAtOneRevision(t *testing.T) {
	server := &batchServer{}
	var out bytes.Buffer
	in := strings.NewReader(strings.Repeat("run:42 cancel user:alice\n", 2500))
	term := &terminal{in: in, out: bufio.NewWriter(&out)}
	err := checkBatch(t.Context(), term, &client{TupeloClient: server}, newest(), nil, "-")
	if err != nil {
		t.Fatal(err)
	}
	if err := term.out.Flush(); err != nil {
		t.Fatal(err)
	}
	want := []*tupelov1.Consistency{newest(), atExactSnapshot("zookie-1"), atExactSnapshot("zookie-1")}
	if len(server.requests) != len(want) {
		t.Fatalf("%d calls, want %d", len(server.requests), len(want))
	}
	for i, r := range server.requests {
		if !proto.Equal(r.Consistency, want[i]) {
			t.Errorf("call %d asks for %v, want %v", i, r.Consistency, want[i])
		}
	}
	if n := strings.Count(out.String(), "yes "); n != 2500 || !strings.HasSuffix(out.String(), "\nzookie zookie-1\n") {
		t.Errorf("%d answers, the end is %q", n, out.String()[out.Len()-40:])
	}
}

func TestABatchThatIsAnsweredInPartIsAFailure(t *testing.T) {
	in := strings.NewReader("run:42 cancel user:alice\nrun:42 cancel user:bob\n")
	term := &terminal{in: in, out: bufio.NewWriter(&bytes.Buffer{})}
	err := checkBatch(t.Context(), term, &client{TupeloClient: &batchServer{answers: 1}}, newest(), nil, "-")
	if err == nil || !strings.Contains(err.Error(), "answered 1 questions of 2") {
		t.Errorf("the error is %v", err)
	}
}

func TestABatchOfLongContextsIsAskedInSmallerCalls(t *testing.T) {
	server := &batchServer{}
	question := fmt.Sprintf("run:42 cancel user:alice with {\"words\":%q}\n", strings.Repeat("x", 60_000))
	term := &terminal{in: strings.NewReader(strings.Repeat(question, 50)), out: bufio.NewWriter(&bytes.Buffer{})}
	if err := checkBatch(t.Context(), term, &client{TupeloClient: server}, newest(), nil, "-"); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, r := range server.requests {
		asked += len(r.Items)
		if size := proto.Size(r); size > 2<<20 {
			t.Errorf("a call has %d bytes", size)
		}
	}
	if asked != 50 || len(server.requests) > 4 {
		t.Errorf("%d questions in %d calls", asked, len(server.requests))
	}
}

func TestTheContextOfALineWinsOverThatOfTheBatchAndLeavesItAsItWas(t *testing.T) {
	given, err := parseContext(`{"day":"mon","n":1}`)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		`run:42 with user:alice`:                                   `{"day":"mon","n":1}`,
		`run:42 with user:alice with {"day":"tue"}`:                `{"day":"tue","n":1}`,
		`run:42#cancel@user:alice with {"day":null,"a":" with {"}`: `{"a":" with {","day":null,"n":1}`,
		`run:42#cancel@user:alice with {}`:                         `{"day":"mon","n":1}`,
	} {
		q, err := parseAsked(line, given)
		if err != nil || contextText(q.item.Context) != want {
			t.Errorf("%s asks with %s, %v; want %s", line, contextText(q.item.GetContext()), err, want)
		}
	}
}

func TestNoMixOfAnswersWithoutANoAndAnErrorIsMistakenForYes(t *testing.T) {
	for verdict, want := range map[batchVerdict]error{
		{}:                          nil,
		{conditional: 1}:            errConditional,
		{denied: 1}:                 errNo,
		{denied: 1, conditional: 1}: errNo,
	} {
		if got := verdict.err(); !errors.Is(got, want) {
			t.Errorf("%+v is %v, want %v", verdict, got, want)
		}
	}
	failed := batchVerdict{failed: 1, denied: 1, conditional: 1}
	if err := failed.err(); err == nil || errors.Is(err, errNo) || errors.Is(err, errConditional) {
		t.Errorf("a failure is %v", err)
	}
}
