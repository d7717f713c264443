package raft

import (
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// durableMarkers closes a gap in how Pebble switches manifests. It creates the
// new manifest and then the marker that names it, and syncs their directory once,
// after both. A file system that does not keep the entries of a directory in
// order can lose power in between and come back with the marker alone: a
// database that cannot be opened. So the directory is synced before a marker is
// made. Package store has its twin for the state; neither may import the other.
type durableMarkers struct{ vfs.FS }

// Create implements vfs.FS.
func (fs durableMarkers) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasPrefix(fs.PathBase(name), "marker.") {
		if err := syncDir(fs.FS, fs.PathDir(name)); err != nil {
			return nil, err
		}
	}
	return fs.FS.Create(name, c)
}

// Unwrap implements vfs.FS.
func (fs durableMarkers) Unwrap() vfs.FS { return fs.FS }
