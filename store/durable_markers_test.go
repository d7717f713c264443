package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestAMarkerNeverOutlivesWhatItNames cuts the power at every file that is made,
// on a file system that keeps any subset of a directory's new entries.
func TestAMarkerNeverOutlivesWhatItNames(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 40 {
		memory := vfs.NewCrashableMem()
		fs := &crashOnCreate{FS: memory, check: func(name string) {
			crashed := memory.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rng})
			if err := openable(crashed); err != nil {
				t.Errorf("power lost when %s had been made: %v", name, err)
			}
		}}
		s := openTest(t, fs)
		h := &history{t: t, store: s}
		h.must(gitclub())
		dir := "/checkpoint"
		if err := s.Checkpoint(t.Context(), dir, h.revision); err != nil {
			t.Fatal(err)
		}
		if err := s.Restore(dir); err != nil {
			t.Fatal(err)
		}
	}
}

// openable reports whether what a crash left is a store, new or not.
func openable(fs vfs.FS) error {
	s, err := Open(Options{FS: fs, Dir: "/node/state", CacheBytes: 1 << 20})
	if err != nil {
		return err
	}
	return s.Close()
}

// crashOnCreate calls check when a marker has been made and not yet synced.
type crashOnCreate struct {
	vfs.FS
	check func(name string)
}

func (fs *crashOnCreate) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	if strings.HasPrefix(fs.PathBase(name), "marker.") {
		fs.check(name)
	}
	return f, nil
}
