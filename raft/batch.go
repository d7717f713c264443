package raft

import (
	"context"
	"runtime"
	"sync"
	"time"
)

// batch lets callers who come while one run is under way share the next. A run
// serves only who was there before it began.
//
// The next run begins once one has ended and the goroutines that are ready have
// had their turn, and does not wait for callers that may come: the busier the
// nodes are the longer that takes, and the more share a run; on one that is idle
// it takes nothing.
type batch struct {
	mu      sync.Mutex
	next    *run // will begin when current is done
	current *run // has begun, and perhaps ended; nil before the first
}

// run is one answer for all who share it. It ends when the node stops.
type run struct {
	done  chan struct{}
	index uint64
	err   error

	// look is closed when the run is done, or takes so long that who waits for it
	// should look to its context. Nearly all runs are done before that, so their
	// callers need no timers and nothing of their contexts.
	look   chan struct{}
	looked sync.Once
}

// lookAfter is how long a caller may wait without looking to its context. It is
// long beside a run and short beside what contexts are made for.
const lookAfter = 5 * time.Millisecond

func newRun() *run { return &run{done: make(chan struct{}), look: make(chan struct{})} }

func (r *run) haveLook() { r.looked.Do(func() { close(r.look) }) }

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// share waits for a run of f that begins after the call; when ctx has ended, for
// no more than lookAfter. If several share one, the f of the first of them is
// run. f must end when the node stops.
func (b *batch) share(ctx context.Context, n *Node, f func() (uint64, error)) (uint64, error) {
	r := b.enter(n, f)
	if r == nil {
		return 0, n.reason.Load()
	}
	<-r.look
	if r.ended() {
		return r.index, r.err
	}
	select {
	case <-r.done:
		return r.index, r.err
	case <-ctx.Done():
		return 0, ErrNoLeader.because(ctx.Err(), "read index")
	}
}

// enter returns the run that is yet to begin; nil if the node has stopped.
func (b *batch) enter(n *Node, f func() (uint64, error)) *run {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n.options.faults.shareLateRounds && b.current != nil && !b.current.ended() {
		return b.current
	}
	if b.next == nil {
		r, previous := newRun(), b.current
		if !n.spawn(func() { b.run(previous, r, f) }) {
			return nil
		}
		b.next = r
	}
	return b.next
}

// run waits for the run before, closes this one to newcomers, and does it.
func (b *batch) run(previous, r *run, f func() (uint64, error)) {
	slow := time.AfterFunc(lookAfter, r.haveLook)
	if previous != nil {
		<-previous.done
	}
	runtime.Gosched() // who is about to come shares this one rather than the next
	b.mu.Lock()
	b.next, b.current = nil, r
	b.mu.Unlock()
	r.index, r.err = f()
	close(r.done)
	slow.Stop()
	r.haveLook()
}
