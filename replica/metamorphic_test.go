package replica

import (
	"context"
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

var metamorphicSeed = flag.Uint64("metamorphic.seed", 1, "seed of the random worlds that nodes with different caches are asked about")

// cacheSizes are those of the nodes' caches of tuplesets, node by node: none, one
// that evicts all the time, and one that holds everything. It is the nodes' only
// difference.
var cacheSizes = []int64{0, 4 << 10, 64 << 20}

// cacheTrial is a cluster whose nodes have different caches, and what was written
// to it so far.
type cacheTrial struct {
	nodes    []*testNode
	rng      *rand.Rand
	nowNanos *atomic.Int64 // the clock of all
	world    *rewritetest.World
	objects  int
	live     map[tuple.Named]bool
	history  []moment
	tally    struct{ answers, conditional, refused, byOracle, raced int }
}

// moment is a revision that was written: what the schema and the tuples are at it.
type moment struct {
	zookie string
	schema *schema.Schema
	tuples []tuple.Named
}

// TestAnswersAreTheSameWhateverTheCacheAndTheNode has nodes that differ in their
// caches live through random worlds, with changes of the schema among them, and
// asks them all the same at the same revisions: byte for byte they must say the
// same, and of some answers the oracle is asked. Past revisions are asked about
// again after horizons and compactions, and other answers are given while writes
// are being applied, and compared with what the node without a cache says of their
// revision afterwards.
func TestAnswersAreTheSameWhateverTheCacheAndTheNode(t *testing.T) {
	worlds := 4
	switch {
	case *long:
		worlds = 100
	case raceDetector:
		worlds = 2
	}
	c := newCacheTrial(t)
	for n := range worlds {
		c.begin(t, n%2 == 0)
		for range 4 {
			c.write(t)
			c.sameAnswers(t, c.history[len(c.history)-1], 40)
			c.sameAnswers(t, c.history[c.rng.IntN(len(c.history))], 20)
		}
		for _, w := range c.race(t) {
			t.Error(w)
		}
		c.forget(t)
		if t.Failed() {
			t.Fatalf("the %d. world of -metamorphic.seed=%d, at the instant %d:\n%s", n+1, *metamorphicSeed, c.nowNanos.Load(), schema.Format(c.world.Schema))
		}
	}
	t.Logf("%+v", c.tally)
	if c.tally.answers < 250*worlds || c.tally.conditional == 0 || c.tally.byOracle < 500*worlds || c.tally.refused == 0 || c.tally.raced < 20*worlds {
		t.Errorf("too little was asked to show anything: %+v", c.tally)
	}
	tiny, huge := c.nodes[1].Store().Metrics().Tuplesets, c.nodes[2].Store().Metrics().Tuplesets
	if tiny.Evictions < 100 || huge.Hits < 1000 || huge.Endings < 100 || huge.Evictions > 0 {
		t.Errorf("the caches had other things to do than they should: %+v and %+v", tiny, huge)
	}
}

// TestACacheThatIsEndedLateIsNoticed breaks the order of the apply, and wants
// answers that were given meanwhile to differ.
func TestACacheThatIsEndedLateIsNoticed(t *testing.T) {
	if raceDetector {
		t.Skip("a load and an apply meet too rarely")
	}
	for _, p := range []broken.Promise{broken.EndedFirst, broken.LoadsEnded} {
		t.Run(p.String(), func(t *testing.T) {
			c := newCacheTrial(t, p)
			for begun := time.Now(); time.Since(begun) < 3*time.Minute; {
				c.begin(t, false)
				for range 4 {
					c.write(t)
					if wrong := c.race(t); len(wrong) > 0 {
						t.Logf("of %d answers: %s", c.tally.raced, wrong[0])
						return
					}
				}
			}
			t.Errorf("in %d answers nothing was noticed", c.tally.raced)
		})
	}
}

// patientTimeout is how long nodes of a trial go without hearing of each other.
const patientTimeout = 3 * time.Second

func newCacheTrial(t *testing.T, promises ...broken.Promise) *cacheTrial {
	t.Helper()
	c := &cacheTrial{rng: rand.New(rand.NewPCG(*metamorphicSeed, 1)), nowNanos: new(atomic.Int64), live: make(map[tuple.Named]bool)}
	c.nowNanos.Store(1)
	c.nodes = bootstrapWith(t, len(cacheSizes), func(o *Options) {
		o.TuplesetCacheBytes = cacheSizes[o.NodeID[1]-'1']
		o.API.Now = func() time.Time { return time.Unix(0, c.nowNanos.Load()) }
		o.Tune = func(r *raft.Options) {
			// However busy the machine, one node leads throughout.
			r.HeartbeatTimeout, r.ElectionTimeout, r.LeaderLease = patientTimeout, patientTimeout, patientTimeout
			if s, ok := r.StateMachine.(*store.Store); ok {
				s.Break(promises...)
			}
		}
	})
	return c
}

// begin takes away what is stored, and gives the nodes the schema of a new world:
// half of them with caveats, expirations and all that answers can hang on.
func (c *cacheTrial) begin(t *testing.T, conditions bool) {
	t.Helper()
	options := schematest.Options{NegativeRecursion: c.rng.IntN(2) == 0}
	if conditions {
		options.Caveats, options.Expiration, options.ArrowFunctions, options.Self = true, true, true, true
	}
	var err error
	if c.world, err = rewritetest.New(schematest.Random(c.rng, options)); err != nil {
		t.Fatal(err)
	}
	c.objects = 2 + c.rng.IntN(3)
	if err := c.world.Fill(c.rng, c.objects, 20+c.rng.IntN(60*c.objects)); err != nil {
		t.Fatal(err)
	}
	var gone []*tupelov1.Update
	for named := range c.live {
		gone = append(gone, updateOf(t, tupelov1.Update_OPERATION_DELETE, named))
	}
	clear(c.live)
	if len(gone) > 0 {
		c.send(t, gone)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := c.client(c.rng.IntN(len(c.nodes)))
	response, err := untilKnown(func() (*tupelov1.WriteSchemaResponse, error) {
		return client.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: schema.Format(c.world.Schema)})
	})
	if err != nil {
		t.Fatal(err)
	}
	c.history = append(c.history, moment{response.Zookie, c.world.Schema, nil})
}

