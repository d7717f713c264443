package clustertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
	"github.com/tupelodb/tupelo/raft/sim/registers"
)

// BenchmarkFailover is how long writes stand still when the leader is killed: from
// its SIGKILL to the first acknowledged write that was sent after it. Each round
// begins with three nodes that are well.
func BenchmarkFailover(b *testing.B) {
	ctx := untilInterrupted(b)
	c := &crowd{cluster: newCluster(b)}
	if err := c.begin(ctx); err != nil {
		b.Fatal(err)
	}
	if err := c.furnish(ctx); err != nil {
		b.Fatal(err)
	}
	a := newAdversary(c, 1)
	var took []time.Duration
	for b.Loop() {
		d, err := a.failOver(ctx)
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, d)
	}
	slices.Sort(took)
	at := func(share float64) float64 {
		return took[int(share*float64(len(took)-1)+0.5)].Seconds()
	}
	b.ReportMetric(0, "ns/op") // a round is more than its failover
	b.ReportMetric(at(0.5), "p50-s")
	b.ReportMetric(at(0.99), "p99-s")
	b.ReportMetric(at(1), "max-s")
	for _, e := range c.history.Events() {
		if e.Kind == history.KindFailure {
			b.Error(e.Text)
		}
	}
}

// failOver kills the leader, and returns how long it took until a write was
// acknowledged. It has the killed node back before it returns.
func (a *adversary) failOver(ctx context.Context) (time.Duration, error) {
	leader, err := a.leading(ctx)
	if err != nil {
		return 0, err
	}
	leader.kill()
	killed := time.Now()
	writing, acknowledged := context.WithTimeout(ctx, mendLimit)
	defer acknowledged()
	var once sync.Once
	var took time.Duration
	var writers sync.WaitGroup
	for i, n := range a.nodes {
		if n == leader {
			continue
		}
		writers.Go(func() {
			if a.writeOnce(writing, n, i) {
				once.Do(func() {
					took = time.Since(killed)
					acknowledged()
				})
			}
		})
	}
	writers.Wait()
	if took == 0 {
		return 0, fmt.Errorf("no write was acknowledged within %v after %s was killed\n%s", mendLimit, leader.id, leader.tail())
	}
	if err := a.start(leader); err != nil {
		return 0, err
	}
	return took, a.await(ctx, mendLimit)
}

// writeOnce writes until a write is acknowledged, and reports whether one was.
func (a *adversary) writeOnce(ctx context.Context, n *node, i int) bool {
	line := newLine(n, a.token)
	defer line.close()
	for value := 1; ctx.Err() == nil; value = value%2 + 1 {
		_, err := ask(ctx, line, func(ctx context.Context, s calls) (*tupelov1.WriteResponse, error) {
			return s.Write(ctx, registers.Setting(fmt.Sprint("f", i), value))
		})
		if err == nil {
			return true
		}
		a.rest(ctx, 5*time.Millisecond)
	}
	return false
}
