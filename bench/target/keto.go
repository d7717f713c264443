package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	rts "github.com/ory/keto/proto/ory/keto/relation_tuples/v1alpha2"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

const (
	// ketoBatch is how many tuples are written in one transaction.
	ketoBatch = 100
	// ketoWriters is how many of these are under way at once while tuples are loaded.
	ketoWriters = 8
)

// keto is Ory Keto. It answers and takes writes at two addresses, and has no list of
// a permission's objects or subjects. Batches are asked by HTTP, without TLS: the
// published code of its protocol has no message for them. What it knows of a schema is
// in a file that it reads when it starts: see [Schema].
type keto struct {
	batches          *jsonServer
	reading, writing connections
	checks           []rts.CheckServiceClient
	writes           []rts.WriteServiceClient
}

func openKeto(o Options) (load.Target, error) {
	if o.WriteAddr == "" {
		return nil, fmt.Errorf("%w: keto takes writes at an address of their own, and there is none", ErrOption)
	}
	batches := newJSONServer(o.Addr, "", o.Token)
	reading, err := o.dial()
	if err != nil {
		return nil, err
	}
	o.Addr = o.WriteAddr
	writing, err := o.dial()
	if err != nil {
		return nil, errors.Join(err, reading.close())
	}
	k := &keto{batches: batches, reading: reading, writing: writing}
	for i := range reading {
		k.checks = append(k.checks, rts.NewCheckServiceClient(reading[i]))
		k.writes = append(k.writes, rts.NewWriteServiceClient(writing[i]))
	}
	return k, nil
}

// Prepare refuses what Keto cannot say: a wildcard. Its namespaces are not for a
// client to write.
func (k *keto) Prepare(_ context.Context, s *dataset.Set, _ bool) error {
	_, err := ketoNamespaces(s.Schema())
	return err
}

// Load writes tuples in transactions.
func (k *keto) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	return inBatches(ctx, tuples, ketoBatch, ketoWriters, func(ctx context.Context, batch []tuple.Named) error {
		request := &rts.TransactRelationTuplesRequest{}
		for _, t := range batch {
			request.RelationTupleDeltas = append(request.RelationTupleDeltas, &rts.RelationTupleDelta{
				Action: rts.RelationTupleDelta_ACTION_INSERT, RelationTuple: ketoTuple(t),
			})
		}
		_, err := k.writes[0].TransactRelationTuples(ctx, request)
		return err
	})
}

// Request makes the message of a check or a write. A fully consistent check is a
// check: Keto reads its database, and says of its option for more that it does nothing.
func (k *keto) Request(o dataset.Operation, lane int) (load.Call, error) {
	lane %= len(k.checks)
	switch o.Kind {
	case dataset.Check:
		request := &rts.CheckRequest{Tuple: ketoTuple(o.Ask), Latest: o.Consistency != dataset.MinimizeLatency}
		return func(ctx context.Context) (dataset.Answer, error) {
			response, err := k.checks[lane].Check(ctx, request)
			return dataset.Answer{Yes: response.GetAllowed()}, err
		}, nil
	case dataset.BatchCheck:
		return k.batch(o)
	case dataset.Write:
		delta := &rts.RelationTupleDelta{Action: rts.RelationTupleDelta_ACTION_INSERT, RelationTuple: ketoTuple(o.Ask)}
		if o.Delete {
			delta.Action = rts.RelationTupleDelta_ACTION_DELETE
		}
		request := &rts.TransactRelationTuplesRequest{RelationTupleDeltas: []*rts.RelationTupleDelta{delta}}
		return func(ctx context.Context) (dataset.Answer, error) {
			_, err := k.writes[lane].TransactRelationTuples(ctx, request)
			return dataset.Answer{}, err // its tokens mean nothing yet
		}, nil
	}
	return nil, notSupported("keto", o, "the protocol of this version has no call for it")
}

// The parts of a batch.
type (
	ketoBatchTuple struct {
		Namespace  string          `json:"namespace"`
		Object     string          `json:"object"`
		Relation   string          `json:"relation"`
		SubjectSet *ketoSubjectSet `json:"subject_set"`
	}
	ketoSubjectSet struct {
		Namespace string `json:"namespace"`
		Object    string `json:"object"`
		Relation  string `json:"relation"`
	}
	ketoBatchQuestion struct {
		Tuples []ketoBatchTuple `json:"tuples"`
	}
	ketoBatchAnswer struct {
		Results []ketoBatchResult `json:"results"`
	}
	ketoBatchResult struct {
		Allowed bool   `json:"allowed"`
		Error   string `json:"error"`
	}
)

func (k *keto) batch(o dataset.Operation) (load.Call, error) {
	var question ketoBatchQuestion
	for _, t := range o.Batch {
		question.Tuples = append(question.Tuples, ketoBatchTuple{
			t.ObjectType, t.ObjectID, t.Relation, &ketoSubjectSet{t.SubjectType, t.SubjectID, t.SubjectRelation},
		})
	}
	body, err := json.Marshal(question)
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		var got ketoBatchAnswer
		if err := k.batches.post(ctx, "/relation-tuples/batch/check", body, &got); err != nil {
			return answer, err
		}
		for i, one := range got.Results {
			if one.Error != "" {
				return answer, noAnswer("number %d of a batch: %s", i, one.Error)
			}
			answer.Each = append(answer.Each, one.Allowed)
		}
		return answer, nil
	}, err
}

// Version returns what the server says.
func (k *keto) Version(ctx context.Context) (string, error) {
	response, err := rts.NewVersionServiceClient(k.reading[0]).GetVersion(ctx, &rts.GetVersionRequest{})
	return response.GetVersion(), err
}

// Close ends the connections.
func (k *keto) Close() error {
	k.batches.close()
	return errors.Join(k.reading.close(), k.writing.close())
}

// ketoTuple spells a tuple. A subject is a set even if it is one object, so that it
// has a namespace.
func ketoTuple(t tuple.Named) *rts.RelationTuple {
	return &rts.RelationTuple{
		Namespace: t.ObjectType, Object: t.ObjectID, Relation: t.Relation,
		Subject: &rts.Subject{Ref: &rts.Subject_Set{Set: &rts.SubjectSet{
			Namespace: t.SubjectType, Object: t.SubjectID, Relation: t.SubjectRelation,
		}}},
	}
}
