package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tupelodb/tupelo/bench/dataset"
)

// prepared is an operation and its call.
type prepared struct {
	operation dataset.Operation
	call      Call
}

// makePools makes the reads of a workload ahead, for each connection its own.
func makePools(c *Cell, w workload) ([][]prepared, error) {
	lanes := min(max(1, c.Connections), c.InFlight)
	pools := make([][]prepared, lanes)
	if w.kind == dataset.Write || w.writesPercent > 0 {
		write, _ := c.Set.Writes(c.Prefix).Next()
		if _, err := c.Target.Request(write, 0); err != nil {
			return nil, err // it is not supported, and shall not be found out in the middle
		}
	}
	if w.kind == dataset.Write || w.kind == dataset.Watch {
		return pools, nil
	}
	size := w.poolSize()
	if c.poolLimit > 0 {
		size = min(size, c.poolLimit)
	}
	var group errgroup.Group
	for lane := range lanes {
		group.Go(func() error {
			next := c.Set.Reads(w.kind, uint64(lane)+1)
			pool := make([]prepared, max(1, size/lanes))
			for i := range pool {
				o := next()
				o.Consistency = w.consistency
				call, err := c.Target.Request(o, lane)
				if err != nil {
					return err
				}
				pool[i] = prepared{o, call}
			}
			pools[lane] = pool
			return nil
		})
	}
	return pools, group.Wait()
}

// worker makes one call after another.
type worker struct {
	driver *driver
	lane   int
	log    *log
	pool   []prepared
	next   int
	writes *dataset.Writes
	// turn counts the operations of a workload that writes; proof is the check that
	// is to follow a write.
	turn  int
	proof *dataset.Operation
	// last are the proofs of the last writes, to be asked for after the run.
	last     []dataset.Operation
	answered atomic.Int64
}

// closed works until end, and makes one call at least.
func (w *worker) closed(ctx context.Context, end time.Time, measured bool) {
	for {
		now := time.Now()
		w.do(ctx, now, now, end, measured)
		if ctx.Err() != nil || !time.Now().Before(end) {
			return
		}
	}
}

// open does what is due.
func (w *worker) open(ctx context.Context, due <-chan time.Time, end time.Time, measured bool) {
	for at := range due {
		w.do(ctx, at, time.Now(), end, measured)
	}
}

// do makes the next call, which was due at some time.
func (w *worker) do(ctx context.Context, due, begun, end time.Time, measured bool) {
	operation, call, err := w.step()
	var answer dataset.Answer
	if err == nil {
		answer, err = call(ctx)
	}
	ended := time.Now()
	if err != nil {
		w.log.failed(codeOf(ctx, err), err)
		w.proof = nil // what has become of a write is not known
		return
	}
	w.log.answered(operation.Kind, ended.Sub(due), ended.Sub(begun), w.driver.cell.Rate > 0, operation.Wrong(answer))
	w.answered.Add(1)
	if measured && w.driver.cell.Rate > 0 && ended.Before(end) {
		w.driver.inTime.Add(1)
	}
	if operation.Kind == dataset.Write {
		w.written(answer.Token)
	}
}

// written gives the token of a write to the check that proves it.
func (w *worker) written(token string) {
	if w.proof != nil {
		w.proof.Token = token
	} else if n := len(w.last); n > 0 {
		w.last[n-1].Token = token
	}
}

// step returns what is next.
func (w *worker) step() (*dataset.Operation, Call, error) {
	work := w.driver.work
	switch {
	case work.kind == dataset.Write:
		next := w.writes.Next
		if w.turn++; w.turn%3 == 0 {
			next = w.writes.Give // one that stays, beside one that is taken away again
		}
		write, proof := next()
		w.remember(proof)
		call, err := w.driver.cell.Target.Request(write, w.lane)
		return &write, call, err
	case work.kind == dataset.Watch:
		return w.driver.watch.step(w)
	case work.writesPercent > 0:
		return w.mixed(work.writesPercent)
	}
	p := &w.pool[w.next%len(w.pool)]
	w.next++
	return &p.operation, p.call, nil
}

// mixed returns a write whenever it is time for one, then the check that proves it,
// and else a check.
func (w *worker) mixed(percent int) (*dataset.Operation, Call, error) {
	w.turn++
	if w.proof != nil {
		proof := w.proof
		w.proof = nil
		call, err := w.driver.cell.Target.Request(*proof, w.lane)
		return proof, call, err
	}
	if every := 100 / percent; w.turn%every == w.lane%every {
		write, proof := w.writes.Next()
		w.proof = &proof
		call, err := w.driver.cell.Target.Request(write, w.lane)
		return &write, call, err
	}
	p := &w.pool[w.next%len(w.pool)]
	w.next++
	return &p.operation, p.call, nil
}

// Of how many workers, and how many each, the last writes are asked for after a run.
const (
	proversAtMost = 64
	proofsKept    = 8
)

func (w *worker) remember(proof dataset.Operation) {
	if n := len(w.last); n > 0 && w.last[n-1].Ask == proof.Ask {
		w.last = w.last[:n-1] // taken away again
	}
	if len(w.last) == proofsKept {
		w.last = append(w.last[:0], w.last[1:]...)
	}
	w.last = append(w.last, proof)
}

// prove asks for what was written last (L4). If a write has failed nobody knows
// what is right, and nothing is asked.
func (d *driver) prove(ctx context.Context) {
	ctx, cancel := context.WithTimeoutCause(ctx, graceLimit, errUnfinished)
	defer cancel()
	var all sync.WaitGroup
	for _, w := range d.workers[:min(len(d.workers), proversAtMost)] {
		if len(w.log.errors) == 0 {
			all.Go(func() { w.prove(ctx) })
		}
	}
	all.Wait()
}

func (w *worker) prove(ctx context.Context) {
	for _, o := range w.last {
		call, err := w.driver.cell.Target.Request(o, w.lane)
		var answer dataset.Answer
		if err == nil {
			answer, err = call(ctx)
		}
		if err != nil {
			w.log.failed(codeOf(ctx, err), err)
			return
		}
		w.log.proved(o.Wrong(answer))
	}
}
