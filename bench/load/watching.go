package load

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tupelodb/tupelo/bench/dataset"
)

// watching is one watch, and the writes that are waited for in it.
type watching struct {
	cell *Cell
	stop func()

	mu      sync.Mutex
	waiting map[string]*arrival // by object
	// wrong is what came that nobody waited for; each is told with the next write.
	wrong []string
	ended chan struct{} // closed when the watch has ended, which it should not
	err   error
}

// arrival is a change that is waited for.
type arrival struct {
	deleted bool
	came    chan struct{}
}

// startWatching writes something and has everything after it watched.
func startWatching(ctx context.Context, c *Cell) (*watching, error) {
	w := &watching{cell: c, waiting: make(map[string]*arrival), ended: make(chan struct{})}
	first, _ := c.Set.Writes(c.Prefix + "-first").Give()
	write, err := c.Target.Request(first, 0)
	if err != nil {
		return nil, err
	}
	watch := dataset.Operation{Kind: dataset.Watch, Deliver: w.deliver}
	if _, err := c.Target.Request(watch, 0); err != nil {
		return nil, err // it cannot, and so nothing is written
	}
	answer, err := write(ctx)
	if err != nil {
		return nil, fmt.Errorf("writing before a watch: %w", err)
	}
	watch.Token = answer.Token
	call, err := c.Target.Request(watch, 0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w.stop = func() {
		cancel()
		<-w.ended
	}
	go func() {
		defer close(w.ended)
		if _, w.err = call(ctx); w.err == nil {
			w.err = errors.New("the watch ended")
		}
	}()
	return w, nil
}

// deliver takes in a change.
func (w *watching) deliver(object string, deleted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.waiting[object]
	switch {
	case a != nil && a.deleted == deleted:
		delete(w.waiting, object)
		close(a.came)
	case strings.Contains(object, w.cell.Prefix): // others may write too
		w.wrong = append(w.wrong, fmt.Sprintf("a watch told of %s, deleted %v, which nobody did then", object, deleted))
	}
}

// step returns a write and the wait for its arrival, as one operation.
func (w *watching) step(by *worker) (*dataset.Operation, Call, error) {
	operation, _ := by.writes.Next()
	write, err := w.cell.Target.Request(operation, by.lane)
	if err != nil {
		return nil, nil, err
	}
	a := &arrival{operation.Delete, make(chan struct{})}
	object := operation.Ask.ObjectType + ":" + operation.Ask.ObjectID
	return &dataset.Operation{Kind: dataset.Watch}, func(ctx context.Context) (answer dataset.Answer, err error) {
		w.mu.Lock()
		w.waiting[object] = a
		for _, wrong := range w.wrong {
			by.log.proved(wrong)
		}
		w.wrong = nil
		w.mu.Unlock()
		if _, err := write(ctx); err != nil {
			return answer, err
		}
		select {
		case <-a.came:
			return answer, nil
		case <-ctx.Done():
			return answer, context.Cause(ctx)
		case <-w.ended:
			return answer, fmt.Errorf("waiting for a change: %w", w.err)
		}
	}, nil
}
