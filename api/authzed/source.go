package authzed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Source reads all that a server of this protocol holds, SpiceDB among them: it is
// the one place where Tupelo is a client of the protocol.
type Source struct {
	permissions v1.PermissionsServiceClient
	schemas     v1.SchemaServiceClient
}

// NewSource returns what reads from the server that a connection leads to.
func NewSource(conn grpc.ClientConnInterface) *Source {
	return &Source{v1.NewPermissionsServiceClient(conn), v1.NewSchemaServiceClient(conn)}
}

// Schema returns the schema, and the token of the revision that it was read at.
// The token is empty where a server does not tell it.
func (s *Source) Schema(ctx context.Context) (text, token string, err error) {
	answer, err := s.schemas.ReadSchema(ctx, &v1.ReadSchemaRequest{})
	return answer.GetSchemaText(), answer.GetReadAt().GetToken(), err
}

// Page is some of what a source holds, and the cursor to go on behind it.
type Page struct {
	Tuples []*tupelov1.Tuple
	Cursor string
}

// Pages yields all relationships: behind a cursor, at the revision that it is of, or
// from the first one, at the revision of a token or else at the newest one.
func (s *Source) Pages(ctx context.Context, token, cursor string, pageSize uint32) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // of whoever stops early
		stream, err := s.permissions.ExportBulkRelationships(ctx, exportFrom(token, cursor, pageSize))
		if err != nil {
			yield(Page{}, err)
			return
		}
		for {
			answer, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return
			}
			var page Page
			if err == nil {
				page, err = newPage(answer)
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

func exportFrom(token, cursor string, pageSize uint32) *v1.ExportBulkRelationshipsRequest {
	r := &v1.ExportBulkRelationshipsRequest{OptionalLimit: pageSize, Consistency: &v1.Consistency{
		Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true},
	}}
	switch {
	case cursor != "":
		r.OptionalCursor, r.Consistency = &v1.Cursor{Token: cursor}, nil
	case token != "":
		r.Consistency.Requirement = &v1.Consistency_AtExactSnapshot{AtExactSnapshot: &v1.ZedToken{Token: token}}
	}
	return r
}

// newPage turns an answer into tuples. A relationship with something that this
// version does not know is refused: it would come to say more than it did.
func newPage(answer *v1.ExportBulkRelationshipsResponse) (Page, error) {
	page := Page{Tuples: make([]*tupelov1.Tuple, len(answer.Relationships)), Cursor: answer.AfterResultCursor.GetToken()}
	for i, r := range answer.Relationships {
		if len(r.ProtoReflect().GetUnknown()) > 0 || len(r.GetOptionalCaveat().ProtoReflect().GetUnknown()) > 0 {
			return Page{}, fmt.Errorf("a relationship of %s:%s has what this version does not know",
				r.GetResource().GetObjectType(), r.GetResource().GetObjectId())
		}
		page.Tuples[i] = tuple(r)
	}
	return page, nil
}
