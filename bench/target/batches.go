package target

import (
	"context"
	"iter"

	"golang.org/x/sync/errgroup"

	"github.com/tupelodb/tupelo/store/tuple"
)

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
