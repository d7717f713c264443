package api

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// RegisterCounter gives a filter a name.
func (s *Server) RegisterCounter(ctx context.Context, r *tupelov1.RegisterCounterRequest) (*tupelov1.RegisterCounterResponse, error) {
	if err := validateCounter(r.Name, r.IdempotencyKey); err != nil {
		return nil, err
	}
	if err := validateFilterNotEmpty(r.Filter); err != nil {
		return nil, within("filter", err)
	}
	if err := knownFieldsOnly(r); err != nil {
		return nil, err
	}
	return atLeader(ctx, s, leaderCall[*tupelov1.RegisterCounterResponse]{
		method: "RegisterCounter", limit: s.waitLimit, once: r.IdempotencyKey != "",
		here: func(ctx context.Context) (*tupelov1.RegisterCounterResponse, error) {
			zookie, err := s.changeCounter(ctx, r.Name, r.Filter, store.RegisterCounter{
				UnixMillis: s.now().UnixMilli(), Name: r.Name, Filter: filterOf(r.Filter), Key: []byte(r.IdempotencyKey),
			})
			if err != nil {
				return nil, err
			}
			return &tupelov1.RegisterCounterResponse{Zookie: zookie}, nil
		},
		there: func(ctx context.Context, leader grpc.ClientConnInterface) (*tupelov1.RegisterCounterResponse, error) {
			return tupelov1.NewTupeloClient(leader).RegisterCounter(ctx, r)
		},
	})
}

// UnregisterCounter takes the name of a counter away.
func (s *Server) UnregisterCounter(ctx context.Context, r *tupelov1.UnregisterCounterRequest) (*tupelov1.UnregisterCounterResponse, error) {
	if err := validateCounter(r.Name, r.IdempotencyKey); err != nil {
		return nil, err
	}
	if err := knownFieldsOnly(r); err != nil {
		return nil, err
	}
	return atLeader(ctx, s, leaderCall[*tupelov1.UnregisterCounterResponse]{
		method: "UnregisterCounter", limit: s.waitLimit, once: r.IdempotencyKey != "",
		here: func(ctx context.Context) (*tupelov1.UnregisterCounterResponse, error) {
			zookie, err := s.changeCounter(ctx, r.Name, nil, store.UnregisterCounter{
				UnixMillis: s.now().UnixMilli(), Name: r.Name, Key: []byte(r.IdempotencyKey),
			})
			if err != nil {
				return nil, err
			}
			return &tupelov1.UnregisterCounterResponse{Zookie: zookie}, nil
		},
		there: func(ctx context.Context, leader grpc.ClientConnInterface) (*tupelov1.UnregisterCounterResponse, error) {
			return tupelov1.NewTupeloClient(leader).UnregisterCounter(ctx, r)
		},
	})
}

// changeCounter proposes what registers or unregisters a counter. A filter must
// fit the schema; nil if there is none to look at.
func (s *Server) changeCounter(ctx context.Context, name string, filter *tupelov1.Filter, command store.Command) (zookie string, err error) {
	f, err := s.identify(ctx)
	if err != nil {
		return "", err
	}
	if filter != nil {
		err = s.withSchema(ctx, func(_ *store.Snapshot, m *model) error { return within("filter", m.filter(filter)) })
	}
	if err != nil {
		return "", err
	}
	result, err := s.propose(ctx, command)
	if err != nil {
		return "", err
	}
	if result.Err != nil {
		return "", counterFault(name, result.Err)
	}
	return s.zookie(f, result.Revision), nil
}

// ReadCounter counts what a counter's filter selects.
func (s *Server) ReadCounter(ctx context.Context, r *tupelov1.ReadCounterRequest) (*tupelov1.ReadCounterResponse, error) {
	if err := validateCounter(r.Name, ""); err != nil {
		return nil, err
	}
	f, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	v, err := s.open(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	defer v.close()
	filter, err := v.snapshot.Counter(r.Name)
	if err != nil {
		return nil, counterFault(r.Name, s.expired(f, err))
	}
	count, err := v.snapshot.Count(ctx, filter)
	if err != nil {
		return nil, s.expired(f, err)
	}
	return &tupelov1.ReadCounterResponse{Count: count, Filter: filterMessage(filter), Zookie: v.zookie}, nil
}

// validateCounter holds the name of a counter, and the key of what changes it.
func validateCounter(name, key string) error {
	if err := validateID("name", name); err != nil {
		return err
	}
	if len(name) > store.MaxCounterNameBytes {
		return fault(tupelov1.ErrorReason_ERROR_REASON_INVALID_ID, "name",
			"it has %d bytes, %d are allowed", len(name), store.MaxCounterNameBytes)
	}
	return validateKey(key)
}

// counterFault names the counter that an error of the store is about.
func counterFault(name string, err error) error {
	if !errors.Is(err, store.ErrCounterExists) && !errors.Is(err, store.ErrCounterUnknown) {
		return err
	}
	return faultAbout(map[string]string{"counter": name}, describe(err).Reason, "name", "%s: %q", err, name)
}

// filterMessage spells a filter.
func filterMessage(f tuple.Filter) *tupelov1.Filter {
	m := &tupelov1.Filter{
		ObjectType: f.ObjectType, ObjectId: f.ObjectID, ObjectIdPrefix: f.ObjectIDPrefix, Relation: f.Relation,
		SubjectType: f.SubjectType, SubjectId: f.SubjectID,
	}
	if f.MatchSubjectRelation {
		m.SubjectRelation = &f.SubjectRelation
	}
	return m
}
