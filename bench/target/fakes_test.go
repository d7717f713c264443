package target

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	fga "github.com/openfga/api/proto/openfga/v1"
	rts "github.com/ory/keto/proto/ory/keto/relation_tuples/v1alpha2"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store/tuple"
)

// fake is a server of another make for a test: its protocol in front of a replica
// in this process, which knows the answers.
type fake struct {
	t      *testing.T
	native *native
	// tokens counts the answers that had one, and the questions that came with it.
	given, asked atomic.Int64
	// fails has every call be refused.
	fails atomic.Bool
}

func newFake(t *testing.T, set string) *fake {
	t.Helper()
	server, err := Open("in-process", Options{Dir: t.TempDir() + "/data", CacheBytes: 8 << 20, TuplesetCacheBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	data, err := dataset.Open(set, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Prepare(t.Context(), data, false); err != nil {
		t.Fatal(err)
	}
	return &fake{t: t, native: server.(*native)}
}

// do asks the replica, for everything.
func (f *fake) do(ctx context.Context, o dataset.Operation) (dataset.Answer, error) {
	o.Consistency = dataset.FullyConsistent
	call, err := f.native.Request(o, 0)
	if err != nil {
		return dataset.Answer{}, err
	}
	return call(ctx)
}

// ids lists what the replica lists.
func (f *fake) ids(ctx context.Context, o dataset.Operation) (ids []string, err error) {
	client := f.native.clients[0]
	if o.Kind == dataset.ListObjects {
		stream, err := client.ListObjects(ctx, &tupelov1.ListObjectsRequest{
			ObjectType: o.Ask.ObjectType, Relation: o.Ask.Relation, Subject: nativeSubject(o.Ask),
		})
		for err == nil {
			var part *tupelov1.ListObjectsResponse
			if part, err = stream.Recv(); err == nil {
				for _, one := range part.Objects {
					ids = append(ids, one.Id)
				}
			}
		}
		return ids, nil
	}
	stream, err := client.ListSubjects(ctx, &tupelov1.ListSubjectsRequest{
		Object: nativeObject(o.Ask), Relation: o.Ask.Relation, SubjectType: o.Ask.SubjectType,
	})
	for err == nil {
		var part *tupelov1.ListSubjectsResponse
		if part, err = stream.Recv(); err == nil {
			for _, one := range part.Subjects {
				ids = append(ids, one.Id)
			}
		}
	}
	return ids, nil
}

func (f *fake) serve(register func(*grpc.Server)) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	f.t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr().String()
}

// fakeKeto refuses writes where it reads, as Keto does.
type fakeKeto struct {
	rts.UnimplementedCheckServiceServer
	rts.UnimplementedWriteServiceServer
	rts.UnimplementedVersionServiceServer
	*fake
}

func (f fakeKeto) named(t *rts.RelationTuple) tuple.Named {
	set := t.Subject.GetSet()
	return tuple.Named{
		ObjectType: t.Namespace, ObjectID: t.Object, Relation: t.Relation,
		SubjectType: set.Namespace, SubjectID: set.Object, SubjectRelation: set.Relation,
	}
}

func (f fakeKeto) Check(ctx context.Context, r *rts.CheckRequest) (*rts.CheckResponse, error) {
	answer, err := f.do(ctx, dataset.Operation{Kind: dataset.Check, Ask: f.named(r.Tuple)})
	return &rts.CheckResponse{Allowed: answer.Yes}, err
}

func (f fakeKeto) TransactRelationTuples(ctx context.Context, r *rts.TransactRelationTuplesRequest) (*rts.TransactRelationTuplesResponse, error) {
	for _, delta := range r.RelationTupleDeltas {
		o := dataset.Operation{Kind: dataset.Write, Ask: f.named(delta.RelationTuple), Delete: delta.Action == rts.RelationTupleDelta_ACTION_DELETE}
		if _, err := f.do(ctx, o); err != nil {
			return nil, err
		}
	}
	return &rts.TransactRelationTuplesResponse{}, nil
}

func (f fakeKeto) GetVersion(context.Context, *rts.GetVersionRequest) (*rts.GetVersionResponse, error) {
	return &rts.GetVersionResponse{Version: "v0"}, nil
}

// ServeHTTP takes batches, as many as bench/peer's setting has it.
func (f fakeKeto) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var question ketoBatchQuestion
	if err := json.NewDecoder(r.Body).Decode(&question); err != nil || r.URL.Path != "/relation-tuples/batch/check" || len(question.Tuples) > 100 {
		http.Error(w, fmt.Sprint(err, " ", r.URL), http.StatusBadRequest)
		return
	}
	var answer ketoBatchAnswer
	for _, t := range question.Tuples {
		one, err := f.do(r.Context(), dataset.Operation{Kind: dataset.Check, Ask: tuple.Named{
			ObjectType: t.Namespace, ObjectID: t.Object, Relation: t.Relation,
			SubjectType: t.SubjectSet.Namespace, SubjectID: t.SubjectSet.Object, SubjectRelation: t.SubjectSet.Relation,
		}})
		result := ketoBatchResult{Allowed: one.Yes}
		if err != nil || f.fails.Load() {
			result.Error = fmt.Sprint("it is out of order ", err)
		}
		answer.Results = append(answer.Results, result)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// keto serves gRPC and HTTP at one port.
func (f *fake) keto() Options {
	k := fakeKeto{fake: f}
	reads := grpc.NewServer()
	rts.RegisterCheckServiceServer(reads, k)
	rts.RegisterVersionServiceServer(reads, k)
	both := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			reads.ServeHTTP(w, r)
			return
		}
		k.ServeHTTP(w, r)
	}))
	both.Config.Protocols = new(http.Protocols)
	both.Config.Protocols.SetHTTP1(true)
	both.Config.Protocols.SetUnencryptedHTTP2(true)
	both.Start()
	f.t.Cleanup(both.Close)
	return Options{
		Addr:      both.Listener.Addr().String(),
		WriteAddr: f.serve(func(s *grpc.Server) { rts.RegisterWriteServiceServer(s, k) }),
	}
}

