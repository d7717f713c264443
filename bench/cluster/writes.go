package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// inFlights are how many writes are in flight.
var inFlights = []int{1, 16, 64, 256}

// writesBudget is how many writes there are to each sync of one writer, with 64
// in flight on three nodes.
const writesBudget = 20

// writes measures durable writes of one tuple each.
func (s *session) writes() error {
	for _, n := range []int{1, 3} {
		c, err := s.openCluster(n)
		if err != nil {
			return err
		}
		err = s.writesOn(c)
		if err := errors.Join(err, c.close()); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) writesOn(c *cluster) error {
	nodes := fmt.Sprintf("%d nodes", len(c.members))
	if len(c.members) == 1 {
		nodes = "1 node"
	}
	for _, inFlight := range inFlights {
		if err := s.writesTo(c, c.leader(), nodes, inFlight); err != nil {
			return err
		}
	}
	if len(c.members) == 1 {
		return nil
	}
	return s.writesTo(c, c.follower(), nodes+", by way of a follower", 64)
}

// writesTo measures the writes that a node takes beside the syncs of one writer.
func (s *session) writesTo(c *cluster, m *member, where string, inFlight int) (err error) {
	disk, err := newSyncer(c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, disk.close()) }()
	var written, synced load
	for range turns {
		alone, err := drive(s.ctx, 1, s.measure/turns/4, disk.sync)
		if err != nil {
			return err
		}
		l, err := drive(s.ctx, inFlight, s.measure/turns, m.writer("w"))
		if err != nil {
			return err
		}
		synced.add(alone)
		written.add(l)
	}
	f := written.figure("writes", fmt.Sprintf("%s, %d in flight", where, inFlight))
	f.Ratio, f.To = written.rate()/synced.rate(), fmt.Sprintf("syncs of one writer (%.0f /s)", synced.rate())
	if inFlight == 64 && len(c.members) == 3 && leads(m) {
		f.AtLeast = writesBudget
	}
	return s.report.add(f)
}

// serial numbers what is written, so that nothing is written twice.
var serial atomic.Int64

// writer returns a call that writes one tuple more.
func (m *member) writer(prefix string) call {
	return func(ctx context.Context, _, _ int) error {
		_, err := m.writeOne(ctx, prefix)
		return err
	}
}

// writeOne writes a tuple that is not there yet, and returns the zookie.
func (m *member) writeOne(ctx context.Context, prefix string) (string, error) {
	response, err := m.Write(ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{touch(tuple.Named{
		ObjectType: "repository", ObjectID: fmt.Sprintf("%s%d", prefix, serial.Add(1)), Relation: "reader",
		SubjectType: "user", SubjectID: "alice",
	})}})
	return response.GetZookie(), err
}

// syncer is what the disk can do for one writer.
type syncer struct {
	file *os.File
	data []byte
}

func newSyncer(dir string) (*syncer, error) {
	file, err := os.Create(filepath.Join(dir, "syncs"))
	return &syncer{file, make([]byte, 200)}, err
}

// sync appends a little and syncs it.
func (s *syncer) sync(context.Context, int, int) error {
	_, err := s.file.Write(s.data)
	return errors.Join(err, s.file.Sync())
}

func (s *syncer) close() error { return errors.Join(s.file.Close(), os.Remove(s.file.Name())) }
