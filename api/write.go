package api

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// maxSchemaRaces is how often a Write is checked against a newer schema, when
// the schema changes between the check and the apply, before it gives up.
const maxSchemaRaces = 3

// Write changes tuples, all or nothing.
func (s *Server) Write(ctx context.Context, r *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
	if err := validateWrite(r); err != nil {
		return nil, err
	}
	metadata, err := metadataOf(r.Metadata)
	if err != nil {
		return nil, err
	}
	return atLeader(ctx, s, leaderCall[*tupelov1.WriteResponse]{
		method: "Write", limit: s.waitLimit, once: r.IdempotencyKey != "",
		here: func(ctx context.Context) (*tupelov1.WriteResponse, error) { return s.writeHere(ctx, r, metadata) },
		there: func(ctx context.Context, leader grpc.ClientConnInterface) (*tupelov1.WriteResponse, error) {
			return tupelov1.NewTupeloClient(leader).Write(ctx, r)
		},
	})
}

// writeHere proposes a valid Write.
func (s *Server) writeHere(ctx context.Context, r *tupelov1.WriteRequest, metadata []byte) (*tupelov1.WriteResponse, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	if len(r.Preconditions) > 0 {
		if _, err := s.expireFirst(ctx); err != nil {
			return nil, err
		}
	}
	for range maxSchemaRaces {
		result, err := s.writeOnce(ctx, r, metadata)
		if err != nil {
			return nil, err
		}
		var exists *store.TupleExistsError
		if errors.As(result.Err, &exists) { // perhaps only because nobody has deleted it yet
			if found, err := s.expireFirst(ctx); err != nil {
				return nil, err
			} else if found {
				continue
			}
		}
		var moved *store.NotAllowedError
		if !errors.As(result.Err, &moved) {
			return s.writeResponse(f, r, result)
		}
		// The schema changed after the tuples were checked against it, and one
		// does not fit the new one. Checking again gives the error that says why,
		// once this replica has the schema that the apply saw.
		if err := s.await(ctx, result.Revision); err != nil {
			return nil, err
		}
	}
	return nil, refusal(tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED,
		"the schema changed %d times while the write was checked against it; nothing was written", maxSchemaRaces)
}

// writeOnce checks a valid Write against the schema and proposes it.
func (s *Server) writeOnce(ctx context.Context, r *tupelov1.WriteRequest, metadata []byte) (store.Result, error) {
	key, err := s.commandKey(r.IdempotencyKey)
	if err != nil {
		return store.Result{}, err
	}
	var command store.Write
	err = s.withSchema(ctx, func(_ *store.Snapshot, m *model) (err error) {
		command, err = m.write(r, metadata)
		return err
	})
	if err != nil {
		return store.Result{}, err
	}
	command.UnixMillis, command.Key = s.now().UnixMilli(), key
	return s.propose(ctx, command)
}

// write resolves a valid Write.
func (m *model) write(r *tupelov1.WriteRequest, metadata []byte) (store.Write, error) {
	command := store.Write{Updates: make([]store.Update, len(r.Updates)), Metadata: metadata}
	for i, u := range r.Updates {
		op := operations[u.Operation]
		t, err := m.tuple(u.Tuple, op != store.Delete)
		if err != nil {
			return command, within(fmt.Sprintf("updates[%d].tuple", i), err)
		}
		command.Updates[i] = store.Update{Op: op, Tuple: t}
	}
	var err error
	command.Preconditions, err = m.preconditions(r.Preconditions)
	return command, err
}

// withSchema calls use with the newest snapshot here. If use refuses the
// request, the schema that it was held to may be older than the one that the
// client knows of; so it gets a second try with everything acknowledged so far.
func (s *Server) withSchema(ctx context.Context, use func(*store.Snapshot, *model) error) error {
	held, err := s.withNewest(use)
	var refused *Error
	if !errors.As(err, &refused) && !errors.Is(err, store.ErrNoSchema) {
		return err
	}
	index, freshErr := s.readIndex(ctx)
	if freshErr != nil {
		return freshErr
	}
	// What is applied by now does not count: use may have seen less.
	if index <= held {
		return err
	}
	if err := s.await(ctx, index); err != nil {
		return err
	}
	_, err = s.withNewest(use)
	return err
}

