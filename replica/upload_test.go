package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// importBatches imports tuples, a few in a message, and returns how much was sent.
func importBatches(ctx context.Context, t *testing.T, c tupelov1.TupeloClient, mode tupelov1.ImportRequest_Mode, messages int) (sent int, answer *tupelov1.ImportResponse, err error) {
	t.Helper()
	stream, err := c.Import(ctx)
	if err != nil {
		return 0, nil, err
	}
	for ; sent < messages; sent++ {
		one, err := tupleOf(fmt.Sprintf("doc:d%03d#reader@user:ann", sent))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&tupelov1.ImportRequest{Mode: mode, Tuples: []*tupelov1.Tuple{one}}); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return sent, nil, err
		}
	}
	answer, err = stream.CloseAndRecv()
	return sent, answer, err
}

func TestAnImportInProcessDoesWhatAServerDoes(t *testing.T) {
	r := alone(t)
	remote := dial(t, r)
	for _, c := range []struct {
		mode tupelov1.ImportRequest_Mode
		code codes.Code
	}{
		{tupelov1.ImportRequest_MODE_CREATE, codes.OK}, {tupelov1.ImportRequest_MODE_CREATE, codes.AlreadyExists},
		{tupelov1.ImportRequest_MODE_TOUCH, codes.OK}, {tupelov1.ImportRequest_MODE_UNSPECIFIED, codes.InvalidArgument},
	} {
		_, here, err := importBatches(t.Context(), t, r.Client(), c.mode, 40)
		if status.Code(err) != c.code || err == nil && here.Written != 40 {
			t.Errorf("%v: %v, %v", c.mode, here, err)
		}
		if c.code == codes.OK {
			continue
		}
		_, _, there := importBatches(t.Context(), t, remote, c.mode, 40)
		if got, want := status.Convert(err), status.Convert(there); got.Code() != want.Code() || got.Message() != want.Message() ||
			!proto.Equal(got.Details()[0].(proto.Message), want.Details()[0].(proto.Message)) {
			t.Errorf("in process: %v\nby a server: %v", got.Details(), want.Details())
		}
	}
	all, err := collect(r.Client().Export(t.Context(), &tupelov1.ExportRequest{BatchSize: 7}))
	if err != nil || len(all) != 6 || !all[5].Complete {
		t.Errorf("the export has %d messages, %v", len(all), err)
	}
}

func TestAnImportEndsWithItsContextAndWithTheReplica(t *testing.T) {
	r := alone(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended, err := r.Client().Import(ctx)
	if err != nil {
		t.Fatal(err)
	}
	open, err := r.Client().Import(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := ended.CloseAndRecv(); status.Code(err) != codes.Canceled {
		t.Errorf("an import whose context has ended: %v", err)
	}
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := open.Send(&tupelov1.ImportRequest{}); !errors.Is(err, io.EOF) {
		t.Errorf("sent to a replica that is closed: %v", err)
	}
	if _, err := open.CloseAndRecv(); status.Code(err) != codes.Unavailable {
		t.Errorf("an import of a replica that is closed: %v", err)
	}
	if _, _, err := importBatches(t.Context(), t, r.Client(), tupelov1.ImportRequest_MODE_TOUCH, 3); status.Code(err) != codes.Unavailable {
		t.Errorf("one begun afterwards: %v", err)
	}
}
