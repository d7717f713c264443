package api

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// The entries of a list come in messages that grow from the first to the
// largest: the first entries at once, the others at little cost each.
const (
	firstListed = 8
	mostListed  = 1024 // ids of 1,024 bytes are a megabyte
)

// ListObjects sends the objects that a subject has a relation or permission on.
func (s *Server) ListObjects(r *tupelov1.ListObjectsRequest, stream grpc.ServerStreamingServer[tupelov1.ListObjectsResponse]) error {
	if err := validateListObjects(r); err != nil {
		return err
	}
	sub := r.Subject
	given, err := s.given(r.Context)
	if err != nil {
		return err
	}
	request := hashList("ListObjects", r.Consistency, r.ObjectType, r.Relation, sub.Type, sub.Id, sub.Relation, string(given.Context))
	l, v, above, err := s.openList(stream.Context(), r.Consistency, r.Cursor, request)
	if err != nil {
		return err
	}
	defer v.close()
	q := rewrite.ObjectsQuestion{Given: given, Window: rewrite.Window{Above: above, Limit: int(r.Limit)}}
	if q.Slot, err = v.model.slotNamed("object_type", r.ObjectType, r.Relation); err != nil {
		return err
	}
	if q.Subject, err = v.model.subject(sub); err != nil {
		return within("subject", err)
	}
	var page entries[tupelov1.ListedObject]
	send := func(complete bool) error {
		return stream.Send(&tupelov1.ListObjectsResponse{Objects: page.take(), Cursor: l.cursor(), Complete: complete, Zookie: v.zookie})
	}
	listing, err := v.model.engine.ListObjects(stream.Context(), v.snapshot, q, func(o rewrite.FoundObject) bool {
		entry := page.add()
		entry.Id, entry.Result, entry.MissingContext = string(o.ID), resultOf(o.Verdict), o.Missing
		return l.found(o.ID, send)
	})
	return s.endList(l, listing, err, send)
}

// ListSubjects sends the subjects that have a relation or permission on an object.
func (s *Server) ListSubjects(r *tupelov1.ListSubjectsRequest, stream grpc.ServerStreamingServer[tupelov1.ListSubjectsResponse]) error {
	if err := validateListSubjects(r); err != nil {
		return err
	}
	given, err := s.given(r.Context)
	if err != nil {
		return err
	}
	request := hashList("ListSubjects", r.Consistency, r.Object.Type, r.Object.Id, r.Relation, r.SubjectType, r.SubjectRelation, string(given.Context))
	l, v, above, err := s.openList(stream.Context(), r.Consistency, r.Cursor, request)
	if err != nil {
		return err
	}
	defer v.close()
	q := rewrite.SubjectsQuestion{
		ObjectID: readOnlyBytes(r.Object.Id), Given: given, Window: rewrite.Window{Above: above, Limit: int(r.Limit)},
	}
	if q.Slot, err = v.model.slotNamed("object.type", r.Object.Type, r.Relation); err != nil {
		return err
	}
	if q.Kind, err = v.model.kind(r.SubjectType, r.SubjectRelation); err != nil {
		return err
	}
	var page entries[tupelov1.ListedSubject]
	send := func(complete bool) error {
		return stream.Send(&tupelov1.ListSubjectsResponse{Subjects: page.take(), Cursor: l.cursor(), Complete: complete, Zookie: v.zookie})
	}
	listing, err := v.model.engine.ListSubjects(stream.Context(), v.snapshot, q, func(o rewrite.FoundSubject) bool {
		entry := page.add()
		entry.Id, entry.Result, entry.MissingContext = string(o.ID), resultOf(o.Verdict), o.Missing
		return l.found(o.ID, send)
	})
	return s.endList(l, listing, err, send)
}

func validateListObjects(r *tupelov1.ListObjectsRequest) error {
	if err := validateName("object_type", r.ObjectType, true); err != nil {
		return err
	}
	if err := validateName("relation", r.Relation, false); err != nil {
		return err
	}
	if err := validateAsker(r.Subject); err != nil {
		return err
	}
	return validateList(r.Limit)
}

