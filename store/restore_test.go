package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

// pair is a leader and a follower that lags behind on one file system.
type pair struct {
	*history // the leader
	fs       vfs.FS
	follower *Store
}

func newPair(t *testing.T, fs vfs.FS) *pair {
	t.Helper()
	leader, err := Open(Options{FS: fs, Dir: "/leader", CacheBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = leader.Close() })
	return &pair{history: &history{t: t, store: leader}, fs: fs, follower: openTest(t, fs)}
}

// follow has the follower apply the log up to a revision.
func (p *pair) follow(upTo uint64) {
	p.t.Helper()
	from := p.follower.Applied()
	if _, err := p.follower.Apply(p.indexes[from:upTo], p.log[from:upTo]); err != nil {
		p.t.Fatal(err)
	}
}

// checkpoint writes one of the leader.
func (p *pair) checkpoint() string {
	p.t.Helper()
	dir := fmt.Sprintf("/snapshot-%d", p.revision)
	if err := p.store.Checkpoint(p.t.Context(), dir, p.revision); err != nil {
		p.t.Fatal(err)
	}
	return dir
}

func (p *pair) restore() {
	p.t.Helper()
	if err := p.follower.Restore(p.checkpoint()); err != nil {
		p.t.Fatal(err)
	}
}

// databases lists the follower's directories of state.
func (p *pair) databases() []string {
	p.t.Helper()
	list, err := p.fs.List("/node/state")
	if err != nil {
		p.t.Fatal(err)
	}
	list = slices.DeleteFunc(list, func(name string) bool { return !strings.HasPrefix(name, directoryPrefix) })
	slices.Sort(list)
	return list
}

func TestReadersKeepTheirStateThroughARestore(t *testing.T) {
	p := newPair(t, vfs.NewMem())
	p.must(gitclub())
	const a, b, c = "repository:a#reader@user:a", "repository:b#reader@user:a", "repository:c#reader@user:a"
	at := p.must(p.write(Touch, a, b, c))
	p.follow(at)
	reading, err1 := p.follower.Snapshot(0)
	unread, err2 := p.follower.Snapshot(0)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	defer reading.Close()
	defer unread.Close()
	all := tuple.Filter{ObjectType: "repository"}
	first, cursor, err := reading.Read(t.Context(), all, nil, 1)
	if err != nil || len(first) != 1 {
		t.Fatal(first, err)
	}

	p.must(p.write(Delete, a, b))
	p.must(AdvanceHorizon{Revision: p.revision})
	p.restore()

	rest, _, err := reading.Read(t.Context(), all, cursor, 10)
	if err != nil || len(rest) != 2 {
		t.Errorf("the reader that had begun goes on with %d tuples, %v; want 2", len(rest), err)
	}
	// The later horizon is that of the restored state, whose versions are gone;
	// this reader's are all there.
	got, _, err := unread.Read(t.Context(), all, nil, 10)
	if err != nil || len(got) != 3 || unread.Revision() != at {
		t.Errorf("the reader that had not begun reads %d tuples at %d, %v; want 3 at %d", len(got), unread.Revision(), err, at)
	}
	var horizon *HorizonError
	if _, err := p.follower.Snapshot(at); !errors.As(err, &horizon) || horizon.Horizon != p.revision-1 {
		t.Errorf("a new reader of the old revision: %v", err)
	}
	sees := &history{t: t, store: p.follower}
	if diff := cmp.Diff([]string{c}, sees.read(0, all, 10)); diff != "" {
		t.Errorf("a new reader (-want +got):\n%s", diff)
	}
}

func TestARestoreBringsEverythingThatTheStoreSaysOfItself(t *testing.T) {
	p := newPair(t, vfs.NewMem())
	p.must(Lead{ClusterID: [16]byte{7}})
	p.must(gitclub())
	p.must(Upgrade{Format: 2})
	keyed := p.keyed("k", 1, Touch, "repository:a#reader@user:a")
	first := p.must(keyed)
	p.must(AdvanceHorizon{Revision: 3})
	p.restore()
	if id, ok := p.follower.ClusterID(); !ok || id != [16]byte{7} {
		t.Errorf("cluster id %v, %v", id, ok)
	}
	if f, a, h := p.follower.Format(), p.follower.Applied(), p.follower.Horizon(); f != 2 || a != p.revision || h != 3 {
		t.Errorf("format %d, applied %d, horizon %d", f, a, h)
	}
	want, _ := p.store.Counters()
	got, names := p.follower.Counters()
	if diff := cmp.Diff(want, got); diff != "" || names.CaveatName(1) != "office_hours" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
	_, leads, err1 := p.store.Checksum()
	_, follows, err2 := p.follower.Checksum()
	if err := errors.Join(err1, err2); err != nil || leads != follows {
		t.Errorf("checksums differ, %v", err)
	}
	results, err := p.follower.Apply([]uint64{p.revision + 1}, [][]byte{Encode(keyed)})
	if err != nil || results[0].(Result) != (Result{Revision: first, Repeated: true}) {
		t.Errorf("a retry on the restored state: %+v, %v", results, err)
	}
}

