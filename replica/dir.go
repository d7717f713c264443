package replica

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
	"github.com/tupelodb/tupelo/raft"
)

// lockDir makes the data directory if it is absent, and keeps other processes
// out of it: before the databases lock themselves, opening them tidies up.
func lockDir(fs vfs.FS, dir string) (io.Closer, error) {
	if err := fs.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	lock, err := fs.Lock(fs.PathJoin(dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("the data directory %s is in use by another process, or cannot be locked: %w", dir, err)
	}
	return lock, durable.SyncDirs(fs, dir, fs.PathDir(dir))
}

func (r *Replica) path(name string) string { return r.options.FS.PathJoin(r.options.Dir, name) }

// hasBegun reports whether this node has ever opened its log, which it does only
// once it knows of a cluster. So one that has never decides about one again, even
// if its log is still empty.
func (r *Replica) hasBegun() bool {
	_, err := r.options.FS.Stat(r.path("raft"))
	return err == nil || !oserror.IsNotExist(err) || r.store.Applied() > 0
}

// The founders of a cluster are written down before they are named to anybody, and
// forgotten once the log is open: a node that was stopped in between names the
// same ones.

func (r *Replica) keepFounders(members []raft.Member) error {
	text, err := json.Marshal(members)
	if err != nil {
		return fmt.Errorf("keeping the founders: %w", err)
	}
	fs, name := r.options.FS, r.path("founders.tmp")
	file, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("keeping the founders: %w", err)
	}
	_, err = file.Write(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keeping the founders: %w", err)
	}
	if err := fs.Rename(name, r.path("founders")); err != nil {
		return fmt.Errorf("keeping the founders: %w", err)
	}
	return durable.SyncDirs(fs, r.options.Dir)
}

// keptFounders returns the founders that were written down, or none.
func (r *Replica) keptFounders() ([]raft.Member, error) {
	file, err := r.options.FS.Open(r.path("founders"))
	if oserror.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the founders: %w", err)
	}
	text, err := io.ReadAll(file)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("reading the founders: %w", err)
	}
	var members []raft.Member
	if err := json.Unmarshal(text, &members); err != nil || len(members) == 0 {
		return nil, fmt.Errorf("%w: %s is damaged; on a node that is in no cluster it can be removed: %v", ErrBootstrap, r.path("founders"), err)
	}
	return members, nil
}

// forgetFounders is for when the log names them.
func (r *Replica) forgetFounders() error {
	if err := r.options.FS.Remove(r.path("founders")); err != nil && !oserror.IsNotExist(err) {
		return fmt.Errorf("removing the founders: %w", err)
	}
	return nil
}
