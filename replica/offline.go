package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/durable"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Below Options.Dir, while tuples are brought into it without a server:
//
//	importing/node/     the replica as it is to become: a copy, with the tuples
//	importing/sorted/   what is sorted
//	importing/ready     all is there; state/ and raft/ of the copy take the place
//	                    of the directory's own
//
// Until there is importing/ready the directory is what it was before, and what an
// import left that was interrupted is removed by whoever opens the directory next.
// From then on it is what it is to become, and whoever opens it next completes that.
const (
	importingDir = "importing"
	stagedDir    = "node"
	sortedDir    = "sorted"
	readyFile    = "ready"
)

// stagedParts are what takes the place of the directory's own.
var stagedParts = []string{"state", "raft"}

// OfflineOptions say into which directory tuples are brought, and whose it is.
type OfflineOptions struct {
	FS     vfs.FS // default: the operating system's
	Dir    string // as Options.Dir
	NodeID string // as Options.NodeID
	Logger *slog.Logger
}

// Offline brings tuples into the data directory of a replica that is not open, past
// its log: a directory that is empty, or that of a replica which is alone and never
// had a tuple. It works on a copy beside, which takes the directory's place in one
// step at the end; before that the directory is as it was, whatever happens.
//
// What comes of it begins with a snapshot that has the tuples, so a replica that
// joins later gets them like any others.
type Offline struct {
	options OfflineOptions
	lock    io.Closer
	node    *Replica
}

