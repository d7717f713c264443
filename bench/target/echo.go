package target

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

// echo is a server that answers at once and knows nothing: what a call costs if the
// store costs nothing. Its answers are not looked at, so it is never wrong.
type echo struct{ *native }

func openEcho(o Options) (load.Target, error) {
	n, err := dialNative(o)
	if err != nil {
		return nil, err
	}
	return echo{n}, nil
}

// Prepare does nothing: there is nothing to know.
func (echo) Prepare(context.Context, *dataset.Set, bool) error { return nil }

// Load goes through the tuples and forgets them.
func (echo) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	for range tuples {
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// Request makes the message that Tupelo would be asked with, and takes the answer
// for the right one.
func (e echo) Request(o dataset.Operation, lane int) (load.Call, error) {
	switch o.Kind {
	case dataset.Watch, dataset.ListObjects, dataset.ListSubjects:
		return nil, notSupported("echo", o, "a stream that nobody makes has no cost to compare with")
	}
	call, err := e.native.Request(o, lane)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		answer, err := call(ctx)
		if err != nil {
			return answer, err
		}
		want := o.Want
		want.Token = answer.Token
		return want, nil
	}, nil
}

// Version says that there is none.
func (echo) Version(context.Context) (string, error) {
	return "", fmt.Errorf("echo: version: %w: it is this program's", load.ErrNotSupported)
}

// ServeEcho answers checks, batches and writes on a listener until ctx ends: with
// the messages that Tupelo answers with, the same ones every time.
func ServeEcho(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxAnswerBytes))
	tupelov1.RegisterTupeloServer(server, echoServer{
		check: &tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: echoZookie},
		yes:   &tupelov1.BatchCheckResult{Result: tupelov1.Result_RESULT_YES},
		write: &tupelov1.WriteResponse{Zookie: echoZookie},
	})
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	err := server.Serve(listener)
	if errors.Is(err, grpc.ErrServerStopped) || ctx.Err() != nil {
		return nil
	}
	return err
}

// echoZookie is as long as a zookie of a server's first weeks.
const echoZookie = "AAAAAAAAAAAAAAAAAAAAAA"

type echoServer struct {
	tupelov1.UnimplementedTupeloServer
	check *tupelov1.CheckResponse
	yes   *tupelov1.BatchCheckResult
	write *tupelov1.WriteResponse
}

// Check answers yes.
func (e echoServer) Check(context.Context, *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	return e.check, nil
}

// BatchCheck answers yes to each.
func (e echoServer) BatchCheck(_ context.Context, r *tupelov1.BatchCheckRequest) (*tupelov1.BatchCheckResponse, error) {
	response := &tupelov1.BatchCheckResponse{Zookie: echoZookie, Results: make([]*tupelov1.BatchCheckResult, len(r.Items))}
	for i := range response.Results {
		response.Results[i] = e.yes
	}
	return response, nil
}

// Write acknowledges what it forgets.
func (e echoServer) Write(context.Context, *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
	return e.write, nil
}
