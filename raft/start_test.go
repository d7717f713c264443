package raft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// scene is a directory made by hand: a log from bootstrap on with commands in
// term 1, truncated, snapshots, and a state.
type scene struct {
	last      uint64     // of the log: entry 1 is the membership, the others commands
	truncated uint64     // the log begins after it
	snapshots [][]uint64 // by snapshot: its index, then the commands in its state
	damaged   int        // so many of the newest snapshots are damaged
	state     []uint64   // commands the state has
	others    []string   // voters besides n1
}

// set makes the scene's files.
func (sc scene) set(t *testing.T) *vfs.MemFS {
	t.Helper()
	fs := vfs.NewMem()
	log, err := openLogStore(fs, nodeDir+"/log", quiet, func(error) {})
	must(t, err)
	if sc.last > 0 {
		must(t, log.bootstrap(membership(append([]string{"n1"}, sc.others...)...)))
		for i := uint64(2); i <= sc.last; i++ {
			must(t, log.StoreLog(&hraft.Log{Index: i, Term: 1, Data: fmt.Append(nil, "command ", i)}))
		}
		if sc.truncated > 0 {
			must(t, log.DeleteRange(1, sc.truncated))
		}
	}
	must(t, log.Close())
	store, err := openSnapshotStore(&Options{FS: fs, SnapshotsKept: 9, Logger: quiet}, nodeDir+"/snapshots")
	must(t, err)
	var made []string
	for _, s := range sc.snapshots {
		made = append(made, snapshotOf(t, store, s[0], 1, s[1:]...))
	}
	for _, id := range made[len(made)-sc.damaged:] {
		damages["a shortened file"](t, store, id)
	}
	l, err := openLedger(fs, ledgerDir)
	must(t, err)
	var records []record
	for _, i := range sc.state {
		records = append(records, record{i, fmt.Sprint("command ", i)})
	}
	must(t, l.replace(records))
	must(t, l.file.Close())
	return fs
}

func span(first, last uint64) []uint64 {
	var all []uint64
	for i := first; i <= last; i++ {
		all = append(all, i)
	}
	return all
}

func snap(index uint64, commands []uint64) []uint64 { return append([]uint64{index}, commands...) }

// starts are scenes and what comes of them.
var starts = map[string]struct {
	scene
	start    uint64 // where raft takes up the log
	restored bool
	err      error
}{
	"nothing at all": {scene: scene{}},
	"a state that was lost before any snapshot": {
		scene: scene{last: 20}, start: 0},
	"a state behind the log": {
		scene: scene{last: 20, state: span(2, 9)}, start: 9},
	"a state that has everything": {
		scene: scene{last: 20, state: span(2, 20)}, start: 20},
	"a state between snapshot and log": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}, state: span(2, 15)}, start: 15},
	"a state just at the snapshot": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}, state: span(2, 10)}, start: 10},
	"a snapshot of raft's own entries after the last command": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 7))}, state: span(2, 7)}, start: 10},
	"a log that is all in the snapshot": {
		scene: scene{last: 10, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}, state: span(2, 10)}, start: 10},
	"a lost state": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}}, start: 10, restored: true},
	"a state behind the snapshot": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}, state: span(2, 8)}, start: 10, restored: true},
	"a checkpoint that is ahead of its snapshot and of the log": {
		scene: scene{last: 10, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 13))}}, err: ErrStateAhead},
	"a damaged snapshot that nobody needs": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}, damaged: 1, state: span(2, 12)}, start: 12},
	"a damaged snapshot, and a state just where the log begins": {
		scene: scene{last: 20, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 10))}, damaged: 1, state: span(2, 10)}, start: 10},
	"a damaged snapshot, and a log that reaches back to an older one": {
		scene: scene{last: 20, truncated: 5, snapshots: [][]uint64{snap(8, span(2, 8)), snap(15, span(2, 15))}, damaged: 1}, start: 8, restored: true},
	"a damaged snapshot, and a log that reaches back to the state": {
		scene: scene{last: 20, truncated: 5, snapshots: [][]uint64{snap(15, span(2, 15))}, damaged: 1, state: span(2, 9)}, start: 9},
	"a damaged snapshot, and a log that does not reach back to the older one": {
		scene: scene{last: 20, truncated: 15, snapshots: [][]uint64{snap(8, span(2, 8)), snap(15, span(2, 15))}, damaged: 1}, err: ErrStateLost},
	"a damaged snapshot beyond the log": {
		scene: scene{last: 10, truncated: 5, snapshots: [][]uint64{snap(8, span(2, 8)), snap(15, span(2, 15))}, damaged: 1, state: span(2, 8)}, err: ErrStateLost},
	"a lost state and a lost snapshot": {
		scene: scene{last: 20, truncated: 10}, err: ErrStateLost},
	"a state that misses one command": {
		scene: scene{last: 20, truncated: 10, state: span(2, 9)}, err: ErrStateLost},
	"a state of another log": {
		scene: scene{last: 20, state: span(2, 21)}, err: ErrStateAhead},
	"a state without its log": {
		scene: scene{state: span(2, 21)}, err: ErrStateAhead},
	"snapshots without their log": {
		scene: scene{snapshots: [][]uint64{snap(10, span(2, 10))}, state: span(2, 10)}, err: ErrStateLost},
	"a received snapshot that has overtaken the log": {
		scene: scene{last: 10, snapshots: [][]uint64{snap(15, span(2, 15))}}, start: 15, restored: true},
}

