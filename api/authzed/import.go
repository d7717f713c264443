package authzed

import (
	"context"
	"errors"
	"io"
	"strconv"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// ImportBulkRelationships creates the relationships of a stream of any length, up to
// a thousand in each revision. If one of them cannot be created none of its revision
// is, and the call fails; those of other revisions stay.
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

// load creates the relationships that receive gives, until it gives io.EOF.
func (a *adapter) load(ctx context.Context, receive func() ([]*v1.Relationship, error)) (uint64, error) {
	s := &importStream{ctx: ctx, receive: receive}
	if err := a.native.Import(s); err != nil {
		return 0, s.fault(err)
	}
	return s.written, s.refused
}

// Bounds of what an import gives the native handler at a time, which becomes one
// entry of the log. They have no part in what clients may send.
const (
	maxGiven      = 1000
	maxGivenBytes = 1 << 20
)

// givenKept is how many messages are kept for what may be said of them: more than the
// native handler has under way.
const givenKept = 32

// importStream gives the native handler the relationships of a client, in messages of the
// size that it takes.
type importStream struct {
	grpc.ServerStream // nil: what the handler does not use
	ctx               context.Context
	receive           func() ([]*v1.Relationship, error)
	received          []*v1.Relationship // and not given yet
	given             [givenKept][]*v1.Relationship
	messages          int // given
	ended             bool
	refused           error // why it ended early
	written           uint64
}

// Context returns the context of the call.
func (s *importStream) Context() context.Context { return s.ctx }

// SendAndClose takes the handler's answer.
func (s *importStream) SendAndClose(m *tupelov1.ImportResponse) error {
	s.written = m.Written
	return nil
}

// Recv gives the next message. A relationship that is refused here ends the stream
// with what came before it, of which the handler may have something to say first.
func (s *importStream) Recv() (*tupelov1.ImportRequest, error) {
	message := &tupelov1.ImportRequest{Mode: tupelov1.ImportRequest_MODE_CREATE}
	var list []*v1.Relationship
	for bytes := 0; len(list) < maxGiven && bytes < maxGivenBytes; {
		r, err := s.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		list, message.Tuples = append(list, r), append(message.Tuples, tuple(r))
		bytes += proto.Size(r.GetOptionalCaveat()) + len(r.GetResource().GetObjectId()) + len(r.GetSubject().GetObject().GetObjectId())
	}
	if len(list) == 0 {
		return nil, io.EOF
	}
	s.given[s.messages%givenKept] = list
	s.messages++
	return message, nil
}

// next takes the next relationship, or io.EOF.
func (s *importStream) next() (*v1.Relationship, error) {
	for len(s.received) == 0 && !s.ended {
		var err error
		s.received, err = s.receive()
		if s.ended = errors.Is(err, io.EOF); err != nil && !s.ended {
			return nil, err
		}
	}
	if len(s.received) == 0 {
		return nil, io.EOF
	}
	r := s.received[0]
	if s.refused = refuseRelationship(r); s.refused != nil {
		s.received, s.ended = nil, true
		return nil, io.EOF
	}
	s.received = s.received[1:]
	return r, nil
}

// fault tells of the relationship that an import fails for.
func (s *importStream) fault(err error) error {
	e := api.Described(err)
	message, numbered := strconv.Atoi(e.Metadata["message"])
	if numbered != nil || message < 0 || message >= s.messages || message < s.messages-givenKept {
		return err
	}
	list := s.given[message%givenKept]
	i, ok := place(e, "tuples", len(list))
	switch {
	case !ok:
		return err
	case e.Reason == tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE:
		// That they share a message is not the client's doing: the second finds the first.
		return retell(err, recreated, aboutRelationship(list[i]))
	}
	return relationshipFault(e, list[i], err)
}
