package api

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// maxDeleteBytes bounds the ids and contexts in one DeleteByFilter's command, so
// that it fits into one entry of the log.
const maxDeleteBytes = 2 << 20

// DeleteByFilter deletes the tuples that a filter selects.
func (s *Server) DeleteByFilter(ctx context.Context, r *tupelov1.DeleteByFilterRequest) (*tupelov1.DeleteByFilterResponse, error) {
	limit, err := boundedLimit("limit", r.Limit, maxDeleteLimit, maxDeleteLimit)
	if err != nil {
		return nil, err
	}
	if err := validateDelete(r); err != nil {
		return nil, err
	}
	metadata, err := metadataOf(r.Metadata)
	if err != nil {
		return nil, err
	}
	return atLeader(ctx, s, leaderCall[*tupelov1.DeleteByFilterResponse]{
		method: "DeleteByFilter", limit: s.waitLimit, once: r.IdempotencyKey != "",
		here: func(ctx context.Context) (*tupelov1.DeleteByFilterResponse, error) {
			return s.deleteHere(ctx, r, limit, metadata)
		},
		there: func(ctx context.Context, leader grpc.ClientConnInterface) (*tupelov1.DeleteByFilterResponse, error) {
			return tupelov1.NewTupeloClient(leader).DeleteByFilter(ctx, r)
		},
	})
}

// deleteHere proposes a valid DeleteByFilter.
func (s *Server) deleteHere(ctx context.Context, r *tupelov1.DeleteByFilterRequest, limit int, metadata []byte) (*tupelov1.DeleteByFilterResponse, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.commandKey(r.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	var command store.DeleteByFilter
	err = s.withSchema(ctx, func(snapshot *store.Snapshot, m *model) (err error) {
		command, err = m.delete(ctx, snapshot, r, limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	command.UnixMillis, command.Metadata, command.Key = s.now().UnixMilli(), metadata, key
	result, err := s.propose(ctx, command)
	if err != nil {
		return nil, err
	}
	if result.Err != nil {
		return nil, preconditionFault(r.Preconditions, tooMany(result.Err))
	}
	return &tupelov1.DeleteByFilterResponse{
		Deleted:  uint64(result.Deleted),
		Complete: result.Complete,
		Zookie:   s.zookie(f, result.Revision),
	}, nil
}

func validateDelete(r *tupelov1.DeleteByFilterRequest) error {
	if err := validateFilterNotEmpty(r.Filter); err != nil {
		return within("filter", err)
	}
	if err := knownFieldsOnly(r); err != nil {
		return err
	}
	if err := validateKey(r.IdempotencyKey); err != nil {
		return err
	}
	return validatePreconditions(r.Preconditions)
}

// delete reads what a valid filter selects at a snapshot, so that the apply need
// not search: it adds what was written since.
func (m *model) delete(ctx context.Context, snapshot *store.Snapshot, r *tupelov1.DeleteByFilterRequest, limit int) (store.DeleteByFilter, error) {
	command := store.DeleteByFilter{
		Filter: filterOf(r.Filter), ReadAt: snapshot.Revision(), Limit: limit, AllowPartial: r.AllowPartial,
	}
	err := m.filter(r.Filter)
	if err != nil {
		return command, within("filter", err)
	}
	if command.Preconditions, err = m.preconditions(r.Preconditions); err != nil {
		return command, err
	}
	var next []byte
	command.Tuples, next, err = snapshot.Read(ctx, command.Filter, nil, limit)
	if err != nil {
		return command, err
	}
	if command.More = next != nil; command.More && !command.AllowPartial {
		command.Tuples = nil // the apply will refuse, and need not carry them
	}
	return command, fitDelete(&command)
}

// fitDelete cuts a command to what one entry of the log holds: fewer tuples if
// a part will do, else an error. The limit stays as it is asked for: two tries
// under one key must ask for the same.
func fitDelete(command *store.DeleteByFilter) error {
	size := 0
	for i, t := range command.Tuples {
		if size += tupleBytes(t); size <= maxDeleteBytes {
			continue
		}
		if !command.AllowPartial {
			return refusal(tupelov1.ErrorReason_ERROR_REASON_TOO_LARGE,
				"the selected tuples take more than %d bytes; lower the limit and set allow_partial", maxDeleteBytes)
		}
		command.Tuples, command.More = command.Tuples[:i], true
		break
	}
	return nil
}

// tupleBytes is at least what a tuple takes in a command.
func tupleBytes(t tuple.Tuple) int {
	return len(t.Object.ID) + len(t.Subject.ID) + len(t.Traits.Context) + 16
}

func tooMany(err error) error {
	var many *store.TooManyError
	if !errors.As(err, &many) {
		return err
	}
	return &Error{
		Reason:  tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_TUPLES,
		Message: fmt.Sprintf("the filter selects more than %d tuples; nothing was deleted; set allow_partial to delete %[1]d at a time", many.Limit),
		Fields:  []FieldFault{{"filter", "it selects too many tuples"}},
		cause:   err,
	}
}
