package target

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	v1 "github.com/openfga/api/proto/openfga/v1"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

const (
	// openfgaBatch is how many tuples OpenFGA takes in a write if it is not told
	// otherwise.
	openfgaBatch = 100
	// openfgaWriters is how many writes are under way at once while tuples are loaded.
	openfgaWriters = 8
)

// openfga is OpenFGA, or whoever speaks its protocol.
type openfga struct {
	connections
	clients []v1.OpenFGAServiceClient
	// store and model are those of the set.
	store, model string
}

func openOpenFGA(o Options) (load.Target, error) {
	all, err := o.dial()
	if err != nil {
		return nil, err
	}
	f := &openfga{connections: all}
	for _, c := range all {
		f.clients = append(f.clients, v1.NewOpenFGAServiceClient(c))
	}
	return f, nil
}

// Prepare makes a store for the set, with the model that its schema comes to, or
// finds the newest of those that were made for it.
func (f *openfga) Prepare(ctx context.Context, s *dataset.Set, loaded bool) error {
	name := fmt.Sprintf("tupelo-bench-%s-%d-%d", s.Name, s.Size, s.Seed)
	if loaded {
		return f.find(ctx, name)
	}
	model, err := openfgaModel(s.Schema())
	if err != nil {
		return err
	}
	store, err := f.clients[0].CreateStore(ctx, &v1.CreateStoreRequest{Name: name})
	if err != nil {
		return err
	}
	f.store, model.StoreId = store.Id, store.Id
	written, err := f.clients[0].WriteAuthorizationModel(ctx, model)
	f.model = written.GetAuthorizationModelId()
	return err
}

func (f *openfga) find(ctx context.Context, name string) error {
	request := &v1.ListStoresRequest{Name: name, PageSize: wrapperspb.Int32(100)}
	for {
		page, err := f.clients[0].ListStores(ctx, request)
		if err != nil {
			return err
		}
		for _, s := range page.Stores {
			f.store = s.Id // ids begin with their time, and pages are in their order
		}
		if request.ContinuationToken = page.ContinuationToken; page.ContinuationToken == "" {
			break
		}
	}
	if f.store == "" {
		return noAnswer("openfga has no store %s: nothing of that size and seed has been loaded", name)
	}
	models, err := f.clients[0].ReadAuthorizationModels(ctx, &v1.ReadAuthorizationModelsRequest{StoreId: f.store, PageSize: wrapperspb.Int32(1)})
	if err == nil && len(models.AuthorizationModels) == 0 {
		err = noAnswer("openfga's store %s has no model", name)
	}
	if err != nil {
		return err
	}
	f.model = models.AuthorizationModels[0].Id
	return nil
}

// Load writes tuples, as many at a time and as many times at once as suits it.
func (f *openfga) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	return inBatches(ctx, tuples, openfgaBatch, openfgaWriters, func(ctx context.Context, batch []tuple.Named) error {
		request := &v1.WriteRequest{StoreId: f.store, AuthorizationModelId: f.model, Writes: &v1.WriteRequestWrites{}}
		for _, t := range batch {
			request.Writes.TupleKeys = append(request.Writes.TupleKeys, openfgaTuple(t))
		}
		_, err := f.clients[0].Write(ctx, request)
		return err
	})
}

// Request makes the message of an operation.
func (f *openfga) Request(o dataset.Operation, lane int) (load.Call, error) {
	c := f.clients[lane%len(f.clients)]
	switch o.Kind {
	case dataset.Check:
		return f.check(c, o), nil
	case dataset.BatchCheck:
		return f.batch(c, o), nil
	case dataset.ListObjects:
		return f.listObjects(c, o), nil
	case dataset.ListSubjects:
		return f.listUsers(c, o), nil
	case dataset.Write:
		return f.write(c, o), nil
	}
	return nil, notSupported("openfga", o, "the protocol has no call that waits for changes")
}

func (f *openfga) check(c v1.OpenFGAServiceClient, o dataset.Operation) load.Call {
	request := &v1.CheckRequest{
		StoreId: f.store, AuthorizationModelId: f.model, Consistency: openfgaConsistency(o), TupleKey: openfgaQuestion(o.Ask),
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.Check(ctx, request)
		return dataset.Answer{Yes: response.GetAllowed()}, err
	}
}