// withNewest also returns the revision that use saw, 0 if there was none.
func (s *Server) withNewest(use func(*store.Snapshot, *model) error) (uint64, error) {
	snapshot, err := s.store.Snapshot(0)
	if err != nil {
		return 0, err
	}
	defer snapshot.Close()
	m, err := s.models.at(snapshot)
	if err != nil {
		return snapshot.Revision(), err
	}
	return snapshot.Revision(), use(snapshot, m)
}

// propose has a command applied. A call without a shorter deadline waits for
// waitLimit; the log then says that the outcome is unknown.
func (s *Server) propose(ctx context.Context, command store.Command) (store.Result, error) {
	// A node with an older program would stop at what it does not know.
	if need, active := store.FormatOf(command), s.store.Format(); need > active {
		return store.Result{}, &store.FormatError{Needed: need, Active: active}
	}
	ctx, cancel := context.WithTimeout(ctx, s.waitLimit)
	defer cancel()
	applied, err := s.log.Propose(ctx, store.Encode(command))
	if err != nil {
		return store.Result{}, err
	}
	result, ok := applied.(store.Result)
	if !ok {
		return store.Result{}, fmt.Errorf("the log gave a %T for a %T", applied, command)
	}
	return result, nil
}

var operations = map[tupelov1.Update_Operation]store.Op{
	tupelov1.Update_OPERATION_TOUCH:  store.Touch,
	tupelov1.Update_OPERATION_CREATE: store.Create,
	tupelov1.Update_OPERATION_DELETE: store.Delete,
}

func validateWrite(r *tupelov1.WriteRequest) error {
	if err := validateCount("updates", len(r.Updates), 1, maxUpdates); err != nil {
		return err
	}
	if err := knownFieldsOnly(r); err != nil {
		return err
	}
	if err := validateKey(r.IdempotencyKey); err != nil {
		return err
	}
	first := newTuplesSeen(len(r.Updates))
	for i, u := range r.Updates {
		if err := validateUpdate(u); err != nil {
			return within(fmt.Sprintf("updates[%d]", i), err)
		}
		if before, twice := first.see(r.Updates, i); twice {
			return fault(tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE, fmt.Sprintf("updates[%d].tuple", i),
				"%s is in updates[%d] too; name each tuple once", namedOf(u.Tuple), before)
		}
	}
	return validatePreconditions(r.Preconditions)
}

func validateUpdate(u *tupelov1.Update) error {
	if u.GetOperation() == tupelov1.Update_OPERATION_UNSPECIFIED {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "operation", "say TOUCH, CREATE or DELETE")
	}
	if _, known := operations[u.Operation]; !known {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "operation",
			"%d is no operation that this server knows", u.Operation)
	}
	if err := validateTuple(u.Tuple); err != nil {
		return within("tuple", err)
	}
	return knownFieldsOnly(u)
}

// tuplesSeen finds a tuple that comes twice. It keeps hashes, which take a tenth of
// the memory of what they are of; the tuples decide.
type tuplesSeen struct {
	seed maphash.Seed
	at   map[uint64]int32
}

func newTuplesSeen(n int) *tuplesSeen {
	return &tuplesSeen{maphash.MakeSeed(), make(map[uint64]int32, n)}
}

