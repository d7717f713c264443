package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/proto"
)

// This file has the calls of the schema service under the names that they had before
// they became part of it. Their messages differ in name only, and so are the same on
// the wire.

// ExperimentalReflectSchema is ReflectSchema under its older name.
func (e experimental) ExperimentalReflectSchema(ctx context.Context, r *v1.ExperimentalReflectSchemaRequest) (*v1.ExperimentalReflectSchemaResponse, error) {
	return relay(ctx, r, new(v1.ReflectSchemaRequest), schemas{adapter: e.adapter}.ReflectSchema, new(v1.ExperimentalReflectSchemaResponse))
}

// ExperimentalDiffSchema is DiffSchema under its older name.
func (e experimental) ExperimentalDiffSchema(ctx context.Context, r *v1.ExperimentalDiffSchemaRequest) (*v1.ExperimentalDiffSchemaResponse, error) {
	return relay(ctx, r, new(v1.DiffSchemaRequest), schemas{adapter: e.adapter}.DiffSchema, new(v1.ExperimentalDiffSchemaResponse))
}

// ExperimentalComputablePermissions is ComputablePermissions under its older name.
func (e experimental) ExperimentalComputablePermissions(ctx context.Context, r *v1.ExperimentalComputablePermissionsRequest) (*v1.ExperimentalComputablePermissionsResponse, error) {
	return relay(ctx, r, new(v1.ComputablePermissionsRequest), schemas{adapter: e.adapter}.ComputablePermissions, new(v1.ExperimentalComputablePermissionsResponse))
}

// ExperimentalDependentRelations is DependentRelations under its older name.
func (e experimental) ExperimentalDependentRelations(ctx context.Context, r *v1.ExperimentalDependentRelationsRequest) (*v1.ExperimentalDependentRelationsResponse, error) {
	return relay(ctx, r, new(v1.DependentRelationsRequest), schemas{adapter: e.adapter}.DependentRelations, new(v1.ExperimentalDependentRelationsResponse))
}

// relay makes a call with a request that is the same as another on the wire, and
// gives its answer as one that is.
func relay[In, Out, As proto.Message](ctx context.Context, from proto.Message, request In, call func(context.Context, In) (Out, error), answer As) (As, error) {
	if err := reread(from, request); err != nil {
		return answer, err
	}
	response, err := call(ctx, request)
	if err != nil {
		return answer, err
	}
	return answer, reread(response, answer)
}

// reread reads one message as another.
func reread(from, to proto.Message) error {
	wire, err := proto.Marshal(from)
	if err != nil {
		return err
	}
	return proto.Unmarshal(wire, to)
}
