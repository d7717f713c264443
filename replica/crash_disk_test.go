package replica

import (
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// crashDisk is a disk in memory that can be cut off: it calls beforeSync each
// time that something is about to be made durable. Between two such points a
// power loss leaves the same, but for what the disk wrote on its own.
type crashDisk struct {
	vfs.FS
	mem *vfs.MemFS
	// beforeSync is called with the name of what is synced.
	beforeSync func(name string)
	// lies has the disk say that files of such names are durable though they
	// are not. Only tests of the test set it.
	lies func(name string) bool

	mu sync.Mutex // of syncs: a cut sees none half done
}

func newCrashDisk(mem *vfs.MemFS) *crashDisk {
	return &crashDisk{FS: mem, mem: mem, beforeSync: func(string) {}, lies: func(string) bool { return false }}
}

func (d *crashDisk) sync(name string, sync func() error) error {
	d.beforeSync(name)
	if d.lies(name) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return sync()
}

// crashFile is a file or directory of a crashDisk.
type crashFile struct {
	vfs.File
	disk *crashDisk
	name string
}

func (d *crashDisk) wrap(name string) func(vfs.File, error) (vfs.File, error) {
	return func(f vfs.File, err error) (vfs.File, error) {
		if err != nil {
			return nil, err
		}
		return &crashFile{f, d, name}, nil
	}
}

func (d *crashDisk) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(name)(d.FS.Create(name, category))
}

func (d *crashDisk) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	return d.wrap(name)(d.FS.Open(name, o...))
}

func (d *crashDisk) OpenReadWrite(name string, category vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	return d.wrap(name)(d.FS.OpenReadWrite(name, category, o...))
}

func (d *crashDisk) OpenDir(name string) (vfs.File, error) {
	return d.wrap(name)(d.FS.OpenDir(name))
}

func (d *crashDisk) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return d.wrap(newname)(d.FS.ReuseForWrite(oldname, newname, category))
}

func (f *crashFile) Sync() error     { return f.disk.sync(f.name, f.File.Sync) }
func (f *crashFile) SyncData() error { return f.disk.sync(f.name, f.File.SyncData) }

func (f *crashFile) SyncTo(length int64) (full bool, err error) {
	err = f.disk.sync(f.name, func() (err error) {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

// isRaftLog tells the files that acknowledged writes depend on.
func isRaftLog(name string) bool { return strings.Contains(name, "/raft/log") }
