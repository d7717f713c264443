package raft

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

func TestALoneVoterLeadsWithoutWaitingForAnElection(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		begun := time.Now()
		n, _ := openNode(t, vfs.NewMem())
		mustServe(t, n)
		// Virtual time: it stands still unless somebody waits for a timer.
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("it took %v", waited)
		}
		s := n.Status()
		if s.Role != "leader" || !s.Serving || s.Leader != "n1" || s.Term != 2 || s.AppliedIndex != leaderIndex {
			t.Errorf("status %+v", s)
		}
		closeNode(t, n)
		if s := n.Status(); s.Role != "shutdown" || s.Serving || s.LogBytes != 0 {
			t.Errorf("status after close %+v", s)
		}
	})
}

func TestALoneVoterThatIsNotToldToStandStandsByItself(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, _ := openNode(t, vfs.NewMem(), func(o *Options, _ *ledger) {
			_, o.Transport = hraft.NewInmemTransport("n1")
			o.Peers, o.Members = noPeers{}, []Member{{"n1", "n1", true}}
		})
		mustPropose(t, n, "x") // it waits for the election
		closeNode(t, n)
	})
}

// readsEarly asks for a read index while the term's leader command is not
// applied, and reports whether there was an answer.
func readsEarly(t *testing.T, f faults) (early bool) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(0)
		n, _ := openNode(t, vfs.NewMem(), hold.option, func(o *Options, _ *ledger) { o.faults = f })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := n.ReadIndex(ctx)
		early = err == nil
		if err != nil && !errors.Is(err, ErrNoLeader) {
			t.Error(err)
		}
		close(hold.release)
		if index := mustServe(t, n); index < leaderIndex {
			t.Errorf("read index %d", index)
		}
		closeNode(t, n)
	})
	return early
}

func TestAReadIndexNeedsACommandOfTheOwnTerm(t *testing.T) {
	kept(t, readsEarly, faults{readIndexWithoutTerm: true})
}

func TestTheProofOfOneTermIsNoneForAnother(t *testing.T) {
	n, _ := openNode(t, vfs.NewMem())
	mustServe(t, n)
	n.leadership.set(role{open: true, ready: n.raft.CurrentTerm() + 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.ReadIndex(ctx); !errors.Is(err, ErrNoLeader) {
		t.Error(err)
	}
}

// waitsEarly waits for a command whose apply is held up, and reports whether the
// wait ended before it was applied.
func waitsEarly(t *testing.T, f faults) (early bool) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(leaderIndex)
		n, l := openNode(t, vfs.NewMem(), hold.option, func(o *Options, _ *ledger) { o.faults = f })
		mustServe(t, n)
		proposeLater(t.Context(), n, "x")
		synctest.Wait()
		index := mustServe(t, n)
		if index != leaderIndex+1 {
			t.Errorf("read index %d", index)
		}
		done := make(chan error, 1)
		go func() { done <- n.Wait(t.Context(), index) }()
		synctest.Wait()
		select {
		case <-done:
			early = true
			close(hold.release)
		default:
			close(hold.release)
			if err := <-done; err != nil || l.Applied() < index {
				t.Errorf("%v, applied %d", err, l.Applied())
			}
		}
		closeNode(t, n)
	})
	return early
}

func TestAWaitEndsOnlyWhenTheCommandHasBeenApplied(t *testing.T) {
	kept(t, waitsEarly, faults{wakeBeforeApply: true})
}

func TestAnIndexOfAnotherHistoryIsAheadAtOnce(t *testing.T) {
	n, _ := openNode(t, vfs.NewMem())
	mustPropose(t, n, "x")
	if err := n.Wait(t.Context(), leaderIndex+1); err != nil {
		t.Error(err)
	}
	if err := n.Wait(t.Context(), leaderIndex+2); !errors.Is(err, ErrAhead) {
		t.Error(err)
	}
}

func TestWhoWaitsForAnotherHistoryBeforeTheTermBeginsIsToldThen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		hold := holdApply(0)
		n, _ := openNode(t, vfs.NewMem(), hold.option)
		ahead, reachable := make(chan error, 1), make(chan error, 1)
		go func() { ahead <- n.Wait(t.Context(), 1000) }()
		go func() { reachable <- n.Wait(t.Context(), leaderIndex) }()
		synctest.Wait()
		close(hold.release)
		if err := <-ahead; !errors.Is(err, ErrAhead) {
			t.Error(err)
		}
		if err := <-reachable; err != nil {
			t.Error(err)
		}
		closeNode(t, n)
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, _ := openNode(t, vfs.NewMem(), lonely)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := n.Wait(ctx, 5)
		var own *Error
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &own) {
			t.Error(err)
		}
		if len(n.watermark.waiters) != 0 {
			t.Error("the waiter was left behind")
		}
		closeNode(t, n)
	})
}

// TestReadsSeeEveryWriteAcknowledgedBefore is the linearizability of a counter:
// who reads at a read index finds at least what was acknowledged when the read began.
func TestReadsSeeEveryWriteAcknowledgedBefore(t *testing.T) {
	n, l := openNode(t, vfs.NewMem())
	var acked atomic.Int64
	var writers, readers sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := range 100 {
				if _, err := n.Propose(testContext(t), fmt.Appendf(nil, "%d/%d", w, i)); err != nil {
					t.Error(err)
					return
				}
				acked.Add(1)
			}
		}()
	}
	var reads atomic.Int64
	for range 4 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				before := acked.Load()
				index, err := n.ReadIndex(testContext(t))
				if err == nil {
					err = n.Wait(testContext(t), index)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if got := int64(len(l.commands())); got < before {
					t.Errorf("%d commands at read index %d, %d were acknowledged", got, index, before)
					return
				}
				reads.Add(1)
				select {
				case <-stop:
					return
				default:
				}
			}
		}()
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	t.Logf("%d reads beside %d writes", reads.Load(), acked.Load())
}

func TestATermThatBeginsAnewBeginsWithItsOwnLeaderCommand(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n, l := openNode(t, vfs.NewMem())
		mustPropose(t, n, "one")
		term := n.Status().Term
		// The message a leader gets from one who hands over: it stands again.
		n.standAtOnce()
		synctest.Wait()
		mustPropose(t, n, "two")
		if s := n.Status(); s.Term <= term || !s.Serving {
			t.Errorf("status %+v after term %d", s, term)
		}
		if got := fmt.Sprint(l.records); got != "[{3 leader} {4 one} {6 leader} {7 two}]" {
			t.Error(got)
		}
		closeNode(t, n)
	})
}

// A change of the membership may begin to hold commands back while a transfer does,
// and goes on when the transfer has ended.
func TestTheGateIsShutUntilNobodyHoldsIt(t *testing.T) {
	l := newLeadership()
	l.set(role{open: true})
	first, second := l.hold(), l.hold()
	for i, release := range []func(){first, second} {
		if l.load().passes() {
			t.Errorf("commands pass while %d hold the gate", 2-i)
		}
		l.set(role{open: true, ready: uint64(i)})
		release()
	}
	if !l.load().passes() {
		t.Error("no command passes, and nobody holds the gate")
	}
}
