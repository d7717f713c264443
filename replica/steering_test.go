package replica

import (
	"testing"
	"time"

	"github.com/tupelodb/tupelo/store"
)

// deadAfter is longer than a node on a busy machine is silent, be it that it starts:
// one that is forgotten as it runs has to be opened again.
const deadAfter = 4 * time.Second

func TestADeadVoterIsRemovedOnceAnotherHasTakenItsPlace(t *testing.T) {
	addresses := freeAddresses(t, 4)
	nodes := bootstrapWith(t, 3, func(o *Options) { o.DeadAfter = deadAfter })
	nodes[0].mustWriteSchema(t)
	dead := follower(t, nodes)
	dead.stop(t)
	time.Sleep(3 * deadAfter / 2)
	if _, ok := memberOf(leader(t, nodes).Log(), dead.options.NodeID); !ok {
		t.Error("it is removed although fewer than three voters are left")
	}
	o := testOptions(addresses, 3)
	o.DeadAfter, o.Join = deadAfter, []string{leader(t, nodes).Address()}
	next := open(t, o)
	eventually(t, "the dead one is not removed", func() bool {
		_, ok := memberOf(leader(t, nodes).Log(), dead.options.NodeID)
		return !ok
	})
	next.mustWrite(t, "doc:a#reader@user:ann")
}

func TestADeadReadReplicaIsRemoved(t *testing.T) {
	nodes := bootstrapWith(t, 1, func(o *Options) { o.DeadAfter = deadAfter })
	o := testOptions(freeAddresses(t, 1), 0)
	o.NodeID, o.Join, o.ReadReplica = "reader", []string{nodes[0].Address()}, true
	reader := open(t, o)
	reader.mustBeReady(t)
	reader.stop(t)
	eventually(t, "it is not removed", func() bool {
		_, ok := memberOf(nodes[0].Log(), "reader")
		return !ok
	})
}

func TestTheFormatIsRaisedWhenTheLastMemberKnowsIt(t *testing.T) {
	nodes := bootstrapWith(t, 3, func(o *Options) {
		if o.NodeID == "n2" {
			o.maxFormat = 1
		}
	})
	time.Sleep(10 * nodes[0].options.steerEvery)
	for _, n := range nodes {
		if got := n.Store().Format(); got != 1 {
			t.Errorf("%s has format %d while a member knows none but the first", n.options.NodeID, got)
		}
	}
	// The old version is down: whether it comes back as a newer one is not known.
	nodes[1].stop(t)
	leader(t, nodes)
	time.Sleep(10 * nodes[0].options.steerEvery)
	if got := nodes[0].Store().Format(); got != 1 {
		t.Errorf("the format is %d while a member is down", got)
	}
	nodes[1].options.maxFormat = 0
	nodes[1].start(t)
	for _, n := range nodes {
		eventually(t, "the format is not raised", func() bool { return n.Store().Format() == store.MaxFormat })
	}
}

func TestANodeThatIsAloneHasTheNewestFormatWhenItIsReady(t *testing.T) {
	o := testOptions(freeAddresses(t, 1), 0)
	o.Peer = nil
	n := open(t, o)
	n.mustBeReady(t)
	if got := n.Store().Format(); got != store.MaxFormat {
		t.Errorf("it has format %d", got)
	}
	before := n.Store().Applied()
	n.mustBeReady(t)
	if after := n.Store().Applied(); after != before {
		t.Errorf("it is raised again, at %d after %d", after, before)
	}
}
