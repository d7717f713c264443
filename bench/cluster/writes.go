package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// inFlights are how many writes are in flight.
var inFlights = []int{1, 16, 64, 256}

// writesBudget is how many writes there are to each sync of one writer, with 64
// in flight on three nodes.
const writesBudget = 20

// slowSync is what a sync takes at least on the slower disk, as over a network.
// Beside one that takes a tenth of it, processors bound the writes, and not how
// many of them share a sync.
const slowSync = 2 * time.Millisecond

// writes measures durable writes of one tuple each, on this machine's disk and on
// one that is slower.
func (s *session) writes() error {
	for _, of := range []struct {
		nodes int
		disk  vfs.FS
		name  string
	}{
		{1, vfs.Default, "1 node"},
		{3, vfs.Default, "3 nodes"},
		{1, slowed(vfs.Default), fmt.Sprintf("1 node, syncs of %s", slowSync)},
		{3, slowed(vfs.Default), fmt.Sprintf("3 nodes, syncs of %s", slowSync)},
	} {
		c, err := s.openCluster(of.nodes, of.disk)
		if err != nil {
			return err
		}
		err = s.writesOn(c, of.name)
		if err := errors.Join(err, c.close()); err != nil {
			return err
		}
	}
	return nil
}

// slowed returns the disk with syncs that take slowSync longer.
func slowed(disk vfs.FS) vfs.FS {
	return errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData:
			time.Sleep(slowSync)
		}
		return nil
	}))
}

func (s *session) writesOn(c *cluster, name string) error {
	for _, inFlight := range inFlights {
		if err := s.writesTo(c, c.leader(), name, inFlight); err != nil {
			return err
		}
	}
	if len(c.members) == 1 {
		return nil
	}
	return s.writesTo(c, c.follower(), name+", by way of a follower", 64)
}

// writesTo measures the writes that a node takes beside the syncs of one writer.
func (s *session) writesTo(c *cluster, m *member, where string, inFlight int) (err error) {
	disk, err := newSyncer(c.disk, c.dir)
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

// writer returns a call that writes one tuple more. On a machine that is busy with
// other work, a server refuses some of what 256 are about to do, and they come again.
func (m *member) writer(prefix string) call {
	return func(ctx context.Context, _, _ int) error {
		for {
			_, err := m.writeOne(ctx, prefix)
			if status.Code(err) != codes.ResourceExhausted || ctx.Err() != nil {
				return err
			}
			time.Sleep(refusalPause)
		}
	}
}

// refusalPause is how long who was refused waits before the next try.
const refusalPause = 10 * time.Millisecond

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
	disk vfs.FS
	name string
	file vfs.File
	data []byte
}

func newSyncer(disk vfs.FS, dir string) (*syncer, error) {
	name := disk.PathJoin(dir, "syncs")
	file, err := disk.Create(name, vfs.WriteCategoryUnspecified)
	return &syncer{disk, name, file, make([]byte, 200)}, err
}

// sync appends a little and syncs it.
func (s *syncer) sync(context.Context, int, int) error {
	_, err := s.file.Write(s.data)
	return errors.Join(err, s.file.Sync())
}

func (s *syncer) close() error { return errors.Join(s.file.Close(), s.disk.Remove(s.name)) }
