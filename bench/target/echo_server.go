package target

import (
	"context"
	"errors"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// ServeEcho answers checks, batches and writes on a listener until ctx ends: with
// messages as large as those that Tupelo answers with, the same ones every time. It
// reads no request, but for how many checks a batch has, and encodes no answer that
// is always the same: what is left is gRPC.
func ServeEcho(ctx context.Context, listener net.Listener) error {
	e := echoServer{
		check: &tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: echoZookie},
		yes:   &tupelov1.BatchCheckResult{Result: tupelov1.Result_RESULT_YES},
		write: &tupelov1.WriteResponse{Zookie: echoZookie},
	}
	codec := echoCodec{CodecV2: encoding.GetCodecV2("proto"), encoded: make(map[any]mem.SliceBuffer)}
	for _, answer := range []proto.Message{e.check, e.write} {
		text, err := proto.Marshal(answer)
		if err != nil {
			return err
		}
		codec.encoded[answer] = text
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxAnswerBytes), grpc.ForceServerCodecV2(codec))
	tupelov1.RegisterTupeloServer(server, e)
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	err := server.Serve(listener)
	if errors.Is(err, grpc.ErrServerStopped) || ctx.Err() != nil {
		return nil
	}
	return err
}

// echoCodec leaves out what an echo need not know.
type echoCodec struct {
	encoding.CodecV2
	encoded map[any]mem.SliceBuffer // by the answer
}

// Marshal returns an answer that is always the same as it was encoded once.
func (c echoCodec) Marshal(v any) (mem.BufferSlice, error) {
	if text, ok := c.encoded[v]; ok {
		return mem.BufferSlice{text}, nil
	}
	return c.CodecV2.Marshal(v)
}

// Unmarshal decodes batches alone.
func (c echoCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if _, ok := v.(*tupelov1.BatchCheckRequest); ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	return nil
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
