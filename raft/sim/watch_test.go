package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
	"github.com/tupelodb/tupelo/raft/sim/registers"
)

// stream is the server's end of a watch that somebody in this process has.
type stream struct {
	grpc.ServerStream
	context context.Context
	take    func(*tupelov1.WatchResponse) error
}

func (s *stream) Context() context.Context             { return s.context }
func (s *stream) Send(r *tupelov1.WatchResponse) error { return s.take(r) }

var errEnough = errors.New("enough")

// watch follows all changes from the origin on. It goes from node to node, and
// resumes at each after the last zookie that it was given.
func (c *cluster) watch(ctx context.Context, name string) {
	zookie := c.origin
	for ctx.Err() == nil {
		living := c.living()
		if len(living) > 0 {
			zookie = c.watchAt(ctx, name, living[c.pick(len(living))], zookie)
		}
		time.Sleep(time.Duration(1+c.pick(200)) * time.Millisecond)
	}
}

// watchAt watches at one node for a while, and returns where to resume.
func (c *cluster) watchAt(ctx context.Context, name string, n *node, zookie string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(200+c.pick(4000))*time.Millisecond)
	defer cancel()
	defer context.AfterFunc(n.context, cancel)()
	ended := make(chan struct{})
	take := func(r *tupelov1.WatchResponse) error {
		e := history.Event{Kind: history.KindWatch, Client: name, Node: n.id, Checkpoint: r.Checkpoint}
		var err error
		if e.Changes, err = registers.Changes(r); err != nil {
			c.history.Failure("watch %s at %s: %v", name, n.id, err)
		}
		if e.Revision, err = history.Revision(r.Zookie); err != nil {
			c.history.Failure("watch %s at %s: %v", name, n.id, err)
		}
		n.awake()
		// What a dead node says is not heard.
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		if n.dead || ctx.Err() != nil {
			return errDead
		}
		c.history.Add(e)
		zookie = r.Zookie
		return nil
	}
	request := &tupelov1.WatchRequest{After: zookie, CheckpointEvery: durationpb.New(500 * time.Millisecond)}
	began := c.net.spawn(n, func() {
		defer close(ended)
		_ = n.server.Watch(request, &stream{context: ctx, take: take})
	})
	if began {
		<-ended
	}
	return zookie
}

// noteChanges notes the changelog of a node, from the origin to its end.
func (c *cluster) noteChanges(n *node) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	last := n.store.Applied()
	take := func(r *tupelov1.WatchResponse) error {
		revision, err := history.Revision(r.Zookie)
		if err != nil {
			return err
		}
		e := history.Event{Kind: history.KindChange, Revision: revision}
		if e.Changes, err = registers.Changes(r); err != nil {
			return err
		}
		if r.SchemaChanged {
			if e.Changes[0].Value, err = schemaAt(ctx, n, r.Zookie); err != nil {
				return err
			}
		}
		if len(e.Changes) > 0 {
			c.history.Add(e)
		}
		if revision >= last {
			return errEnough
		}
		return nil
	}
	request := &tupelov1.WatchRequest{After: c.origin, CheckpointEvery: durationpb.New(500 * time.Millisecond)}
	if err := n.server.Watch(request, &stream{context: ctx, take: take}); !errors.Is(err, errEnough) {
		return fmt.Errorf("at %s: %w", n.id, err)
	}
	return nil
}

// schemaAt returns the number of the schema at a zookie's revision.
func schemaAt(ctx context.Context, n *node, zookie string) (int, error) {
	answer, err := n.server.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: &tupelov1.Consistency{
		Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie},
	}})
	if err != nil {
		return 0, err
	}
	return registers.SchemaNumber(answer.Text)
}
