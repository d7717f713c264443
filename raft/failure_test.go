package raft

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

var errBroken = errors.New("broken")

// failingApply proposes two commands, of which the state machine fails on the
// first, and returns what it was still asked to do.
func failingApply(t *testing.T, f faults) (l *ledger, outcome error) {
	fs := vfs.NewMem()
	var calls atomic.Int64
	n, l := openNode(t, fs, func(o *Options, l *ledger) {
		o.faults = f
		l.onApply = func(indexes []uint64) error {
			if indexes[0] > leaderIndex && calls.Add(1) == 1 {
				return errBroken
			}
			return nil
		}
	})
	mustServe(t, n)
	_, outcome = n.Propose(testContext(t), []byte("first"))
	// The next one goes around the gate, as one already in raft's queue would.
	p, _ := n.proposals.enter([]byte("second"), true)
	n.fsm.ApplyBatch(asLogs(leaderIndex+2, p.log([]byte("second"))))
	<-n.Failed()
	for what, err := range map[string]error{
		"propose":    func() error { _, err := n.Propose(t.Context(), nil); return err }(),
		"read index": func() error { _, err := n.ReadIndex(t.Context()); return err }(),
		"wait":       n.Wait(t.Context(), 1),
		"snapshot":   n.Snapshot(t.Context()),
		"err":        n.Err(),
	} {
		if !errors.Is(err, ErrFailed) || !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := n.fsm.Snapshot(); !errors.Is(err, errBroken) {
		t.Errorf("a snapshot of the broken state: %v", err)
	}
	closeNode(t, n)
	if f == (faults{}) {
		l.file.Close()
		n, l := openNode(t, fs)
		mustServe(t, n)
		if got := fmt.Sprint(l.commands()); got != "[first]" {
			t.Errorf("after a restart: %s", got)
		}
	}
	return l, outcome
}

func TestAFailedApplyStopsTheNodeAndSkipsNothing(t *testing.T) {
	l, outcome := failingApply(t, faults{})
	if !errors.Is(outcome, ErrOutcomeUnknown) || !errors.Is(outcome, errBroken) {
		t.Errorf("the proposal: %v", outcome)
	}
	if got := l.commands(); len(got) != 0 {
		t.Errorf("applied %q", got)
	}
	if l, _ := failingApply(t, faults{applyOnAfterFailure: true}); len(l.commands()) == 0 {
		t.Error("the broken promise was not noticed")
	}
}

// lyingMachine breaks the contract of StateMachine in one way.
type lyingMachine struct {
	*ledger
	lie func(results []any) []any
	off uint64
}

func (m *lyingMachine) Apply(indexes []uint64, commands [][]byte) ([]any, error) {
	results, err := m.ledger.Apply(indexes, commands)
	return m.lie(results), err
}

func (m *lyingMachine) Applied() uint64 { return m.ledger.Applied() - m.off }

func TestAStateMachineThatBreaksItsContractFailsTheNode(t *testing.T) {
	for name, m := range map[string]*lyingMachine{
		"too few results":    {lie: func([]any) []any { return nil }},
		"applied is not set": {lie: func(r []any) []any { return r }, off: 1},
	} {
		t.Run(name, func(t *testing.T) {
			n, _, err := tryNode(testContext(t), vfs.NewMem(), func(o *Options, l *ledger) {
				if err := l.replace([]record{}); err != nil {
					t.Fatal(err)
				}
				m.ledger = l
				o.StateMachine = &startsAtZero{m}
			})
			if err != nil {
				t.Fatal(err)
			}
			<-n.Failed()
			closeNode(t, n)
		})
	}
}

// startsAtZero reports 0 while nothing is applied.
type startsAtZero struct{ *lyingMachine }

func (m *startsAtZero) Applied() uint64 {
	if m.ledger.Applied() == 0 {
		return 0
	}
	return m.lyingMachine.Applied()
}

// failingRun runs a node whose log and snapshots are on a disk that fails at its
// n-th write, and from then on if it stays broken. It returns the number of
// writes. Nothing may hang, nothing acknowledged may be missing, and the process
// must live.
func failingRun(at int64, stays bool) (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var ops atomic.Int64
	memory := vfs.NewCrashableMem()
	disk := errorfs.Wrap(memory, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() != errorfs.OpIsWrite || op.Kind == errorfs.OpFileClose {
			return nil
		}
		if n := ops.Add(1); n == at || n > at && stays {
			return errBroken
		}
		return nil
	}))
	n, l, err := tryNode(ctx, vfs.NewMem(), func(o *Options, _ *ledger) { o.FS = disk })
	defer l.file.Close()
	if err != nil {
		if !errors.Is(err, errBroken) {
			return 0, fmt.Errorf("open: %w", err)
		}
		return ops.Load(), nil
	}
	acked := 0
	for i := range 5 {
		if _, err = n.Propose(ctx, fmt.Append(nil, i)); err != nil {
			break
		}
		acked++
		if i == 2 {
			n.Snapshot(ctx) // a failed snapshot is not a failed node
		}
	}
	if err != nil {
		if !errors.Is(err, ErrFailed) {
			return 0, fmt.Errorf("propose: %w", err)
		}
		<-n.Failed()
	}
	n.Close(ctx)
	if ctx.Err() != nil {
		return 0, errors.New("it hung")
	}
	return ops.Load(), stillThere(ctx, memory.CrashClone(vfs.CrashCloneCfg{}), acked)
}

// stillThere rebuilds a state from nothing but what a disk has synced.
func stillThere(ctx context.Context, disk vfs.FS, acked int) error {
	if acked == 0 {
		return nil
	}
	n, l, err := tryNode(ctx, vfs.NewMem(), func(o *Options, _ *ledger) { o.FS = disk })
	if err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	_, err = n.ReadIndex(ctx)
	if got := len(l.commands()); got < acked {
		err = fmt.Errorf("%d commands of %d acknowledged", got, acked)
	}
	return errors.Join(err, n.Close(ctx), l.file.Close())
}

func TestADiskThatFailsAtAnyWriteFailsTheNodeAndNothingElse(t *testing.T) {
	total, err := failingRun(0, false)
	if err != nil {
		t.Fatal(err)
	}
	for at := int64(1); at <= total; at++ {
		for _, stays := range []bool{false, true} {
			if _, err := failingRun(at, stays); err != nil {
				t.Fatalf("failing at write %d of %d (for good: %v): %v", at, total, stays, err)
			}
		}
	}
	t.Logf("%d writes", total)
}

// The goroutines that send to followers read the log, and end where it fails.
func TestALeaderWhoseLogFailsWhileItSendsCanBeClosed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		mustPropose(t, n.Node, "x")
		c.wantSame()
		time.Sleep(time.Second) // until it sends without waiting for answers
		broken := errors.New("input/output error")
		n.log.failure.Store(&broken) // noticed first by those who send
		time.Sleep(time.Second)
		n.fail(broken)
		c.gone(n.options.NodeID)
		must(t, n.Close(t.Context()))
		c.close()
	})
}
