package raft

import (
	"container/heap"
	"context"
	"math"
	"sync"
	"sync/atomic"
)

// watermark is how far the state machine has come, and who waits for it to come
// further. It counts raft's own entries too, and moves only after the commands
// before it have been applied (R6). hashicorp/raft's AppliedIndex will not do:
// it moves when entries are handed over, before they are applied.
//
// Waiting costs no goroutine and no polling: whoever moves the mark wakes the
// waiters it has passed.
type watermark struct {
	reached atomic.Uint64

	mu      sync.Mutex
	waiters waiterHeap
	entered uint64 // waiters so far
	ended   error  // why nobody waits any more
}

type waiter struct {
	index uint64
	count uint64     // of the waiters until it, itself included
	place int        // in the heap; -1 once out of it
	done  chan error // buffered: the waiter may have left
}

// load returns the mark.
func (w *watermark) load() uint64 { return w.reached.Load() }

// advance moves the mark up to index and wakes who waited for that.
func (w *watermark) advance(index uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if index <= w.reached.Load() {
		return
	}
	w.reached.Store(index)
	for len(w.waiters) > 0 && w.waiters[0].index <= index {
		heap.Pop(&w.waiters).(*waiter).done <- nil
	}
}

// wait returns when the mark has reached index, or with the reason why it will
// not. hopeless is asked once the waiter is in its place, so that what it is
// told, or what refuse is told later, reaches the waiter in any case.
func (w *watermark) wait(ctx context.Context, index uint64, hopeless func() error) error {
	if w.reached.Load() >= index {
		return nil
	}
	me, err := w.enter(index)
	if me == nil {
		return err
	}
	if err := hopeless(); err != nil {
		w.leave(me)
		return err
	}
	select {
	case err := <-me.done:
		return err
	case <-ctx.Done():
		w.leave(me)
		return ctx.Err()
	}
}

// enter adds a waiter, unless there is nothing to wait for.
func (w *watermark) enter(index uint64) (*waiter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reached.Load() >= index {
		return nil, nil
	}
	if w.ended != nil {
		return nil, w.ended
	}
	w.entered++
	me := &waiter{index: index, count: w.entered, done: make(chan error, 1)}
	heap.Push(&w.waiters, me)
	return me, nil
}

func (w *watermark) leave(me *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if me.place >= 0 {
		heap.Remove(&w.waiters, me.place)
	}
}

// count returns how many waiters there were so far.
func (w *watermark) count() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entered
}

// refuse wakes, with an error, those of the first so many waiters who wait for more
// than index.
func (w *watermark) refuse(first, index uint64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kept waiterHeap
	for _, me := range w.waiters {
		if me.count > first || me.index <= index {
			me.place = len(kept)
			kept = append(kept, me)
			continue
		}
		me.place = -1
		me.done <- err
	}
	heap.Init(&kept)
	w.waiters = kept
}

// end wakes everybody with the reason why the mark stands still for good.
func (w *watermark) end(reason error) {
	w.mu.Lock()
	w.ended = reason
	w.mu.Unlock()
	w.refuse(math.MaxUint64, 0, reason)
}

// waiterHeap has the smallest index on top.
type waiterHeap []*waiter

func (h waiterHeap) Len() int           { return len(h) }
func (h waiterHeap) Less(i, j int) bool { return h[i].index < h[j].index }

func (h waiterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push implements heap.Interface.
func (h *waiterHeap) Push(x any) {
	me := x.(*waiter)
	me.place = len(*h)
	*h = append(*h, me)
}

// Pop implements heap.Interface.
func (h *waiterHeap) Pop() any {
	last := len(*h) - 1
	me := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	me.place = -1
	return me
}
