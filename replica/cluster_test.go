package replica

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/ports"
	"github.com/tupelodb/tupelo/raft"
)

const clusterSchema = "definition user {}\ndefinition doc {\n\trelation reader: user\n}\n"

// testNode is a replica that can be closed and opened again.
type testNode struct {
	*Replica
	options Options
}

// patience bounds what must happen at last, however busy the machine is.
const patience = time.Minute

// freeAddresses returns addresses of this machine at which nobody listens, and
// where a node that is closed can be opened again.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	addresses, err := ports.Take(n)
	if err != nil {
		t.Fatal(err)
	}
	return addresses
}

// testOptions are those of the n-th of the nodes at the addresses.
func testOptions(addresses []string, n int) Options {
	return Options{
		FS: vfs.NewMem(), Dir: "tupelo", NodeID: fmt.Sprintf("n%d", n+1),
		Peer:        &peer.Options{Address: addresses[n]},
		API:         api.Options{WaitLimit: patience, MaxStaleness: patience},
		stableAfter: 200 * time.Millisecond, steerEvery: 100 * time.Millisecond,
	}
}

// open opens a replica that is closed with the test.
func open(t *testing.T, o Options) *testNode {
	t.Helper()
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatalf("opening %s: %v", o.NodeID, err)
	}
	n := &testNode{r, o}
	t.Cleanup(func() { n.stop(t) })
	return n
}

// stop closes the replica, if it is open.
func (n *testNode) stop(t *testing.T) {
	t.Helper()
	if n.Replica == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := n.Close(ctx); err != nil {
		t.Errorf("closing %s: %v", n.options.NodeID, err)
	}
	n.Replica = nil
}

// start opens the replica again.
func (n *testNode) start(t *testing.T) {
	t.Helper()
	r, err := Open(t.Context(), n.options)
	if err != nil {
		t.Fatalf("opening %s again: %v", n.options.NodeID, err)
	}
	n.Replica = r
}

// bootstrap has n nodes make a cluster.
func bootstrap(t *testing.T, n int) []*testNode {
	t.Helper()
	return bootstrapWith(t, n, func(*Options) {})
}

func bootstrapWith(t *testing.T, n int, change func(*Options)) []*testNode {
	t.Helper()
	addresses := freeAddresses(t, n)
	nodes := make([]*testNode, n)
	opened := make(chan error)
	for i := range n {
		o := testOptions(addresses, i)
		o.Join, o.BootstrapExpect = addresses, n
		change(&o)
		nodes[i] = &testNode{options: o}
		go func() {
			var err error
			nodes[i].Replica, err = Open(t.Context(), o)
			opened <- err
		}()
	}
	for range n {
		if err := <-opened; err != nil {
			t.Error(err)
		}
	}
	for _, node := range nodes {
		t.Cleanup(func() { node.stop(t) })
	}
	if t.Failed() {
		t.FailNow()
	}
	for _, node := range nodes {
		node.mustBeReady(t)
	}
	return nodes
}

func (n *testNode) mustBeReady(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := n.Ready(ctx); err != nil {
		t.Fatalf("%s is not ready: %v", n.options.NodeID, err)
	}
}

// write writes a tuple, and returns the zookie.
func (n *testNode) write(t *testing.T, text string) (string, error) {
	t.Helper()
	one, err := tupleOf(text)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	response, err := n.Server().Write(ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{
		{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: one},
	}})
	return response.GetZookie(), err
}

// untilKnown makes a call again while its outcome is unknown: on a busy machine a
// leader is lost now and then. Twice the call comes to the same as once.
func untilKnown[A any](call func() (A, error)) (A, error) {
	for {
		answer, err := call()
		if err == nil || api.Described(err).Reason != tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN {
			return answer, err
		}
	}
}

func (n *testNode) mustWrite(t *testing.T, text string) string {
	t.Helper()
	zookie, err := untilKnown(func() (string, error) { return n.write(t, text) })
	if err != nil {
		t.Fatalf("writing %s at %s: %v", text, n.options.NodeID, err)
	}
	return zookie
}

func (n *testNode) mustWriteSchema(t *testing.T) {
	t.Helper()
	if _, err := untilKnown(func() (*tupelov1.WriteSchemaResponse, error) {
		return n.Server().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: clusterSchema})
	}); err != nil {
		t.Fatalf("writing the schema at %s: %v", n.options.NodeID, err)
	}
}

// mustHave checks a tuple in process.
func (n *testNode) mustHave(t *testing.T, text string, fresh *tupelov1.Consistency) {
	t.Helper()
	one, err := tupleOf(text)
	if err != nil {
		t.Fatal(err)
	}
	response, err := n.Check(t.Context(), &tupelov1.CheckRequest{
		Consistency: fresh, Object: one.Object, Relation: one.Relation, Subject: one.Subject,
	})
	if err != nil || response.GetResult() != tupelov1.Result_RESULT_YES {
		t.Errorf("%s says of %s: %v, %v", n.options.NodeID, text, response.GetResult(), err)
	}
}