// fakeOpenFGA refuses what it refuses too: a store or model that there is not, a
// tuple that is there, and more than 100 at once.
type fakeOpenFGA struct {
	fga.UnimplementedOpenFGAServiceServer
	*fake
}

const fakeStore, fakeModel = "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAW"

func (f fakeOpenFGA) CreateStore(context.Context, *fga.CreateStoreRequest) (*fga.CreateStoreResponse, error) {
	return &fga.CreateStoreResponse{Id: fakeStore}, nil
}

func (f fakeOpenFGA) ListStores(_ context.Context, r *fga.ListStoresRequest) (*fga.ListStoresResponse, error) {
	if r.ContinuationToken == "" {
		return &fga.ListStoresResponse{Stores: []*fga.Store{{Id: "older"}}, ContinuationToken: "more"}, nil
	}
	return &fga.ListStoresResponse{Stores: []*fga.Store{{Id: fakeStore}}}, nil
}

func (f fakeOpenFGA) ReadAuthorizationModels(context.Context, *fga.ReadAuthorizationModelsRequest) (*fga.ReadAuthorizationModelsResponse, error) {
	return &fga.ReadAuthorizationModelsResponse{AuthorizationModels: []*fga.AuthorizationModel{{Id: fakeModel}}}, nil
}

func (f fakeOpenFGA) WriteAuthorizationModel(_ context.Context, r *fga.WriteAuthorizationModelRequest) (*fga.WriteAuthorizationModelResponse, error) {
	return &fga.WriteAuthorizationModelResponse{AuthorizationModelId: fakeModel}, r.Validate()
}

func (f fakeOpenFGA) named(user, relation, object string) tuple.Named {
	named, err := tuple.Parse(object + "#" + relation + "@" + user)
	if err != nil {
		f.t.Error(err)
	}
	return named
}

func (f fakeOpenFGA) where(store, model string) error {
	if store != fakeStore || model != fakeModel {
		return fmt.Errorf("there is no %q, %q", store, model)
	}
	return nil
}

