package gitclubtest

import (
	"context"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Faulty is a client of a node that shows its calls to functions of a test.
// Those that are nil do nothing. They must be set before the client is used.
type Faulty struct {
	tupelov1.TupeloClient
	// OnCheck sees each request before the node does; an error is the answer.
	OnCheck func(*tupelov1.CheckRequest) error
	// AfterWrite runs when the node has acknowledged a write; an error takes
	// the place of the acknowledgement, as if it was lost on its way.
	AfterWrite func(context.Context) error
}

// Check asks the node, unless OnCheck fails.
func (f *Faulty) Check(ctx context.Context, r *tupelov1.CheckRequest, options ...grpc.CallOption) (*tupelov1.CheckResponse, error) {
	if f.OnCheck != nil {
		if err := f.OnCheck(r); err != nil {
			return nil, err
		}
	}
	return f.TupeloClient.Check(ctx, r, options...)
}

// Write has the node write, and then runs AfterWrite.
func (f *Faulty) Write(ctx context.Context, r *tupelov1.WriteRequest, options ...grpc.CallOption) (*tupelov1.WriteResponse, error) {
	response, err := f.TupeloClient.Write(ctx, r, options...)
	if err == nil && f.AfterWrite != nil {
		if err := f.AfterWrite(ctx); err != nil {
			return nil, err
		}
	}
	return response, err
}
