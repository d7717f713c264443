package raft

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crashDisk is a disk that is copied, as a crash would leave it, just before its
// n-th write, sync, rename or removal.
type crashDisk struct {
	vfs.FS
	ops   atomic.Int64
	cutAt int64
}

func newCrashDisk(memory *vfs.MemFS, cutAt int64, onCut func(clone func(vfs.CrashCloneCfg) *vfs.MemFS)) *crashDisk {
	d := &crashDisk{cutAt: cutAt}
	guard := &guardedFS{FS: memory}
	d.FS = errorfs.Wrap(guard, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && d.ops.Add(1) == d.cutAt {
			onCut(guard.clone)
		}
		return nil
	}))
	return d
}

// guardedFS keeps CrashClone away from the two calls in which MemFS takes its
// read lock twice, which deadlocks with a writer between them.
type guardedFS struct {
	vfs.FS
	mu sync.RWMutex
}

func (g *guardedFS) Link(from, to string) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.FS.Link(from, to)
}

func (g *guardedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.FS.ReuseForWrite(from, to, c)
}

func (g *guardedFS) clone(cfg vfs.CrashCloneCfg) *vfs.MemFS {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.FS.(*vfs.MemFS).CrashClone(cfg)
}

// history is what the clients of a run know, and the disk at the crash.
type history struct {
	mu       sync.Mutex
	proposed map[string]bool
	acked    map[string]uint64 // by command: the index it was applied at

	atCrash map[string]uint64 // acked before the crash
	disk    *vfs.MemFS
}

// crashRun lets clients propose over two lives of a node, with snapshots, cuts
// the disk at one of its operations, and returns an error if the node that
// comes up on what is left has lost, invented or reordered anything. With
// loseState not even what the state machine had synced is left.
func crashRun(seed uint64, cutAt int64, loseState bool, f faults) (ops int64, err error) {
	rng := rand.New(rand.NewPCG(seed, uint64(cutAt)))
	h := &history{proposed: map[string]bool{}, acked: map[string]uint64{}}
	disk := h.crashingDisk(vfs.NewCrashableMem(), cutAt, rng)
	for life := range 2 {
		if err := h.live(disk, life, f); err != nil {
			return 0, fmt.Errorf("life %d, before the crash: %w", life, err)
		}
	}
	if h.disk == nil {
		return disk.ops.Load(), nil
	}
	if loseState {
		if err := h.disk.RemoveAll(ledgerDir); err != nil {
			return 0, err
		}
	}
	return disk.ops.Load(), h.afterCrash(f)
}

// crashingDisk is a disk that puts what a crash would leave into h.disk, beside
// what had been acknowledged by then.
func (h *history) crashingDisk(memory *vfs.MemFS, cutAt int64, rng *rand.Rand) *crashDisk {
	return newCrashDisk(memory, cutAt, func(clone func(vfs.CrashCloneCfg) *vfs.MemFS) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.atCrash = maps.Clone(h.acked)
		h.disk = clone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
	})
}

// live is one life of the node before the crash.
func (h *history) live(disk vfs.FS, life int, f faults) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, l, err := tryNode(ctx, disk, func(o *Options, _ *ledger) { o.faults = f })
	if err != nil {
		return err
	}
	defer l.file.Close()
	for round := range 2 {
		if err := h.clients(ctx, n, life*10+round); err != nil {
			return errors.Join(err, n.Close(ctx))
		}
		if err := n.Snapshot(ctx); err != nil {
			return errors.Join(err, n.Close(ctx))
		}
	}
	if err := h.clients(ctx, n, life*10+2); err != nil {
		return errors.Join(err, n.Close(ctx))
	}
	return n.Close(ctx)
}

// clients propose a few commands each, side by side.
func (h *history) clients(ctx context.Context, n *Node, round int) error {
	const clients, each = 3, 4
	var g sync.WaitGroup
	errs := make([]error, clients)
	for c := range clients {
		g.Add(1)
		go func() {
			defer g.Done()
			for i := range each {
				if errs[c] = h.propose(ctx, n, fmt.Sprintf("r%d-c%d-%d", round, c, i)); errs[c] != nil {
					return
				}
			}
		}()
	}
	g.Wait()
	return errors.Join(errs...)
}

func (h *history) propose(ctx context.Context, n *Node, command string) error {
	h.mu.Lock()
	h.proposed[command] = true
	h.mu.Unlock()
	result, err := n.Propose(ctx, []byte(command))
	if err != nil {
		return err
	}
	var index uint64
	if _, err := fmt.Sscanf(result.(string), "%d:", &index); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.acked[command] = index
	return nil
}

