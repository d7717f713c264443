package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tupelodb/tupelo/bench/dataset"
)

// Cell is one run.
type Cell struct {
	// Target has been prepared and loaded with Set; TargetName and TargetVersion
	// are for the result.
	Target                    Target
	TargetName, TargetVersion string
	Set                       *dataset.Set
	// Workload is one of [Workloads].
	Workload string
	// InFlight is how many calls are under way at once; with a Rate, at most.
	InFlight int
	// Rate is how many calls are due in a second; 0 for a closed loop.
	Rate float64
	// Connections is how many the target has.
	Connections int
	// WarmUp comes before the run of this Duration and is not measured.
	WarmUp, Duration time.Duration
	// Prefix begins the ids of what is written. No two runs on a server may have one.
	Prefix string
	// PIDs are those of the server's processes, whose children count too.
	PIDs []int
	// Commit is this program's, for the result.
	Commit string
	// Progress, if not nil, is told a few times a second how many calls have been
	// answered in the measured time so far.
	Progress func(ops int64, elapsed time.Duration)

	// poolLimit bounds how many requests are made ahead, for tests.
	poolLimit int
}

// graceLimit bounds how long calls that are under way may go on after a run's end.
// It is a variable for tests alone.
var graceLimit = defaultGrace

const defaultGrace = 10 * time.Second

// Validate looks for what can only be a mistake, in what Run is told of the load. The
// error wraps [ErrCell].
func (c *Cell) Validate() error {
	w, err := workloadOf(c.Workload)
	switch {
	case err != nil:
		return err
	case w.imports:
		return fmt.Errorf("%w: an import is measured when it is done", ErrCell)
	case c.InFlight < 1 || c.InFlight > 65536:
		return fmt.Errorf("%w: %d in flight are none of 1 to 65536", ErrCell, c.InFlight)
	case c.Rate < 0 || c.Rate > 10_000_000:
		return fmt.Errorf("%w: %v a second are none of 0 to 10,000,000", ErrCell, c.Rate)
	case c.Duration <= 0 || c.WarmUp < 0:
		return fmt.Errorf("%w: it must last longer than nothing", ErrCell)
	case c.Prefix == "":
		return fmt.Errorf("%w: what it writes needs a prefix", ErrCell)
	}
	return nil
}

// Run measures a cell. A result with wrong answers or errors in it is no error of
// Run, nor is one that says that the target does not support the workload. If ctx
// ends, the result is of what was done until then, beside the error.
func Run(ctx context.Context, c Cell) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w, err := workloadOf(c.Workload)
	if err != nil {
		return nil, err
	}
	r := c.result(w)
	d, err := newDriver(ctx, &c, w)
	if errors.Is(err, ErrNotSupported) {
		r.NotSupported = err.Error()
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.close()
	if c.WarmUp > 0 {
		d.run(ctx, c.WarmUp, false)
		d.forget()
	}
	m, err := startMeter(c.PIDs)
	if err != nil {
		return nil, err
	}
	r.Started = time.Now().UTC()
	elapsed := d.run(ctx, c.Duration, true)
	usage, err := m.stop()
	if err != nil {
		return nil, err
	}
	d.prove(ctx)
	if err := d.collect(r, elapsed); err != nil {
		return nil, err
	}
	r.take(usage)
	return r, context.Cause(ctx)
}

// result is what is known before the run.
func (c *Cell) result(w workload) *Result {
	r := &Result{
		Version: ResultVersion, Target: c.TargetName, TargetVersion: c.TargetVersion, Verified: c.TargetName != "echo",
		DataSet: c.Set.Name, Tuples: c.Set.Count(), Seed: c.Set.Seed,
		Workload: c.Workload, Mode: "closed", InFlight: c.InFlight, Connections: max(1, c.Connections),
		WarmUpSeconds: c.WarmUp.Seconds(), ItemsPerOp: 1, Machine: describeMachine(c.Commit),
	}
	if c.Rate > 0 {
		r.Mode = "open"
	}
	if w.kind == dataset.BatchCheck {
		r.ItemsPerOp = dataset.BatchSize
	}
	return r
}

// driver has the workers of a run.
type driver struct {
	cell    *Cell
	work    workload
	workers []*worker
	logs    []*log
	watch   *watching // of a watch alone
	// scheduled and unsent are of the measured part of an open loop.
	scheduled, unsent int64
	inTime            atomic.Int64
}

func newDriver(ctx context.Context, c *Cell, w workload) (*driver, error) {
	d := &driver{cell: c, work: w}
	if w.kind == dataset.Watch {
		var err error
		if d.watch, err = startWatching(ctx, c); err != nil {
			return nil, err
		}
	}
	pools, err := makePools(c, w)
	if err != nil {
		d.close()
		return nil, err
	}
	for range min(c.InFlight, maxLogs) {
		d.logs = append(d.logs, newLog())
	}
	for i := range c.InFlight {
		pool := pools[i%len(pools)]
		d.workers = append(d.workers, &worker{
			driver: d, lane: i, log: d.logs[i%len(d.logs)],
			pool: pool, next: i * 7919, // so that no two send the same at once
			writes: c.Set.Writes(fmt.Sprintf("%s-%d", c.Prefix, i)),
		})
	}
	return d, nil
}

func (d *driver) close() {
	if d.watch != nil {
		d.watch.stop()
	}
}

// run has the workers work for a while, and returns how long it was until the last
// call that was begun in it had ended.
func (d *driver) run(ctx context.Context, lasts time.Duration, measured bool) time.Duration {
	calls, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	start := time.Now()
	end := start.Add(lasts)
	timer := time.AfterFunc(lasts+graceLimit, func() { giveUp(errUnfinished) })
	defer timer.Stop()
	if measured {
		defer d.cell.tell(d.answered, start)()
	}
	var due chan time.Time
	if d.cell.Rate > 0 {
		due = make(chan time.Time)
	}
	var all sync.WaitGroup
	for _, w := range d.workers {
		all.Go(func() {
			if due != nil {
				w.open(calls, due, end, measured)
			} else {
				w.closed(calls, end, measured)
			}
		})
	}
	if due != nil {
		d.schedule(calls, due, start, end, measured)
	}
	all.Wait()
	return time.Since(start)
}

// progressEvery is how often progress is told.
const progressEvery = 200 * time.Millisecond

// tell has the cell's Progress told how many there are, until it is stopped.
func (c *Cell) tell(count func() int64, started time.Time) (stop func()) {
	if c.Progress == nil {
		return func() {}
	}
	stopped := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stopped:
				return
			case <-ticker.C:
				c.Progress(count(), time.Since(started))
			}
		}
	})
	return func() {
		close(stopped)
		done.Wait()
	}
}

func (d *driver) answered() (all int64) {
	for _, w := range d.workers {
		all += w.answered.Load()
	}
	return all
}

// forget forgets what the warm-up measured, but not what was wrong in it.
func (d *driver) forget() {
	for _, l := range d.logs {
		l.forget()
	}
	for _, w := range d.workers {
		w.answered.Store(0)
	}
}
