package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
)

// Checkpoint makes the state durable and writes a copy of it into the new
// directory dir, by hard links where it can. When it returns, the copy and the
// live state both have every command up to atLeast on disk; they may be ahead.
// The apply goes on meanwhile: it waits for a new memtable to be put in place,
// not for the flush or the copy. BenchmarkApplyBesideCheckpoints measures that.
func (s *Store) Checkpoint(ctx context.Context, dir string, atLeast uint64) error {
	v := s.acquireView()
	if v == nil {
		return ErrClosed
	}
	defer v.db.release()
	if v.applied < atLeast {
		return &NotAppliedError{Revision: atLeast, Applied: v.applied}
	}
	if err := makeDurable(ctx, v.db); err != nil {
		return fmt.Errorf("making revision %d durable: %w", v.applied, err)
	}
	if err := v.db.Checkpoint(dir); err != nil {
		return fmt.Errorf("writing a checkpoint of revision %d: %w", v.applied, err)
	}
	return nil
}

// makeDurable flushes the memtables: the database has no write-ahead log, so
// what is flushed is what a crash leaves.
func makeDurable(ctx context.Context, db *database) error {
	flushed, err := db.AsyncFlush()
	if err != nil {
		return err
	}
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Restore replaces the state by the checkpoint in dir. The copy is made beside
// the present database and becomes the store's by moving the marker, in one
// step: a crash leaves the old or the new, whole. Snapshots that are open keep
// what they show, and the old database's memory and files until the last of
// them is closed; who waits for changes is woken. A checkpoint of a format that
// this build does not know gives ErrFormat. After an error that came before the
// step, the store goes on with what it had.
func (s *Store) Restore(dir string) error {
	s.writer.Lock()
	defer s.writer.Unlock()
	if s.closed {
		return ErrClosed
	}
	name := directoryName(s.serial + 1)
	db, st, err := s.openCopy(dir, s.options.FS.PathJoin(s.options.Dir, name))
	if err != nil {
		return fmt.Errorf("restoring: %w", err)
	}
	// From here on the name is taken, even if it is not known whether the marker
	// moved: then the next Open decides.
	s.serial++
	if err := s.marker.Move(name); err != nil {
		db.release()
		return fmt.Errorf("restoring: marking the state database: %w", err)
	}
	old := s.current.Load().db
	s.install(db, st)
	old.obsolete.Store(true)
	if old.tuplesets != nil {
		old.tuplesets.Close()
		old.reversed.Close()
		old.groups.Close()
	}
	old.release()
	s.replaced = slices.DeleteFunc(append(s.replaced, old), (*database).isClosed)
	return nil
}

// openCopy opens a copy of the checkpoint in dir, and leaves none behind if it
// cannot be used.
func (s *Store) openCopy(dir, target string) (*database, *state, error) {
	fs := s.options.FS
	if err := fs.RemoveAll(target); err != nil {
		return nil, nil, err
	}
	db, st, err := s.openCopied(dir, target)
	if err != nil {
		return nil, nil, errors.Join(err, fs.RemoveAll(target))
	}
	return db, st, nil
}

func (s *Store) openCopied(dir, target string) (*database, *state, error) {
	if err := copyDatabase(s.options.FS, dir, target); err != nil {
		return nil, nil, err
	}
	return s.openState(target)
}

// copyDatabase links or copies a database's directory and syncs the result.
func copyDatabase(fs vfs.FS, from, to string) error {
	if err := durable.MakeDir(fs, to); err != nil {
		return err
	}
	list, err := fs.List(from)
	if err != nil {
		return err
	}
	for _, entry := range list {
		if err := copyFile(fs, fs.PathJoin(from, entry), fs.PathJoin(to, entry)); err != nil {
			return fmt.Errorf("copying %s: %w", entry, err)
		}
	}
	return durable.SyncDirs(fs, to)
}

// copyFile links what Pebble never changes and copies the rest.
func copyFile(fs vfs.FS, from, to string) error {
	if strings.HasSuffix(from, ".sst") || strings.HasSuffix(from, ".blob") {
		return vfs.LinkOrCopy(fs, from, to)
	}
	return vfs.Copy(fs, from, to)
}

// Compact rewrites the whole database, so that what was deleted takes no space
// any more. It is for measuring, and for after a large deletion.
func (s *Store) Compact(ctx context.Context) error {
	v := s.acquireView()
	if v == nil {
		return ErrClosed
	}
	defer v.db.release()
	return v.db.Compact(ctx, []byte{tagMeta}, []byte{tagReverse + 1}, true)
}
