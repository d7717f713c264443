package api

import (
	"context"
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Read returns a page of the stored tuples that a filter selects.
func (s *Server) Read(ctx context.Context, r *tupelov1.ReadRequest) (*tupelov1.ReadResponse, error) {
	limit, err := boundedLimit("limit", r.Limit, defaultReadLimit, maxReadLimit)
	if err != nil {
		return nil, err
	}
	if err := validateFilter(r.Filter); err != nil {
		return nil, within("filter", err)
	}
	p, err := s.readPage(ctx, r, limit)
	if err != nil {
		return nil, err
	}
	if r.WithoutExpired {
		p.dropExpired(s.now().UnixNano())
	}
	response := &tupelov1.ReadResponse{Tuples: p.messages, Zookie: p.zookie}
	if p.next != nil {
		response.NextCursor = p.cursor(p.next)
	}
	if r.WithTupleCursors {
		response.TupleCursors = make([]string, len(p.tuples))
		for i, t := range p.tuples {
			response.TupleCursors[i] = p.cursors.at(func(to []byte) []byte { return store.AppendCursorBehind(to, p.filter, t) })
		}
	}
	return response, nil
}

// readPage reads the page that a valid request asks for.
func (s *Server) readPage(ctx context.Context, r *tupelov1.ReadRequest, limit int) (answered, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return answered{}, err
	}
	request := hashRead(r)
	v, position, err := s.openPage(ctx, f, r.Consistency, r.Cursor, request)
	if err != nil {
		return answered{}, err
	}
	defer v.close()
	if err := v.model.filter(r.Filter); err != nil {
		return answered{}, within("filter", err)
	}
	mostBytes := maxReadBytes
	if r.WithTupleCursors {
		mostBytes /= 2 // a cursor has the ids of its tuple, in base64
	}
	a := answered{filter: filterOf(r.Filter), zookie: v.zookie}
	if a.page, err = v.page(ctx, a.filter, position, limit, mostBytes); err != nil {
		return answered{}, readFault(s.expired(f, err))
	}
	a.cursors = f.cursors(v.snapshot.Revision(), request)
	return a, nil
}

// answered is a page with what its answer needs.
type answered struct {
	page
	filter tuple.Filter
	zookie string
	// cursors are of the same request, with which it goes on.
	cursors *EntryCursors
}

// cursor returns where to go on.
func (a *answered) cursor(position []byte) string {
	return a.cursors.at(func(to []byte) []byte { return append(to, position...) })
}

// openPage opens the view of a page: the first page's as its consistency asks,
// any other at the first one's revision, from the position in its cursor.
func (s *Server) openPage(ctx context.Context, f fingerprint, consistency *tupelov1.Consistency, text string, request requestHash) (view, []byte, error) {
	if text == "" {
		v, err := s.open(ctx, consistency)
		return v, nil, err
	}
	if _, err := s.understand(f, consistency); err != nil {
		return view{}, nil, within("consistency", err)
	}
	c, err := f.parseCursor(text, request)
	if err != nil {
		return view{}, nil, fault(describe(err).Reason, "cursor", "%s", err)
	}
	snapshot, err := s.snapshotAt(ctx, f, requirement{atLeast: c.revision, exact: true})
	if err != nil {
		return view{}, nil, err
	}
	m, err := s.models.at(snapshot)
	if err != nil {
		snapshot.Close()
		return view{}, nil, err
	}
	return view{snapshot, m, s.zookie(f, c.revision)}, c.position, nil
}

// maxReadBytes bounds a page, so that a client with gRPC's limit of 4 MiB can
// take it. Without contexts no page comes near.
const maxReadBytes = 3 << 20

// page is some tuples, spelled too, and where the next page begins, if there is one.
type page struct {
	tuples   []tuple.Tuple
	messages []*tupelov1.Tuple
	next     []byte
}

// page reads some tuples, at most limit, that take no more than mostBytes, or one.
func (v *view) page(ctx context.Context, filter tuple.Filter, position []byte, limit, mostBytes int) (page, error) {
	tuples, next, err := v.snapshot.Read(ctx, filter, position, limit)
	if err != nil {
		return page{}, err
	}
	p := page{tuples: tuples, next: next}
	// Contexts that will not fit need not be read.
	p.cut(filter, fitting(len(tuples), mostBytes, func(i int) int { return tupleBytes(tuples[i]) }))
	if p.messages, err = tupleMessages(v.snapshot.Names(), p.tuples); err != nil {
		return page{}, err
	}
	const tagAndLength = 5
	p.cut(filter, fitting(len(p.tuples), mostBytes, func(i int) int { return proto.Size(p.messages[i]) + tagAndLength }))
	return p, nil
}

// cut leaves the first n tuples, behind which the next page then begins.
func (p *page) cut(filter tuple.Filter, n int) {
	if n == len(p.tuples) {
		return
	}
	p.next = store.CursorBehind(filter, p.tuples[n-1])
	p.tuples = p.tuples[:n]
	if p.messages != nil {
		p.messages = p.messages[:n]
	}
}

// dropExpired leaves the tuples that count at an instant.
func (p *page) dropExpired(nowNanos int64) {
	kept := 0
	for i, t := range p.tuples {
		if ends := t.Traits.ExpiresNanos; ends != 0 && ends <= nowNanos {
			continue
		}
		p.tuples[kept], p.messages[kept] = t, p.messages[i]
		kept++
	}
	p.tuples, p.messages = p.tuples[:kept], p.messages[:kept]
}

// fitting returns how many of n things, at least one if there is any, fit into
// mostBytes.
func fitting(n, mostBytes int, sizeOf func(int) int) int {
	size := 0
	for i := range n {
		if size += sizeOf(i); size > mostBytes && i > 0 {
			return i
		}
	}
	return n
}

func readFault(err error) error {
	if errors.Is(err, store.ErrBadCursor) {
		return fault(describe(err).Reason, "cursor", "%s", err)
	}
	return err
}

// tupleMessages spells tuples; the messages share their allocations.
func tupleMessages(names *tuple.Names, tuples []tuple.Tuple) ([]*tupelov1.Tuple, error) {
	type parts struct {
		tuple   tupelov1.Tuple
		object  tupelov1.Object
		subject tupelov1.Subject
	}
	all := make([]parts, len(tuples))
	messages := make([]*tupelov1.Tuple, len(tuples))
	for i, t := range tuples {
		named, p := names.Named(t), &all[i]
		p.object.Type, p.object.Id = named.ObjectType, named.ObjectID
		p.subject.Type, p.subject.Id, p.subject.Relation = named.SubjectType, named.SubjectID, named.SubjectRelation
		p.tuple.Object, p.tuple.Relation, p.tuple.Subject = &p.object, named.Relation, &p.subject
		if err := spellTraits(&named, &p.tuple); err != nil {
			return nil, err
		}
		messages[i] = &p.tuple
	}
	return messages, nil
}
