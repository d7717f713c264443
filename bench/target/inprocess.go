package target

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/replica"
)

const (
	openLimit  = time.Minute
	closeLimit = 10 * time.Second
)

// openInProcess opens a replica in this process, on disk, and has its client asked:
// the calls of native without a network.
func openInProcess(o Options) (load.Target, error) {
	if o.Addr != "" || o.Dir == "" {
		return nil, fmt.Errorf("%w: in-process has a directory and no address", ErrOption)
	}
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	defer cancel()
	r, err := replica.Open(ctx, replica.Options{
		FS: vfs.Default, Dir: o.Dir, CacheBytes: o.CacheBytes, TuplesetCacheBytes: o.TuplesetCacheBytes,
	})
	if err != nil {
		return nil, fmt.Errorf("in-process: opening a replica: %w", err)
	}
	n := &native{clients: []tupelov1.TupeloClient{r.Client()}}
	n.close = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		return r.Close(ctx)
	}
	if _, err := r.Ready(ctx); err != nil {
		_ = n.close() // why it is not ready says more
		return nil, fmt.Errorf("in-process: %w", err)
	}
	return n, nil
}