func (f *openfga) batch(c v1.OpenFGAServiceClient, o dataset.Operation) load.Call {
	request := &v1.BatchCheckRequest{StoreId: f.store, AuthorizationModelId: f.model, Consistency: openfgaConsistency(o)}
	for i, ask := range o.Batch {
		request.Checks = append(request.Checks, &v1.BatchCheckItem{TupleKey: openfgaQuestion(ask), CorrelationId: strconv.Itoa(i)})
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.BatchCheck(ctx, request)
		if err != nil {
			return dataset.Answer{}, err
		}
		answer := dataset.Answer{Each: make([]bool, len(request.Checks))}
		for i, item := range request.Checks {
			one, ok := response.Result[item.CorrelationId].GetCheckResult().(*v1.BatchCheckSingleResult_Allowed)
			if !ok {
				return answer, noAnswer("number %d of a batch: %s", i, response.Result[item.CorrelationId].GetError().GetMessage())
			}
			answer.Each[i] = one.Allowed
		}
		return answer, nil
	}
}

func (f *openfga) listObjects(c v1.OpenFGAServiceClient, o dataset.Operation) load.Call {
	request := &v1.ListObjectsRequest{
		StoreId: f.store, AuthorizationModelId: f.model, Consistency: openfgaConsistency(o),
		Type: o.Ask.ObjectType, Relation: o.Ask.Relation, User: openfgaUser(o.Ask),
	}
	prefix := o.Ask.ObjectType + ":"
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		response, err := c.ListObjects(ctx, request)
		for _, object := range response.GetObjects() {
			answer.Listed.Add(strings.TrimPrefix(object, prefix))
		}
		return answer, err
	}
}

func (f *openfga) listUsers(c v1.OpenFGAServiceClient, o dataset.Operation) load.Call {
	request := &v1.ListUsersRequest{
		StoreId: f.store, AuthorizationModelId: f.model, Consistency: openfgaConsistency(o),
		Object: &v1.Object{Type: o.Ask.ObjectType, Id: o.Ask.ObjectID}, Relation: o.Ask.Relation,
		UserFilters: []*v1.UserTypeFilter{{Type: o.Ask.SubjectType}},
	}
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		response, err := c.ListUsers(ctx, request)
		for _, user := range response.GetUsers() {
			object := user.GetObject()
			if object == nil {
				return answer, noAnswer("what is listed is no object: %v", user)
			}
			answer.Listed.Add(object.Id)
		}
		return answer, err
	}
}

func (f *openfga) write(c v1.OpenFGAServiceClient, o dataset.Operation) load.Call {
	request := &v1.WriteRequest{StoreId: f.store, AuthorizationModelId: f.model}
	key := openfgaTuple(o.Ask)
	if o.Delete {
		request.Deletes = &v1.WriteRequestDeletes{TupleKeys: []*v1.TupleKeyWithoutCondition{{
			User: key.User, Relation: key.Relation, Object: key.Object,
		}}}
	} else {
		request.Writes = &v1.WriteRequestWrites{TupleKeys: []*v1.TupleKey{key}}
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		_, err := c.Write(ctx, request)
		return dataset.Answer{}, err // there are no tokens
	}
}

// Version says that there is none: the protocol has no call for it.
func (f *openfga) Version(context.Context) (string, error) {
	return "", fmt.Errorf("openfga: version: %w: the protocol has no call for it", load.ErrNotSupported)
}

// Close ends the connections.
func (f *openfga) Close() error { return f.close() }

func openfgaConsistency(o dataset.Operation) v1.ConsistencyPreference {
	if o.Consistency == dataset.MinimizeLatency {
		return v1.ConsistencyPreference_UNSPECIFIED // the server's default
	}
	return v1.ConsistencyPreference_HIGHER_CONSISTENCY
}

func openfgaUser(t tuple.Named) string {
	user := t.SubjectType + ":" + t.SubjectID
	if t.SubjectRelation != "" {
		user += "#" + t.SubjectRelation
	}
	return user
}

func openfgaQuestion(t tuple.Named) *v1.CheckRequestTupleKey {
	return &v1.CheckRequestTupleKey{User: openfgaUser(t), Relation: t.Relation, Object: t.ObjectType + ":" + t.ObjectID}
}

func openfgaTuple(t tuple.Named) *v1.TupleKey {
	return &v1.TupleKey{User: openfgaUser(t), Relation: t.Relation, Object: t.ObjectType + ":" + t.ObjectID}
}
