package target

import (
	"context"
	"fmt"
	"iter"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/store/tuple"
)

// echo is a server that answers at once and knows nothing: what a call costs if the
// store costs nothing. Its answers are not looked at, so it is never wrong.
type echo struct{ *native }

func openEcho(o Options) (load.Target, error) {
	n, err := dialNative(o)
	if err != nil {
		return nil, err
	}
	return echo{n}, nil
}

// Prepare does nothing: there is nothing to know.
func (echo) Prepare(context.Context, *dataset.Set, bool) error { return nil }

// Load goes through the tuples and forgets them.
func (echo) Load(ctx context.Context, tuples iter.Seq[tuple.Named]) error {
	for range tuples {
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// Request makes the message that Tupelo would be asked with, and takes the answer
// for the right one.
func (e echo) Request(o dataset.Operation, lane int) (load.Call, error) {
	switch o.Kind {
	case dataset.Watch, dataset.ListObjects, dataset.ListSubjects:
		return nil, notSupported("echo", o, "a stream that nobody makes has no cost to compare with")
	}
	call, err := e.native.Request(o, lane)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		answer, err := call(ctx)
		if err != nil {
			return answer, err
		}
		want := o.Want
		want.Token = answer.Token
		return want, nil
	}, nil
}

// Version says that there is none.
func (echo) Version(context.Context) (string, error) {
	return "", fmt.Errorf("echo: version: %w: it is this program's", load.ErrNotSupported)
}
