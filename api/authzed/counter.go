package authzed

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// ExperimentalRegisterRelationshipCounter gives a filter a name, to count by.
func (e experimental) ExperimentalRegisterRelationshipCounter(ctx context.Context, r *v1.ExperimentalRegisterRelationshipCounterRequest) (*v1.ExperimentalRegisterRelationshipCounterResponse, error) {
	f, err := filter(r.RelationshipFilter)
	if err != nil {
		return nil, err
	}
	if _, err := e.native.RegisterCounter(ctx, &tupelov1.RegisterCounterRequest{Name: r.Name, Filter: f}); err != nil {
		if reasonOf(err) == tupelov1.ErrorReason_ERROR_REASON_COUNTER_EXISTS {
			return nil, retell(err, counterThere, aboutCounter(r))
		}
		return nil, filterFault(err)
	}
	return &v1.ExperimentalRegisterRelationshipCounterResponse{}, nil
}

// aboutCounter spells the filter that was not registered, all parts of it.
func aboutCounter(r *v1.ExperimentalRegisterRelationshipCounterRequest) map[string]string {
	about := map[string]string{"counter_name": r.Name}
	for _, part := range []string{"resource_type", "resource_id", "resource_id_prefix", "relation", "subject_type", "subject_id", "subject_relation"} {
		about["new_filter_"+part] = ""
	}
	addFilter(about, "new_filter_", r.RelationshipFilter)
	return about
}

// ExperimentalCountRelationships counts what a named filter selects. It is never
// still calculating: a count is made when it is asked for, as of that moment.
func (e experimental) ExperimentalCountRelationships(ctx context.Context, r *v1.ExperimentalCountRelationshipsRequest) (*v1.ExperimentalCountRelationshipsResponse, error) {
	answer, err := e.native.ReadCounter(ctx, &tupelov1.ReadCounterRequest{
		Name:        r.Name,
		Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}},
	})
	if err != nil {
		return nil, err
	}
	return &v1.ExperimentalCountRelationshipsResponse{
		CounterResult: &v1.ExperimentalCountRelationshipsResponse_ReadCounterValue{
			ReadCounterValue: &v1.ReadCounterValue{RelationshipCount: answer.Count, ReadAt: token(answer.Zookie)},
		},
	}, nil
}

// ExperimentalUnregisterRelationshipCounter takes a counter's name away.
func (e experimental) ExperimentalUnregisterRelationshipCounter(ctx context.Context, r *v1.ExperimentalUnregisterRelationshipCounterRequest) (*v1.ExperimentalUnregisterRelationshipCounterResponse, error) {
	if _, err := e.native.UnregisterCounter(ctx, &tupelov1.UnregisterCounterRequest{Name: r.Name}); err != nil {
		return nil, err
	}
	return &v1.ExperimentalUnregisterRelationshipCounterResponse{}, nil
}