// OpenOffline opens a directory for an import. One that another process has open,
// and one that does not fit, are left alone; the latter gives ErrOffline.
func OpenOffline(ctx context.Context, o OfflineOptions) (_ *Offline, err error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Offline{options: o}
	if f.lock, err = lockDir(o.FS, o.Dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	if err := settleImport(o.FS, o.Dir, o.Logger); err != nil {
		return nil, err
	}
	if err := f.stage(); err != nil {
		return nil, err
	}
	staged := Options{FS: o.FS, Dir: f.path(importingDir, stagedDir), NodeID: o.NodeID, Logger: o.Logger, API: api.Options{}}
	if f.node, err = Open(ctx, staged); errors.Is(err, raft.ErrMembership) {
		return nil, fmt.Errorf("%w: it is not a node that is alone; import through a server, or into a directory of its own (%w)", ErrOffline, err)
	}
	if err == nil {
		err = f.fits(ctx)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *Offline) path(elem ...string) string {
	return f.options.FS.PathJoin(append([]string{f.options.Dir}, elem...)...)
}

// stage makes the copy that is worked on.
func (f *Offline) stage() error {
	fs := f.options.FS
	if _, err := fs.Stat(f.path("founders")); err == nil {
		return fmt.Errorf("%w: it is about to begin a cluster with others; import before that, into a directory of its own", ErrOffline)
	}
	for _, part := range stagedParts {
		err := copyTree(fs, f.path(part), f.path(importingDir, stagedDir, part))
		if err != nil && !oserror.IsNotExist(err) {
			return fmt.Errorf("copying %s: %w", f.path(part), err)
		}
	}
	return nil
}

// fits waits until the replica leads, and refuses it if it is not empty. That it is
// alone is known: no other can be opened without its port. Before it leads, its log
// may hold tuples that the state has not yet.
func (f *Offline) fits(ctx context.Context) error {
	if _, err := f.node.Ready(ctx); err != nil {
		return err
	}
	if counters, _ := f.node.store.Counters(); len(counters) > 0 {
		return fmt.Errorf("%w: it has, or has had, tuples; import through its server, or into another directory", ErrOffline)
	}
	return nil
}

// Client asks the replica as it is to become: its schema can be written.
func (f *Offline) Client() tupelov1.TupeloClient { return f.node.Client() }

// Resolver returns a resolver of tuples, for one goroutine.
func (f *Offline) Resolver() (*api.TupleResolver, error) { return f.node.server.TupleResolver() }

// Names spells what was loaded.
func (f *Offline) Names() *tuple.Names {
	_, names := f.node.store.Counters()
	return names
}

// Load begins to take tuples, once the schema is there.
func (f *Offline) Load(memoryBytes int64, sorters int) (*store.BulkLoad, error) {
	return f.node.store.BulkLoad(store.BulkLoadOptions{
		Dir: f.path(importingDir, sortedDir), MemoryBytes: memoryBytes, Sorters: sorters,
	})
}

// Finish puts what was loaded where the directory's replica is. It can be
// interrupted; the directory then is as it was, or as it is to become.
func (f *Offline) Finish(ctx context.Context) error {
	// A command of its own, so that there is something to take a snapshot of: it
	// covers the tuples, and the log that does not lead to them ends before it.
	_, err := f.node.log.Propose(ctx, store.Encode(store.AdvanceHorizon{
		UnixMillis: time.Now().UnixMilli(), Revision: f.node.store.Horizon(),
	}))
	if err != nil {
		return fmt.Errorf("closing the import: %w", err)
	}
	if err := f.node.log.Snapshot(ctx); err != nil {
		return fmt.Errorf("taking a snapshot of what was imported: %w", err)
	}
	err = f.node.Close(ctx)
	f.node = nil
	if err != nil {
		return fmt.Errorf("closing what was imported: %w", err)
	}
	fs := f.options.FS
	if err := durable.SyncDirs(fs, f.path(importingDir, stagedDir), f.path(importingDir)); err != nil {
		return err
	}
	file, err := fs.Create(f.path(importingDir, readyFile), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("completing the import: %w", err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("completing the import: %w", err)
	}
	if err := durable.SyncDirs(fs, f.path(importingDir)); err != nil {
		return err
	}
	return settleImport(fs, f.options.Dir, f.options.Logger)
}

// Close lets go of the directory, and removes what an import that did not finish
// has in it.
func (f *Offline) Close() error {
	var errs []error
	if f.node != nil {
		// Nothing is in flight that anybody waits for.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		errs = append(errs, f.node.Close(ctx))
		f.node = nil
	}
	errs = append(errs, settleImport(f.options.FS, f.options.Dir, f.options.Logger), f.lock.Close())
	return errors.Join(errs...)
}

// settleImport completes an import that came to its end, and removes what is left
// of one that did not. Nothing else may have the directory open.
func settleImport(fs vfs.FS, dir string, logger *slog.Logger) error {
	importing := fs.PathJoin(dir, importingDir)
	if _, err := fs.Stat(importing); err != nil {
		if oserror.IsNotExist(err) {
			return nil
		}
		return fmt.Errorf("looking for an import: %w", err)
	}
	_, err := fs.Stat(fs.PathJoin(importing, readyFile))
	switch {
	case err == nil:
		logger.Info("an offline import takes its place", "dir", dir)
		if err := install(fs, dir); err != nil {
			return fmt.Errorf("completing an offline import: %w", err)
		}
	case !oserror.IsNotExist(err):
		return fmt.Errorf("looking for an import: %w", err)
	}
	if err := fs.RemoveAll(importing); err != nil {
		return fmt.Errorf("removing what an import left: %w", err)
	}
	return durable.SyncDirs(fs, dir)
}

// install moves the parts of the copy to where they belong. It can be repeated: a
// part that is not in the copy any more is where it belongs.
func install(fs vfs.FS, dir string) error {
	staged := fs.PathJoin(dir, importingDir, stagedDir)
	for _, part := range stagedParts {
		from, to := fs.PathJoin(staged, part), fs.PathJoin(dir, part)
		if _, err := fs.Stat(from); oserror.IsNotExist(err) {
			continue
		}
		if err := fs.RemoveAll(to); err != nil {
			return err
		}
		if err := fs.Rename(from, to); err != nil {
			return err
		}
		if err := durable.SyncDirs(fs, dir, staged); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a directory that nobody writes to, durably.
func copyTree(fs vfs.FS, from, to string) error {
	list, err := fs.List(from)
	if err != nil {
		return err
	}
	if err := fs.MkdirAll(to, 0o750); err != nil {
		return err
	}
	for _, name := range list {
		source, target := fs.PathJoin(from, name), fs.PathJoin(to, name)
		info, err := fs.Stat(source)
		if err != nil {
			return err
		}
		if info.IsDir() {
			err = copyTree(fs, source, target)
		} else {
			err = vfs.Copy(fs, source, target)
		}
		if err != nil {
			return err
		}
	}
	return durable.SyncDirs(fs, to)
}
