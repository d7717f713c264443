package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// schedule says when calls are due: at random times, as many people who know
// nothing of each other would call, which the seed decides about. It waits for a
// worker if all are busy, and the times do not wait with it.
func (d *driver) schedule(ctx context.Context, due chan<- time.Time, start, end time.Time, measured bool) {
	defer close(due)
	r := rand.New(rand.NewPCG(d.cell.Set.Seed, scheduleStream))
	for at := d.after(r, start); at.Before(end); at = d.after(r, at) {
		time.Sleep(time.Until(at))
		if ctx.Err() == nil {
			select {
			case due <- at:
				if measured {
					d.scheduled++
				}
				continue
			case <-ctx.Done():
			}
		}
		if measured && errors.Is(context.Cause(ctx), errUnfinished) {
			d.neverSent(r, at, end)
		}
		return
	}
}

// after returns when the next call is due.
func (d *driver) after(r *rand.Rand, at time.Time) time.Time {
	return at.Add(time.Duration(r.ExpFloat64() / d.cell.Rate * float64(time.Second)))
}

// scheduleStream is the stream of random numbers that times are drawn from.
const scheduleStream = 1 << 40

// neverSent counts a call and all that were due after it, with the time that they
// have waited: they would have been answered later than that.
func (d *driver) neverSent(r *rand.Rand, at, end time.Time) {
	for now := time.Now(); at.Before(end); at = d.after(r, at) {
		d.scheduled++
		d.unsent++
		d.logs[0].unsent(now.Sub(at))
	}
}
