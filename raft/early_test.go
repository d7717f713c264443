package raft

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	hraft "github.com/hashicorp/raft"
)

// syncedLog is a disk that counts the syncs of the log's entries, and has each take
// a while, or wait until it may begin.
type syncedLog struct {
	vfs.FS
	syncs atomic.Int64
	takes time.Duration

	mu   sync.Mutex
	held chan struct{} // closed when syncs may go on; nil: they may
}

func newSyncedLog(disk vfs.FS, takes time.Duration) *syncedLog {
	d := &syncedLog{takes: takes}
	d.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData:
			if strings.HasSuffix(op.Path, ".log") {
				d.sync()
			}
		}
		return nil
	}))
	return d
}

func (d *syncedLog) sync() {
	d.syncs.Add(1)
	time.Sleep(d.takes)
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held != nil {
		<-held
	}
}

// hold has syncs wait until release is called.
func (d *syncedLog) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	held := make(chan struct{})
	d.held = held
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.held = nil
		close(held)
	}
}

// newSlowCluster is a cluster of three whose logs' syncs take a while.
func newSlowCluster(t *testing.T, takes time.Duration, change ...func(*Options, *ledger)) (*cluster, map[string]*syncedLog) {
	disks := map[string]*syncedLog{}
	return newCluster(t, 3, append(change, func(o *Options, _ *ledger) {
		disks[o.NodeID] = newSyncedLog(o.FS, takes)
		o.FS = disks[o.NodeID]
	})...), disks
}

// commitsWhileUnsynced reports whether a command is acknowledged that both
// followers have on their disks, and the leader has not.
func commitsWhileUnsynced(t *testing.T, f faults) (early bool) {
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, 0, func(o *Options, _ *ledger) { o.faults = f })
		n := c.leader()
		mustPropose(t, n.Node, "before")
		time.Sleep(time.Second)
		release := disks[n.options.NodeID].hold()
		done := proposeLater(t.Context(), n.Node, "x")
		time.Sleep(time.Second)
		_, _, last := n.log.span()
		for _, o := range c.others(n) {
			if _, _, theirs := o.log.span(); theirs != last {
				t.Errorf("%s has the log up to %d, and the leader up to %d", o.options.NodeID, theirs, last)
			}
		}
		select {
		case err := <-done:
			must(t, err)
			early = true
		default:
		}
		release()
		if !early {
			must(t, <-done)
		}
		c.wantSame("before", "x")
		c.close()
	})
	return early
}

func TestFollowersHaveAnEntryBeforeItIsSyncedAndItIsAcknowledgedAfter(t *testing.T) {
	kept(t, commitsWhileUnsynced, faults{countUnsynced: true})
}

// A lone voter, and a leader about to be one, need no answer to commit.
func TestNothingIsSentEarlyThatNeedsNoAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, 0)
		n := c.leader()
		for _, other := range c.others(n) {
			must(t, n.Remove(t.Context(), other.options.NodeID))
			c.stop(other.options.NodeID)
		}
		mustPropose(t, n.Node, "alone")
		release := disks[n.options.NodeID].hold()
		done := proposeLater(t.Context(), n.Node, "x")
		time.Sleep(time.Second)
		select {
		case err := <-done:
			t.Errorf("acknowledged before it was synced: %v", err)
		default:
		}
		release()
		must(t, <-done)
		c.close()
	})
}

// A crash of the leader takes entries with it that its followers have, and what
// was acknowledged is there all the same.
func TestALeaderMayLoseWhatItHasSentAndNotSynced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, 0)
		n := c.leader()
		id := n.options.NodeID
		mustPropose(t, n.Node, "before")
		time.Sleep(time.Second)
		release := disks[id].hold()
		proposeLater(t.Context(), n.Node, "x")
		time.Sleep(100 * time.Millisecond)
		time.AfterFunc(time.Second, release) // or it could not be closed
		c.crash(id)
		next := c.leader()
		mustPropose(t, next.Node, "after")
		c.open(id)
		c.wantSame("before", "x", "after")
		c.close()
	})
}

// TestManyWritesShareASync holds 64 writers to few syncs on every node, and to
// few turns of the disk. Time is the bubble's, and passes in syncs only.
func TestManyWritesShareASync(t *testing.T) {
	const writers, each, syncTakes = 64, 20, 2 * time.Millisecond
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, syncTakes)
		n := c.leader()
		mustPropose(t, n.Node, "first")
		time.Sleep(time.Second)
		before := map[string]int64{}
		for id, d := range disks {
			before[id] = d.syncs.Load()
		}
		begun := time.Now()
		var g sync.WaitGroup
		for w := range writers {
			g.Go(func() {
				for i := range each {
					mustPropose(t, n.Node, fmt.Sprintf("%d of %d", i, w))
				}
			})
		}
		g.Wait()
		turns := int64(time.Since(begun) / syncTakes)
		for id, d := range disks {
			syncs := d.syncs.Load() - before[id]
			t.Logf("%s: %d writes by %d syncs", id, writers*each, syncs)
			if syncs*20 > writers*each {
				t.Errorf("%s: %d writes took %d syncs; at most a twentieth is asked for", id, writers*each, syncs)
			}
		}
		t.Logf("%d writes in the time of %d syncs", writers*each, turns)
		if turns*20 > writers*each {
			t.Errorf("%d writes took as long as %d syncs of one writer; at most a twentieth is asked for", writers*each, turns)
		}
		synctest.Wait()
		c.close()
	})
}

// Where nothing else is written, followers hear of a commit by a message that
// says nothing else, and not by the next one of raft's own, 10 to 20 ms later.
func TestAFollowerIsToldOfACommitThatNothingFollows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		mustPropose(t, n.Node, "first")
		time.Sleep(time.Second)
		for i := range 5 {
			time.Sleep(time.Duration(i) * 3 * time.Millisecond)
			mustPropose(t, n.Node, fmt.Sprint(i))
			index := n.ledger.Applied()
			time.Sleep(tellAfter)
			synctest.Wait()
			for _, o := range c.others(n) {
				if got := o.ledger.Applied(); got < index {
					t.Errorf("%s has applied %d of %d", o.options.NodeID, got, index)
				}
			}
		}
		c.close()
	})
}

func TestTheLogGivesBackWhatItsTailHas(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	for round, term := range []uint64{1, 2} {
		first := uint64(1)
		if round > 0 {
			first = tailEntries / 2
			must(t, s.DeleteRange(first, 3*tailEntries))
		}
		var logs []*hraft.Log
		for i := first; i <= 3*tailEntries; i++ {
			size := 10
			if i%7 == uint64(round) {
				size = tailDataBytes + 1
			}
			logs = append(logs, &hraft.Log{Index: i, Term: term, Data: make([]byte, size), Extensions: []byte("a ticket")})
		}
		must(t, s.StoreLogs(logs))
		for _, want := range logs {
			var got hraft.Log
			must(t, s.GetLog(want.Index, &got))
			if got.Index != want.Index || got.Term != term || len(got.Data) != len(want.Data) || got.Extensions != nil {
				t.Fatalf("entry %d of term %d is %+v", want.Index, term, got)
			}
		}
	}
}
