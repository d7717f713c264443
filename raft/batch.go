package raft

import (
	"context"
	"sync"
)

// batch lets callers who come while one run is under way share the next. A run
// serves only who was there before it began.
//
// The next run begins as soon as one has ended, and does not wait for more
// callers: the busier the nodes are the longer a run takes, and the more share
// the one after it.
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
}

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// share waits, within ctx, for a run of f that begins after the call. If several
// share one, the f of the first of them is run. f must end when the node stops.
func (b *batch) share(ctx context.Context, n *Node, f func() (uint64, error)) (uint64, error) {
	r := b.enter(n, f)
	if r == nil {
		return 0, n.reason.Load()
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
		r, previous := &run{done: make(chan struct{})}, b.current
		if !n.spawn(func() { b.run(previous, r, f) }) {
			return nil
		}
		b.next = r
	}
	return b.next
}

// run waits for the run before, closes this one to newcomers, and does it.
func (b *batch) run(previous, r *run, f func() (uint64, error)) {
	if previous != nil {
		<-previous.done
	}
	b.mu.Lock()
	b.next, b.current = nil, r
	b.mu.Unlock()
	r.index, r.err = f()
	close(r.done)
}
