package clustertest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Nodes of an older program are replaced one by one under load: no client that tries
// again is to notice, and the state comes to the new program's format by itself, once
// the last node has it and not before.
func TestAClusterIsUpgradedNodeByNodeUnderLoad(t *testing.T) {
	if *oldFlag == "" {
		t.Skip("no older program: make test-upgrade gives one with -old")
	}
	old, err := filepath.Abs(*oldFlag)
	if err != nil {
		t.Fatal(err)
	}
	ctx := untilInterrupted(t)
	c := &crowd{cluster: newCluster(t), schemaPause: time.Second}
	for _, n := range c.nodes {
		n.binary = old
	}
	if err := c.begin(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.furnish(ctx); err != nil {
		t.Fatal(err)
	}
	before, _, err := c.formats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const seed = 1
	c.load(ctx, seed, func(ctx context.Context) {
		a := newAdversary(c, seed)
		a.rest(ctx, 2*time.Second)
		text, err := a.restartEach(ctx, func(n *node) {
			if format, _, err := c.formats(ctx); err != nil || format != before {
				c.history.Failure("before %s had the new program the format was %d, %v; it began as %d", n.id, format, err, before)
			}
			n.binary = ""
		})
		if err != nil {
			c.history.Failure("upgrading: %v", err)
		}
		progress("an upgrade%s", text)
		a.rest(ctx, 2*time.Second)
	})
	after, newest, err := c.awaitNewestFormat(ctx)
	if err != nil {
		t.Errorf("the format is %d of %d: %v", after, newest, err)
	}
	progress("the format was %d and is %d", before, after)
	if after == before {
		t.Errorf("both programs know format %d at most: this shows no step from one to the next", after)
	}
	c.close(context.WithoutCancel(ctx), c.origin)
	judge(t, c, seed)
}

// formats returns the highest format that a node's state has, and the lowest of the
// newest formats that their programs know.
func (c *cluster) formats(ctx context.Context) (format, newest uint64, err error) {
	for _, n := range c.nodes {
		if !n.lives() {
			continue
		}
		line := newLine(n, c.token)
		answer, err := ask(ctx, line, func(ctx context.Context, c calls) (*tupelov1.ClusterStatusResponse, error) {
			return c.ClusterStatus(ctx, &tupelov1.ClusterStatusRequest{})
		})
		line.close()
		if err != nil {
			return 0, 0, fmt.Errorf("the status of %s: %w", n.id, err)
		}
		for _, m := range answer.Members {
			if m.Error != "" {
				continue // it is down for its upgrade
			}
			format = max(format, m.Format)
			if newest == 0 || m.MaxFormat < newest {
				newest = m.MaxFormat
			}
		}
	}
	return format, newest, nil
}

func (c *cluster) awaitNewestFormat(ctx context.Context) (format, newest uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, mendLimit)
	defer cancel()
	for {
		if format, newest, err = c.formats(ctx); err == nil && format == newest {
			return format, newest, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return format, newest, ctx.Err()
		}
	}
}
