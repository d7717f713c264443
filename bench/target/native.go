package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

// native is Tupelo by its own protocol, over the network or not.
type native struct {
	clients []tupelov1.TupeloClient
	admin   tupelov1.ClusterServiceClient // nil in process
	close   func() error
}

func openNative(o Options) (load.Target, error) { return dialNative(o) }

func dialNative(o Options) (*native, error) {
	all, err := o.dial()
	if err != nil {
		return nil, err
	}
	n := &native{admin: tupelov1.NewClusterServiceClient(all[0]), close: all.close}
	for _, c := range all {
		n.clients = append(n.clients, tupelov1.NewTupeloClient(c))
	}
	return n, nil
}

// Prepare writes the schema, or finds that it is there.
func (n *native) Prepare(ctx context.Context, s *dataset.Set, loaded bool) error {
	if loaded {
		_, err := n.clients[0].ReadSchema(ctx, &tupelov1.ReadSchemaRequest{})
		return err
	}
	_, err := n.clients[0].WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: s.Schema()})
	return err
}

// Load imports tuples.
func (n *native) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	stream, err := n.clients[0].Import(ctx)
	if err != nil {
		return err
	}
	err = inBatches(ctx, tuples, importBatch, 1, func(_ context.Context, batch []tuple.Named) error {
		message := &tupelov1.ImportRequest{Mode: tupelov1.ImportRequest_MODE_TOUCH, Tuples: make([]*tupelov1.Tuple, len(batch))}
		for i, t := range batch {
			message.Tuples[i] = nativeTuple(t)
		}
		return stream.Send(message)
	})
	return ended(err, stream.CloseAndRecv)
}

// Request makes the message of an operation.
func (n *native) Request(o dataset.Operation, lane int) (load.Call, error) {
	c := n.clients[lane%len(n.clients)]
	switch o.Kind {
	case dataset.Check:
		return nativeCheck(c, o), nil
	case dataset.BatchCheck:
		return nativeBatch(c, o), nil
	case dataset.ListObjects:
		return nativeListObjects(c, o), nil
	case dataset.ListSubjects:
		return nativeListSubjects(c, o), nil
	case dataset.Write:
		return nativeWrite(c, o), nil
	case dataset.Watch:
		return nativeWatch(c, o), nil
	}
	return nil, notSupported("native", o, "there is no call for it")
}

func nativeCheck(c tupelov1.TupeloClient, o dataset.Operation) load.Call {
	request := &tupelov1.CheckRequest{
		Consistency: nativeConsistency(o), Object: nativeObject(o.Ask), Relation: o.Ask.Relation, Subject: nativeSubject(o.Ask),
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.Check(ctx, request)
		if err != nil {
			return dataset.Answer{}, err
		}
		yes, err := nativeResult(response.Result)
		return dataset.Answer{Yes: yes}, err
	}
}

func nativeBatch(c tupelov1.TupeloClient, o dataset.Operation) load.Call {
	request := &tupelov1.BatchCheckRequest{Consistency: nativeConsistency(o)}
	for _, ask := range o.Batch {
		request.Items = append(request.Items, &tupelov1.BatchCheckItem{
			Object: nativeObject(ask), Relation: ask.Relation, Subject: nativeSubject(ask),
		})
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.BatchCheck(ctx, request)
		if err != nil {
			return dataset.Answer{}, err
		}
		answer := dataset.Answer{Each: make([]bool, len(response.Results))}
		for i, one := range response.Results {
			if one.Error != nil {
				return answer, noAnswer("number %d of a batch: %s", i, one.Error.Message)
			}
			if answer.Each[i], err = nativeResult(one.Result); err != nil {
				return answer, err
			}
		}
		return answer, nil
	}
}

func nativeListObjects(c tupelov1.TupeloClient, o dataset.Operation) load.Call {
	request := &tupelov1.ListObjectsRequest{
		Consistency: nativeConsistency(o), ObjectType: o.Ask.ObjectType, Relation: o.Ask.Relation, Subject: nativeSubject(o.Ask),
	}
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		stream, err := c.ListObjects(ctx, request)
		if err != nil {
			return answer, err
		}
		err = eachPart(stream, func(part *tupelov1.ListObjectsResponse) (complete bool, err error) {
			for _, one := range part.Objects {
				if _, err := nativeResult(one.Result); err != nil {
					return false, err
				}
				answer.Listed.Add(one.Id)
			}
			return part.Complete, nil
		})
		return answer, err
	}
}

