package main

import (
	"errors"
	"time"
)

// idle measures what the nodes take while nobody asks them anything.
func (s *session) idle() error {
	if _, err := s.withTuples(); err != nil {
		return err
	}
	before, err := cpuTime()
	if err != nil {
		return err
	}
	begun := time.Now()
	select {
	case <-time.After(s.measure):
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
	took := time.Since(begun)
	after, err := cpuTime()
	resident, memoryErr := memory("VmRSS")
	if err := errors.Join(err, memoryErr); err != nil {
		return err
	}
	return errors.Join(
		s.report.add(figure{Measure: "idle", Case: "3 nodes, processors", Value: 100 * (after - before).Seconds() / took.Seconds(), Unit: "% of one"}),
		s.report.add(figure{Measure: "idle", Case: "3 nodes, memory, the clients' included", Value: mebibytes(resident), Unit: "MiB"}))
}
