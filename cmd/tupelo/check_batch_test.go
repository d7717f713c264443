package main

import (
	"bufio"
	"bytes"
	"context"
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
	err := checkBatch(t.Context(), term, &client{TupeloClient: server}, newest(), "-")
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
	err := checkBatch(t.Context(), term, &client{TupeloClient: &batchServer{answers: 1}}, newest(), "-")
	if err == nil || !strings.Contains(err.Error(), "answered 1 questions of 2") {
		t.Errorf("the error is %v", err)
	}
}
