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

// maxDeleteBytes bounds the tuples in one DeleteByFilter's command, so that it
// fits into one entry of the log beside its preconditions: some 100,000 tuples
// with ids of a dozen bytes, which take the apply one or two seconds.
const maxDeleteBytes = 4 << 20

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
	if len(r.Preconditions) > 0 {
		if _, err := s.expireFirst(ctx); err != nil {
			return nil, err
		}
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
	full, err := lookUp(ctx, snapshot, &command)
	if full && !command.AllowPartial {
		err = refusal(tupelov1.ErrorReason_ERROR_REASON_TOO_LARGE,
			"the selected tuples take more than %d bytes, which is what one revision can delete; set allow_partial to delete them in several", maxDeleteBytes)
	}
	if command.More && !command.AllowPartial {
		command.Tuples = nil // the apply will refuse, and need not carry them
	}
	return command, err
}

// lookUp adds what a command's filter selects, up to its limit or, if that comes
// first, until it is full: one entry of the log holds no more. The limit stays as
// it is asked for: two tries under one key must ask for the same.
func lookUp(ctx context.Context, snapshot *store.Snapshot, command *store.DeleteByFilter) (full bool, err error) {
	size := 0
	var position []byte
	for {
		page, next, err := snapshot.Read(ctx, command.Filter, position, min(deletePage, command.Limit-len(command.Tuples)))
		if err != nil {
			return false, err
		}
		for i, t := range page {
			if size += tupleBytes(t); size > maxDeleteBytes {
				command.Tuples, command.More = append(command.Tuples, page[:i]...), true
				return true, nil
			}
		}
		command.Tuples = append(command.Tuples, page...)
		if command.More = next != nil; !command.More || len(command.Tuples) == command.Limit {
			return false, nil
		}
		position = next
	}
}

// deletePage is how many tuples are read between two looks at their size.
const deletePage = 1000

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
