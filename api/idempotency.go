package api

import (
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// keysFormat is the format of the store that brought idempotency keys.
const keysFormat = 2

// validateKey holds an idempotency key; the empty one is none.
func validateKey(key string) error {
	if len(key) <= store.MaxKeyBytes {
		return nil
	}
	return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "idempotency_key",
		"it has %d bytes, %d are allowed", len(key), store.MaxKeyBytes)
}

// commandKey returns the key of a command, and refuses one that the cluster does
// not take yet: a node with an older program would stop at the command.
func (s *Server) commandKey(key string) ([]byte, error) {
	if key == "" {
		return nil, nil
	}
	if format := s.store.Format(); format < keysFormat {
		return nil, &Error{
			Reason: tupelov1.ErrorReason_ERROR_REASON_CLUSTER_UPGRADING,
			Message: "the cluster is being upgraded, and takes idempotency keys once every node has the new version; " +
				"nothing was done",
			Fields: []FieldFault{{"idempotency_key", "not taken yet"}},
		}
	}
	return []byte(key), nil
}
