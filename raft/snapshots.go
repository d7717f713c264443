package raft

import (
	"fmt"
	"io"
	"log/slog"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"

	"github.com/tupelodb/tupelo/internal/durable"
)

// snapshotStore keeps snapshots on a vfs.FS: hashicorp/raft's SnapshotStore.
// The name of a snapshot's directory is its id; a directory with any other name
// is not a snapshot and is removed when the store is opened.
type snapshotStore struct {
	fs     vfs.FS
	dir    string
	keep   int
	logger *slog.Logger
	faults faults

	// covered tells of a snapshot that comes in whether the node has more already;
	// nil: it never has.
	covered func(index, term uint64) (bool, error)

	newest atomic.Uint64 // index of the newest declared snapshot

	mu      sync.Mutex
	counter uint64         // of the last id handed out
	inUse   map[string]int // by id: readers that have the snapshot open
}

// snapshot is a directory that was declared a snapshot. When it is damaged, err
// says how and only the position, which is in the name, is known.
type snapshot struct {
	id      string
	index   uint64
	term    uint64
	counter uint64
	meta    *meta
	err     error
}

const (
	metaFile        = "meta"
	stateDir        = "state"
	temporaryPrefix = "tmp-"
	idFormat        = "%020d-%020d-%06d"
)

// openSnapshotStore opens or creates the store in dir and removes what a crash
// left half-written or half-removed.
func openSnapshotStore(o *Options, dir string) (*snapshotStore, error) {
	s := &snapshotStore{
		fs: o.FS, dir: dir, keep: o.SnapshotsKept, logger: o.Logger, faults: o.faults,
		inUse: map[string]int{},
	}
	if err := durable.MakeDir(s.fs, dir); err != nil {
		return nil, err
	}
	names, err := s.fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, temporaryPrefix) {
			continue
		}
		if err := s.fs.RemoveAll(s.path(name)); err != nil {
			return nil, fmt.Errorf("remove an unfinished snapshot: %w", err)
		}
	}
	all, err := s.list()
	if err != nil {
		return nil, err
	}
	for _, sn := range all {
		s.counter = max(s.counter, sn.counter)
		s.newest.Store(max(s.newest.Load(), sn.index))
	}
	return s, nil
}

func (s *snapshotStore) path(elem ...string) string {
	return s.fs.PathJoin(append([]string{s.dir}, elem...)...)
}

// list returns the declared snapshots, newest first, damaged ones included.
func (s *snapshotStore) list() ([]snapshot, error) {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return nil, fmt.Errorf("list snapshots: %w", err)
	}
	var all []snapshot
	for _, name := range names {
		sn := snapshot{id: name}
		n, err := fmt.Sscanf(name, idFormat, &sn.index, &sn.term, &sn.counter)
		if err != nil || n != 3 || snapshotID(sn.index, sn.term, sn.counter) != name {
			continue
		}
		sn.meta, sn.err = s.inspect(sn)
		all = append(all, sn)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].id > all[j].id })
	return all, nil
}

func snapshotID(index, term, counter uint64) string {
	return fmt.Sprintf(idFormat, index, term, counter)
}

// inspect reads a snapshot's meta file and looks whether its files are there.
func (s *snapshotStore) inspect(sn snapshot) (*meta, error) {
	b, err := readFile(s.fs, s.path(sn.id, metaFile), maxMetaBytes)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", sn.id, err)
	}
	m, err := decodeMeta(b)
	if err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", sn.id, err)
	}
	if m.index != sn.index || m.term != sn.term {
		return nil, fmt.Errorf("%w: snapshot %s says it is at %d-%d", ErrDamaged, sn.id, m.index, m.term)
	}
	for _, f := range m.files {
		info, err := s.fs.Stat(archivePath(s.fs, s.path(sn.id, stateDir), f.name))
		if err != nil {
			return nil, fmt.Errorf("%w: snapshot %s: %v", ErrDamaged, sn.id, err)
		}
		if info.Size() != f.size {
			return nil, fmt.Errorf("%w: snapshot %s: file %s has %d bytes, not %d",
				ErrDamaged, sn.id, f.name, info.Size(), f.size)
		}
	}
	return m, nil
}

// List returns the usable snapshots, newest first.
func (s *snapshotStore) List() ([]*hraft.SnapshotMeta, error) {
	all, err := s.list()
	if err != nil {
		return nil, err
	}
	var usable []*hraft.SnapshotMeta
	for _, sn := range all {
		if sn.err != nil {
			s.logger.Error("raft: snapshot is damaged", "snapshot", sn.id, "error", sn.err)
			continue
		}
		usable = append(usable, sn.meta.forRaft(sn.id))
	}
	return usable, nil
}

