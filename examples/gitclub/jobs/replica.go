package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/replica"
)

// replicaOptions say whether jobs has a replica of its own. What is asked of
// Tupelo then is answered in this process, and is no older than a server's answer.
type replicaOptions struct {
	of      string // where nodes of the cluster are reached by others; none: no replica
	name    string // among those nodes
	address string // for those nodes
	dir     string // none: in memory
}

const (
	// replicaStart bounds the time until the replica answers; it receives all
	// tuples first, unless its directory has them.
	replicaStart = time.Minute
	// replicaEnd bounds the time for it to leave.
	replicaEnd = 5 * time.Second
)

// open opens the replica, and waits until it has all that was acknowledged before.
func (o replicaOptions) open(ctx context.Context) (*replica.Replica, error) {
	ctx, cancel := context.WithTimeout(ctx, replicaStart)
	defer cancel()
	r, err := replica.Open(ctx, replica.Options{
		NodeID: o.name, ReadReplica: true, Join: strings.Split(o.of, ","),
		Peer: &peer.Options{Address: o.address},
		Dir:  o.dir, Memory: o.dir == "",
		// With a directory it comes back to it; in memory there is nothing to come back to.
		LeaveOnClose: o.dir == "",
	})
	if err != nil {
		return nil, fmt.Errorf("opening a replica of %s: %w", o.of, err)
	}
	if _, err := r.Ready(ctx); err != nil {
		_ = closeReplica(r)
		return nil, fmt.Errorf("waiting for what %s has: %w", o.of, err)
	}
	return r, nil
}

func closeReplica(r *replica.Replica) error {
	ctx, cancel := context.WithTimeout(context.Background(), replicaEnd)
	defer cancel()
	return r.Close(ctx)
}

// connect returns a client of the server, or of a replica in this process. The
// context that it returns ends when there will be no more answers.
func connect(ctx context.Context, tupelo string, own replicaOptions) (context.Context, tupelov1.TupeloClient, func() error, error) {
	if own.of == "" {
		client, hangUp, err := gitclub.Dial(tupelo)
		return ctx, client, hangUp, err
	}
	r, err := own.open(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-r.Failed():
			cancel(fmt.Errorf("the replica has failed: %w", r.Err()))
		case <-ctx.Done():
		}
	}()
	return ctx, r.Client(), func() error {
		cancel(nil)
		return closeReplica(r)
	}, nil
}