func TestRaftStartsWhereTheStateIsOrSaysWhatIsMissing(t *testing.T) {
	for name, c := range starts {
		t.Run(name, func(t *testing.T) {
			fs := c.scene.set(t)
			n, l, err := tryNode(testContext(t), fs, lonely)
			if c.err != nil {
				if !errors.Is(err, c.err) {
					t.Fatal(err)
				}
				return
			}
			must(t, err)
			if n.start.index != c.start {
				t.Errorf("raft starts at %d, want %d", n.start.index, c.start)
			}
			if want := min(c.start, 1); n.start.term != want { // the scenes are set in term 1
				t.Errorf("raft starts in term %d, want %d", n.start.term, want)
			}
			if (l.number > 3) != c.restored { // opened, filled, opened again
				t.Errorf("restored: %v", l.number > 3)
			}
			closeNode(t, n)
			must(t, l.file.Close())
			c.goesOn(t, fs)
		})
	}
}

// goesOn opens the node so that it leads, and wants every command that log,
// usable snapshots or state had, once, and then a new one.
func (sc scene) goesOn(t *testing.T, fs vfs.FS) {
	t.Helper()
	want := map[uint64]bool{}
	for _, i := range sc.state {
		want[i] = true
	}
	for _, s := range sc.snapshots[:len(sc.snapshots)-sc.damaged] {
		for _, i := range s[1:] {
			want[i] = true
		}
	}
	for i := max(sc.truncated, 1) + 1; i <= sc.last; i++ {
		want[i] = true
	}
	n, l := openNode(t, fs)
	mustPropose(t, n, "after")
	commands := l.commands()
	if got := len(commands) - 1; got != len(want) || commands[got] != "after" {
		t.Errorf("commands %q, want %d and one after", commands, len(want))
	}
	for _, r := range l.records {
		if r.command == fmt.Sprint("command ", r.index) {
			delete(want, r.index)
		}
	}
	if len(want) > 0 || n.Err() != nil {
		t.Errorf("missing %v, %v", want, n.Err())
	}
}

func TestAFollowersStateMayBeAheadOfItsLog(t *testing.T) {
	fs := scene{last: 10, truncated: 10, snapshots: [][]uint64{snap(10, span(2, 13))}, others: []string{"n2"}}.set(t)
	for range 2 { // restored, and then as it is
		_, transport := hraft.NewInmemTransport("at n1")
		n, l := openFollower(t, fs, "n1", transport)
		if n.start.index != 10 || n.start.term != 1 || n.watermark.load() != 13 || l.Applied() != 13 {
			t.Errorf("%+v, watermark %d, applied %d", n.start, n.watermark.load(), l.Applied())
		}
		stopFollower(t, n, l)
	}
}

