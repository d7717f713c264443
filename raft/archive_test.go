package raft

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
)

// makeTree writes files, by name, below dir.
func makeTree(t testing.TB, fs vfs.FS, dir string, files map[string]string) []fileSize {
	t.Helper()
	for name, content := range files {
		path := archivePath(fs, dir, name)
		if err := durable.MakeDir(fs, fs.PathDir(path)); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(fs, path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	all, err := listFiles(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func readTree(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	files, err := listFiles(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := map[string]string{}
	for _, f := range files {
		b, err := readFile(fs, archivePath(fs, dir, f.name), 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		tree[f.name] = string(b)
	}
	return tree
}

// makeArchive streams a small tree.
func makeArchive(t testing.TB, files map[string]string) []byte {
	t.Helper()
	fs := vfs.NewMem()
	if err := durable.MakeDir(fs, "/in"); err != nil {
		t.Fatal(err)
	}
	list := makeTree(t, fs, "/in", files)
	var b bytes.Buffer
	if err := writeArchive(&b, fs, "/in", extent{floor: 5, ceiling: 7}, list); err != nil {
		t.Fatal(err)
	}
	if got := archiveSize(list); got != int64(b.Len()) {
		t.Fatalf("the stream has %d bytes, %d were announced", b.Len(), got)
	}
	return b.Bytes()
}

var smallTree = map[string]string{"a": "alpha", "dir/b": "", "dir/sub/c": "gamma"}

func TestAnArchiveBringsBackTheFilesItWasMadeOf(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", archiveBuffer/16*3) + "x"
	for name, tree := range map[string]map[string]string{
		"small": smallTree, "empty": {}, "big": {"big": big, "other": "x"},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewCrashableMem()
			e, err := readArchive(bytes.NewReader(makeArchive(t, tree)), fs, "/out", faults{})
			if err != nil || e != (extent{5, 7}) {
				t.Fatal(e, err)
			}
			if err := durable.SyncDirs(fs, "/"); err != nil {
				t.Fatal(err)
			}
			// Only what is durable counts.
			got := readTree(t, fs.CrashClone(vfs.CrashCloneCfg{}), "/out")
			if fmt.Sprint(got) != fmt.Sprint(tree) {
				t.Errorf("%d files came back, not the %d that went", len(got), len(tree))
			}
		})
	}
}

func TestTheArchiveFormatStaysAsItIs(t *testing.T) {
	got := hex.EncodeToString(makeArchive(t, map[string]string{"d/f": "hi"}))
	want := strings.Join([]string{
		"54504c534e4150", "01", "0000000000000005", "0000000000000007", "00000001", "e4a3d68b",
		"46", "0003", "642f66", "0000000000000002", "c14f52c8", "6869", "f59dd9c2",
		"45", "0000000000000002", "a1ed35a2",
	}, "")
	if got != want {
		t.Errorf("the archive is\n%s, was\n%s", got, want)
	}
}

// unpackInto sends an archive to a new sink in pieces, as raft does, and returns
// what came of it. Nothing may be left of a failure.
func unpackInto(t testing.TB, b []byte, f faults) error {
	t.Helper()
	s := newSnapshots(t, vfs.NewMem(), 1)
	s.faults = f
	sink, err := s.Create(1, 9, 2, membership("a"), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = func() error {
		for piece := range slices.Chunk(b, 7) {
			if _, err := sink.Write(piece); err != nil {
				return err
			}
		}
		return sink.Close()
	}()
	if err != nil {
		if err := sink.Cancel(); err != nil {
			t.Fatal(err)
		}
		if names, _ := s.fs.List(s.dir); len(names) != 0 {
			t.Fatalf("a failed sink left %q", names)
		}
	}
	return err
}

func TestAnArchiveCutAnywhereIsDamagedAndLeavesNothing(t *testing.T) {
	b := makeArchive(t, smallTree)
	if err := unpackInto(t, b, faults{}); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if err := unpackInto(t, b[:n], faults{}); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut after %d of %d bytes: %v", n, len(b), err)
		}
	}
	if err := unpackInto(t, append(slices.Clone(b), 0), faults{}); !errors.Is(err, ErrDamaged) {
		t.Errorf("with one byte more: %v", err)
	}
}

func TestAnArchiveWithAnyByteChangedIsRefused(t *testing.T) {
	b := makeArchive(t, smallTree)
	unnoticed := 0
	for i := range b {
		damaged := slices.Clone(b)
		damaged[i] ^= 0x10
		if err := unpackInto(t, damaged, faults{}); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
			t.Fatalf("byte %d of %d changed: %v", i, len(b), err)
		}
		if unpackInto(t, damaged, faults{skipArchiveChecksums: true}) == nil {
			unnoticed++
		}
	}
	if unnoticed == 0 {
		t.Error("the broken promise was not noticed")
	}
}

// sealed appends a checksum.
func sealed(b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// forged is an archive of empty files with valid checksums and these names.
func forged(names ...string) []byte {
	b := append([]byte(archiveMagic), archiveVersion)
	b = append(b, make([]byte, 16)...)
	b = sealed(binary.BigEndian.AppendUint32(b, uint32(len(names))))
	for _, name := range names {
		f := binary.BigEndian.AppendUint16([]byte{'F'}, uint16(len(name)))
		f = sealed(append(append(f, name...), make([]byte, 8)...))
		b = append(append(b, f...), 0, 0, 0, 0)
	}
	return append(b, sealed(append([]byte{'E'}, make([]byte, 8)...))...)
}

func TestAnArchiveCannotNameAFileOutsideItsDirectory(t *testing.T) {
	if err := unpackInto(t, forged("a", "b/c"), faults{}); err != nil {
		t.Fatalf("the forgery itself: %v", err)
	}
	for _, name := range []string{
		"", "/", "/a", "a/", "a//b", "..", "../a", "a/../../b", ".", "a/./b", `a\b`, "c:d", "a\x00",
		strings.Repeat("x", maxArchiveName+1), strings.Repeat("x/", maxArchiveDepth) + "x",
	} {
		if err := unpackInto(t, forged(name), faults{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	for _, names := range [][]string{{"a", "a"}, {"b", "a"}} {
		if err := unpackInto(t, forged(names...), faults{}); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", names, err)
		}
	}
}

func TestAFileThatShrankIsNotStreamed(t *testing.T) {
	fs := vfs.NewMem()
	makeTree(t, fs, "/in", map[string]string{"a": "short"})
	err := writeArchive(io.Discard, fs, "/in", extent{}, []fileSize{{"a", 10}})
	if !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
	if err := writeArchive(io.Discard, fs, "/in", extent{}, []fileSize{{"b", 10}}); err == nil {
		t.Error("a file that is not there was streamed")
	}
}

func TestAStreamThatFailsSaysSo(t *testing.T) {
	b := makeArchive(t, smallTree)
	r := io.MultiReader(bytes.NewReader(b[:50]), failingReader{})
	if _, err := readArchive(r, vfs.NewMem(), "/out", faults{}); !errors.Is(err, errBroken) || errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errBroken }

func FuzzReadArchive(f *testing.F) {
	b := makeArchive(f, smallTree)
	f.Add(b)
	f.Add(b[:40])
	f.Add(forged("../x"))
	f.Add(forged("a", "b/c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fs := vfs.NewMem()
		e, err := readArchive(bytes.NewReader(b), fs, "/out", faults{})
		if names, _ := fs.List("/"); len(names) > 1 {
			t.Fatalf("files outside: %q", names)
		}
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		files, err := listFiles(fs, "/out")
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := writeArchive(&again, fs, "/out", e, files); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), b) {
			t.Fatal("an accepted archive is not the one its files make")
		}
	})
}
