package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Fill gives the cell's target the set's schema and tuples and measures that, as the
// workload [Import]. It judges a sample of answers afterwards, which counts as proofs.
// Of the cell it needs the target and its names, the set, and what results tell.
func Fill(ctx context.Context, c Cell) (*Result, error) {
	c.Workload, c.InFlight, c.Rate, c.WarmUp = Import, 1, 0, 0
	r := c.result(workload{imports: true})
	r.Mode = "import"
	if err := c.Target.Prepare(ctx, c.Set, false); err != nil {
		return nil, fmt.Errorf("writing the schema: %w", err)
	}
	m, err := startMeter(c.PIDs)
	if err != nil {
		return nil, err
	}
	r.Started = time.Now().UTC()
	var sent atomic.Int64
	stopProgress := c.tell(sent.Load, r.Started)
	err = c.Target.Load(ctx, func(yield func(tuple.Named) bool) {
		for t := range c.Set.Tuples() {
			if ctx.Err() != nil || !yield(t) {
				return
			}
			sent.Add(1)
		}
	})
	stopProgress()
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("loading %d tuples, after %d: %w", c.Set.Count(), sent.Load(), err)
	}
	r.Seconds = time.Since(r.Started).Seconds()
	used, err := m.stop()
	if err != nil {
		return nil, err
	}
	r.Ops = sent.Load()
	r.OpsPerSecond = float64(r.Ops) / r.Seconds
	r.take(used)
	return r, c.sample(ctx, r, dataset.FullyConsistent)
}

// Limits of [Settle]. SpiceDB answers of a revision of up to 5 s ago by default.
const (
	settleLimit = time.Minute
	settlePause = 100 * time.Millisecond
	sampleSize  = 300
)

// Settle waits until the target's answers are right that are asked for with the
// least latency, as they need not be right after loading, and returns how long that
// was: until it was asked the first of the sample that came out right. SpiceDB does
// not even know its schema then. The error wraps [ErrUnsettled] if it takes longer
// than a minute, and [ErrSlow] if the questions alone do.
func Settle(ctx context.Context, c Cell) (time.Duration, error) {
	started := time.Now()
	for {
		r, took := &Result{}, time.Since(started)
		sampling, cancel := context.WithTimeoutCause(ctx, settleLimit, ErrSlow)
		err := c.sample(sampling, r, dataset.MinimizeLatency)
		slow := sampling.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return took, context.Cause(ctx)
		case err == nil && r.Wrong == 0:
			return took, nil
		case slow:
			return took, fmt.Errorf("%w: %d of %d questions in %v, one after another", ErrSlow, r.Proofs, sampleSize, settleLimit)
		case took > settleLimit && err != nil:
			return took, fmt.Errorf("%w, %v after loading: %w", ErrUnsettled, took.Round(time.Second), err)
		case took > settleLimit:
			return took, fmt.Errorf("%w, %v after loading: %s", ErrUnsettled, took.Round(time.Second), r.WrongExamples[0])
		}
		select {
		case <-ctx.Done():
		case <-time.After(settlePause):
		}
	}
}

// sample asks for checks all over the set, and notes what is wrong.
func (c *Cell) sample(ctx context.Context, r *Result, consistency dataset.Consistency) error {
	next := c.Set.Reads(dataset.Check, sampleStream)
	for range sampleSize {
		o := next()
		o.Consistency = consistency
		call, err := c.Target.Request(o, 0)
		if errors.Is(err, ErrNotSupported) {
			return nil // Settle asks with less
		}
		var answer dataset.Answer
		if err == nil {
			answer, err = call(ctx)
		}
		if err != nil {
			return fmt.Errorf("asking after loading: %w", err)
		}
		r.Proofs++
		if wrong := o.Wrong(answer); wrong != "" {
			r.Wrong++
			r.WrongExamples = firstOf(r.WrongExamples, []string{wrong})
		}
	}
	return nil
}

// sampleStream is the stream of checks that a sample is.
const sampleStream = 1 << 41