func TestARestartAppliesOnlyWhatTheStateLacks(t *testing.T) {
	fs := vfs.NewMem()
	n, l := openNode(t, fs)
	for i := range 50 {
		mustPropose(t, n, fmt.Sprint(i))
	}
	closeNode(t, n)
	must(t, l.replace(l.records[:41])) // the leader command and 40 others
	must(t, l.file.Close())
	n, l = openNode(t, fs)
	mustServe(t, n)
	if _, taken := l.counts(); taken != 10+1 {
		t.Errorf("%d commands applied at the restart", taken)
	}
	if got := len(l.commands()); got != 50 {
		t.Errorf("%d commands", got)
	}
	closeNode(t, n)
	must(t, l.file.Close())
	n, l = openNode(t, fs)
	mustServe(t, n)
	if _, taken := l.counts(); taken != 1 {
		t.Errorf("%d commands applied at a restart that lacked none", taken)
	}
	if n.start.index != l.records[len(l.records)-2].index {
		t.Errorf("raft started at %d", n.start.index)
	}
}

func TestASnapshotTruncatesTheLogAndARestartGoesOnFromIt(t *testing.T) {
	fs := vfs.NewMem()
	n, l := openNode(t, fs)
	for i := range 20 {
		mustPropose(t, n, fmt.Sprint(i))
	}
	must(t, n.Snapshot(testContext(t)))
	must(t, n.Snapshot(testContext(t))) // nothing new: the same one
	s := n.Status()
	if s.FirstIndex != 0 || s.SnapshotIndex != s.AppliedIndex || s.SnapshotIndex != leaderIndex+20 {
		t.Errorf("%+v", s)
	}
	if got := ids(t, n.store); len(got) != 1 {
		t.Errorf("snapshots %q", got)
	}
	mustPropose(t, n, "more")
	closeNode(t, n)
	must(t, l.file.Close())

	must(t, fs.RemoveAll(ledgerDir))
	n, l = openNode(t, fs)
	mustServe(t, n)
	if got := l.commands(); len(got) != 21 || got[20] != "more" {
		t.Errorf("%q", got)
	}
}

func TestTheLogIsTruncatedAfterSoManyBytesOrEntries(t *testing.T) {
	for name, limit := range map[string]func(*Options, *ledger){
		"bytes":   func(o *Options, _ *ledger) { o.SnapshotLogBytes = 2000 },
		"entries": func(o *Options, _ *ledger) { o.SnapshotLogEntries = 50 },
	} {
		t.Run(name, func(t *testing.T) {
			n, _ := openNode(t, vfs.NewMem(), limit, func(o *Options, _ *ledger) { o.TrailingLogs = 5 })
			for i := range 200 {
				mustPropose(t, n, fmt.Sprintf("command %010d", i))
			}
			eventually(t, "a second snapshot", func() bool { return n.Status().SnapshotIndex > 100 })
			eventually(t, "a short log", func() bool { return n.Status().FirstIndex > 50 })
			if s := n.Status(); s.SnapshotFailures != 0 || s.LastIndex-s.FirstIndex < 5-1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestTheLogOfEarlierLivesCountsTowardsTheNextSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	var n *Node
	const lives = 20
	for life := range lives {
		var l *ledger
		n, l = openNode(t, fs, func(o *Options, _ *ledger) { o.SnapshotLogBytes = 3000 })
		mustPropose(t, n, fmt.Sprintf("command %d %x", life, rand.Perm(100))) // some 300 bytes, hard to compress
		if life == lives-1 {
			// Earlier lives may have ended before theirs was taken.
			eventually(t, "a snapshot", func() bool { return n.store.newest.Load() > 0 })
		}
		closeNode(t, n)
		must(t, l.file.Close())
	}
}

func TestASnapshotThatFailsLeavesTheLogAndIsTakenAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var mended atomic.Bool
		n, _ := openNode(t, vfs.NewMem(), func(o *Options, l *ledger) {
			o.SnapshotLogEntries = 10
			l.onCheckpoint = func(context.Context) error {
				if mended.Load() {
					return nil
				}
				return errBroken
			}
		})
		for i := range 20 {
			mustPropose(t, n, fmt.Sprint(i))
		}
		synctest.Wait() // the first attempt of the node's own has failed
		if err := n.Snapshot(t.Context()); err == nil {
			t.Error("a failed snapshot said nothing")
		}
		if s := n.Status(); s.SnapshotFailures != 1 || s.FirstIndex != 1 || n.Err() != nil {
			t.Errorf("%+v, %v", s, n.Err())
		}
		mended.Store(true)
		eventually(t, "the next attempt", func() bool { return n.Status().SnapshotIndex > 0 })
		closeNode(t, n)
	})
}

func TestCloseInterruptsASnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, _ := openNode(t, vfs.NewMem(), func(_ *Options, l *ledger) {
			l.onCheckpoint = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		})
		mustPropose(t, n, "x")
		done := make(chan error, 1)
		go func() { done <- n.Snapshot(t.Context()) }()
		synctest.Wait()
		closeNode(t, n)
		if err := <-done; err == nil {
			t.Error("the snapshot said nothing")
		}
	})
}

func TestCommandsAreAppliedWhileASnapshotIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		release := make(chan struct{})
		n, l := openNode(t, vfs.NewMem(), func(_ *Options, l *ledger) {
			l.onCheckpoint = func(context.Context) error { <-release; return nil }
		})
		mustPropose(t, n, "before")
		done := make(chan error, 1)
		go func() { done <- n.Snapshot(t.Context()) }()
		synctest.Wait()
		mustPropose(t, n, "meanwhile")
		close(release)
		must(t, <-done)
		// The checkpoint is ahead of the snapshot, and the log begins after the latter.
		all, err := n.store.list()
		must(t, err)
		if m := all[0].meta; m.index != 4 || m.extent != (extent{4, 5}) {
			t.Errorf("%+v", m)
		}
		if s := n.Status(); s.FirstIndex != 5 || len(l.commands()) != 2 {
			t.Errorf("%+v", s)
		}
		closeNode(t, n)
	})
}

func TestAnotherMembershipIsRefused(t *testing.T) {
	for name, ids := range map[string][]string{
		"another node": {"n2"}, "two voters": {"n1", "n2"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			log, err := openLogStore(fs, nodeDir+"/log", quiet, func(error) {})
			must(t, err)
			must(t, log.bootstrap(membership(ids...)))
			must(t, log.Close())
			if _, _, err := tryNode(testContext(t), fs); !errors.Is(err, ErrMembership) {
				t.Error(err)
			}
		})
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Options, *ledger){
		"no directory":        func(o *Options, _ *ledger) { o.Dir = "" },
		"no state machine":    func(o *Options, _ *ledger) { o.StateMachine = nil },
		"no node id":          func(o *Options, _ *ledger) { o.NodeID = "" },
		"no leader command":   func(o *Options, _ *ledger) { o.LeaderCommand = nil },
		"too much in flight":  func(o *Options, _ *ledger) { o.MaxInFlight = 1024 },
		"no room for one":     func(o *Options, _ *ledger) { o.MaxInFlightBytes = 1 },
		"a negative bound":    func(o *Options, _ *ledger) { o.SnapshotLogBytes = -1 },
		"a lease too long":    func(o *Options, _ *ledger) { o.LeaderLease = 1e12 },
		"a timeout too short": func(o *Options, _ *ledger) { o.HeartbeatTimeout = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := tryNode(testContext(t), vfs.NewMem(), change); !errors.Is(err, ErrOptions) {
				t.Error(err)
			}
		})
	}
}

func TestADirectoryHasOneNode(t *testing.T) {
	fs := vfs.NewMem()
	openNode(t, fs)
	if _, _, err := tryNode(testContext(t), fs); err == nil {
		t.Error("a second one was opened")
	}
}
