package authzed

import (
	"math"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxRead is the largest limit of a read, as it is in SpiceDB by default. Without a
// limit there is none.
const maxRead = 1000

// pageSize is how many tuples the native handler is asked for at a time.
const pageSize = 1000

// ReadRelationships sends the relationships that a filter selects, all of one
// revision, each with a cursor to go on behind it.
func (p permissions) ReadRelationships(r *v1.ReadRelationshipsRequest, stream grpc.ServerStreamingServer[v1.ReadRelationshipsResponse]) error {
	if err := checkLimit(r.OptionalLimit, maxRead); err != nil {
		return err
	}
	if err := checkCursor(r.OptionalCursor); err != nil {
		return err
	}
	selected, err := filter(r.RelationshipFilter)
	if err != nil {
		return err
	}
	request := &tupelov1.ReadRequest{
		Consistency: consistency(r.Consistency), Filter: selected, Cursor: r.OptionalCursor.GetToken(),
		WithTupleCursors: true, WithoutExpired: true,
	}
	left := int64(r.OptionalLimit)
	if left == 0 {
		left = math.MaxInt64
	}
	for {
		request.Limit = int32(min(left, pageSize))
		page, err := p.native.Read(stream.Context(), request)
		if err != nil {
			return filterFault(err)
		}
		if err := sendRelationships(page, stream.Send); err != nil {
			return err
		}
		left -= int64(len(page.Tuples))
		if request.Cursor = page.NextCursor; request.Cursor == "" || left == 0 {
			return nil
		}
	}
}

// oneRead is a response with what it points to, in one piece of memory.
type oneRead struct {
	response v1.ReadRelationshipsResponse
	cursor   v1.Cursor
	wholeRelationship
}

// sendRelationships sends each tuple of a page in a message of its own.
func sendRelationships(page *tupelov1.ReadResponse, send func(*v1.ReadRelationshipsResponse) error) error {
	at := token(page.Zookie)
	messages := make([]oneRead, len(page.Tuples))
	for i, t := range page.Tuples {
		m := &messages[i]
		m.cursor.Token = page.TupleCursors[i]
		m.response.ReadAt, m.response.Relationship, m.response.AfterResultCursor = at, m.of(t), &m.cursor
		if err := send(&m.response); err != nil {
			return err
		}
	}
	return nil
}
