package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
	"github.com/tupelodb/tupelo/raft/sim/registers"
)

// watch follows all changes from the origin on. It goes from node to node, and
// resumes at each after the last zookie that it was given.
func (c *crowd) watch(ctx context.Context, name string, random *rand.Rand) {
	zookie := c.origin
	for ctx.Err() == nil {
		n := c.nodes[random.IntN(size)]
		if n.lives() {
			limit := time.Duration(500+random.IntN(6000)) * time.Millisecond
			zookie = c.watchAt(ctx, name, n, zookie, limit)
		}
		time.Sleep(time.Duration(1+random.IntN(200)) * time.Millisecond)
	}
}

// watchAt watches at one node for a while, and returns where to resume.
func (c *crowd) watchAt(ctx context.Context, name string, n *node, zookie string, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// Its end is that of ctx or of the connection, and says nothing.
	_ = c.follow(ctx, n, zookie, func(r *tupelov1.WatchResponse, e history.Event) (enough bool, err error) {
		e.Kind, e.Client = history.KindWatch, name
		c.history.Add(e)
		zookie = r.Zookie
		return false, nil
	})
	return zookie
}

// follow hands on what a watch is told, until that is enough or goes wrong.
func (c *cluster) follow(ctx context.Context, n *node, zookie string, take func(*tupelov1.WatchResponse, history.Event) (enough bool, err error)) error {
	line := newLine(n, c.token)
	defer line.close()
	conn, err := line.reach(ctx)
	if err != nil {
		return err
	}
	request := &tupelov1.WatchRequest{After: zookie, CheckpointEvery: durationpb.New(500 * time.Millisecond)}
	stream, err := tupelov1.NewTupeloClient(conn).Watch(ctx, request)
	if err != nil {
		return err
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		e := history.Event{Node: n.id, Checkpoint: r.Checkpoint}
		if e.Revision, err = history.Revision(r.Zookie); err != nil {
			c.history.Failure("a watch at %s: %v", n.id, err)
			return err
		}
		if e.Changes, err = registers.Changes(r); err != nil {
			c.history.Failure("a watch at %s: %v", n.id, err)
			return err
		}
		if enough, err := take(r, e); enough || err != nil {
			return err
		}
	}
}

// noteChangelog reads the whole changelog of a node. That of the first is the
// history's; what the others say is noted as what watches are told, so that it is
// compared.
func (c *cluster) noteChangelog(ctx context.Context, n *node, origin string, first bool) error {
	ctx, cancel := context.WithTimeout(ctx, mendLimit)
	defer cancel()
	last, err := c.newest(ctx, n)
	if err != nil {
		return err
	}
	err = c.follow(ctx, n, origin, func(r *tupelov1.WatchResponse, e history.Event) (enough bool, err error) {
		e.Kind, e.Client = history.KindWatch, "all of "+n.id
		if first {
			e.Kind, e.Client = history.KindChange, ""
			if r.SchemaChanged {
				if e.Changes[0].Value, err = c.schemaAt(ctx, n, r.Zookie); err != nil {
					return false, err
				}
			}
		}
		if !first || len(e.Changes) > 0 {
			c.history.Add(e)
		}
		return e.Revision >= last, nil
	})
	if err != nil {
		return fmt.Errorf("at %s: %w", n.id, err)
	}
	return nil
}

// newest returns the newest revision.
func (c *cluster) newest(ctx context.Context, n *node) (uint64, error) {
	line := newLine(n, c.token)
	defer line.close()
	answer, err := askWithin(ctx, beginLimit, line, func(ctx context.Context, s calls) (*tupelov1.BatchCheckResponse, error) {
		return s.BatchCheck(ctx, &tupelov1.BatchCheckRequest{
			Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}},
			Items:       registers.Questions("any"),
		})
	})
	if err != nil {
		return 0, err
	}
	return history.Revision(answer.Zookie)
}

// schemaAt returns the number of the schema at a zookie's revision.
func (c *cluster) schemaAt(ctx context.Context, n *node, zookie string) (int, error) {
	line := newLine(n, c.token)
	defer line.close()
	answer, err := askWithin(ctx, mendLimit, line, func(ctx context.Context, s calls) (*tupelov1.ReadSchemaResponse, error) {
		return s.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: &tupelov1.Consistency{
			Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie},
		}})
	})
	if err != nil {
		return 0, err
	}
	return registers.SchemaNumber(answer.Text)
}