func (f fakeOpenFGA) Write(ctx context.Context, r *fga.WriteRequest) (*fga.WriteResponse, error) {
	if err := f.where(r.StoreId, r.AuthorizationModelId); err != nil {
		return nil, err
	}
	if n := len(r.Writes.GetTupleKeys()) + len(r.Deletes.GetTupleKeys()); n == 0 || n > 100 {
		return nil, fmt.Errorf("%d tuples at once", n)
	}
	for _, key := range r.Writes.GetTupleKeys() {
		if _, err := f.do(ctx, dataset.Operation{Kind: dataset.Write, Ask: f.named(key.User, key.Relation, key.Object)}); err != nil {
			return nil, err
		}
	}
	for _, key := range r.Deletes.GetTupleKeys() {
		if _, err := f.do(ctx, dataset.Operation{Kind: dataset.Write, Delete: true, Ask: f.named(key.User, key.Relation, key.Object)}); err != nil {
			return nil, err
		}
	}
	return &fga.WriteResponse{}, nil
}

func (f fakeOpenFGA) Check(ctx context.Context, r *fga.CheckRequest) (*fga.CheckResponse, error) {
	if err := f.where(r.StoreId, r.AuthorizationModelId); err != nil {
		return nil, err
	}
	answer, err := f.do(ctx, dataset.Operation{Kind: dataset.Check, Ask: f.named(r.TupleKey.User, r.TupleKey.Relation, r.TupleKey.Object)})
	return &fga.CheckResponse{Allowed: answer.Yes}, err
}

func (f fakeOpenFGA) BatchCheck(ctx context.Context, r *fga.BatchCheckRequest) (*fga.BatchCheckResponse, error) {
	response := &fga.BatchCheckResponse{Result: make(map[string]*fga.BatchCheckSingleResult)}
	for _, item := range r.Checks {
		answer, err := f.do(ctx, dataset.Operation{Kind: dataset.Check, Ask: f.named(item.TupleKey.User, item.TupleKey.Relation, item.TupleKey.Object)})
		if err != nil {
			return nil, err
		}
		response.Result[item.CorrelationId] = &fga.BatchCheckSingleResult{CheckResult: &fga.BatchCheckSingleResult_Allowed{Allowed: answer.Yes}}
	}
	return response, nil
}

func (f fakeOpenFGA) ListObjects(ctx context.Context, r *fga.ListObjectsRequest) (*fga.ListObjectsResponse, error) {
	o := dataset.Operation{Kind: dataset.ListObjects, Ask: f.named(r.User, r.Relation, r.Type+":x")}
	ids, err := f.ids(ctx, o)
	for i := range ids {
		ids[i] = r.Type + ":" + ids[i]
	}
	return &fga.ListObjectsResponse{Objects: ids}, err
}

func (f fakeOpenFGA) ListUsers(ctx context.Context, r *fga.ListUsersRequest) (*fga.ListUsersResponse, error) {
	o := dataset.Operation{Kind: dataset.ListSubjects, Ask: f.named(r.UserFilters[0].Type+":x", r.Relation, r.Object.Type+":"+r.Object.Id)}
	ids, err := f.ids(ctx, o)
	response := &fga.ListUsersResponse{}
	for _, id := range ids {
		response.Users = append(response.Users, &fga.User{User: &fga.User_Object{Object: &fga.Object{Type: r.UserFilters[0].Type, Id: id}}})
	}
	return response, err
}

func (f *fake) openfga() Options {
	return Options{Addr: f.serve(func(s *grpc.Server) { fga.RegisterOpenFGAServiceServer(s, fakeOpenFGA{fake: f}) })}
}

