package authzed

import (
	"context"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// The largest limits of a message, as they are in SpiceDB by default. Messages have
// no more than a page.
const (
	maxExported             = 10_000
	maxExportedExperimental = 100_000
)

// ExportBulkRelationships sends the relationships of one revision, all or those that
// a filter selects, some in each message with a cursor to go on behind it.
func (p permissions) ExportBulkRelationships(r *v1.ExportBulkRelationshipsRequest, stream grpc.ServerStreamingServer[v1.ExportBulkRelationshipsResponse]) error {
	if err := checkLimit(r.OptionalLimit, maxExported); err != nil {
		return err
	}
	x := export{r.Consistency, r.OptionalRelationshipFilter, r.OptionalCursor, r.OptionalLimit}
	return p.export(stream.Context(), x, func(list []*v1.Relationship, behind *v1.Cursor) error {
		return stream.Send(&v1.ExportBulkRelationshipsResponse{Relationships: list, AfterResultCursor: behind})
	})
}

// BulkExportRelationships is what ExportBulkRelationships was called before.
func (e experimental) BulkExportRelationships(r *v1.BulkExportRelationshipsRequest, stream grpc.ServerStreamingServer[v1.BulkExportRelationshipsResponse]) error {
	if err := checkLimit(r.OptionalLimit, maxExportedExperimental); err != nil {
		return err
	}
	x := export{r.Consistency, r.OptionalRelationshipFilter, r.OptionalCursor, r.OptionalLimit}
	return e.export(stream.Context(), x, func(list []*v1.Relationship, behind *v1.Cursor) error {
		return stream.Send(&v1.BulkExportRelationshipsResponse{Relationships: list, AfterResultCursor: behind})
	})
}

// export is what both services are asked for.
type export struct {
	consistency *v1.Consistency
	filter      *v1.RelationshipFilter // nil for all
	cursor      *v1.Cursor
	limit       uint32
}

// export sends what is asked for, a page in each message.
//
// A native cursor goes with the consistency that it was given for. SpiceDB's does not:
// `zed backup` goes on without any. So all pages are asked for at the exact revision
// of the first, and a cursor of an export has its zookie before the native cursor.
func (a *adapter) export(ctx context.Context, x export, send func([]*v1.Relationship, *v1.Cursor) error) error {
	read, err := exportRequest(x)
	if err != nil {
		return err
	}
	if x.cursor == nil {
		read.Consistency, read.Limit = consistency(x.consistency), 1
		first, err := a.native.Read(ctx, read)
		if err != nil {
			return filterFault(err)
		}
		read.Consistency, read.Limit = exactly(first.Zookie), x.pageSize()
	}
	for {
		page, err := a.native.Read(ctx, read)
		if err != nil {
			return exportFault(err)
		}
		if n := len(page.Tuples); n > 0 {
			behind := page.Zookie + cursorMark + page.TupleCursors[n-1]
			if err := send(relationshipsOf(page.Tuples), &v1.Cursor{Token: behind}); err != nil {
				return err
			}
		}
		if read.Cursor = page.NextCursor; read.Cursor == "" {
			return nil
		}
	}
}

// cursorMark stands between the zookie and the native cursor, neither of which has it.
const cursorMark = "."

// exportRequest asks for the pages of an export; where it begins is open.
func exportRequest(x export) (*tupelov1.ReadRequest, error) {
	read := &tupelov1.ReadRequest{WithTupleCursors: true, WithoutExpired: true, Limit: x.pageSize()}
	if x.filter != nil {
		selected, err := filter(x.filter)
		if err != nil {
			return nil, err
		}
		read.Filter = selected
	}
	if x.cursor == nil {
		return read, nil
	}
	zookie, cursor, _ := strings.Cut(x.cursor.Token, cursorMark)
	if zookie == "" || cursor == "" {
		return nil, refuse(badCursor, nil, "the cursor is not one of an export")
	}
	read.Consistency, read.Cursor = exactly(zookie), cursor
	return read, nil
}

// pageSize is how many relationships a message may have.
func (x export) pageSize() int32 {
	if x.limit == 0 {
		return pageSize
	}
	return int32(min(x.limit, pageSize))
}

// exportFault tells of a zookie that is damaged as what it is here: a part of a cursor.
func exportFault(err error) error {
	switch reasonOf(err) {
	case tupelov1.ErrorReason_ERROR_REASON_DAMAGED_ZOOKIE, tupelov1.ErrorReason_ERROR_REASON_FOREIGN_ZOOKIE:
		return retell(err, badCursor, nil)
	}
	return filterFault(err)
}

func relationshipsOf(list []*tupelov1.Tuple) []*v1.Relationship {
	all, messages := make([]*v1.Relationship, len(list)), make([]wholeRelationship, len(list))
	for i, t := range list {
		all[i] = messages[i].of(t)
	}
	return all
}
