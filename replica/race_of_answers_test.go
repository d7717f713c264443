package replica

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// raced is an answer that was given while writes were being applied.
type raced struct {
	node, request  int
	zookie, answer string
}

const (
	bulkWrites = 4
	// bulkFillers are tuples that each of those writes changes beside the world's,
	// and before these: they take the apply from one step to the next for long
	// enough to be met there.
	bulkFillers = 400
	// smallWrites change one of hotTuples each, of whose tuplesets readers ask
	// all the time: loads are under way when they change.
	smallWrites    = 100
	hotTuples      = 2
	racingRequests = 12
)

// race has readers ask each node the same again and again, at the newest revision
// there is, while writes go on. Then it asks the node without a cache about the
// revisions of the answers, and returns where it was told something else.
func (c *cacheTrial) race(t *testing.T) (wrong []string) {
	t.Helper()
	if len(c.world.Named) == 0 {
		return nil
	}
	hot := make([]tuple.Named, hotTuples)
	for i := range hot {
		hot[i] = c.world.Named[c.rng.IntN(len(c.world.Named))]
	}
	requests := c.racingRequests(t, hot)
	given := c.whileReading(t, requests, func() {
		c.writeInBulk(t)
		c.writeHot(t, hot)
	})
	c.settle(t)
	for _, r := range given {
		c.tally.raced++
		request := proto.CloneOf(requests[r.request])
		request.Consistency = exactly(r.zookie)
		if now := answerOf(c.client(0).BatchCheck(t.Context(), request)); now != r.answer {
			wrong = append(wrong, fmt.Sprintf("%v at %s: with a cache of %d bytes and meanwhile %q; without one and afterwards %q",
				request.Items, r.zookie, cacheSizes[r.node], r.answer, now))
		}
	}
	return wrong
}

// racingRequests makes what is asked in a race: every other request about a hot
// tuple alone, as that takes the least time.
func (c *cacheTrial) racingRequests(t *testing.T, hot []tuple.Named) []*tupelov1.BatchCheckRequest {
	t.Helper()
	m := c.history[len(c.history)-1]
	requests := make([]*tupelov1.BatchCheckRequest, racingRequests)
	for i := range requests {
		requests[i] = &tupelov1.BatchCheckRequest{}
		if i%2 == 0 {
			about := hot[i/2%len(hot)]
			if about.SubjectID == tuple.WildcardID {
				about.SubjectID = rewritetest.ObjectID(0)
			}
			one := updateOf(t, tupelov1.Update_OPERATION_DELETE, about).Tuple
			requests[i].Items = []*tupelov1.BatchCheckItem{{Object: one.Object, Relation: one.Relation, Subject: one.Subject}}
			continue
		}
		for range 10 {
			object, subject := c.userset(m), c.subject(m)
			requests[i].Items = append(requests[i].Items, &tupelov1.BatchCheckItem{
				Object: &tupelov1.Object{Type: object.Type, Id: object.ID}, Relation: object.Relation,
				Subject: &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation},
			})
		}
	}
	return requests
}

// whileReading has readers ask every node until something is done, and returns the
// answers that differ.
func (c *cacheTrial) whileReading(t *testing.T, requests []*tupelov1.BatchCheckRequest, do func()) (given []raced) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	var mu sync.Mutex
	all := make(map[raced]bool)
	for node := range c.nodes {
		client := c.client(node)
		readers.Go(func() {
			for i := 0; ctx.Err() == nil; i = (i + 1) % len(requests) {
				response, err := client.BatchCheck(context.WithoutCancel(ctx), requests[i])
				if err != nil {
					t.Errorf("node %d: %v", node+1, err)
					return
				}
				r := raced{node, i, response.Zookie, answerOf(response, nil)}
				mu.Lock()
				all[r] = true
				mu.Unlock()
			}
		})
	}
	do()
	cancel()
	readers.Wait()
	for r := range all {
		given = append(given, r)
	}
	return given
}

// writeInBulk changes some of the world's tuples together with many of others, and
// takes the others away in the end.
func (c *cacheTrial) writeInBulk(t *testing.T) {
	t.Helper()
	fillers := make([]tuple.Named, bulkFillers)
	for i := range fillers {
		fillers[i] = c.world.Named[c.rng.IntN(len(c.world.Named))]
		fillers[i].ObjectID = fmt.Sprintf("filler%d", i)
	}
	for i := range bulkWrites {
		op := []tupelov1.Update_Operation{tupelov1.Update_OPERATION_TOUCH, tupelov1.Update_OPERATION_DELETE}[i%2]
		var list []*tupelov1.Update
		for _, f := range fillers {
			list = append(list, updateOf(t, op, f))
		}
		list = slices.Concat(list, c.changes(t))
		c.send(t, list)
	}
}

// writeHot changes one of a few tuples again and again.
func (c *cacheTrial) writeHot(t *testing.T, hot []tuple.Named) {
	t.Helper()
	for range smallWrites {
		named := hot[c.rng.IntN(len(hot))]
		op := tupelov1.Update_OPERATION_TOUCH
		if c.live[named] {
			op = tupelov1.Update_OPERATION_DELETE
		}
		c.live[named] = op == tupelov1.Update_OPERATION_TOUCH
		if !c.live[named] {
			delete(c.live, named)
		}
		c.send(t, []*tupelov1.Update{updateOf(t, op, named)})
	}
}
