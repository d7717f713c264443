package raft

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"

	"github.com/tupelodb/tupelo/internal/durable"
)

func newSnapshots(t testing.TB, fs vfs.FS, keep int) *snapshotStore {
	t.Helper()
	s, err := openSnapshotStore(&Options{FS: fs, SnapshotsKept: keep, Logger: quiet}, "/snapshots")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// snapshotOf declares a snapshot of a ledger with commands at the given indexes.
func snapshotOf(t testing.TB, s *snapshotStore, index, term uint64, commands ...uint64) string {
	t.Helper()
	l, err := openLedger(vfs.NewMem(), ledgerDir)
	if err != nil {
		t.Fatal(err)
	}
	l.fs = s.fs // checkpoints go there
	for _, i := range commands {
		l.records = append(l.records, record{i, fmt.Sprint("command ", i)})
	}
	sink, err := s.Create(1, index, term, membership("n1"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.(*snapshotSink).checkpoint(t.Context(), l, l.Applied()); err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	return sink.ID()
}

func ids(t testing.TB, s *snapshotStore) []string {
	t.Helper()
	metas, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range metas {
		all = append(all, m.ID)
	}
	return all
}

func TestSnapshotsAreListedNewestFirstAndOldOnesRemoved(t *testing.T) {
	fs := vfs.NewMem()
	s := newSnapshots(t, fs, 2)
	a := snapshotOf(t, s, 9, 1, 5, 7)
	b := snapshotOf(t, s, 100, 1, 5, 7, 99)
	if got := ids(t, s); !slices.Equal(got, []string{b, a}) {
		t.Errorf("%q", got)
	}
	c := snapshotOf(t, s, 100, 1, 5, 7, 99) // again at the same index
	s = newSnapshots(t, fs, 2)
	if got := ids(t, s); !slices.Equal(got, []string{c, b}) || s.newest.Load() != 100 {
		t.Errorf("%q", got)
	}
	d := snapshotOf(t, s, 101, 2, 101)
	if d <= c {
		t.Errorf("%s after %s", d, c)
	}
	metas, _ := s.List()
	if m := metas[0]; m.Index != 101 || m.Term != 2 || len(m.Configuration.Servers) != 1 || m.ConfigurationIndex != 1 {
		t.Errorf("%+v", m)
	}
}

func TestASnapshotThatIsReadStaysUntilItIsClosed(t *testing.T) {
	s := newSnapshots(t, vfs.NewMem(), 1)
	a := snapshotOf(t, s, 5, 1, 5)
	meta, r, err := s.Open(a)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 10)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	b := snapshotOf(t, s, 6, 1, 6)
	if got := ids(t, s); !slices.Equal(got, []string{b, a}) {
		t.Errorf("while it is read: %q", got)
	}
	rest, err := io.ReadAll(r)
	if n := int64(len(first) + len(rest)); err != nil || n != meta.Size {
		t.Errorf("%d bytes of %d, %v", n, meta.Size, err)
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	c := snapshotOf(t, s, 7, 1, 7)
	if got := ids(t, s); !slices.Equal(got, []string{c}) {
		t.Errorf("afterwards: %q", got)
	}
	if len(s.inUse) != 0 {
		t.Errorf("in use: %v", s.inUse)
	}
}

func TestAStreamMayBeClosedAtAnyTime(t *testing.T) {
	s := newSnapshots(t, vfs.NewMem(), 1)
	id := snapshotOf(t, s, 5, 1, 5)
	for _, n := range []int{0, 1, 50} {
		_, r, err := s.Open(id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 1)); err == nil {
			t.Error("it can be read after it was closed")
		}
	}
	if _, _, err := s.Open("no such snapshot"); err == nil || len(s.inUse) != 0 {
		t.Error(err, s.inUse)
	}
}

func TestASnapshotIsNoneBeforeItIsClosed(t *testing.T) {
	fs := vfs.NewMem()
	s := newSnapshots(t, fs, 1)
	sink, err := s.Create(1, 5, 1, membership("a"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write(makeArchive(t, smallTree)); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s); len(got) != 0 {
		t.Errorf("listed: %q", got)
	}
	s = newSnapshots(t, fs, 1) // as after a crash
	if names, _ := fs.List("/snapshots"); len(names) != 0 {
		t.Errorf("left: %q", names)
	}
	if err := sink.Cancel(); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Write([]byte{1}); err == nil {
		t.Error("a cancelled sink takes more")
	}
	empty, err := s.Create(1, 5, 1, membership("a"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := empty.Close(); !errors.Is(err, ErrDamaged) {
		t.Errorf("a snapshot of nothing: %v", err)
	}
}

func TestAForeignFileInTheDirectoryIsNoSnapshot(t *testing.T) {
	fs := vfs.NewMem()
	s := newSnapshots(t, fs, 1)
	for _, name := range []string{"lost+found", "00000000000000000005-1-1", "x-y-z"} {
		if err := durable.MakeDir(fs, s.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(t, newSnapshots(t, fs, 1)); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

// damages are ways in which a snapshot on disk can be wrong.
var damages = map[string]func(t testing.TB, s *snapshotStore, id string){
	"no meta file": func(t testing.TB, s *snapshotStore, id string) {
		must(t, s.fs.Remove(s.path(id, metaFile)))
	},
	"a meta file with a changed byte": func(t testing.TB, s *snapshotStore, id string) {
		b, err := readFile(s.fs, s.path(id, metaFile), 1<<20)
		must(t, err)
		b[len(b)/2] ^= 1
		must(t, writeFile(s.fs, s.path(id, metaFile), b))
	},
	"a missing file": func(t testing.TB, s *snapshotStore, id string) {
		must(t, s.fs.Remove(s.path(id, stateDir, "sub", "ledger")))
	},
	"a shortened file": func(t testing.TB, s *snapshotStore, id string) {
		must(t, writeFile(s.fs, s.path(id, stateDir, "sub", "ledger"), []byte("x")))
	},
	"another snapshot's meta file": func(t testing.TB, s *snapshotStore, id string) {
		must(t, writeFile(s.fs, s.path(id, metaFile), (&meta{index: 1, term: 1}).encode()))
	},
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestADamagedSnapshotIsNotedAndNotOffered(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := newSnapshots(t, vfs.NewMem(), 2)
			id := snapshotOf(t, s, 5, 1, 5)
			damage(t, s, id)
			all, err := s.list()
			if err != nil || len(all) != 1 || all[0].err == nil || all[0].index != 5 {
				t.Fatalf("%+v, %v", all, err)
			}
			if got := ids(t, s); len(got) != 0 {
				t.Errorf("offered: %q", got)
			}
			if _, _, err := s.Open(id); err == nil || len(s.inUse) != 0 {
				t.Errorf("opened: %v", err)
			}
			next := snapshotOf(t, s, 6, 1, 6)
			if all, _ := s.list(); len(all) != 1 || all[0].id != next {
				t.Errorf("it outlived the next snapshot: %+v", all)
			}
		})
	}
}

func sampleMeta() *meta {
	return &meta{
		index: 300, term: 2, extent: extent{298, 305}, configurationIndex: 1,
		configuration: hraft.Configuration{Servers: []hraft.Server{{Suffrage: hraft.Nonvoter, ID: "n1", Address: "h:1"}}},
		files:         []fileSize{{"a", 0}, {"dir/b", 1000}},
	}
}

func TestAMetaFileComesBackAndItsFormatStays(t *testing.T) {
	b := sampleMeta().encode()
	want := "54504c4d45544101" + "ac0202aa02b10201" + "01" + "01026e3103683a31" + "02" + "0161" + "00" + "056469722f62e807" + "01f07845"
	if got := hex.EncodeToString(b); got != want {
		t.Errorf("the meta file is\n%s, was\n%s", got, want)
	}
	back, err := decodeMeta(b)
	if err != nil || !reflect.DeepEqual(back, sampleMeta()) {
		t.Errorf("%+v, %v", back, err)
	}
	for i := range b {
		damaged := slices.Clone(b)
		damaged[i] ^= 0x40
		if _, err := decodeMeta(damaged); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
		if _, err := decodeMeta(b[:i]); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d bytes: %v", i, err)
		}
	}
	huge := sampleMeta()
	huge.files[1].size = math.MinInt64 // 1<<63 on disk
	if _, err := decodeMeta(huge.encode()); !errors.Is(err, ErrDamaged) {
		t.Errorf("a file of 2^63 bytes: %v", err)
	}
}

func FuzzDecodeMeta(f *testing.F) {
	f.Add(sampleMeta().encode())
	f.Add((&meta{}).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		// Once as it is, once with a checksum that fits.
		for _, b := range [][]byte{b, sealed(slices.Clone(b))} {
			m, err := decodeMeta(b)
			if err != nil {
				if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
					t.Fatal(err)
				}
				continue
			}
			back, err := decodeMeta(m.encode())
			if err != nil || !reflect.DeepEqual(m, back) {
				t.Fatalf("%+v came back as %+v, %v", m, back, err)
			}
		}
	})
}
