package api

import (
	"context"
	"sync"
	"time"
)

// limitedContext is a call's context that ends at an instant too. Most waits are
// over before they begin, as what they wait for is there: so the timer, and what
// tells others of the end, are made only for who asks for Done.
type limitedContext struct {
	context.Context // the call's
	deadline        time.Time

	mu      sync.Mutex
	derived context.Context // nil until somebody asks for Done
	cancel  context.CancelFunc
}

// withLimit returns a context with at most so much time. Its end must be called.
func withLimit(ctx context.Context, limit time.Duration) *limitedContext {
	return &limitedContext{Context: ctx, deadline: time.Now().Add(limit)}
}

// end lets go of what was made for Done.
func (l *limitedContext) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		l.cancel()
	}
}

// Deadline implements context.Context.
func (l *limitedContext) Deadline() (time.Time, bool) {
	if earlier, ok := l.Context.Deadline(); ok && earlier.Before(l.deadline) {
		return earlier, true
	}
	return l.deadline, true
}

// Done implements context.Context.
func (l *limitedContext) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.derived == nil {
		if earlier, ok := l.Context.Deadline(); ok && earlier.Before(l.deadline) {
			l.derived = l.Context // which ends before the limit, by a timer of its own
		} else {
			l.derived, l.cancel = context.WithDeadline(l.Context, l.deadline)
		}
	}
	return l.derived.Done()
}

// Err implements context.Context.
func (l *limitedContext) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.derived != nil {
		return l.derived.Err()
	}
	if err := l.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(l.deadline) {
		return context.DeadlineExceeded
	}
	return nil
}
