package authzed

import (
	"slices"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// checkpointEvery is how long clients that ask for checkpoints are without one.
const checkpointEvery = time.Second

// maxTransactionBytes is where a transaction is divided after all: clients of gRPC
// take messages of 4 MiB, and one that cannot take a message can never get past it.
const maxTransactionBytes = 3 << 20

// Watch sends the changes of relationships, a message for each transaction, until the
// call ends.
func (w watches) Watch(r *v1.WatchRequest, stream grpc.ServerStreamingServer[v1.WatchResponse]) error {
	if r.OptionalStartCursor != nil && r.OptionalStartCursor.Token == "" { // natively it is none
		return refuse(invalid, nil, "the start cursor is empty; leave it out to begin now")
	}
	filters, err := watchFilters(r)
	if err != nil {
		return err
	}
	t := &transactions{
		send:        stream.Send,
		schemas:     slices.Contains(r.OptionalUpdateKinds, v1.WatchKind_WATCH_KIND_INCLUDE_SCHEMA_UPDATES),
		checkpoints: slices.Contains(r.OptionalUpdateKinds, v1.WatchKind_WATCH_KIND_INCLUDE_CHECKPOINTS),
	}
	native := &tupelov1.WatchRequest{After: r.OptionalStartCursor.GetToken(), Filters: filters}
	if t.checkpoints {
		native.CheckpointEvery = durationpb.New(checkpointEvery)
	}
	return w.native.Watch(native, sink[tupelov1.WatchResponse]{ctx: stream.Context(), take: t.take})
}

func watchFilters(r *v1.WatchRequest) ([]*tupelov1.WatchFilter, error) {
	if len(r.OptionalObjectTypes) > 0 && len(r.OptionalRelationshipFilters) > 0 {
		return nil, refuse(invalid, nil, "a watch has either object types or relationship filters, not both")
	}
	var filters []*tupelov1.WatchFilter
	for _, name := range r.OptionalObjectTypes {
		if name == "" { // natively it selects every type
			return nil, refuse(invalid, nil, "an object type must not be empty")
		}
		filters = append(filters, &tupelov1.WatchFilter{ObjectType: name})
	}
	for _, given := range r.OptionalRelationshipFilters {
		f, err := filter(given)
		if err != nil {
			return nil, err
		}
		filters = append(filters, &tupelov1.WatchFilter{
			ObjectType: f.ObjectType, ObjectId: f.ObjectId, ObjectIdPrefix: f.ObjectIdPrefix, Relation: f.Relation,
			SubjectType: f.SubjectType, SubjectId: f.SubjectId, SubjectRelation: f.SubjectRelation,
		})
	}
	return filters, nil
}

// transactions puts the messages of a native watch together: one for each revision.
type transactions struct {
	send                 func(*v1.WatchResponse) error
	schemas, checkpoints bool

	// through is the token of what was sent whole, and told when the last checkpoint was.
	through string
	told    time.Time
	// pending is what has come of a revision whose last message has not, and bytes
	// what it takes.
	pending *v1.WatchResponse
	bytes   int
}

// take sends what a native message completes.
func (t *transactions) take(m *tupelov1.WatchResponse) error {
	if m.Checkpoint {
		t.through = m.Zookie
		return t.checkpoint()
	}
	if err := t.add(m); err != nil || m.Zookie == "" {
		return err
	}
	t.through = m.Zookie
	done := t.pending
	t.pending, t.bytes = nil, 0
	switch {
	case len(done.Updates) > 0:
	case t.schemas && m.SchemaChanged:
		done.SchemaUpdated = true
	default:
		return nil
	}
	done.ChangesThrough = token(t.through)
	if err := t.send(done); err != nil {
		return err
	}
	if time.Since(t.told) < checkpointEvery {
		return nil
	}
	return t.checkpoint()
}

// add adds what a message says of its revision, and sends what is too much for one.
// What is sent so has the token of the revision before: a client that resumes there
// gets the whole again.
func (t *transactions) add(m *tupelov1.WatchResponse) error {
	if t.pending == nil {
		t.pending = &v1.WatchResponse{}
		if m.Metadata != nil {
			t.pending.OptionalTransactionMetadata = m.Metadata
			t.pending.FullRevisionMetadata = []*structpb.Struct{m.Metadata}
		}
	}
	size := proto.Size(m)
	if t.bytes > 0 && t.bytes+size > maxTransactionBytes {
		part := t.pending
		part.ChangesThrough = token(t.through)
		if err := t.send(part); err != nil {
			return err
		}
		t.pending = &v1.WatchResponse{
			OptionalTransactionMetadata: part.OptionalTransactionMetadata, FullRevisionMetadata: part.FullRevisionMetadata,
		}
		t.bytes = proto.Size(t.pending)
	}
	t.bytes += size
	for _, c := range m.Changes {
		t.pending.Updates = append(t.pending.Updates, &v1.RelationshipUpdate{
			Operation: changed[c.Operation], Relationship: relationship(c.Tuple),
		})
	}
	return nil
}

// changed says what became of a relationship. That it is new is not told, as in SpiceDB.
var changed = map[tupelov1.TupleChange_Operation]v1.RelationshipUpdate_Operation{
	tupelov1.TupleChange_OPERATION_TOUCHED: v1.RelationshipUpdate_OPERATION_TOUCH,
	tupelov1.TupleChange_OPERATION_DELETED: v1.RelationshipUpdate_OPERATION_DELETE,
}

func (t *transactions) checkpoint() error {
	if !t.checkpoints {
		return nil
	}
	t.told = time.Now()
	return t.send(&v1.WatchResponse{ChangesThrough: token(t.through), IsCheckpoint: true})
}
