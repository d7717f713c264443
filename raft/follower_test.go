package raft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// openFollower opens a node that waits to be added, or goes on.
func openFollower(t *testing.T, fs vfs.FS, id string, transport hraft.Transport, change ...func(*Options)) (*Node, *ledger) {
	t.Helper()
	l, err := openLedger(fs, ledgerDir)
	must(t, err)
	o := Options{
		FS: fs, Dir: nodeDir, StateMachine: l, NodeID: id, Transport: transport, Logger: quiet,
		Peers: noPeers{}, LeaderCommand: func() []byte { return []byte("leader") },
	}
	for _, f := range change {
		f(&o)
	}
	n, err := Open(t.Context(), o)
	must(t, err)
	return n, l
}

// noPeers are those of a node that is the only voter, and asks nobody.
type noPeers struct{}

func (noPeers) Term(context.Context, Member) (uint64, error) {
	return 0, errors.New("there is nobody to ask")
}

func (noPeers) ReadIndex(context.Context, Member) (uint64, error) {
	return 0, errors.New("there is nobody to ask")
}

// pair is a leader whose log begins with a snapshot, and the place of a non-voter.
type pair struct {
	leader             *Node
	ledger             *ledger
	transport          *badTransport
	address1, address2 hraft.ServerAddress
}

// badTransport changes one byte of so many snapshots on their way.
type badTransport struct {
	*hraft.InmemTransport
	bad atomic.Int64
}

func (b *badTransport) InstallSnapshot(id hraft.ServerID, to hraft.ServerAddress,
	q *hraft.InstallSnapshotRequest, a *hraft.InstallSnapshotResponse, data io.Reader,
) error {
	if b.bad.Add(-1) >= 0 {
		all, err := io.ReadAll(data)
		if err != nil {
			return err
		}
		all[len(all)/2] ^= 1
		data = bytes.NewReader(all)
	}
	return b.InmemTransport.InstallSnapshot(id, to, q, a, data)
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{address2: "at n2", transport: &badTransport{}}
	p.address1, p.transport.InmemTransport = hraft.NewInmemTransport("at n1")
	p.leader, p.ledger = openNode(t, vfs.NewMem(), func(o *Options, _ *ledger) {
		o.Transport, o.Peers = p.transport, noPeers{}
		o.Members = []Member{{"n1", "at n1", true}}
	})
	// The log reaches back to the snapshot before the last.
	for i := range 30 {
		mustPropose(t, p.leader, fmt.Sprint(i))
		if i >= 20 {
			must(t, p.leader.Snapshot(t.Context()))
		}
	}
	mustPropose(t, p.leader, "after the snapshot")
	must(t, p.leader.AddNonvoter(t.Context(), "n2", string(p.address2)))
	return p
}

// follow opens the non-voter and connects it.
func (p *pair) follow(t *testing.T, fs vfs.FS) (*Node, *ledger) {
	t.Helper()
	_, transport := hraft.NewInmemTransport(p.address2)
	p.transport.Connect(p.address2, transport)
	transport.Connect(p.address1, p.transport.InmemTransport)
	return openFollower(t, fs, "n2", transport)
}

// wantSame waits until the follower has what the leader has, and compares.
func (p *pair) wantSame(t *testing.T, follower *Node, l *ledger) {
	t.Helper()
	must(t, follower.Wait(testContext(t), mustServe(t, p.leader)))
	if got, want := fmt.Sprint(l.records), fmt.Sprint(p.ledger.records); got != want {
		t.Errorf("the follower has %s\nthe leader %s", got, want)
	}
}

func stopFollower(t *testing.T, n *Node, l *ledger) {
	t.Helper()
	must(t, n.Close(t.Context()))
	must(t, l.file.Close())
}

// A real leader sends a snapshot, then entries, to a non-voter that starts with
// nothing, and the non-voter restarts.
func TestASnapshotReachesAFollowerThroughTheArchive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPair(t)
		fs := vfs.NewMem()
		follower, l := p.follow(t, fs)
		p.wantSame(t, follower, l)
		if _, taken := l.counts(); taken > 3 {
			t.Errorf("%d commands came one by one", taken)
		}
		s := follower.Status()
		if s.Role != "follower" || s.Leader != "n1" || s.Serving || s.SnapshotIndex == 0 {
			t.Errorf("%+v", s)
		}
		if _, err := follower.Propose(t.Context(), []byte("x")); !errors.Is(err, ErrNoLeader) {
			t.Errorf("a proposal to the follower: %v", err)
		}
		stopFollower(t, follower, l)

		mustPropose(t, p.leader, "while it is away")
		follower, l = p.follow(t, fs)
		p.wantSame(t, follower, l)
		if _, taken := l.counts(); taken != 1 {
			t.Errorf("%d commands applied after the restart, it lacked one", taken)
		}
		stopFollower(t, follower, l)
		closeNode(t, p.leader)
	})
}

func TestASnapshotDamagedOnTheWayIsSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPair(t)
		p.transport.bad.Store(3)
		fs := vfs.NewMem()
		follower, l := p.follow(t, fs)
		p.wantSame(t, follower, l)
		if left := p.transport.bad.Load(); left >= 0 {
			t.Errorf("%d damaged snapshots were not sent", left)
		}
		if names, _ := fs.List(nodeDir + "/snapshots"); len(names) != 1 || follower.Err() != nil {
			t.Errorf("left behind: %q, %v", names, follower.Err())
		}
		stopFollower(t, follower, l)
		closeNode(t, p.leader)
	})
}

func TestAFollowerThatCrashesWhileASnapshotComesInStartsAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	total := int64(1)
	for cut := int64(0); cut <= total; cut += 5 {
		inBubble(t, func(t *testing.T) {
			p := newPair(t)
			var remains *vfs.MemFS
			disk := newCrashDisk(vfs.NewCrashableMem(), cut, func(clone func(vfs.CrashCloneCfg) *vfs.MemFS) {
				remains = clone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
			})
			follower, l := p.follow(t, disk)
			p.wantSame(t, follower, l)
			stopFollower(t, follower, l)
			total = max(total, disk.ops.Load())
			if remains != nil {
				mustPropose(t, p.leader, "more")
				follower, l = p.follow(t, remains)
				p.wantSame(t, follower, l)
				stopFollower(t, follower, l)
			}
			closeNode(t, p.leader)
		})
		if t.Failed() {
			t.Fatalf("cut before write %d of %d", cut, total)
		}
	}
}
