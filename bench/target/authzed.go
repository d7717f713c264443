package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

// authzed is SpiceDB, or whoever speaks its protocol.
type authzed struct {
	connections
	clients []v1.PermissionsServiceClient
}

func openAuthzed(o Options) (load.Target, error) {
	all, err := o.dial()
	if err != nil {
		return nil, err
	}
	a := &authzed{connections: all}
	for _, c := range all {
		a.clients = append(a.clients, v1.NewPermissionsServiceClient(c))
	}
	return a, nil
}

// Prepare writes the schema, or finds that one is there.
func (a *authzed) Prepare(ctx context.Context, s *dataset.Set, loaded bool) error {
	schemas := v1.NewSchemaServiceClient(a.connections[0])
	if loaded {
		_, err := schemas.ReadSchema(ctx, &v1.ReadSchemaRequest{})
		return err
	}
	_, err := schemas.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: s.Schema()})
	return err
}

// Load imports tuples in bulk, which refuses those that are there already.
func (a *authzed) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	stream, err := a.clients[0].ImportBulkRelationships(ctx)
	if err != nil {
		return err
	}
	err = inBatches(ctx, tuples, importBatch, 1, func(_ context.Context, batch []tuple.Named) error {
		message := &v1.ImportBulkRelationshipsRequest{Relationships: make([]*v1.Relationship, len(batch))}
		for i, t := range batch {
			message.Relationships[i] = authzedRelationship(t)
		}
		return stream.Send(message)
	})
	return ended(err, stream.CloseAndRecv)
}

// Request makes the message of an operation.
func (a *authzed) Request(o dataset.Operation, lane int) (load.Call, error) {
	c := a.clients[lane%len(a.clients)]
	switch o.Kind {
	case dataset.Check:
		return authzedCheck(c, o), nil
	case dataset.BatchCheck:
		return authzedBatch(c, o), nil
	case dataset.ListObjects:
		return authzedListObjects(c, o), nil
	case dataset.ListSubjects:
		return authzedListSubjects(c, o), nil
	case dataset.Write:
		return authzedWrite(c, o), nil
	case dataset.Watch:
		return authzedWatch(v1.NewWatchServiceClient(a.connections[lane%len(a.connections)]), o), nil
	}
	return nil, notSupported("authzed", o, "there is no call for it")
}

func authzedCheck(c v1.PermissionsServiceClient, o dataset.Operation) load.Call {
	request := &v1.CheckPermissionRequest{
		Consistency: authzedConsistency(o), Resource: authzedResource(o.Ask), Permission: o.Ask.Relation, Subject: authzedSubject(o.Ask),
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.CheckPermission(ctx, request)
		if err != nil {
			return dataset.Answer{}, err
		}
		yes, err := authzedResult(response.Permissionship)
		return dataset.Answer{Yes: yes}, err
	}
}

func authzedBatch(c v1.PermissionsServiceClient, o dataset.Operation) load.Call {
	request := &v1.CheckBulkPermissionsRequest{Consistency: authzedConsistency(o)}
	for _, ask := range o.Batch {
		request.Items = append(request.Items, &v1.CheckBulkPermissionsRequestItem{
			Resource: authzedResource(ask), Permission: ask.Relation, Subject: authzedSubject(ask),
		})
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.CheckBulkPermissions(ctx, request)
		if err != nil {
			return dataset.Answer{}, err
		}
		answer := dataset.Answer{Each: make([]bool, len(response.Pairs))}
		for i, pair := range response.Pairs {
			item := pair.GetItem()
			if item == nil {
				return answer, noAnswer("number %d of a batch: %s", i, pair.GetError().GetMessage())
			}
			if answer.Each[i], err = authzedResult(item.Permissionship); err != nil {
				return answer, err
			}
		}
		return answer, nil
	}
}

func authzedListObjects(c v1.PermissionsServiceClient, o dataset.Operation) load.Call {
	request := &v1.LookupResourcesRequest{
		Consistency: authzedConsistency(o), ResourceObjectType: o.Ask.ObjectType, Permission: o.Ask.Relation, Subject: authzedSubject(o.Ask),
	}
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		stream, err := c.LookupResources(ctx, request)
		if err != nil {
			return answer, err
		}
		for {
			one, err := stream.Recv()
			switch {
			case errors.Is(err, io.EOF):
				return answer, nil
			case err != nil:
				return answer, err
			case one.Permissionship != v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION:
				return answer, noAnswer("%s is listed as %v", one.ResourceObjectId, one.Permissionship)
			}
			answer.Listed.Add(one.ResourceObjectId)
		}
	}
}