// TestAWatcherContinuesAcrossARestore has one wait while the state is replaced,
// and read on while it is replaced again and again.
func TestAWatcherContinuesAcrossARestore(t *testing.T) {
	const writes = 200
	p := newPair(t, vfs.NewMem())
	p.must(gitclub())
	p.follow(p.revision)
	from := p.revision
	_, waiting, err := p.follower.Changes(t.Context(), from, func(*Changes) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	var seen []uint64
	var wg sync.WaitGroup
	wg.Go(func() {
		for position := from; position < from+writes; {
			reached, more, err := p.follower.Changes(t.Context(), position, func(c *Changes) bool {
				seen = append(seen, c.Revision)
				return c.Revision%7 != 0
			})
			if err != nil || reached < position {
				t.Errorf("from %d to %d: %v", position, reached, err)
				return
			}
			if reached == position {
				<-more
			}
			position = reached
		}
	})
	for i := range writes {
		p.must(p.write(Touch, fmt.Sprintf("repository:r%d#reader@user:a", i)))
		switch {
		case i%20 == 10:
			p.restore()
		case i%3 == 0:
			p.follow(p.revision)
		}
		if i == 10 {
			<-waiting
		}
	}
	p.restore()
	wg.Wait()
	var want []uint64
	for i := range uint64(writes) {
		want = append(want, from+1+i)
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("revisions (-want +got):\n%s", diff)
	}
}

func TestAWatcherBehindTheRestoredHorizonIsTold(t *testing.T) {
	p := newPair(t, vfs.NewMem())
	p.must(gitclub())
	p.follow(p.revision)
	from := p.revision
	_, more, err := p.follower.Changes(t.Context(), from, func(*Changes) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		p.must(p.write(Touch, fmt.Sprintf("repository:r%d#reader@user:a", i)))
	}
	p.must(AdvanceHorizon{Revision: from + 3})
	p.restore()
	select {
	case <-more:
	case <-time.After(time.Minute):
		t.Fatal("the watcher sleeps on")
	}
	for above := from; above <= from+4; above++ {
		var seen []uint64
		_, _, err := p.follower.Changes(t.Context(), above, func(c *Changes) bool {
			seen = append(seen, c.Revision)
			return true
		})
		var horizon *HorizonError
		if behind := above < from+3; errors.As(err, &horizon) != behind || behind != (len(seen) == 0) {
			t.Errorf("above %d: %v, %v", above, seen, err)
		}
	}
}

func TestAReplacedDatabaseGoesWithItsLastReader(t *testing.T) {
	p := newPair(t, vfs.NewMem())
	p.must(gitclub())
	p.follow(p.revision)
	readers := make([]*Snapshot, 2)
	for i := range readers {
		n, err := p.follower.Snapshot(0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Schema(); err != nil {
			t.Fatal(err)
		}
		readers[i] = n
	}
	p.restore()
	p.restoreAgain()
	if diff := cmp.Diff([]string{"state-000001", "state-000003"}, p.databases()); diff != "" {
		t.Errorf("while somebody reads (-want +got):\n%s", diff)
	}
	readers[0].Close()
	closed := make(chan error)
	go func() { closed <- p.follower.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("the store closed beside a reader of the database before last: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	readers[1].Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"state-000003"}, p.databases()); diff != "" {
		t.Errorf("after the last reader (-want +got):\n%s", diff)
	}
}

// restoreAgain restores the follower from a later checkpoint.
func (p *pair) restoreAgain() {
	p.t.Helper()
	p.must(p.write(Touch, "repository:later#reader@user:a"))
	p.restore()
}

// TestACrashDuringARestoreLeavesTheOldOrTheNew cuts the power before each
// operation on the disk that a checkpoint and a restore make, and keeps any part
// of what was not synced.
func TestACrashDuringARestoreLeavesTheOldOrTheNew(t *testing.T) {
	memory := vfs.NewCrashableMem()
	var mu sync.Mutex
	var armed bool
	clones := make(map[int]*vfs.MemFS)
	rng := rand.New(rand.NewPCG(5, 5))
	cut := func() {
		mu.Lock()
		defer mu.Unlock()
		if armed {
			clones[len(clones)] = memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 50, RNG: rng})
		}
	}
	arm := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		armed = on
	}
	p := newPair(t, errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			cut()
		}
		return nil
	})))
	p.must(gitclub())
	for i := range 6 {
		p.must(p.write(Touch, fmt.Sprintf("repository:r%d#reader@user:a", i)))
	}
	p.follow(3)
	if err := p.follower.current.Load().db.Flush(); err != nil {
		t.Fatal(err)
	}
	p.follow(5)
	arm(true)
	p.restore()
	cut()
	arm(false)
	if len(clones) < 30 {
		t.Fatalf("only %d moments: the file system is not watched", len(clones))
	}
	p.checkClones(clones, 3)
}

