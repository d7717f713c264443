package durable

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// SyncDirs makes the names in directories durable, one after the other.
func SyncDirs(fs vfs.FS, dirs ...string) error {
	for _, dir := range dirs {
		d, err := fs.OpenDir(dir)
		if err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return fmt.Errorf("syncing %s: %w", dir, err)
		}
	}
	return nil
}

// MakeDir creates a directory and its missing parents, all of them durably.
func MakeDir(fs vfs.FS, dir string) error {
	var parents []string // of what is missing
	for d := dir; ; d = fs.PathDir(d) {
		_, err := fs.Stat(d)
		if err == nil || d == fs.PathDir(d) {
			break
		}
		if !oserror.IsNotExist(err) {
			return fmt.Errorf("making %s: %w", dir, err)
		}
		parents = append(parents, fs.PathDir(d))
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	return SyncDirs(fs, parents...)
}

// Markers closes a gap in how Pebble switches manifests. It creates the new
// manifest and then the marker that names it, and syncs their directory once, after
// both. A file system that does not keep the entries of a directory in order can
// lose power in between and come back with the marker alone: a database that cannot
// be opened. So the directory is synced before a marker is made.
type Markers struct{ vfs.FS }

// Create implements vfs.FS.
func (fs Markers) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(fs.PathBase(name), "marker.") {
		if err := SyncDirs(fs.FS, fs.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return fs.FS.Create(name, c)
}

// Unwrap implements vfs.FS.
func (fs Markers) Unwrap() vfs.FS { return fs.FS }