func nativeListSubjects(c tupelov1.TupeloClient, o dataset.Operation) load.Call {
	request := &tupelov1.ListSubjectsRequest{
		Consistency: nativeConsistency(o), Object: nativeObject(o.Ask), Relation: o.Ask.Relation, SubjectType: o.Ask.SubjectType,
	}
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		stream, err := c.ListSubjects(ctx, request)
		if err != nil {
			return answer, err
		}
		err = eachPart(stream, func(part *tupelov1.ListSubjectsResponse) (complete bool, err error) {
			for _, one := range part.Subjects {
				if _, err := nativeResult(one.Result); err != nil {
					return false, err
				}
				answer.Listed.Add(one.Id)
			}
			return part.Complete, nil
		})
		return answer, err
	}
}

// cutShort returns the error of a stream that ended before its last part.
func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return noAnswer("the list ended without its last part")
	}
	return err
}

func nativeWrite(c tupelov1.TupeloClient, o dataset.Operation) load.Call {
	update := &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: nativeTuple(o.Ask)}
	if o.Delete {
		update.Operation = tupelov1.Update_OPERATION_DELETE
	}
	request := &tupelov1.WriteRequest{Updates: []*tupelov1.Update{update}}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.Write(ctx, request)
		return dataset.Answer{Token: response.GetZookie()}, err
	}
}

func nativeWatch(c tupelov1.TupeloClient, o dataset.Operation) load.Call {
	request := &tupelov1.WatchRequest{After: o.Token}
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		stream, err := c.Watch(ctx, request)
		if err != nil {
			return answer, err
		}
		for {
			part, err := stream.Recv()
			if err != nil {
				return answer, err
			}
			for _, change := range part.Changes {
				object := change.Tuple.Object
				o.Deliver(object.Type+":"+object.Id, change.Operation == tupelov1.TupleChange_OPERATION_DELETED)
			}
		}
	}
}

// Version returns what the node says of itself.
func (n *native) Version(ctx context.Context) (string, error) {
	if n.admin == nil {
		return "", fmt.Errorf("in-process: version: %w: it is this program's", load.ErrNotSupported)
	}
	status, err := n.admin.ClusterStatus(ctx, &tupelov1.ClusterStatusRequest{})
	if isAlone(err) {
		return "", fmt.Errorf("native: version: %w: a node that is alone does not say", load.ErrNotSupported)
	}
	if err != nil {
		return "", err
	}
	for _, m := range status.Members {
		if m.Member.GetNodeId() == status.NodeId {
			return m.Version, nil
		}
	}
	return "", noAnswer("the node is not among the members")
}

// Close ends the connections.
func (n *native) Close() error { return n.close() }

func nativeResult(r tupelov1.Result) (bool, error) {
	switch r {
	case tupelov1.Result_RESULT_YES:
		return true, nil
	case tupelov1.Result_RESULT_NO:
		return false, nil
	}
	return false, noAnswer("the result is %v", r)
}

func nativeConsistency(o dataset.Operation) *tupelov1.Consistency {
	switch o.Consistency {
	case dataset.FullyConsistent:
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
	case dataset.AtLeastAsFresh:
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: o.Token}}
	}
	return nil // the server's default
}

func nativeObject(t tuple.Named) *tupelov1.Object {
	return &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID}
}

func nativeSubject(t tuple.Named) *tupelov1.Subject {
	return &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation}
}

func nativeTuple(t tuple.Named) *tupelov1.Tuple {
	return &tupelov1.Tuple{Object: nativeObject(t), Relation: t.Relation, Subject: nativeSubject(t)}
}

// eachPart takes the parts of a list, of which the last must say that it is complete.
func eachPart[P any](stream grpc.ServerStreamingClient[P], take func(*P) (complete bool, err error)) error {
	complete := false
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) && complete {
			return nil
		}
		if err != nil {
			return cutShort(err)
		}
		if complete, err = take(part); err != nil {
			return err
		}
	}
}
