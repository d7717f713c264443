package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// heldApply makes the ledger stop before every batch that holds a command above
// the index it is given, until it is released.
type heldApply struct {
	above   uint64
	release chan struct{}
}

func holdApply(above uint64) *heldApply {
	return &heldApply{above, make(chan struct{})}
}

func (h *heldApply) option(_ *Options, l *ledger) {
	l.onApply = func(indexes []uint64) error {
		if indexes[len(indexes)-1] > h.above {
			<-h.release
		}
		return nil
	}
}

// leaderIndex is the index of a new node's first leader command.
const leaderIndex = 3

// inBubble runs a test with virtual time, in which Wait returns once every
// goroutine of the node stands still.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// proposeLater proposes in a goroutine of its own.
func proposeLater(ctx context.Context, n *Node, command string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := n.Propose(ctx, []byte(command))
		done <- err
	}()
	return done
}

func TestACommandThatIsTooLargeIsRefused(t *testing.T) {
	n, l := openNode(t, vfs.NewMem(), func(o *Options, _ *ledger) { o.MaxCommandBytes = 10 })
	mustPropose(t, n, "0123456789")
	if _, err := n.Propose(testContext(t), []byte("0123456789x")); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	mustPropose(t, n, "")
	if got := l.commands(); len(got) != 2 {
		t.Fatalf("commands %q", got)
	}
}

func TestProposalsBeyondTheBoundAreRefusedAtOnce(t *testing.T) {
	for name, limit := range map[string]func(*Options, *ledger){
		"count": func(o *Options, _ *ledger) { o.MaxInFlight = 2 },
		"bytes": func(o *Options, _ *ledger) { o.MaxInFlightBytes, o.MaxCommandBytes = 8, 4 },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				hold := holdApply(leaderIndex)
				n, _ := openNode(t, vfs.NewMem(), limit, hold.option)
				mustServe(t, n)
				first := proposeLater(t.Context(), n, "1234")
				second := proposeLater(t.Context(), n, "5678")
				synctest.Wait()
				if s := n.Status(); s.InFlight != 2 || s.InFlightBytes != 8 {
					t.Errorf("%d proposals, %d bytes in flight", s.InFlight, s.InFlightBytes)
				}
				if _, err := n.Propose(t.Context(), []byte("9")); !errors.Is(err, ErrOverloaded) {
					t.Errorf("the third: %v", err)
				}
				close(hold.release)
				if err := errors.Join(<-first, <-second); err != nil {
					t.Error(err)
				}
				mustPropose(t, n, "9")
				closeNode(t, n)
			})
		})
	}
}

func TestAnEndedContextBeforeProposingMeansNothingWasDone(t *testing.T) {
	n, l := openNode(t, vfs.NewMem())
	mustServe(t, n)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := n.Propose(ctx, []byte("never"))
	var own *Error
	if !errors.Is(err, context.Canceled) || errors.As(err, &own) {
		t.Fatal(err)
	}
	mustPropose(t, n, "after")
	if got := fmt.Sprint(l.commands()); got != "[after]" {
		t.Fatal(got)
	}
}

func TestAContextThatEndsInFlightLeavesTheOutcomeUnknown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(leaderIndex)
		n, l := openNode(t, vfs.NewMem(), hold.option)
		mustServe(t, n)
		ctx, cancel := context.WithCancel(t.Context())
		done := proposeLater(ctx, n, "maybe")
		synctest.Wait()
		cancel()
		err := <-done
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(hold.release)
		closeNode(t, n)
		if got := fmt.Sprint(l.commands()); got != "[maybe]" {
			t.Errorf("and it was applied: %s", got)
		}
	})
}

// lonely gives a node a transport and so much patience that it never leads.
func lonely(o *Options, _ *ledger) {
	_, o.Transport = hraft.NewInmemTransport("n1")
	o.Peers, o.Members = noPeers{}, []Member{{"n1", "n1", true}}
	o.HeartbeatTimeout, o.ElectionTimeout = 1e12, 1e12
}

