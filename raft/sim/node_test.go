package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/replica"
	"github.com/tupelodb/tupelo/store"
)

// node is one life of a node, from an opening to a death.
type node struct {
	id        string
	net       *network
	transport *transport
	replica   *replica.Replica
	store     *store.Store
	log       *raft.Node
	server    *api.Server

	context context.Context // of calls; ends with the life
	died    <-chan struct{}
	end     context.CancelFunc
	dead    bool           // guarded by network.mu
	guests  sync.WaitGroup // goroutines of others that are at work here

	pause   sync.Mutex
	resumed chan struct{} // closed when the node goes on; nil if it runs
}

// character is what a node is through all its lives.
type character struct {
	id    string
	disk  *disk
	slow  bool         // its clock is: it is late to notice that nobody answers
	clock atomic.Int64 // what that of its commands is wrong by, in nanoseconds
}

// slowTimeout is that of a slow node. Between it and that of the others there
// is time for another leader.
const slowTimeout = 10 * time.Second

// open begins a life on the node's disk. members is what a new log begins with.
func (c *cluster) open(ctx context.Context, who *character) (_ *node, err error) {
	n := &node{id: who.id, net: c.net}
	n.context, n.end = context.WithCancel(context.Background())
	n.died = n.context.Done()
	n.transport = newTransport(c.net, n)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening %s: %w", who.id, err), n.bury())
		}
	}()
	now := func() time.Time { return time.Now().Add(time.Duration(who.clock.Load())) }
	n.replica, err = replica.Open(ctx, replica.Options{
		FS: who.disk.open(n.awake), Dir: "tupelo", CacheBytes: 1 << 20, TuplesetCacheBytes: 64 << 10, NodeID: who.id,
		API: api.Options{Now: now, WaitLimit: callLimit},
		Wiring: &replica.Wiring{
			Transport: n.transport, Peers: peers{c.net, n}, Members: c.founders(who.id),
			Conn: func(m raft.Member) grpc.ClientConnInterface { return conn{c.net, n, m.ID} },
		},
		Tune: func(o *raft.Options) { c.tune(who, o) },
	})
	if err != nil {
		return nil, err
	}
	n.log, n.store, n.server = n.replica.Log(), n.replica.Store(), n.replica.Server()
	n.server.Break(c.broken...)
	return n, nil
}

// tune gives a node's log the options of the run.
func (c *cluster) tune(who *character, o *raft.Options) {
	o.SnapshotLogEntries, o.SnapshotRetry = c.plan.snapshotEntries, time.Second
	if who.slow {
		o.HeartbeatTimeout, o.ElectionTimeout, o.LeaderLease = slowTimeout, slowTimeout, slowTimeout
	}
	o.Break(c.broken...)
	if s, ok := o.StateMachine.(*store.Store); ok {
		s.Break(c.broken...)
	}
}

// founders are the members that a new log begins with; none for a node that is
// to be added later.
func (c *cluster) founders(id string) (members []raft.Member) {
	first := slices.Concat(c.plan.founders, c.plan.readers)
	if !slices.Contains(first, id) {
		return nil
	}
	for i, id := range first {
		members = append(members, raft.Member{ID: id, Address: addressOf(id), Voter: i < len(c.plan.founders)})
	}
	return members
}

// kill ends a life: nothing that the node says from now on is heard. The disk is
// what is left of it.
func (c *cluster) kill(n *node, unsynced int) {
	c.net.change(func() {
		n.dead = true
		delete(c.net.living, n.id)
	})
	who := c.characters[n.id]
	c.net.change(func() { who.disk.crash(c.net.random, unsynced) })
	n.resume()
	if err := n.bury(); err != nil && who.disk.blameless() && !errors.Is(err, raft.ErrClosed) {
		c.history.Failure("burying %s: %v", n.id, err)
	}
}

// bury waits until nobody is at work in a dead node, and closes what it had open.
func (n *node) bury() error {
	n.end()
	n.guests.Wait()
	if n.replica == nil {
		return nil
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return n.replica.Close(ended)
}

// watchOver notes that a node has failed.
func (c *cluster) watchOver(n *node) {
	select {
	case <-n.died:
		return
	case <-n.log.Failed():
	}
	if c.net.lives(n) && c.characters[n.id].disk.blameless() {
		c.history.Failure("%s has failed, and its disk has not: %v", n.id, n.log.Err())
	}
}

// awake waits while the node is paused.
func (n *node) awake() {
	n.pause.Lock()
	resumed := n.resumed
	n.pause.Unlock()
	if resumed != nil {
		<-resumed
	}
}

// stop pauses a node: nothing comes in or goes out, and nothing is synced.
func (n *node) stop() {
	n.pause.Lock()
	defer n.pause.Unlock()
	if n.resumed == nil {
		n.resumed = make(chan struct{})
	}
}

// resume has a paused node go on.
func (n *node) resume() {
	n.pause.Lock()
	defer n.pause.Unlock()
	if n.resumed != nil {
		close(n.resumed)
		n.resumed = nil
	}
}
