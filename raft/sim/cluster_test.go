package sim

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

// plan is what a seed decides before a run begins.
type plan struct {
	seed            uint64
	founders        []string
	readers         []string // are members from the beginning on, and do not vote
	spares          []string // may be added later; readers may be let go, or promoted
	slow            string   // the node with the slow clock; "" for none
	troubles        int
	clients         int
	watches         int
	snapshotEntries uint64
	slowSyncs       time.Duration // the most that a sync of the log takes; see slowDisks
	brew            []trouble     // what troubles are drawn from
}

// planOf draws the plan of a seed.
func planOf(seed uint64) plan {
	random := rand.New(rand.NewPCG(seed, 1))
	p := plan{
		seed: seed, founders: []string{"n1", "n2", "n3"}, spares: []string{"n4", "n5"},
		troubles: 12, clients: 4, watches: 2, snapshotEntries: []uint64{20, 100, 1 << 20}[random.IntN(3)],
		brew: allTroubles,
	}
	if seed%4 == 0 {
		p.slowDisks()
	}
	switch random.IntN(8) {
	case 0:
		p.founders = []string{"n1"}
	case 1:
		p.founders = []string{"n1", "n2", "n3", "n4", "n5"}
		p.spares = []string{"n6"}
	case 2:
		p.readers = []string{"n4", "n5", "n6", "n7"}
		p.spares = p.readers
	}
	if random.IntN(2) == 0 {
		p.slow = p.founders[random.IntN(len(p.founders))]
	}
	return p
}

// slowDisks has each sync of each log take a while of its own. Then entries are on
// some disks and not yet on others when something happens.
//
// Pebble holds a lock while it begins another log, and waits for the last sync of the
// old one; and time does not pass in a bubble while somebody waits for a lock. It
// does so to truncate, and so there are no snapshots.
func (p *plan) slowDisks() {
	p.slowSyncs, p.snapshotEntries = 100*time.Millisecond, 1<<20
	p.brew = allTroubles[:len(allTroubles)-1]
}

// cluster is one run.
type cluster struct {
	plan       plan
	broken     []broken.Promise
	net        *network
	history    *history.Recorder
	characters map[string]*character

	mu     sync.Mutex
	random *rand.Rand // of this and that; guarded by mu
	values map[string]int
	lent   string // the newest zookie that a client has handed over
	origin string // the zookie that all watches begin after
}

const (
	// callLimit is how long a client waits for an answer.
	callLimit = 2 * time.Second
	// mendLimit is how long it may take, once nothing is broken any more, until
	// every member serves with the same state.
	mendLimit = 2 * time.Minute
)

func newCluster(p plan, promises []broken.Promise, h *history.Recorder) *cluster {
	c := &cluster{
		plan: p, broken: promises, history: h, net: newNetwork(rand.New(rand.NewPCG(p.seed, 2))),
		characters: map[string]*character{}, random: rand.New(rand.NewPCG(p.seed, 3)), values: map[string]int{},
	}
	for _, id := range slices.Concat(p.founders, p.readers, p.spares) {
		c.characters[id] = &character{id: id, disk: newDisk(rand.New(rand.NewPCG(p.seed, 5)), p.slowSyncs), slow: id == p.slow}
	}
	return c
}

// pick draws a number below n, for whoever asks.
func (c *cluster) pick(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.random.IntN(n)
}

// start has a node live again. One that cannot be opened although its disk is
// well is a failure.
func (c *cluster) start(id string) bool {
	who := c.characters[id]
	n, err := c.open(context.Background(), who)
	if err != nil {
		c.history.Failure("%v", err)
		return false
	}
	c.net.change(func() { c.net.living[id] = n })
	c.net.spawn(n, func() { c.watchOver(n) })
	return true
}

// living returns the nodes that run, by name.
func (c *cluster) living() (nodes []*node) {
	c.net.change(func() {
		for _, n := range c.net.living {
			nodes = append(nodes, n)
		}
	})
	slices.SortFunc(nodes, func(a, b *node) int { return int(a.id[1]) - int(b.id[1]) })
	return nodes
}

// leader returns a node that leads and serves, nil if there is none.
func (c *cluster) leader() *node {
	for _, n := range c.living() {
		if n.log.Status().Serving {
			return n
		}
	}
	return nil
}

// play runs the plan to its end.
func (c *cluster) play() {
	time.Sleep(time.Millisecond) // the history begins with a time that is not zero
	defer c.stop()
	for _, id := range slices.Concat(c.plan.founders, c.plan.readers) {
		if !c.start(id) {
			return
		}
	}
	if !c.furnish() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var clients sync.WaitGroup
	for i := range c.plan.clients {
		clients.Go(func() { c.newClient(i).live(ctx) })
	}
	for i := range c.plan.watches {
		clients.Go(func() { c.watch(ctx, fmt.Sprint("w", i)) })
	}
	newAdversary(c).live()
	time.Sleep(3 * time.Second)
	cancel()
	clients.Wait()
	c.settle()
}

// stop ends all nodes.
func (c *cluster) stop() {
	for _, n := range c.living() {
		c.kill(n, 100)
	}
	time.Sleep(10 * answerLimit) // for what is under way still
}

// settle waits until every member has the same state, and notes what it is.
func (c *cluster) settle() {
	end := time.Now().Add(mendLimit)
	var cause error
	for time.Now().Before(end) {
		members, err := c.settled()
		if err == nil {
			c.close(members)
			return
		}
		cause = err
		time.Sleep(500 * time.Millisecond)
	}
	c.history.Failure("%v after everything was mended: %v", mendLimit, cause)
}

// settled returns the members once all of them serve at one revision.
func (c *cluster) settled() (members []*node, err error) {
	leader := c.leader()
	if leader == nil {
		return nil, errors.New("nobody leads")
	}
	living := c.living()
	for _, m := range leader.log.Members() {
		i := slices.IndexFunc(living, func(n *node) bool { return n.id == m.ID })
		if i < 0 {
			return nil, fmt.Errorf("%s is a member and does not live", m.ID)
		}
		ctx, cancel := context.WithTimeout(context.Background(), callLimit)
		defer cancel()
		index, err := living[i].log.ReadIndex(ctx)
		if err == nil {
			err = living[i].log.Wait(ctx, index)
		}
		if err != nil {
			return nil, fmt.Errorf("%s does not serve: %w", m.ID, err)
		}
		members = append(members, living[i])
	}
	for _, n := range members {
		if n.store.Applied() != members[0].store.Applied() {
			return nil, fmt.Errorf("%s is at %d, %s at %d", n.id, n.store.Applied(), members[0].id, members[0].store.Applied())
		}
	}
	return members, nil
}

// close notes the states and the changelog.
func (c *cluster) close(members []*node) {
	for _, n := range members {
		revision, sum, err := n.store.Checksum()
		if err != nil {
			c.history.Failure("the checksum of %s: %v", n.id, err)
		}
		c.history.Add(history.Event{Kind: history.KindState, Node: n.id, Revision: revision, Sum: hex.EncodeToString(sum[:8])})
	}
	if err := c.noteChanges(members[c.pick(len(members))]); err != nil {
		c.history.Failure("reading the changelog: %v", err)
	}
}