// Create begins a snapshot.
func (s *snapshotStore) Create(
	_ hraft.SnapshotVersion, index, term uint64,
	configuration hraft.Configuration, configurationIndex uint64, _ hraft.Transport,
) (hraft.SnapshotSink, error) {
	s.mu.Lock()
	s.counter++
	id := snapshotID(index, term, s.counter)
	s.mu.Unlock()
	sink := &snapshotSink{store: s, id: id, meta: meta{
		index: index, term: term,
		configuration: configuration.Clone(), configurationIndex: configurationIndex,
	}}
	if err := durable.MakeDir(s.fs, sink.dir()); err != nil {
		return nil, err
	}
	return sink, nil
}

// Open returns a snapshot as a stream. It stays on disk until the stream is closed.
func (s *snapshotStore) Open(id string) (*hraft.SnapshotMeta, io.ReadCloser, error) {
	s.hold(id, 1)
	all, err := s.list()
	if err != nil {
		s.hold(id, -1)
		return nil, nil, err
	}
	for _, sn := range all {
		if sn.id != id {
			continue
		}
		if sn.err != nil {
			s.hold(id, -1)
			return nil, nil, sn.err
		}
		return sn.meta.forRaft(id), &snapshotReader{store: s, id: id, meta: sn.meta}, nil
	}
	s.hold(id, -1)
	return nil, nil, fmt.Errorf("open snapshot %s: there is none", id)
}

// hold counts the readers of a snapshot.
func (s *snapshotStore) hold(id string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUse[id] += n; s.inUse[id] == 0 {
		delete(s.inUse, id)
	}
}

// oldestInUse returns the index of the oldest snapshot that is being read.
func (s *snapshotStore) oldestInUse() (oldest uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.inUse {
		var sn snapshot
		if n, _ := fmt.Sscanf(id, idFormat, &sn.index, &sn.term, &sn.counter); n == 3 && (!ok || sn.index < oldest) {
			oldest, ok = sn.index, true
		}
	}
	return oldest, ok
}

// declared notes a new snapshot and removes the ones it replaces. That a removal
// fails is worth a line in the log, no more: it is tried again after the next
// snapshot.
func (s *snapshotStore) declared(id string, index uint64) {
	s.newest.Store(max(s.newest.Load(), index))
	all, err := s.list()
	if err != nil {
		s.logger.Warn("raft: old snapshots are not removed", "error", err)
		return
	}
	kept := 1 // the new one
	for _, sn := range all {
		if sn.id >= id {
			continue
		}
		if sn.err == nil && kept < s.keep {
			kept++
			continue
		}
		if err := s.discard(sn.id); err != nil {
			s.logger.Warn("raft: an old snapshot is not removed", "snapshot", sn.id, "error", err)
		}
	}
}

// discard removes a snapshot nobody reads.
func (s *snapshotStore) discard(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inUse[id] > 0 {
		return nil
	}
	return discardDir(s.fs, s.path(id), s.path(temporaryPrefix+id))
}

// snapshotReader streams a snapshot's archive. Who has the same disk takes the
// directory instead, and reads nothing.
type snapshotReader struct {
	store *snapshotStore
	id    string
	meta  *meta

	once   sync.Once
	stream *io.PipeReader
	done   chan struct{} // closed when the writing goroutine has ended
}

// dir is where the state machine's checkpoint is.
func (r *snapshotReader) dir() string { return r.store.path(r.id, stateDir) }

// Read starts the stream when it is first called.
func (r *snapshotReader) Read(p []byte) (int, error) {
	r.once.Do(func() {
		in, out := io.Pipe()
		r.stream, r.done = in, make(chan struct{})
		go func() {
			defer close(r.done)
			out.CloseWithError(writeArchive(out, r.store.fs, r.dir(), r.meta.extent, r.meta.files))
		}()
	})
	if r.stream == nil {
		return 0, io.ErrClosedPipe
	}
	return r.stream.Read(p)
}

// Close ends the stream and lets go of the snapshot.
func (r *snapshotReader) Close() error {
	r.once.Do(func() {})
	if r.stream != nil {
		r.stream.Close()
		<-r.done
	}
	if r.store != nil {
		r.store.hold(r.id, -1)
		r.store = nil
	}
	return nil
}