func authzedListSubjects(c v1.PermissionsServiceClient, o dataset.Operation) load.Call {
	request := &v1.LookupSubjectsRequest{
		Consistency: authzedConsistency(o), Resource: authzedResource(o.Ask), Permission: o.Ask.Relation, SubjectObjectType: o.Ask.SubjectType,
	}
	return func(ctx context.Context) (answer dataset.Answer, err error) {
		stream, err := c.LookupSubjects(ctx, request)
		if err != nil {
			return answer, err
		}
		for {
			one, err := stream.Recv()
			switch {
			case errors.Is(err, io.EOF):
				return answer, nil
			case err != nil:
				return answer, err
			case one.Subject.GetPermissionship() != v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION:
				return answer, noAnswer("%s is listed as %v", one.Subject.GetSubjectObjectId(), one.Subject.GetPermissionship())
			}
			answer.Listed.Add(one.Subject.SubjectObjectId)
		}
	}
}

func authzedWrite(c v1.PermissionsServiceClient, o dataset.Operation) load.Call {
	update := &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: authzedRelationship(o.Ask)}
	if o.Delete {
		update.Operation = v1.RelationshipUpdate_OPERATION_DELETE
	}
	request := &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{update}}
	return func(ctx context.Context) (dataset.Answer, error) {
		response, err := c.WriteRelationships(ctx, request)
		return dataset.Answer{Token: response.GetWrittenAt().GetToken()}, err
	}
}

func authzedWatch(c v1.WatchServiceClient, o dataset.Operation) load.Call {
	request := &v1.WatchRequest{OptionalStartCursor: &v1.ZedToken{Token: o.Token}}
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
			for _, update := range part.Updates {
				object := update.Relationship.Resource
				o.Deliver(object.ObjectType+":"+object.ObjectId, update.Operation == v1.RelationshipUpdate_OPERATION_DELETE)
			}
		}
	}
}

// The names of headers by which SpiceDB is asked for its version, and says it.
const (
	authzedAskVersion = "io.spicedb.requestversion"
	authzedVersion    = "io.spicedb.debug.version"
)

// Version returns what the server says if it is asked for its version.
func (a *authzed) Version(ctx context.Context) (string, error) {
	var header metadata.MD
	ctx = metadata.AppendToOutgoingContext(ctx, authzedAskVersion, "true")
	_, err := v1.NewSchemaServiceClient(a.connections[0]).ReadSchema(ctx, &v1.ReadSchemaRequest{}, grpc.Header(&header))
	if values := header.Get(authzedVersion); len(values) > 0 {
		return values[0], nil
	}
	if err != nil {
		return "", err
	}
	return "", fmt.Errorf("authzed: version: %w: the server does not say", load.ErrNotSupported)
}

// Close ends the connections.
func (a *authzed) Close() error { return a.close() }

func authzedResult(p v1.CheckPermissionResponse_Permissionship) (bool, error) {
	switch p {
	case v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:
		return true, nil
	case v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION:
		return false, nil
	}
	return false, noAnswer("the permissionship is %v", p)
}

func authzedConsistency(o dataset.Operation) *v1.Consistency {
	switch o.Consistency {
	case dataset.FullyConsistent:
		return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
	case dataset.AtLeastAsFresh:
		return &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: &v1.ZedToken{Token: o.Token}}}
	}
	return nil // the server's default
}

func authzedResource(t tuple.Named) *v1.ObjectReference {
	return &v1.ObjectReference{ObjectType: t.ObjectType, ObjectId: t.ObjectID}
}

func authzedSubject(t tuple.Named) *v1.SubjectReference {
	return &v1.SubjectReference{
		Object:           &v1.ObjectReference{ObjectType: t.SubjectType, ObjectId: t.SubjectID},
		OptionalRelation: t.SubjectRelation,
	}
}

func authzedRelationship(t tuple.Named) *v1.Relationship {
	return &v1.Relationship{Resource: authzedResource(t), Relation: t.Relation, Subject: authzedSubject(t)}
}
