package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// alone opens a replica in memory, with a schema and tuples.
func alone(t testing.TB, tuples ...string) *Replica {
	t.Helper()
	r, err := Open(t.Context(), Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.life.Err() != nil {
			return // by the test
		}
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	if _, err := r.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Client().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: clusterSchema}); err != nil {
		t.Fatal(err)
	}
	for _, text := range tuples {
		if err := touch(t.Context(), r.Client(), text); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func touch(ctx context.Context, c tupelov1.TupeloClient, text string) error {
	one, err := tupleOf(text)
	if err != nil {
		return err
	}
	_, err = c.Write(ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: one}}})
	return err
}

// dial serves a replica, and returns a client of another process's kind.
func dial(t testing.TB, r *Replica) tupelov1.TupeloClient {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- r.Server().Serve(ctx, listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(conn.Close(), <-served); err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return tupelov1.NewTupeloClient(conn)
}

// collect reads a stream to its end.
func collect[A any](s grpc.ServerStreamingClient[A], err error) ([]*A, error) {
	var all []*A
	for err == nil {
		var m *A
		if m, err = s.Recv(); err == nil {
			all = append(all, m)
		}
	}
	if errors.Is(err, io.EOF) {
		return all, nil
	}
	return all, err
}

// list is a list of a stream as one message, so that it can be compared.
func list[A any](s grpc.ServerStreamingClient[A], err error) ([]proto.Message, error) {
	all, err := collect(s, err)
	var messages []proto.Message
	for _, m := range all {
		messages = append(messages, any(m).(proto.Message))
	}
	return messages, err
}

func one[A any](answer *A, err error) ([]proto.Message, error) {
	if err != nil {
		return nil, err
	}
	return []proto.Message{any(answer).(proto.Message)}, nil
}

func TestACallInProcessHasTheAnswerAndTheErrorOfAServer(t *testing.T) {
	r := alone(t, "doc:a#reader@user:ann", "doc:b#reader@user:ann")
	doc, ann := &tupelov1.Object{Type: "doc", Id: "a"}, &tupelov1.Subject{Type: "user", Id: "ann"}
	check := func(c *tupelov1.CheckRequest) func(context.Context, tupelov1.TupeloClient) ([]proto.Message, error) {
		return func(ctx context.Context, client tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(client.Check(ctx, c))
		}
	}
	calls := map[string]func(context.Context, tupelov1.TupeloClient) ([]proto.Message, error){
		"a check":                   check(&tupelov1.CheckRequest{Object: doc, Relation: "reader", Subject: ann}),
		"a fully consistent check":  check(&tupelov1.CheckRequest{Object: doc, Relation: "reader", Subject: ann, Consistency: fullyConsistent()}),
		"a check of nobody":         check(&tupelov1.CheckRequest{Object: doc, Relation: "reader"}),
		"a check of nothing":        check(nil),
		"a check with a bad zookie": check(&tupelov1.CheckRequest{Object: doc, Relation: "reader", Subject: ann, Consistency: atLeastAsFresh("x")}),
		"a check of what there is not": check(&tupelov1.CheckRequest{
			Object: &tupelov1.Object{Type: "job", Id: "a"}, Relation: "reader", Subject: ann,
		}),
		"a batch": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.BatchCheck(ctx, &tupelov1.BatchCheckRequest{Items: []*tupelov1.BatchCheckItem{
				{Object: doc, Relation: "reader", Subject: ann}, {Object: doc, Relation: "owner", Subject: ann},
			}}))
		},
		"an expand": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.Expand(ctx, &tupelov1.ExpandRequest{Object: doc, Relation: "reader"}))
		},
		"objects": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return list(c.ListObjects(ctx, &tupelov1.ListObjectsRequest{ObjectType: "doc", Relation: "reader", Subject: ann}))
		},
		"objects of no type": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return list(c.ListObjects(ctx, nil))
		},
		"subjects": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return list(c.ListSubjects(ctx, &tupelov1.ListSubjectsRequest{Object: doc, Relation: "reader", SubjectType: "user"}))
		},
		"relations": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.ListRelations(ctx, &tupelov1.ListRelationsRequest{Object: doc, Subject: ann}))
		},
		"tuples": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.Read(ctx, &tupelov1.ReadRequest{Filter: &tupelov1.Filter{ObjectType: "doc"}}))
		},
		"the schema": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{}))
		},
		"a schema compared": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return list(c.CompareSchema(ctx, &tupelov1.CompareSchemaRequest{Text: clusterSchema + "definition job {}\n"}))
		},
		"a bad schema": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: "definition"}))
		},
		"a delete of everything": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.DeleteByFilter(ctx, &tupelov1.DeleteByFilterRequest{}))
		},
		"a write of nothing": func(ctx context.Context, c tupelov1.TupeloClient) ([]proto.Message, error) {
			return one(c.Write(ctx, &tupelov1.WriteRequest{}))
		},
	}
	remote := dial(t, r)
	for name, call := range calls {
		here, hereErr := call(t.Context(), r.Client())
		there, thereErr := call(t.Context(), remote)
		if !proto.Equal(status.Convert(hereErr).Proto(), status.Convert(thereErr).Proto()) {
			t.Errorf("%s in process: %v\nby a server: %v", name, hereErr, thereErr)
		}
		same := len(here) == len(there) && (len(here) > 0) == (hereErr == nil)
		for i := range here {
			same = same && proto.Equal(here[i], there[i])
		}
		if !same {
			t.Errorf("%s in process:\n%v\nby a server:\n%v", name, here, there)
		}
	}
}

