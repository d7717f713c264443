package raft

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

func hopeful() error { return nil }

func TestTheMarkWakesExactlyThoseItHasPassed(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			w := &watermark{}
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex
			woken := map[uint64]int{}
			waiting := map[uint64]int{}
			for range 100 {
				index := rng.Uint64N(50) + 1
				waiting[index]++
				go func() {
					if w.wait(ctx, index, hopeful) == nil {
						mu.Lock()
						woken[index]++
						mu.Unlock()
					}
				}()
			}
			synctest.Wait()
			for mark := uint64(0); mark < 40; mark += rng.Uint64N(5) + 1 {
				w.advance(mark)
				w.advance(mark / 2) // never back
				synctest.Wait()
				for index, n := range waiting {
					want := 0
					if index <= mark {
						want = n
					}
					if woken[index] != want {
						t.Fatalf("mark %d: %d of %d waiters for %d are awake", mark, woken[index], n, index)
					}
				}
			}
			cancel()
			synctest.Wait()
			if len(w.waiters) != 0 {
				t.Errorf("%d waiters left behind", len(w.waiters))
			}
		})
	}
}

func TestRefusingWakesOnlyWhoWaitsForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watermark{}
		results := map[uint64]chan error{}
		for _, index := range []uint64{9, 3, 7, 5, 8, 4, 6} {
			done := make(chan error, 1)
			results[index] = done
			go func() { done <- w.wait(t.Context(), index, hopeful) }()
			synctest.Wait()
		}
		w.refuse(w.count(), 6, errBroken)
		for index := uint64(7); index <= 9; index++ {
			if err := <-results[index]; !errors.Is(err, errBroken) {
				t.Errorf("%d: %v", index, err)
			}
		}
		w.advance(5)
		for index := uint64(3); index <= 5; index++ {
			if err := <-results[index]; err != nil {
				t.Errorf("%d: %v", index, err)
			}
		}
		w.end(errBroken)
		if err := <-results[6]; !errors.Is(err, errBroken) {
			t.Error(err)
		}
		if err := w.wait(t.Context(), 100, hopeful); !errors.Is(err, errBroken) {
			t.Errorf("after the end: %v", err)
		}
		if err := w.wait(t.Context(), 5, hopeful); err != nil {
			t.Errorf("what is reached stays reached: %v", err)
		}
	})
}

func TestAHopelessWaiterLeaves(t *testing.T) {
	w := &watermark{}
	if err := w.wait(t.Context(), 1, func() error { return errBroken }); !errors.Is(err, errBroken) {
		t.Error(err)
	}
	if len(w.waiters) != 0 {
		t.Error("it stayed")
	}
}
