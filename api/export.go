package api

import (
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// Export sends the stored tuples that a filter selects. It reads them as Read does,
// page by page: a client that is slow costs a page, and holds no iterator open.
func (s *Server) Export(r *tupelov1.ExportRequest, stream grpc.ServerStreamingServer[tupelov1.ExportResponse]) error {
	limit, err := boundedLimit("batch_size", r.BatchSize, maxReadLimit, maxReadLimit)
	if err != nil {
		return err
	}
	if err := knownFieldsOnly(r); err != nil {
		return err
	}
	read := &tupelov1.ReadRequest{Consistency: r.Consistency, Filter: r.Filter, Cursor: r.Cursor}
	if err := validateFilter(r.Filter); err != nil {
		return within("filter", err)
	}
	for {
		p, err := s.readPage(stream.Context(), read, limit)
		if err != nil {
			return err
		}
		if n := len(p.tuples); n > 0 {
			read.Cursor = p.cursor(store.CursorBehind(p.filter, p.tuples[n-1]))
		}
		complete := p.next == nil
		err = stream.Send(&tupelov1.ExportResponse{Tuples: p.messages, Cursor: read.Cursor, Complete: complete, Zookie: p.zookie})
		if err != nil || complete {
			return err
		}
	}
}
