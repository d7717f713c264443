package raft

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
)

// writeCategory labels this package's writes in Pebble's disk statistics.
const writeCategory vfs.DiskWriteCategory = "raft-snapshot"

// writeFile creates a file with the given content, synced.
func writeFile(fs vfs.FS, path string, content []byte) error {
	f, err := fs.Create(path, writeCategory)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// readFile returns the content of a file of at most limitBytes.
func readFile(fs vfs.FS, path string, limitBytes int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if info.Size() > limitBytes {
		return nil, fmt.Errorf("%w: %s is %d bytes", ErrDamaged, path, info.Size())
	}
	b := make([]byte, info.Size())
	if _, err := f.ReadAt(b, 0); err != nil && info.Size() > 0 {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return b, nil
}

// fileSize is a file below some directory; the name has slashes for separators.
type fileSize struct {
	name string
	size int64
}

// listFiles returns every file below dir in ascending order of names.
func listFiles(fs vfs.FS, dir string) ([]fileSize, error) {
	var files []fileSize
	if err := walkFiles(fs, dir, "", 0, &files); err != nil {
		return nil, err
	}
	sort.Slice(files, func(i, j int) bool { return files[i].name < files[j].name })
	return files, nil
}

func walkFiles(fs vfs.FS, dir, prefix string, depth int, files *[]fileSize) error {
	if depth > maxArchiveDepth {
		return fmt.Errorf("list %s: deeper than %d directories", dir, maxArchiveDepth)
	}
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err != nil {
			return fmt.Errorf("list %s: %w", dir, err)
		}
		if info.IsDir() {
			err = walkFiles(fs, path, prefix+name+"/", depth+1, files)
		} else {
			*files = append(*files, fileSize{prefix + name, info.Size()})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// discardDir removes a directory that may not be there, after giving it a name
// that nothing reads: a removal cut off half-way must not look like damage.
func discardDir(fs vfs.FS, dir, temporary string) error {
	if dir != temporary {
		err := fs.Rename(dir, temporary)
		if oserror.IsNotExist(err) || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			err = durable.SyncDirs(fs, fs.PathDir(dir))
		}
		if err != nil {
			return fmt.Errorf("remove %s: %w", dir, err)
		}
	}
	if err := fs.RemoveAll(temporary); err != nil {
		return fmt.Errorf("remove %s: %w", temporary, err)
	}
	return nil
}
