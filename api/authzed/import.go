package authzed

import (
	"cmp"
	"context"
	"errors"
	"io"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// ImportBulkRelationships creates the relationships of a stream of any length.
func (p permissions) ImportBulkRelationships(stream grpc.ClientStreamingServer[v1.ImportBulkRelationshipsRequest, v1.ImportBulkRelationshipsResponse]) error {
	loaded, err := p.load(stream.Context(), func() ([]*v1.Relationship, error) {
		message, err := stream.Recv()
		return message.GetRelationships(), err
	})
	if err != nil {
		return err
	}
	return stream.SendAndClose(&v1.ImportBulkRelationshipsResponse{NumLoaded: loaded})
}

// BulkImportRelationships is what ImportBulkRelationships was called before.
func (e experimental) BulkImportRelationships(stream grpc.ClientStreamingServer[v1.BulkImportRelationshipsRequest, v1.BulkImportRelationshipsResponse]) error {
	loaded, err := e.load(stream.Context(), func() ([]*v1.Relationship, error) {
		message, err := stream.Recv()
		return message.GetRelationships(), err
	})
	if err != nil {
		return err
	}
	return stream.SendAndClose(&v1.BulkImportRelationshipsResponse{NumLoaded: loaded})
}

// Bounds of an import: of one write, which is one entry of the log, and of the
// writes that are under way. They have no part in what clients may send.
const (
	maxLoadBytes    = 1 << 20
	maxLoadInFlight = 8
)

// load creates the relationships that receive gives, until it gives io.EOF, by one
// write after another. Of an import that fails some writes stay, those before and
// a few behind the one that failed: its error is that of the first in the stream.
func (a *adapter) load(ctx context.Context, receive func() ([]*v1.Relationship, error)) (uint64, error) {
	ctx, cancel := context.WithCancel(ctx)
	l := loading{native: a.native, ctx: ctx}
	defer l.wait()
	defer cancel()
	for {
		list, err := receive()
		switch {
		case errors.Is(err, io.EOF):
			return l.finish()
		case err != nil:
			return 0, err
		}
		for _, r := range list {
			if err := l.add(r); err != nil {
				return 0, err
			}
		}
	}
}

// loading is an import under way: a write that is being filled, and those that have
// been sent, in their order.
type loading struct {
	native *api.Server
	ctx    context.Context
	filled []*v1.Relationship
	bytes  int
	sent   []chan error // of each write, that which becomes of it
	loaded uint64       // by the writes that were sent
}

// add puts a relationship into the write that is being filled, and sends that once it
// is full. Its error is that of the oldest write which failed.
func (l *loading) add(r *v1.Relationship) error {
	if err := refuseRelationship(r); err != nil {
		return cmp.Or(l.drain(0), err)
	}
	l.filled = append(l.filled, r)
	if c := r.GetOptionalCaveat(); c != nil {
		l.bytes += proto.Size(c)
	}
	l.bytes += len(r.GetResource().GetObjectId()) + len(r.GetSubject().GetObject().GetObjectId())
	if len(l.filled) < maxUpdates && l.bytes < maxLoadBytes {
		return nil
	}
	return l.flush()
}

// flush sends the write that is being filled, once there is room for it.
func (l *loading) flush() error {
	if len(l.filled) == 0 {
		return nil
	}
	if err := l.drain(maxLoadInFlight - 1); err != nil {
		return err
	}
	list, done := l.filled, make(chan error, 1)
	l.sent, l.loaded, l.filled, l.bytes = append(l.sent, done), l.loaded+uint64(len(list)), nil, 0
	go func() { done <- createAll(l.ctx, l.native, list) }()
	return nil
}

// drain waits for the oldest writes until no more than n are under way.
func (l *loading) drain(n int) error {
	for len(l.sent) > n {
		err := <-l.sent[0]
		l.sent = l.sent[1:]
		if err != nil {
			return err
		}
	}
	return nil
}

// finish sends the rest and waits for all. It returns how many were created.
func (l *loading) finish() (uint64, error) {
	if err := l.flush(); err != nil {
		return 0, err
	}
	return l.loaded, l.drain(0)
}

// wait returns once no write is under way any more.
func (l *loading) wait() {
	for _, done := range l.sent {
		<-done
	}
	l.sent = nil
}

// createAll writes relationships that must not be there.
func createAll(ctx context.Context, native *api.Server, list []*v1.Relationship) error {
	write := &tupelov1.WriteRequest{Updates: make([]*tupelov1.Update, len(list))}
	for i, r := range list {
		write.Updates[i] = &tupelov1.Update{Operation: tupelov1.Update_OPERATION_CREATE, Tuple: tuple(r)}
	}
	_, err := native.Write(ctx, write)
	if err == nil {
		return nil
	}
	e := api.Described(err)
	i, ok := place(e, "updates", len(list))
	switch {
	case !ok:
		return err
	case e.Reason == tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE:
		// That they share a write is not the client's doing: the second finds the first.
		return retell(err, recreated, aboutRelationship(list[i]))
	}
	return relationshipFault(e, list[i], err)
}