// checkClones opens what each crash left, and holds it to a replay of the log.
func (p *pair) checkClones(clones map[int]*vfs.MemFS, durable uint64) {
	p.t.Helper()
	left := make(map[uint64]int)
	for i := range len(clones) {
		s, err := Open(Options{FS: clones[i], Dir: "/node/state", CacheBytes: 1 << 20})
		if err != nil {
			p.t.Fatalf("moment %d of %d: %v", i, len(clones), err)
		}
		revision, sum, err := s.Checksum()
		if err := errors.Join(err, s.Close()); err != nil {
			p.t.Fatal(err)
		}
		if revision < durable || i == len(clones)-1 && revision != p.revision {
			p.t.Fatalf("moment %d of %d: revision %d is left", i, len(clones), revision)
		}
		left[revision]++
		replay := openTest(p.t, vfs.NewMem())
		if _, err := replay.Apply(p.indexes[:revision], p.log[:revision]); err != nil {
			p.t.Fatal(err)
		}
		if _, want, err := replay.Checksum(); err != nil || want != sum {
			p.t.Fatalf("moment %d of %d: the state of revision %d differs from a replay (%v)", i, len(clones), revision, err)
		}
	}
	if left[durable] == 0 || left[p.revision] == 0 {
		p.t.Errorf("the crashes left %v: neither old nor new should be missing", left)
	}
}

// TestARestoreThatFailsLeavesTheStoreAsItWas fails each operation of copying,
// opening and marking the new database in turn, until none is left to fail.
func TestARestoreThatFailsLeavesTheStoreAsItWas(t *testing.T) {
	failed := 0
	for at := int64(0); ; at++ {
		injected, err := restoreWithFault(t, at)
		if !injected {
			break
		}
		if err != nil {
			failed++
		}
	}
	if failed < 30 {
		t.Errorf("only %d restores failed: the file system is not watched", failed)
	}
}

// restoreWithFault has a restore meet one error, and then another one none.
func restoreWithFault(t *testing.T, at int64) (injected bool, err error) {
	t.Helper()
	var countdown atomic.Int64
	var opened atomic.Bool
	countdown.Store(-1)
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		// Once Pebble has the new database, a manifest of its own that cannot be
		// written ends the process (pebbleLogger.Fatalf), as a crash does.
		copied := strings.Contains(op.Path, "state-000002")
		if copied && op.Kind == errorfs.OpLock {
			opened.Store(true)
		}
		reads := op.Kind == errorfs.OpOpen || op.Kind == errorfs.OpFileRead || op.Kind == errorfs.OpFileReadAt
		ours := copied && (!opened.Load() || reads) ||
			strings.Contains(op.Path, "/node/state/marker.")
		if ours && countdown.Load() >= 0 && countdown.Add(-1) == -1 {
			return errorfs.ErrInjected
		}
		return nil
	}))
	p := newPair(t, fs)
	p.must(gitclub())
	p.must(p.write(Touch, "repository:a#reader@user:a"))
	p.follow(1)
	dir := p.checkpoint()
	countdown.Store(at)
	err = p.follower.Restore(dir)
	injected = countdown.Swap(-1) < 0
	switch applied := p.follower.Applied(); {
	case err == nil && applied != p.revision:
		t.Fatalf("fault %d: no error, and revision %d", at, applied)
	case err != nil && !errors.Is(err, errorfs.ErrInjected):
		t.Fatalf("fault %d: %v", at, err)
	case err != nil && applied != 1:
		t.Fatalf("fault %d: an error, and revision %d", at, applied)
	case err != nil && p.follower.serial == 1 && len(p.databases()) != 1:
		t.Fatalf("fault %d: an error, and %v", at, p.databases())
	}
	p.follow(p.revision)
	p.restoreAgain()
	if applied := p.follower.Applied(); applied != p.revision {
		t.Fatalf("fault %d: then revision %d", at, applied)
	}
	if err := p.follower.Close(); err != nil {
		t.Fatalf("fault %d: closing: %v", at, err)
	}
	return injected, err
}
