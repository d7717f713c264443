package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"
)

// call is the i-th call of one of those that make calls at the same time.
type call func(ctx context.Context, worker, i int) error

// load is what making calls came to.
type load struct {
	elapsed time.Duration
	cpu     time.Duration   // of this process, all nodes and clients included
	took    []time.Duration // by each call, sorted
}

// rate returns calls a second.
func (l *load) rate() float64 { return float64(len(l.took)) / l.elapsed.Seconds() }

// quantile returns what a part of the calls did not take longer than.
func (l *load) quantile(part float64) time.Duration {
	if len(l.took) == 0 {
		return 0
	}
	return l.took[max(0, int(math.Ceil(part*float64(len(l.took))))-1)]
}

// add joins what was measured at another time.
func (l *load) add(other load) {
	l.elapsed += other.elapsed
	l.cpu += other.cpu
	l.took = append(l.took, other.took...)
	slices.Sort(l.took)
}

// figure fills in what a load says.
func (l *load) figure(measure, name string) figure {
	return figure{
		Measure: measure, Case: name, Value: l.rate(), Unit: "/s",
		CPUus: float64(l.cpu.Microseconds()) / float64(max(1, len(l.took))),
		P50ms: inMilliseconds(l.quantile(0.5)), P99ms: inMilliseconds(l.quantile(0.99)),
	}
}

// drive has so many calls in flight for a while: each answer is followed by the
// next call. The first call that fails ends it.
func drive(ctx context.Context, inFlight int, d time.Duration, c call) (load, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([][]time.Duration, inFlight)
	cpuBefore, err := cpuTime()
	if err != nil {
		return load{}, err
	}
	begun := time.Now()
	var workers sync.WaitGroup
	for w := range inFlight {
		workers.Go(func() {
			for i := 0; time.Since(begun) < d && ctx.Err() == nil; i++ {
				before := time.Now()
				if err := c(ctx, w, i); err != nil {
					cancel(err)
					return
				}
				took[w] = append(took[w], time.Since(before))
			}
		})
	}
	workers.Wait()
	l := load{elapsed: time.Since(begun), took: slices.Concat(took...)}
	slices.Sort(l.took)
	cpuAfter, err := cpuTime()
	l.cpu = cpuAfter - cpuBefore
	return l, errors.Join(context.Cause(ctx), err)
}

// turns is how often the sides of a comparison take turns.
const turns = 5

// compare drives several calls in turns, so that whatever else the machine does
// falls on all of them. Each is driven for d in all.
func compare(ctx context.Context, inFlight int, d time.Duration, sides ...call) ([]load, error) {
	loads := make([]load, len(sides))
	for range turns {
		for i, side := range sides {
			l, err := drive(ctx, inFlight, d/turns, side)
			if err != nil {
				return nil, err
			}
			loads[i].add(l)
		}
	}
	return loads, nil
}