// leader waits until one of the nodes leads, and returns it.
func leader(t *testing.T, nodes []*testNode) *testNode {
	t.Helper()
	var found *testNode
	eventually(t, "nobody leads", func() bool {
		i := slices.IndexFunc(nodes, func(n *testNode) bool { return n.Replica != nil && n.Log().Status().Serving })
		if i >= 0 {
			found = nodes[i]
		}
		return i >= 0
	})
	return found
}

// leaderAndOther returns the leader and another node. Who needs both must not ask
// for one after the other: another may lead by then.
func leaderAndOther(t *testing.T, nodes []*testNode) (leads, other *testNode) {
	t.Helper()
	leads = leader(t, nodes)
	i := slices.IndexFunc(nodes, func(n *testNode) bool { return n.Replica != nil && n != leads })
	return leads, nodes[i]
}

func follower(t *testing.T, nodes []*testNode) *testNode {
	t.Helper()
	_, other := leaderAndOther(t, nodes)
	return other
}

func eventually(t *testing.T, complaint string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(complaint)
		}
	}
}

func TestNodesThatExpectEachOtherMakeOneCluster(t *testing.T) {
	nodes := bootstrap(t, 3)
	for _, n := range nodes {
		if members := n.Log().Members(); len(members) != 3 {
			t.Errorf("%s knows the members %v", n.options.NodeID, members)
		}
	}
	follower(t, nodes).mustWriteSchema(t)
	// Whatever is written anywhere is there everywhere, for who asks for it.
	for _, w := range nodes {
		text := "doc:" + w.options.NodeID + "#reader@user:ann"
		zookie := w.mustWrite(t, text)
		for _, r := range nodes {
			r.mustHave(t, text, fullyConsistent())
			r.mustHave(t, text, atLeastAsFresh(zookie))
		}
	}
}

func TestWritesGoOnWhenTheLeaderStopsAndItCatchesUpWhenItIsBack(t *testing.T) {
	nodes := bootstrap(t, 3)
	nodes[0].mustWriteSchema(t)
	stopped, other := leaderAndOther(t, nodes)
	stopped.stop(t)
	zookie := other.mustWrite(t, "doc:a#reader@user:ann")
	leader(t, nodes).mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
	stopped.start(t)
	stopped.mustHave(t, "doc:a#reader@user:ann", atLeastAsFresh(zookie))
	stopped.mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
	for _, n := range nodes {
		n.stop(t)
	}
	for _, n := range nodes {
		n.start(t)
	}
	for _, n := range nodes {
		n.mustHave(t, "doc:a#reader@user:ann", fullyConsistent())
	}
}

// calm has nodes wait for each other for so long that no leader is lost but by what
// a test does.
func calm(o *Options) {
	o.Tune = func(r *raft.Options) { r.HeartbeatTimeout, r.LeaderLease = 3*time.Second, 3*time.Second }
}

// Each node is stopped and opened again under load. Whoever writes by a node that
// is up notices nothing.
func TestARollingRestartFailsNoWrite(t *testing.T) {
	nodes := bootstrapWith(t, 3, calm)
	nodes[0].mustWriteSchema(t)
	var up sync.RWMutex // held for reading while somebody writes by nodes[down+1]
	down := 0
	ctx, stop := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	var written atomic.Int64
	for w := range 4 {
		writing.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				up.RLock()
				n := nodes[(down+1+w%2)%3]
				if _, err := n.write(t, fmt.Sprintf("doc:w%d-%d#reader@user:ann", w, i)); err != nil {
					t.Errorf("write %d of writer %d by %s: %v", i, w, n.options.NodeID, err)
				}
				written.Add(1)
				up.RUnlock()
			}
		})
	}
	for i := range 3 {
		up.Lock()
		down = i
		up.Unlock()
		before := written.Load()
		nodes[i].stop(t)
		eventually(t, "nobody writes", func() bool { return written.Load() > before+20 })
		nodes[i].start(t)
		nodes[i].mustBeReady(t)
	}
	stop()
	writing.Wait()
	t.Logf("%d writes", written.Load())
	tuples, err := allTuples(t.Context(), nodes[0].Replica)
	if err != nil || int64(len(tuples)) != written.Load() {
		t.Errorf("%d tuples are there of %d, %v", len(tuples), written.Load(), err)
	}
}

// An empty status would have it taken for a node that has never been in a cluster.
func TestANodeThatIsStartingIsNotTakenForAnEmptyOne(t *testing.T) {
	nodes := bootstrap(t, 1)
	starting := &Replica{options: nodes[0].options, store: nodes[0].store, late: newLateLog()}
	if status, err := starting.status(t.Context()); err == nil {
		t.Errorf("it says that it is %+v", status)
	}
}