// see notes the tuple of the i-th update, or returns which one before has it too.
func (s *tuplesSeen) see(updates []*tupelov1.Update, i int) (before int, twice bool) {
	t := updates[i].Tuple
	var h uint64
	for _, text := range [...]string{
		t.Object.Type, t.Object.Id, t.Relation, t.Subject.Type, t.Subject.Id, t.Subject.Relation,
	} {
		h = h*0x9e3779b97f4a7c15 + maphash.String(s.seed, text)
	}
	for {
		at, taken := s.at[h]
		if !taken {
			s.at[h] = int32(i)
			return 0, false
		}
		if namedOf(updates[at].Tuple) == namedOf(t) {
			return int(at), true
		}
		h++
	}
}

func namedOf(t *tupelov1.Tuple) tuple.Named {
	return tuple.Named{
		ObjectType: t.Object.Type, ObjectID: t.Object.Id, Relation: t.Relation,
		SubjectType: t.Subject.Type, SubjectID: t.Subject.Id, SubjectRelation: t.Subject.Relation,
	}
}

// preconditions resolves valid preconditions.
func (m *model) preconditions(list []*tupelov1.Precondition) ([]store.Precondition, error) {
	resolved := make([]store.Precondition, len(list))
	for i, p := range list {
		if err := m.filter(p.Filter); err != nil {
			return nil, within(fmt.Sprintf("preconditions[%d].filter", i), err)
		}
		resolved[i] = store.Precondition{
			Filter:    filterOf(p.Filter),
			MustMatch: p.Condition == tupelov1.Precondition_CONDITION_MUST_MATCH,
		}
	}
	return resolved, nil
}

// writeResponse turns what the apply said into the answer.
func (s *Server) writeResponse(f fingerprint, r *tupelov1.WriteRequest, result store.Result) (*tupelov1.WriteResponse, error) {
	if result.Err != nil {
		return nil, writeFault(r, result.Err)
	}
	return &tupelov1.WriteResponse{Zookie: s.zookie(f, result.Revision)}, nil
}

// writeFault names the field that an error of the apply is about.
func writeFault(r *tupelov1.WriteRequest, err error) error {
	var exists *store.TupleExistsError
	if errors.As(err, &exists) {
		return fault(tupelov1.ErrorReason_ERROR_REASON_TUPLE_EXISTS, fmt.Sprintf("updates[%d].tuple", exists.Index),
			"%s exists already; TOUCH writes a tuple whether it does or not", namedOf(r.Updates[exists.Index].Tuple))
	}
	return preconditionFault(r.Preconditions, err)
}

// preconditionFault names the precondition that an error of the apply is about.
func preconditionFault(list []*tupelov1.Precondition, err error) error {
	var long *store.SearchError
	if errors.As(err, &long) {
		return fault(describe(err).Reason, fmt.Sprintf("preconditions[%d]", long.Index), "%s; name more of the tuple", err)
	}
	var unmet *store.PreconditionError
	if !errors.As(err, &unmet) {
		return err
	}
	is := "no tuple matches"
	if !unmet.Precondition.MustMatch {
		is = "a tuple matches"
	}
	path := fmt.Sprintf("preconditions[%d]", unmet.Index)
	message := fmt.Sprintf("%s the filter %s", is, describeFilter(list[unmet.Index].Filter))
	return &Error{
		Reason:  tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET,
		Message: message,
		Fields:  []FieldFault{{path, message}},
		Unmet:   []Unmet{{path, message}},
		cause:   err,
	}
}

// describeFilter spells a filter like a tuple, with _ for what it leaves open.
func describeFilter(f *tupelov1.Filter) string {
	open := func(s string) string {
		if s == "" {
			return "_"
		}
		return s
	}
	id := open(f.ObjectId)
	if f.ObjectIdPrefix != "" {
		id = f.ObjectIdPrefix + "…"
	}
	text := open(f.ObjectType) + ":" + id + "#" + open(f.Relation) +
		"@" + open(f.SubjectType) + ":" + open(f.SubjectId)
	switch {
	case f.SubjectRelation == nil:
		return text + "#_"
	case *f.SubjectRelation == "":
		return text
	}
	return text + "#" + *f.SubjectRelation
}