func TestWithoutALeaderNothingIsDoneWithinTheDeadline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, l := openNode(t, vfs.NewMem(), lonely)
		ctx, cancel := context.WithTimeout(t.Context(), 1e9)
		defer cancel()
		_, err := n.Propose(ctx, []byte("x"))
		if !errors.Is(err, ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("propose: %v", err)
		}
		if _, err := n.ReadIndex(ctx); !errors.Is(err, ErrNoLeader) {
			t.Errorf("read index: %v", err)
		}
		closeNode(t, n)
		if l.Applied() != 0 {
			t.Errorf("applied %d", l.Applied())
		}
	})
}

// lostLeadership returns what a proposal in flight hears of the end of its term.
func lostLeadership(t *testing.T, f faults) (err error) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(leaderIndex)
		n, l := openNode(t, vfs.NewMem(), hold.option, func(o *Options, _ *ledger) { o.faults = f })
		mustServe(t, n)
		done := proposeLater(t.Context(), n, "maybe")
		synctest.Wait()
		n.stepDown()
		err = <-done
		if n.leadership.load().open {
			t.Error("the gate is still open")
		}
		close(hold.release)
		closeNode(t, n)
		if got := fmt.Sprint(l.commands()); got != "[maybe]" {
			t.Errorf("applied: %s", got)
		}
	})
	return err
}

func TestLostLeadershipLeavesTheOutcomeUnknown(t *testing.T) {
	err := lostLeadership(t, faults{})
	if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, hraft.ErrLeadershipLost) {
		t.Fatal(err)
	}
	if err := lostLeadership(t, faults{unknownAsNotDone: true}); errors.Is(err, ErrOutcomeUnknown) {
		t.Fatal("the broken promise was not noticed")
	}
}

func TestCloseAnswersWhatIsInFlightAndRefusesTheRest(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(leaderIndex)
		n, l := openNode(t, vfs.NewMem(), hold.option)
		mustServe(t, n)
		inFlight := proposeLater(t.Context(), n, "in time")
		synctest.Wait()
		waits := make(chan error, 1)
		go func() { waits <- n.Wait(t.Context(), leaderIndex+1) }()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- n.Close(t.Context()) }()
		synctest.Wait()
		if _, err := n.Propose(t.Context(), []byte("late")); !errors.Is(err, ErrClosed) {
			t.Errorf("late: %v", err)
		}
		close(hold.release)
		if err := errors.Join(<-inFlight, <-waits, <-closed); err != nil {
			t.Error(err)
		}
		for _, err := range []error{
			n.Wait(t.Context(), 1), n.Snapshot(t.Context()),
			func() error { _, err := n.ReadIndex(t.Context()); return err }(),
		} {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("after close: %v", err)
			}
		}
		if got := fmt.Sprint(l.commands()); got != "[in time]" || n.Err() != nil {
			t.Errorf("commands %s, err %v", got, n.Err())
		}
	})
}

func TestCloseDoesNotWaitLongerThanItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(leaderIndex)
		n, _ := openNode(t, vfs.NewMem(), hold.option)
		mustServe(t, n)
		inFlight := proposeLater(t.Context(), n, "stuck")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		closed := make(chan error, 1)
		go func() { closed <- n.Close(ctx) }()
		if err := <-inFlight; !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, ErrClosed) {
			t.Errorf("in flight: %v", err)
		}
		close(hold.release) // raft itself ends only with the apply under way
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

func TestCloseDuringLoadLosesNothingAcknowledged(t *testing.T) {
	for round := range 5 {
		fs := vfs.NewMem()
		n, l := openNode(t, fs)
		var g sync.WaitGroup
		var mu sync.Mutex
		acked := map[string]bool{}
		for c := range 8 {
			g.Add(1)
			go func() {
				defer g.Done()
				for i := 0; ; i++ {
					command := fmt.Sprintf("%d/%d", c, i)
					_, err := n.Propose(context.Background(), []byte(command))
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Errorf("round %d: %v", round, err)
						}
						return
					}
					mu.Lock()
					acked[command] = true
					mu.Unlock()
				}
			}()
		}
		eventually(t, "some load", func() bool { return len(l.commands()) > 50 })
		closeNode(t, n)
		g.Wait()
		has := map[string]bool{}
		for _, c := range l.commands() {
			has[c] = true
		}
		for c := range acked {
			if !has[c] {
				t.Errorf("round %d: %q is missing", round, c)
			}
		}
	}
}
