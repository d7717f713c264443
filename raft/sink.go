package raft

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tupelodb/tupelo/internal/durable"
)

// snapshotSink is a snapshot being made: hashicorp/raft's SnapshotSink. It is
// filled in one of two ways: the local state machine checkpoints straight into
// its directory, without a copy through the stream (checkpoint); or an archive
// from elsewhere is written to it (Write), and unpacked as it comes.
type snapshotSink struct {
	store *snapshotStore
	id    string
	meta  meta

	unpack *unpacker
	filled bool // the state directory is complete and durable
	ended  bool // closed or cancelled
}

// ID names the snapshot.
func (s *snapshotSink) ID() string { return s.id }

// dir is where the snapshot is made; nothing takes it for a snapshot.
func (s *snapshotSink) dir() string { return s.store.path(temporaryPrefix + s.id) }

func (s *snapshotSink) state() string { return s.store.fs.PathJoin(s.dir(), stateDir) }

// checkpoint fills the sink from the local state machine. When it returns, the
// live state is durable up to atLeast, which is what allows the snapshot to be
// declared and the log to be truncated (R3).
func (s *snapshotSink) checkpoint(ctx context.Context, sm StateMachine, atLeast uint64) error {
	if s.store.faults.declareBeforeDurable {
		s.filled, s.meta.extent = true, extent{atLeast, sm.Applied()}
		return durable.MakeDir(s.store.fs, s.state())
	}
	if err := sm.Checkpoint(ctx, s.state(), atLeast); err != nil {
		return fmt.Errorf("checkpoint at %d: %w", atLeast, err)
	}
	s.meta.extent = extent{floor: atLeast, ceiling: sm.Applied()}
	s.filled = true
	return nil
}

// Write takes the next piece of an archive. What the node has already, and more, is
// refused: it would go back.
func (s *snapshotSink) Write(p []byte) (int, error) {
	if s.ended {
		return 0, errors.New("write to a snapshot that has ended")
	}
	if s.unpack == nil {
		if err := s.refuseCovered(); err != nil {
			return 0, err
		}
		s.unpack = s.startUnpacking()
	}
	return s.unpack.Write(p)
}

func (s *snapshotSink) refuseCovered() error {
	if s.store.covered == nil || s.store.faults.takeLateSnapshots {
		return nil
	}
	covered, err := s.store.covered(s.meta.index, s.meta.term)
	if covered {
		err = errCovered
	}
	return err
}

// Close declares the snapshot: from here on it is one, across crashes.
func (s *snapshotSink) Close() error {
	if s.ended {
		return nil
	}
	err := s.declare()
	if err != nil {
		return errors.Join(fmt.Errorf("snapshot %s: %w", s.id, err), s.Cancel())
	}
	s.ended = true
	s.store.declared(s.id, s.meta.index)
	return nil
}

func (s *snapshotSink) declare() error {
	if s.unpack != nil {
		e, err := s.unpack.finish(nil)
		if err != nil {
			return err
		}
		s.meta.extent, s.filled = e, true
	}
	if !s.filled {
		return fmt.Errorf("%w: nothing was written", ErrDamaged)
	}
	fs := s.store.fs
	files, err := listFiles(fs, s.state())
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := checkArchiveName(f.name); err != nil {
			return err
		}
	}
	s.meta.files = files
	if err := writeFile(fs, fs.PathJoin(s.dir(), metaFile), s.meta.encode()); err != nil {
		return err
	}
	if err := durable.SyncDirs(fs, s.dir()); err != nil {
		return err
	}
	if err := fs.Rename(s.dir(), s.store.path(s.id)); err != nil {
		return fmt.Errorf("declare: %w", err)
	}
	return durable.SyncDirs(fs, s.store.dir)
}

// Cancel removes what was written.
func (s *snapshotSink) Cancel() error {
	if s.ended {
		return nil
	}
	s.ended = true
	if s.unpack != nil {
		s.unpack.finish(errCancelled)
	}
	return discardDir(s.store.fs, s.dir(), s.dir())
}

var (
	errCancelled = errors.New("the snapshot was cancelled")
	errCovered   = errors.New("the snapshot came late: this node has all of it, and more")
)

// unpacker turns writes into the stream that readArchive reads.
type unpacker struct {
	*io.PipeWriter
	done   chan struct{}
	extent extent
	err    error
}

func (s *snapshotSink) startUnpacking() *unpacker {
	in, out := io.Pipe()
	u := &unpacker{PipeWriter: out, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.extent, u.err = readArchive(in, s.store.fs, s.state(), s.store.faults)
		in.CloseWithError(u.err) // a later Write says what was wrong
	}()
	return u
}

// finish ends the stream, with a reason if it is cut short, and waits until it
// is unpacked.
func (u *unpacker) finish(reason error) (extent, error) {
	u.CloseWithError(reason)
	<-u.done
	return u.extent, u.err
}