// afterCrash opens the node on what the crash has left, twice, and lets it work
// in between.
func (h *history) afterCrash(f faults) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	h.acked = h.atCrash
	for life := range 2 {
		n, l, err := tryNode(ctx, h.disk, func(o *Options, _ *ledger) { o.faults = f })
		if err != nil {
			return fmt.Errorf("life %d after the crash: %w", life, err)
		}
		err = h.check(ctx, n, l)
		if err == nil {
			err = h.propose(ctx, n, fmt.Sprintf("after-%d", life))
		}
		if err == nil {
			err = n.Err()
		}
		if err = errors.Join(err, n.Close(ctx), l.file.Close()); err != nil {
			return fmt.Errorf("life %d after the crash: %w", life, err)
		}
	}
	return nil
}

// check compares what the state machine holds with what the clients know.
func (h *history) check(ctx context.Context, n *Node, l *ledger) error {
	index, err := n.ReadIndex(ctx)
	if err != nil {
		return err
	}
	if err := n.Wait(ctx, index); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	at := map[uint64]string{}
	for _, r := range l.records {
		if r.command != "leader" && !h.proposed[r.command] {
			return fmt.Errorf("%q at %d was never proposed", r.command, r.index)
		}
		at[r.index] = r.command
	}
	for command, index := range h.acked {
		if at[index] != command {
			return fmt.Errorf("%q was acknowledged at %d, and %q is there", command, index, at[index])
		}
	}
	commands := l.commands()
	slices.Sort(commands)
	if n := len(slices.Compact(slices.Clone(commands))); n != len(commands) {
		return fmt.Errorf("%d of %d commands were applied twice", len(commands)-n, len(commands))
	}
	return nil
}

func TestACrashAtAnyWriteLosesNothingAcknowledged(t *testing.T) {
	crashEverywhere(t, false)
}

func TestAStateLostInACrashIsRebuiltFromSnapshotAndLog(t *testing.T) {
	crashEverywhere(t, true)
}

// crashEverywhere cuts the same history before each few of its writes.
func crashEverywhere(t *testing.T, loseState bool) {
	total, err := crashRun(1, 0, loseState, faults{})
	if err != nil {
		t.Fatal(err)
	}
	step := int64(5)
	if testing.Short() {
		step = 41
	}
	for cut := int64(1); cut <= total; cut += step {
		if _, err := crashRun(uint64(cut), cut, loseState, faults{}); err != nil {
			t.Fatalf("cut before write %d of %d: %v", cut, total, err)
		}
	}
	t.Logf("%d writes, cut before every %dth", total, step)
}

// TestCrashAfterCrashAfterCrash lives on from each crash's remains: fewer points
// in time than above, but histories that no clean stop ever mended.
func TestCrashAfterCrashAfterCrash(t *testing.T) {
	for seed := range uint64(3) {
		rng := rand.New(rand.NewPCG(seed, 7))
		h := &history{proposed: map[string]bool{}, acked: map[string]uint64{}}
		memory := vfs.NewCrashableMem()
		for life := range 12 {
			disk := h.crashingDisk(memory, 40+rng.Int64N(120), rng)
			if err := h.untilCrash(disk, life, rng); err != nil {
				t.Fatalf("seed %d, life %d: %v", seed, life, err)
			}
			memory, h.acked, h.disk = h.disk, h.atCrash, nil
		}
		t.Logf("seed %d: %d commands acknowledged", seed, len(h.acked))
	}
}

// untilCrash lets a node start, be checked and work until its disk is cut.
func (h *history) untilCrash(disk *crashDisk, life int, rng *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	n, l, err := tryNode(ctx, disk)
	if err != nil {
		return err
	}
	defer l.file.Close()
	err = h.check(ctx, n, l)
	for round := 0; err == nil && disk.ops.Load() < disk.cutAt; round++ {
		err = h.clients(ctx, n, life*1000+round)
		if err == nil && rng.IntN(3) == 0 {
			err = n.Snapshot(ctx)
		}
	}
	return errors.Join(err, n.Close(ctx))
}

func TestTheCrashTestSeesEachBrokenPromise(t *testing.T) {
	for _, c := range []struct {
		promise   string
		faults    faults
		loseState bool
	}{
		{"acknowledged is synced", faults{ackBeforeSync: true}, false},
		{"a declared snapshot is durable", faults{declareBeforeDurable: true}, false},
		{"raft starts where the state is", faults{trustSnapshotIndex: true}, true},
	} {
		t.Run(c.promise, func(t *testing.T) {
			total, err := crashRun(1, 0, c.loseState, c.faults)
			for cut := int64(1); err == nil && cut <= total; cut += 7 {
				_, err = crashRun(uint64(cut), cut, c.loseState, c.faults)
			}
			if err == nil {
				t.Fatal("nothing was noticed")
			}
			t.Log(err)
		})
	}
}