// client is one of a node, in this process.
func (c *cacheTrial) client(node int) tupelov1.TupeloClient { return c.nodes[node].Client() }

// send writes updates by some node, and returns the zookie.
func (c *cacheTrial) send(t *testing.T, list []*tupelov1.Update) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := c.client(c.rng.IntN(len(c.nodes)))
	response, err := untilKnown(func() (*tupelov1.WriteResponse, error) {
		return client.Write(ctx, &tupelov1.WriteRequest{Updates: list})
	})
	if err != nil {
		t.Fatal(err)
	}
	return response.Zookie
}

// changes touches and deletes some of the world's tuples, and notes which.
func (c *cacheTrial) changes(t *testing.T) (list []*tupelov1.Update) {
	t.Helper()
	for _, named := range c.world.Named {
		switch c.rng.IntN(6) {
		case 0:
			delete(c.live, named)
			list = append(list, updateOf(t, tupelov1.Update_OPERATION_DELETE, named))
		case 1, 2:
			c.live[named] = true
			list = append(list, updateOf(t, tupelov1.Update_OPERATION_TOUCH, named))
		}
	}
	return list
}

// write changes some tuples in one write.
func (c *cacheTrial) write(t *testing.T) {
	t.Helper()
	list := c.changes(t)
	if len(list) == 0 {
		return
	}
	c.history = append(c.history, moment{c.send(t, list), c.world.Schema, slices.Collect(maps.Keys(c.live))})
}

// forget asks about moments of the past, and again after the horizon has come near
// to them or passed them, and after compactions, in turn. What can still be asked
// about must be as it was.
func (c *cacheTrial) forget(t *testing.T) {
	t.Helper()
	first := max(0, len(c.history)-8)
	type kept struct {
		inquiry inquiry
		at      moment
		was     string
	}
	var list []kept
	for _, m := range c.history[first:] {
		for range 6 {
			q := c.inquiry(t, m)
			list = append(list, kept{q, m, c.sameAnswer(t, q, m)})
		}
	}
	again := func() {
		for _, k := range list {
			if now := c.sameAnswer(t, k.inquiry, k.at); now != k.was && !tooOld(now) {
				t.Errorf("%s at %s was %s, and is %s", k.inquiry.text, k.at.zookie, k.was, now)
			}
		}
	}
	compact := func() {
		for _, n := range c.nodes {
			if err := n.Store().Compact(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	horizon := func() {
		newest := leader(t, c.nodes).Store().Applied()
		to := newest - min(newest-1, uint64(c.rng.IntN(7)))
		eventually(t, "no leader advances the horizon", func() bool {
			_, err := leader(t, c.nodes).Log().Propose(t.Context(), store.Encode(store.AdvanceHorizon{Revision: to}))
			return err == nil
		})
		c.settle(t)
	}
	steps := []func(){compact, horizon}
	c.rng.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	for _, step := range steps {
		step()
		again()
	}
	c.nowNanos.Store(int64(1 + c.rng.IntN(rewritetest.LastInstant+1)))
}

// settle waits until all nodes have applied the same.
func (c *cacheTrial) settle(t *testing.T) {
	t.Helper()
	eventually(t, "the nodes do not come to the same revision", func() bool {
		newest := leader(t, c.nodes).Store().Applied()
		return !slices.ContainsFunc(c.nodes, func(n *testNode) bool { return n.Store().Applied() != newest })
	})
}