// A network takes whole messages apart; in process each end must wait for the other.
func TestAStreamInProcessIsWholeAndInOrder(t *testing.T) {
	r := alone(t)
	for i := range 60 {
		if err := touch(t.Context(), r.Client(), fmt.Sprintf("doc:d%02d#reader@user:ann", i)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := collect(r.Client().ListObjects(t.Context(), &tupelov1.ListObjectsRequest{
		ObjectType: "doc", Relation: "reader", Subject: &tupelov1.Subject{Type: "user", Id: "ann"},
	}))
	if err != nil || len(all) < 2 || !all[len(all)-1].Complete {
		t.Fatalf("the list has %d messages, %v", len(all), err)
	}
	i := 0
	for _, m := range all {
		for _, o := range m.Objects {
			if want := fmt.Sprintf("d%02d", i); o.Id != want {
				t.Errorf("object %d is %s", i, o.Id)
			}
			i++
		}
	}
	if i != 60 {
		t.Errorf("it has %d objects", i)
	}
}

func TestAStreamEndsWithItsContextAndWithTheReplica(t *testing.T) {
	r := alone(t)
	watch := func(ctx context.Context) grpc.ServerStreamingClient[tupelov1.WatchResponse] {
		t.Helper()
		w, err := r.Client().Watch(ctx, &tupelov1.WatchRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Recv(); err != nil { // the first checkpoint
			t.Fatal(err)
		}
		return w
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended, left, open := watch(ctx), watch(t.Context()), watch(t.Context())
	if err := touch(t.Context(), r.Client(), "doc:a#reader@user:ann"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := collect(ended, nil); status.Code(err) != codes.Canceled {
		t.Errorf("a watch whose context has ended: %v", err)
	}
	if m, err := open.Recv(); err != nil || len(m.GetChanges()) != 1 {
		t.Errorf("a watch: %v, %v", m, err)
	}
	// left is not read: its handler waits for that when the replica closes.
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := open.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("a watch of a replica that is closed: %v", err)
	}
	if _, err := collect(left, nil); status.Code(err) != codes.Unavailable {
		t.Errorf("a watch that nobody has read: %v", err)
	}
	for name, err := range map[string]error{
		"a check": second(r.Check(t.Context(), &tupelov1.CheckRequest{})),
		"a write": touch(t.Context(), r.Client(), "doc:a#reader@user:ann"),
		"a list":  second(collect(r.Client().ListObjects(t.Context(), nil))),
	} {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s after the end: %v", name, err)
		}
	}
}

func second[A any](_ A, err error) error { return err }

// Closing has time, so a call that has begun gets what it needs to its end.
func TestACallThatHasBegunIsNotCutShortByClosing(t *testing.T) {
	r := alone(t, "doc:a#reader@user:ann")
	if !r.calls.begin() {
		t.Fatal("a replica that is open takes no calls")
	}
	closed := make(chan error)
	go func() { closed <- r.Close(t.Context()) }()
	eventually(t, "calls begin while it is closed", func() bool {
		return status.Code(readOnce(t.Context(), r, 1)) == codes.Unavailable
	})
	time.Sleep(50 * time.Millisecond)
	if snapshot, err := r.store.Snapshot(0); err == nil {
		snapshot.Close()
	} else {
		t.Errorf("the tuples while a call is under way: %v", err)
	}
	if _, err := r.log.ReadIndex(t.Context()); err != nil {
		t.Errorf("the log while a call is under way: %v", err)
	}
	r.calls.end()
	if err := <-closed; err != nil {
		t.Errorf("closing: %v", err)
	}
}

func TestAReplicaIsClosedUnderReadersInOrder(t *testing.T) {
	for range 20 {
		r := alone(t, "doc:a#reader@user:ann")
		var answered atomic.Int64
		var reading sync.WaitGroup
		for w := range 8 {
			reading.Go(func() {
				for {
					err := readOnce(t.Context(), r, w)
					if status.Code(err) == codes.Unavailable {
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					answered.Add(1)
				}
			})
		}
		for answered.Load() < 50 {
			time.Sleep(time.Millisecond)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
		reading.Wait()
	}
}

func readOnce(ctx context.Context, r *Replica, w int) error {
	ann := &tupelov1.Subject{Type: "user", Id: "ann"}
	if w%2 == 0 {
		_, err := collect(r.Client().ListObjects(ctx, &tupelov1.ListObjectsRequest{ObjectType: "doc", Relation: "reader", Subject: ann}))
		return err
	}
	_, err := r.Check(ctx, &tupelov1.CheckRequest{Object: &tupelov1.Object{Type: "doc", Id: "a"}, Relation: "reader", Subject: ann})
	return err
}

// A call may wait for a revision longer than whoever closes has time.
func TestClosingDoesNotWaitForWhatWaitsForOthers(t *testing.T) {
	nodes := bootstrap(t, 1)
	nodes[0].mustWriteSchema(t)
	reader := readerOf(t, nodes[0], func(o *Options) { o.Dir, o.FS, o.Memory = "", nil, true })
	reader.mustBeReady(t)
	nodes[0].stop(t)
	waiting := make(chan error)
	go func() { waiting <- touch(t.Context(), reader.Client(), "doc:a#reader@user:ann") }()
	time.Sleep(100 * time.Millisecond)
	ctx, cancel := contextFor(t, 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	r := reader.Replica
	reader.Replica = nil
	if err := r.Close(ctx); err != nil {
		t.Errorf("closing: %v", err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("closing took %s", took)
	}
	if err := <-waiting; status.Code(err) != codes.Unavailable {
		t.Errorf("the write that waited: %v", err)
	}
}
