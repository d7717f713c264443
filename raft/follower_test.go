package raft

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// openFollower is Open without the rule that a node is the only voter: what
// several nodes will need from this package besides membership is here already.
func openFollower(t *testing.T, fs vfs.FS, id string, transport hraft.Transport) (*Node, *ledger) {
	t.Helper()
	l, err := openLedger(fs, ledgerDir)
	must(t, err)
	o, err := Options{
		FS: fs, Dir: nodeDir, StateMachine: l, NodeID: id, Transport: transport, Logger: quiet,
		LeaderCommand: func() []byte { return []byte("leader") },
	}.withDefaults()
	must(t, err)
	n := newNode(o)
	must(t, n.openStores())
	must(t, n.run(t.Context(), func(hraft.ServerAddress) error { return nil }))
	return n, l
}

// TestASnapshotReachesAFollowerThroughTheArchive lets a real leader send a
// snapshot, then entries, to a non-voter that starts with nothing, and restarts it.
func TestASnapshotReachesAFollowerThroughTheArchive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		address1, transport1 := hraft.NewInmemTransport("at n1")
		address2, transport2 := hraft.NewInmemTransport("at n2")
		transport1.Connect(address2, transport2)
		transport2.Connect(address1, transport1)

		leader, l1 := openNode(t, vfs.NewMem(), func(o *Options, _ *ledger) { o.Transport = transport1 })
		for i := range 30 {
			mustPropose(t, leader, fmt.Sprint(i))
		}
		must(t, leader.Snapshot(t.Context()))
		mustPropose(t, leader, "after the snapshot")

		fs2 := vfs.NewMem()
		follower, l2 := openFollower(t, fs2, "n2", transport2)
		must(t, leader.raft.AddNonvoter("n2", address2, 0, time.Minute).Error())
		index := mustServe(t, leader)
		must(t, follower.Wait(t.Context(), index))
		if got, want := fmt.Sprint(l2.records), fmt.Sprint(l1.records); got != want {
			t.Errorf("the follower has %s\nthe leader %s", got, want)
		}
		if applies, taken := l2.counts(); taken > 3 || applies == 0 {
			t.Errorf("%d commands came one by one", taken)
		}
		s := follower.Status()
		if s.Role != "follower" || s.Leader != "n1" || s.Serving || s.SnapshotIndex == 0 {
			t.Errorf("%+v", s)
		}

		must(t, follower.Close(t.Context()))
		must(t, l2.file.Close())
		mustPropose(t, leader, "while it is away")
		_, transport2 = hraft.NewInmemTransport("at n2")
		transport1.Connect(address2, transport2)
		transport2.Connect(address1, transport1)
		follower, l2 = openFollower(t, fs2, "n2", transport2)
		must(t, follower.Wait(t.Context(), mustServe(t, leader)))
		if got, want := fmt.Sprint(l2.records), fmt.Sprint(l1.records); got != want {
			t.Errorf("after a restart the follower has %s\nthe leader %s", got, want)
		}
		if _, taken := l2.counts(); taken != 1 {
			t.Errorf("%d commands applied after the restart, it lacked one", taken)
		}
		must(t, follower.Close(t.Context()))
		closeNode(t, leader)
	})
}
