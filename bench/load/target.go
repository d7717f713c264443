package load

import (
	"context"
	"iter"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Target is a server that is measured.
type Target interface {
	// Prepare gives the server the schema of a set, before its tuples. If loaded,
	// both are there from before, and are only looked for.
	Prepare(ctx context.Context, s *dataset.Set, loaded bool) error
	// Load writes tuples that are not there yet, in the way that the server takes
	// many best, and returns once they are acknowledged.
	Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error
	// Request makes the call of an operation. Lane says over which of the
	// connections: equal lanes go over the same. The error wraps [ErrNotSupported]
	// if the server cannot be asked that.
	Request(o dataset.Operation, lane int) (Call, error)
	// Version returns what the server says its version is, or the error
	// [ErrNotSupported].
	Version(ctx context.Context) (string, error)
	// Close ends the connections, and a server that the target has in this process.
	Close() error
}

// Call asks a server once and returns what it answered.
type Call func(context.Context) (dataset.Answer, error)
