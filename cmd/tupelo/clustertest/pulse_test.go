package clustertest

import (
	"context"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/registers"
)

// probe has a node acknowledge one write after the other, each of which changes
// nothing, so that the pulse tells of the cluster and not of what clients wait for.
func (c *crowd) probe(ctx context.Context, n *node) {
	const every, limit = 20 * time.Millisecond, time.Second
	line := newLine(n, c.token)
	defer line.close()
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, limit)
		_, err := ask(limited, line, func(ctx context.Context, s calls) (*tupelov1.WriteResponse, error) {
			return s.Write(ctx, registers.Furniture())
		})
		cancel()
		if err == nil {
			c.pulse.beat()
		}
		time.Sleep(every)
	}
}

// pulse is how regularly writes are acknowledged.
type pulse struct {
	mu      sync.Mutex
	last    time.Time
	longest time.Duration // between two, since it was asked for
}

// beat notes that a write is acknowledged.
func (p *pulse) beat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.longest = max(p.longest, time.Since(p.last))
	p.last = time.Now()
}

// pause returns the longest time without one, and begins anew.
func (p *pulse) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	longest := max(p.longest, time.Since(p.last))
	p.last, p.longest = time.Now(), 0
	return longest
}

// beats reports whether a write was acknowledged in the last moments.
func (p *pulse) beats() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.last) < 250*time.Millisecond
}
