package sim

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// disk is the disk of one node, which outlives it.
type disk struct {
	slow time.Duration // the most that a sync of the log takes; 0: no time

	mu     sync.Mutex
	random *rand.Rand
	mem    *vfs.MemFS
	ill    error // what writes fail with
	was    bool  // ill, in the life of the node that runs
}

func newDisk(random *rand.Rand, slow time.Duration) *disk {
	return &disk{slow: slow, random: random, mem: vfs.NewCrashableMem()}
}

var (
	errDiskFull   = syscall.ENOSPC
	errDiskBroken = errors.New("input/output error")
)

// open returns the disk for another life of its node, whose syncs wait for
// hold. What is left of it depends on how the life before ended.
func (d *disk) open(hold func()) vfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ill, d.was = nil, false
	return errorfs.Wrap(d.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			hold()
			if strings.HasSuffix(op.Path, ".log") && strings.Contains(op.Path, "/raft/") {
				time.Sleep(d.takes())
			}
		}
		return d.failure(op)
	}))
}

// takes is how long a sync takes.
func (d *disk) takes() time.Duration {
	if d.slow == 0 {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Duration(d.random.Int64N(int64(d.slow)))
}

// failure is what an operation fails with. Of the state, only tables do: its
// Pebble ends the process where its own files fail.
func (d *disk) failure(op errorfs.Op) error {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpFileWrite, errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo, errorfs.OpLink, errorfs.OpMkdirAll:
	default:
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if strings.Contains(op.Path, "/raft/") || strings.HasSuffix(op.Path, ".sst") {
		return d.ill
	}
	return nil
}

// sicken has writes fail from now on, until the node is opened again.
func (d *disk) sicken(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ill, d.was = err, true
}

// heal ends that; the node that runs may have failed meanwhile, or not.
func (d *disk) heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ill = nil
}

// blameless reports whether the disk was well in all of this life.
func (d *disk) blameless() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.was
}

// crash leaves what was synced, and so many per cent of what was not. The node
// of before goes on with a disk that nobody sees any more.
func (d *disk) crash(random *rand.Rand, unsynced int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mem = d.mem.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(random.Uint64(), 0)),
	})
}
