package raft

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// notAsked is a context that nobody should ask to be told of its end.
type notAsked struct {
	context.Context
	t *testing.T
}

func (c notAsked) Done() <-chan struct{} {
	c.t.Error("the context was asked to tell of its end")
	return c.Context.Done()
}

func TestAReadThatIsSoonAnsweredAsksNothingOfItsContext(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var b batch
		n := &Node{}
		index, err := b.share(notAsked{t.Context(), t}, n, func() (uint64, error) {
			time.Sleep(lookAfter / 2)
			return 7, nil
		})
		if index != 7 || err != nil {
			t.Errorf("%d, %v", index, err)
		}
		n.tasks.Wait()
	})
}

// A read that joined a slow run, and one that waits for the run after it, are both
// told of the ends of their contexts.
func TestAReadWaitsNoLongerThanAMomentOnceItsContextHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var b batch
		n := &Node{}
		slow := func() (uint64, error) { time.Sleep(time.Second); return 7, nil }
		for range 2 {
			for limit, want := range map[time.Duration]time.Duration{0: lookAfter, time.Millisecond: lookAfter, 50 * time.Millisecond: 50 * time.Millisecond} {
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), limit)
					defer cancel()
					begun := time.Now()
					_, err := b.share(ctx, n, slow)
					if took := time.Since(begun); took > want || want > lookAfter && took != want || !errors.Is(err, ErrNoLeader) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("with %v: %v after %v", limit, err, took)
					}
				}()
			}
			synctest.Wait() // the next come while this run is under way
			time.Sleep(lookAfter / 4)
		}
		if index, err := b.share(t.Context(), n, slow); index != 7 || err != nil {
			t.Errorf("who has time: %d, %v", index, err)
		}
		n.tasks.Wait()
	})
}
