package raft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The directories of a node under test.
const (
	nodeDir   = "/node/raft"
	ledgerDir = "/node/state"
)

// quiet throws away what is logged.
var quiet = slog.New(slog.DiscardHandler)

// patience bounds what must happen soon; a test that meets it has failed.
const patience = time.Minute

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// tryNode opens a ledger and a node on it. The options may be changed before.
func tryNode(ctx context.Context, fs vfs.FS, change ...func(*Options, *ledger)) (*Node, *ledger, error) {
	return tryNodeAt(ctx, fs, "/node", change...)
}

func tryNodeAt(ctx context.Context, fs vfs.FS, root string, change ...func(*Options, *ledger)) (*Node, *ledger, error) {
	l, err := openLedger(fs, fs.PathJoin(root, "state"))
	if err != nil {
		return nil, nil, fmt.Errorf("open ledger: %w", err)
	}
	o := Options{
		FS: fs, Dir: fs.PathJoin(root, "raft"), StateMachine: l, NodeID: "n1",
		LeaderCommand: func() []byte { return []byte("leader") },
		Logger:        quiet,
	}
	for _, f := range change {
		f(&o, l)
	}
	n, err := Open(ctx, o)
	return n, l, err
}

func openNode(t testing.TB, fs vfs.FS, change ...func(*Options, *ledger)) (*Node, *ledger) {
	t.Helper()
	n, l, err := tryNode(testContext(t), fs, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(testContext(t)) })
	return n, l
}

func closeNode(t testing.TB, n *Node) {
	t.Helper()
	if err := n.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func mustPropose(t testing.TB, n *Node, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if _, err := n.Propose(testContext(t), []byte(c)); err != nil {
			t.Fatalf("propose %.40q: %v", c, err)
		}
	}
}

func mustServe(t testing.TB, n *Node) uint64 {
	t.Helper()
	index, err := n.ReadIndex(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAProposalIsAppliedAndItsResultComesBack(t *testing.T) {
	n, l := openNode(t, vfs.NewMem())
	result, err := n.Propose(testContext(t), []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	// 1 is the membership, 2 raft's no-op, 3 the leader command.
	if result != "4:hello" {
		t.Fatalf("result %v", result)
	}
	if got := l.commands(); len(got) != 1 || got[0] != "hello" {
		t.Fatalf("commands %q", got)
	}
}

func TestTheLeaderCommandIsTheFirstOfEachTerm(t *testing.T) {
	fs := vfs.NewMem()
	for life := range 3 {
		n, l := openNode(t, fs)
		mustPropose(t, n, fmt.Sprint(life))
		r := l.records[len(l.records)-2:]
		if r[0].command != "leader" || r[1].command != fmt.Sprint(life) {
			t.Fatalf("life %d: the last commands are %v", life, r)
		}
		closeNode(t, n)
		l.file.Close()
	}
}

func TestConcurrentProposalsEachGetTheirOwnResult(t *testing.T) {
	n, l := openNode(t, vfs.NewMem())
	const clients, each = 32, 20
	var g sync.WaitGroup
	errs := make(chan error, clients)
	for c := range clients {
		g.Add(1)
		go func() {
			defer g.Done()
			var previous uint64
			for i := range each {
				command := fmt.Sprintf("%d/%d", c, i)
				result, err := n.Propose(testContext(t), []byte(command))
				if err != nil {
					errs <- err
					return
				}
				var index uint64
				var got string
				fmt.Sscanf(result.(string), "%d:%s", &index, &got)
				if got != command || index <= previous {
					errs <- fmt.Errorf("%q after %d: result %v", command, previous, result)
					return
				}
				previous = index
			}
		}()
	}
	g.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if got := len(l.commands()); got != clients*each {
		t.Errorf("%d commands applied, want %d", got, clients*each)
	}
}

func TestAMemoryNodeReopensWhatItHad(t *testing.T) {
	fs := vfs.NewMem()
	n, _ := openNode(t, fs)
	mustPropose(t, n, "a", "b")
	closeNode(t, n)
	n, l := openNode(t, fs)
	mustPropose(t, n, "c")
	if got := fmt.Sprint(l.commands()); got != "[a b c]" {
		t.Fatal(got)
	}
}

func TestARealDiskDoesWhatTheOnesInMemoryDo(t *testing.T) {
	root := t.TempDir()
	var want []string
	for life := range 3 {
		n, l, err := tryNodeAt(testContext(t), vfs.Default, filepath.Join(root, "a", "b"))
		must(t, err)
		for _, part := range []string{"before", "after"} {
			command := fmt.Sprintf("%d, %s the snapshot", life, part)
			want = append(want, command)
			mustPropose(t, n, command)
			if part == "before" {
				must(t, n.Snapshot(testContext(t)))
			}
		}
		if got := l.commands(); !slices.Equal(got, want) {
			t.Errorf("life %d: %q", life, got)
		}
		closeNode(t, n)
		must(t, l.file.Close())
		if life == 1 {
			must(t, os.RemoveAll(l.dir)) // the next life rebuilds it
		}
	}
}

func TestErrorsMatchTheirSentinelAndTheirCause(t *testing.T) {
	cause := errors.New("cause")
	err := error(ErrFailed.because(cause, "doing %d", 7))
	if !errors.Is(err, ErrFailed) || !errors.Is(err, cause) || errors.Is(err, ErrClosed) {
		t.Error("wrong matches")
	}
	if err.Error() != "doing 7: the node has failed: cause" {
		t.Error(err)
	}
	for _, s := range []*Error{ErrNoLeader, ErrOutcomeUnknown, ErrAhead, ErrClosed, ErrFailed, ErrTooLarge, ErrOverloaded} {
		if kindText[s.Kind()] == "" || s.Error() != kindText[s.Kind()] {
			t.Errorf("kind %q reads %q", s.Kind(), s.Error())
		}
	}
}
