package raft

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// brittleLog is a disk whose syncs of the log's entries fail from some time on.
type brittleLog struct {
	vfs.FS
	broken atomic.Bool
}

func newBrittleLog(disk vfs.FS) *brittleLog {
	d := &brittleLog{}
	d.FS = errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData:
			if strings.HasSuffix(op.Path, ".log") && d.broken.Load() {
				return errBroken
			}
		}
		return nil
	}))
	return d
}

// What the followers have and have said so is not acknowledged by a leader whose own
// disk fails. It stops, and the next leader has the entry all the same.
func TestALeaderWhoseDiskFailsAfterItHasSentAcknowledgesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		slow, brittle := map[string]*syncedLog{}, map[string]*brittleLog{}
		c := newCluster(t, 3, func(o *Options, _ *ledger) {
			brittle[o.NodeID] = newBrittleLog(o.FS)
			slow[o.NodeID] = newSyncedLog(brittle[o.NodeID], 0)
			o.FS = slow[o.NodeID]
		})
		n := c.leader()
		id := n.options.NodeID
		mustPropose(t, n.Node, "before")
		time.Sleep(time.Second)
		release := slow[id].hold()
		done := proposeLater(t.Context(), n.Node, "x")
		time.Sleep(time.Second)
		_, _, last := n.log.span()
		for _, o := range c.others(n) {
			if _, _, theirs := o.log.span(); theirs != last {
				t.Errorf("%s has the log up to %d, and the leader up to %d", o.options.NodeID, theirs, last)
			}
		}
		brittle[id].broken.Store(true)
		release()
		if err := <-done; !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, errBroken) {
			t.Errorf("the proposal: %v", err)
		}
		<-n.Failed()
		c.gone(id)
		if err := n.Close(t.Context()); err != nil && !errors.Is(err, errBroken) {
			t.Error(err)
		}
		mustPropose(t, c.leader().Node, "after")
		c.wantSame("before", "x", "after")
		c.close()
	})
}

// A leader of the past, whose disk still has to take what it stored, goes on as a
// follower of the next, which overrules that.
func TestALeaderThatIsOverruledWhileItSyncsGoesOn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, 0)
		n := c.leader()
		mustPropose(t, n.Node, "before")
		time.Sleep(time.Second)
		c.part(n.options.NodeID)
		release := disks[n.options.NodeID].hold()
		done := proposeLater(t.Context(), n.Node, "x")
		next := c.leader(c.others(n)[0].options.NodeID, c.others(n)[1].options.NodeID)
		mustPropose(t, next.Node, "y")
		if err := <-done; !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("the proposal: %v", err)
		}
		c.part()
		time.Sleep(3 * time.Second) // the disk is what it waits for
		release()
		mustPropose(t, next.Node, "after")
		c.wantSame("before", "y", "after")
		c.close()
	})
}

// Who leads does not go while its disk has yet to take what is under way.
func TestATransferWhileTheLeaderSyncsLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, 0)
		n := c.leader()
		mustPropose(t, n.Node, "before")
		time.Sleep(time.Second)
		release := disks[n.options.NodeID].hold()
		done := proposeLater(t.Context(), n.Node, "x")
		time.Sleep(100 * time.Millisecond)
		to := c.others(n)[0]
		if err := n.Transfer(t.Context(), to.options.NodeID); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("while a command waits for the disk: %v", err)
		}
		release()
		must(t, <-done)
		mustPropose(t, n.Node, "still here")
		must(t, n.Transfer(t.Context(), to.options.NodeID))
		mustPropose(t, to.Node, "there")
		c.wantSame("before", "x", "still here", "there")
		c.close()
	})
}

// Nobody is left behind who waits to send, or for an answer: not where a follower is
// cut off, removed or gone, nor where the node does not lead any more.
func TestPipelinesEndWithWhatTheyAreFor(t *testing.T) {
	count := func(n *clusterNode) int {
		n.pipelines.mu.Lock()
		defer n.pipelines.mu.Unlock()
		return len(n.pipelines.all)
	}
	inBubble(t, func(t *testing.T) {
		c, disks := newSlowCluster(t, time.Millisecond)
		n := c.leader()
		load := c.load(8)
		want := func(when string, pipelines int) {
			t.Helper()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if got := count(n); got != pipelines {
				t.Errorf("%s: %d pipelines", when, got)
			}
		}
		want("at first", 2)
		a, b := c.others(n)[0].options.NodeID, c.others(n)[1].options.NodeID
		c.part(a)
		want("with a follower cut off", 1)
		c.part()
		want("with it back", 2)
		release := disks[a].hold()
		want("with a follower whose disk takes nothing", 1)
		release()
		want("with the disk well", 2)
		must(t, n.Remove(t.Context(), b))
		want("with a follower removed", 1)
		c.stop(b)
		must(t, n.Transfer(t.Context(), a))
		want("when another leads", 0)
		load.end()
		c.wantSame()
		c.close()
	})
}
