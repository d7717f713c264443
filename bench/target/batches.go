package target

import (
	"context"
	"errors"
	"io"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/tupelodb/tupelo/store/tuple"
)

// importBatch is how many tuples go into one message of an import.
const importBatch = 1000

// inBatches has tuples written in batches of at most size, several at once, and
// returns the first error.
func inBatches(ctx context.Context, tuples iter.Seq[tuple.Named], size, atOnce int, write func(context.Context, []tuple.Named) error) error {
	group, going := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	batch := make([]tuple.Named, 0, size)
	flush := func() {
		full := batch
		batch = make([]tuple.Named, 0, size)
		group.Go(func() error { return write(going, full) })
	}
	for t := range tuples {
		if going.Err() != nil {
			break // group.Wait says why
		}
		if batch = append(batch, t); len(batch) == size {
			flush()
		}
	}
	if len(batch) > 0 && going.Err() == nil {
		flush()
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// ended closes a stream of messages that were sent, or not all, and returns what
// went wrong. If the server ended it, the server's answer says why.
func ended[A any](sent error, closeAndReceive func() (A, error)) error {
	if sent != nil && !errors.Is(sent, io.EOF) {
		return sent
	}
	_, err := closeAndReceive()
	return err
}
