package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tupelodb/tupelo/internal/ports"
)

// catchingUp measures what it takes to bring an empty node into the cluster, from
// its log as it is and from a snapshot, and to start it again.
func (s *session) catchingUp() error {
	c, err := s.withTuples()
	if err != nil {
		return err
	}
	if err := s.joinAndRestart(c); err != nil {
		return err
	}
	if err := c.truncateLog(s.ctx); err != nil {
		return fmt.Errorf("taking snapshots: %w", err)
	}
	return s.joinAndRestart(c)
}

// truncateLog leaves the leader's log with less than a new node needs. The log is
// kept from the snapshot before the newest on, so that takes two.
func (c *cluster) truncateLog(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leader := c.leader()
	for range 2 {
		if _, err := leader.writeOne(ctx, "c"); err != nil {
			return err
		}
		if err := leader.Log().Snapshot(ctx); err != nil {
			return err
		}
	}
	return nil
}

// joinAndRestart brings in an empty node, kills it, starts it, stops it, starts it
// again, and takes it out of the cluster.
func (s *session) joinAndRestart(c *cluster) (err error) {
	free, err := ports.Take(1)
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, joinerID)
	var running *joiner
	defer func() {
		if running != nil {
			err = errors.Join(err, running.kill())
		}
		err = errors.Join(err, c.dismissJoiner(), os.RemoveAll(dir))
	}()
	start := func() (err error) {
		running, err = startJoiner(s.ctx, dir, free[0], c.addresses())
		return err
	}
	from := "by the log"
	if c.leader().Log().Status().FirstIndex > 1 {
		from = "by a snapshot"
	}
	serving, done := watchMemory()
	err = start()
	grown, watchErr := done()
	if err := errors.Join(err, watchErr); err != nil {
		return err
	}
	if err := s.addJoin(fmt.Sprintf("empty node, %d tuples, %s", s.tuples, from), running, serving, grown); err != nil {
		return err
	}
	for _, end := range []struct {
		name string
		end  func(*joiner) error
	}{{"after a kill", (*joiner).kill}, {"after a stop", (*joiner).stop}} {
		err := end.end(running)
		running = nil
		if err != nil {
			return err
		}
		if err := start(); err != nil {
			return err
		}
		if err := s.addTime(fmt.Sprintf("started again %s, %d tuples", end.name, s.tuples), running); err != nil {
			return err
		}
	}
	return nil
}

// addJoin reports the time of a join, and the memory on both sides.
func (s *session) addJoin(name string, j *joiner, before, grown int64) error {
	err := s.addTime(name, j)
	if j.PeakBytes == 0 {
		return err
	}
	return errors.Join(err,
		s.report.add(figure{Measure: catchingUpMeasure, Case: name + ", its most memory", Value: mebibytes(j.PeakBytes), Unit: "MiB"}),
		s.report.add(figure{Measure: catchingUpMeasure, Case: name + ", growth of the three nodes' memory", Value: mebibytes(grown - before), Unit: "MiB"}))
}

const catchingUpMeasure = "catching up"

func (s *session) addTime(name string, j *joiner) error {
	return s.report.add(figure{Measure: catchingUpMeasure, Case: name, Value: j.took.Seconds(), Unit: "s"})
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// dismissJoiner ends the joiner's membership.
func (c *cluster) dismissJoiner() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return c.leader().Log().Remove(ctx, joinerID)
}

// watchMemory returns how much memory this process has, and a function that
// returns the most that it has had since.
func watchMemory() (before int64, most func() (int64, error)) {
	const every = 20 * time.Millisecond
	before, err := memory("VmRSS")
	end, ended := make(chan struct{}), make(chan struct{})
	peak := before
	go func() {
		defer close(ended)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for err == nil {
			select {
			case <-ticker.C:
			case <-end:
				return
			}
			var now int64
			now, err = memory("VmRSS")
			peak = max(peak, now)
		}
	}()
	return before, func() (int64, error) {
		close(end)
		<-ended
		return peak, err
	}
}