func validateListSubjects(r *tupelov1.ListSubjectsRequest) error {
	if err := validateObject(r.Object); err != nil {
		return within("object", err)
	}
	if err := validateName("relation", r.Relation, false); err != nil {
		return err
	}
	if err := validateName("subject_type", r.SubjectType, true); err != nil {
		return err
	}
	if r.SubjectRelation != "" {
		if err := validateName("subject_relation", r.SubjectRelation, false); err != nil {
			return err
		}
	}
	return validateList(r.Limit)
}

func validateList(limit int32) error {
	if limit < 0 {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "limit", "it is %d; 0 lists all", limit)
	}
	return nil
}

// kind resolves the kind of the subjects of a list.
func (m *model) kind(typeName, relation string) (tuple.Kind, error) {
	typ, err := m.typeNamed("subject_type", typeName)
	if err != nil {
		return tuple.Kind{}, err
	}
	kind := tuple.Kind{Type: tuple.TypeID(m.program.Types[typ].Number)}
	if relation == "" {
		return kind, nil
	}
	slot, err := m.slot("subject_relation", typ, relation)
	if err != nil {
		return tuple.Kind{}, err
	}
	kind.Relation = tuple.RelationID(m.program.Slots[slot].Number)
	return kind, nil
}

// openList opens the view of a list's page, and says which id it goes on above.
func (s *Server) openList(ctx context.Context, c *tupelov1.Consistency, text string, request requestHash) (*listed, view, []byte, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return nil, view{}, nil, err
	}
	v, above, err := s.openPage(ctx, f, c, text, request)
	if err != nil {
		return nil, view{}, nil, err
	}
	l := &listed{fingerprint: f, at: cursor{v.snapshot.Revision(), request, slices.Clone(above)}, room: firstListed, text: text}
	l.left = l.room
	return l, v, above, nil
}

// entries are those of the message in the making, which share allocations.
type entries[E any] struct {
	list []*E
	free []E
	room int // of the last allocation
}

// mostTogether is how many entries share an allocation at most.
const mostTogether = 64

// add adds an entry, which the caller fills in.
func (e *entries[E]) add() *E {
	if len(e.free) == 0 {
		e.room = min(max(firstListed, 2*e.room), mostTogether)
		e.free = make([]E, e.room)
		e.list = slices.Grow(e.list, e.room)
	}
	entry := &e.free[0]
	e.free, e.list = e.free[1:], append(e.list, entry)
	return entry
}

// take returns what was added, and begins the next message.
func (e *entries[E]) take() []*E {
	list := e.list
	e.list = nil
	return list
}

// listed is how far a list has been sent.
type listed struct {
	fingerprint fingerprint
	at          cursor // its position is the last id found
	text        string // the request's cursor
	room, left  int    // of the message in the making
	broken      error  // of the stream
}

// cursor returns where to go on; a list in which nothing was found goes on
// where it began.
func (l *listed) cursor() string {
	if len(l.at.position) == 0 {
		return l.text
	}
	return l.fingerprint.cursor(l.at)
}

// found counts an entry, and sends the message that it fills.
func (l *listed) found(id []byte, send func(complete bool) error) bool {
	l.at.position = append(l.at.position[:0], id...)
	if l.left--; l.left > 0 {
		return true
	}
	l.room = min(2*l.room, mostListed)
	l.left = l.room
	l.broken = send(false)
	return l.broken == nil
}

// endList sends what is left of a list, and whether that was all of it.
func (s *Server) endList(l *listed, listing rewrite.Listing, err error, send func(complete bool) error) error {
	s.metrics.evaluated(1, listing.Cost)
	if l.broken != nil {
		return l.broken
	}
	if err != nil {
		return s.expired(l.fingerprint, err)
	}
	return send(listing.Complete)
}