// permify is Permify as far as its documentation goes: pages of lists, and tokens.
func (f *fake) permify() Options {
	type message struct {
		Metadata    permifyMetadata
		Schema      string
		Tuples      []permifyTuple
		TupleFilter struct {
			Entity, Subject permifyFilter
			Relation        string
		} `json:"tuple_filter"`
		Entity           permifyObject
		EntityType       string `json:"entity_type"`
		Permission       string
		Subject          permifyObject
		SubjectReference permifyObject `json:"subject_reference"`
		Items            []permifyCheck
		PageSize         int    `json:"page_size"`
		ContinuousToken  string `json:"continuous_token"`
	}
	check := func(ctx context.Context, of, subject permifyObject, permission string) (permifyResult, error) {
		answer, err := f.do(ctx, dataset.Operation{Kind: dataset.Check, Ask: tuple.Named{
			ObjectType: of.Type, ObjectID: of.ID, Relation: permission, SubjectType: subject.Type, SubjectID: subject.ID, SubjectRelation: subject.Relation,
		}})
		if answer.Yes {
			return permifyResult{"CHECK_RESULT_ALLOWED"}, err
		}
		return permifyResult{"CHECK_RESULT_DENIED"}, err
	}
	page := func(m message, ids []string, err error) (any, error) {
		slices.Sort(ids)
		const size = 3 // so that there are several
		from, _ := strconv.Atoi(m.ContinuousToken)
		to, more := min(from+size, len(ids)), ""
		if to < len(ids) {
			more = strconv.Itoa(to)
		}
		return map[string]any{"entity_ids": ids[from:to], "continuous_token": more}, err
	}
	answer := func(ctx context.Context, path string, m message) (any, error) {
		if m.Metadata.SnapToken != "" {
			f.asked.Add(1)
		}
		switch path {
		case "schemas/write":
			return map[string]string{"schema_version": "1"}, nil
		case "data/write":
			for _, t := range m.Tuples {
				if _, err := f.do(ctx, dataset.Operation{Kind: dataset.Write, Ask: tuple.Named{
					ObjectType: t.Entity.Type, ObjectID: t.Entity.ID, Relation: t.Relation,
					SubjectType: t.Subject.Type, SubjectID: t.Subject.ID, SubjectRelation: t.Subject.Relation,
				}}); err != nil {
					return nil, err
				}
			}
			f.given.Add(1)
			return permifyWritten{"snap"}, nil
		case "data/delete":
			_, err := f.do(ctx, dataset.Operation{Kind: dataset.Write, Delete: true, Ask: tuple.Named{
				ObjectType: m.TupleFilter.Entity.Type, ObjectID: m.TupleFilter.Entity.IDs[0], Relation: m.TupleFilter.Relation,
				SubjectType: m.TupleFilter.Subject.Type, SubjectID: m.TupleFilter.Subject.IDs[0], SubjectRelation: m.TupleFilter.Subject.Relation,
			}})
			return permifyWritten{"snap"}, err
		case "permissions/check":
			return check(ctx, m.Entity, m.Subject, m.Permission)
		case "permissions/bulk-check":
			var results []permifyResult
			for _, item := range m.Items {
				one, err := check(ctx, item.Entity, item.Subject, item.Permission)
				if err != nil {
					return nil, err
				}
				results = append(results, one)
			}
			return map[string]any{"results": results}, nil
		case "permissions/lookup-entity":
			ids, err := f.ids(ctx, dataset.Operation{Kind: dataset.ListObjects, Ask: tuple.Named{
				ObjectType: m.EntityType, Relation: m.Permission, SubjectType: m.Subject.Type, SubjectID: m.Subject.ID,
			}})
			return page(m, ids, err)
		case "permissions/lookup-subject":
			ids, err := f.ids(ctx, dataset.Operation{Kind: dataset.ListSubjects, Ask: tuple.Named{
				ObjectType: m.Entity.Type, ObjectID: m.Entity.ID, Relation: m.Permission, SubjectType: m.SubjectReference.Type,
			}})
			return page(m, ids, err)
		}
		return nil, fmt.Errorf("there is nothing at %s", path)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m message
		path, ok := strings.CutPrefix(r.URL.Path, "/v1/tenants/t1/")
		decoder := json.NewDecoder(r.Body)
		if err := decoder.Decode(&m); err != nil || !ok || r.Method != http.MethodPost || f.fails.Load() {
			http.Error(w, fmt.Sprint(err, " ", r.URL), http.StatusBadRequest)
			return
		}
		got, err := answer(r.Context(), path, m)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(got)
	}))
	f.t.Cleanup(server.Close)
	return Options{Addr: server.URL}
}
