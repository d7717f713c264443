package raft

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
)

// A snapshot travels as one stream, because that is what hashicorp/raft sends:
//
//	header  "TPLSNAP" version (1) │ floor (8) │ ceiling (8) │ files (4) │ crc
//	file    'F' │ name length (2) │ name │ size (8) │ crc │ content │ crc
//	…       as many as the header says, in ascending order of names
//	end     'E' │ bytes of all contents (8) │ crc
//
// Numbers are big-endian; each crc is CRC-32C (4 bytes) of what stands between
// it and the one before. Every length is known before its content, so neither
// side holds more than one buffer of it, and the length of the whole is known
// before the first byte is read.
const (
	archiveMagic   = "TPLSNAP"
	archiveVersion = 1
	archiveHeader  = len(archiveMagic) + 1 + 8 + 8 + 4 + 4
	archiveEnd     = 1 + 8 + 4

	maxArchiveFiles = 1 << 20
	maxArchiveName  = 512
	maxArchiveDepth = 8
	archiveBuffer   = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// extent says what a snapshot's state holds: every command up to its raft index
// once Applied is at least floor; none beyond ceiling.
type extent struct{ floor, ceiling uint64 }

// archiveSize returns the length of the stream for these files.
func archiveSize(files []fileSize) int64 {
	n := int64(archiveHeader + archiveEnd)
	for _, f := range files {
		n += int64(1+2+len(f.name)+8+4) + f.size + 4
	}
	return n
}

// archiveWriter writes to w and keeps the checksum of what was written since
// the last one.
type archiveWriter struct {
	w   io.Writer
	crc uint32
}

func (a *archiveWriter) Write(p []byte) (int, error) {
	a.crc = crc32.Update(a.crc, castagnoli, p)
	return a.w.Write(p)
}

// sum writes the checksum and starts the next one.
func (a *archiveWriter) sum() error {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], a.crc)
	a.crc = 0
	_, err := a.w.Write(b[:])
	return err
}

// record writes a few fields and their checksum.
func (a *archiveWriter) record(b []byte) error {
	if _, err := a.Write(b); err != nil {
		return err
	}
	return a.sum()
}

// writeArchive streams the files below dir.
func writeArchive(w io.Writer, fs vfs.FS, dir string, e extent, files []fileSize) error {
	a := &archiveWriter{w: w}
	head := append([]byte(archiveMagic), archiveVersion)
	head = binary.BigEndian.AppendUint64(head, e.floor)
	head = binary.BigEndian.AppendUint64(head, e.ceiling)
	head = binary.BigEndian.AppendUint32(head, uint32(len(files)))
	if err := a.record(head); err != nil {
		return err
	}
	var total uint64
	buffer := make([]byte, archiveBuffer)
	for _, f := range files {
		if err := a.file(fs, dir, f, buffer); err != nil {
			return fmt.Errorf("stream snapshot file %s: %w", f.name, err)
		}
		total += uint64(f.size)
	}
	return a.record(binary.BigEndian.AppendUint64([]byte{'E'}, total))
}

func (a *archiveWriter) file(fs vfs.FS, dir string, f fileSize, buffer []byte) error {
	head := binary.BigEndian.AppendUint16([]byte{'F'}, uint16(len(f.name)))
	head = append(head, f.name...)
	if err := a.record(binary.BigEndian.AppendUint64(head, uint64(f.size))); err != nil {
		return err
	}
	in, err := fs.Open(archivePath(fs, dir, f.name), vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	defer in.Close()
	n, err := io.CopyBuffer(a, plainReader{io.LimitReader(in, f.size)}, buffer)
	if err != nil {
		return err
	}
	if n != f.size {
		return fmt.Errorf("%w: %d bytes of %d are there", ErrDamaged, n, f.size)
	}
	return a.sum()
}

// plainReader hides every method but Read, so that io.CopyBuffer uses the buffer.
type plainReader struct{ io.Reader }

// archivePath turns an archive's name into a path below dir.
func archivePath(fs vfs.FS, dir, name string) string {
	return fs.PathJoin(append([]string{dir}, strings.Split(name, "/")...)...)
}

// archiveReader reads from r and keeps the checksum of what was read since the
// last one.
type archiveReader struct {
	r         *bufio.Reader
	crc       uint32
	unchecked bool // see faults.skipArchiveChecksums
}

func (a *archiveReader) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	a.crc = crc32.Update(a.crc, castagnoli, p[:n])
	return n, err
}

// next reads n bytes.
func (a *archiveReader) next(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a, b); err != nil {
		return nil, cutArchive(err)
	}
	return b, nil
}

// sum reads a checksum and compares it with what was read since the last one.
func (a *archiveReader) sum() error {
	want := a.crc
	b, err := a.next(4)
	if err != nil {
		return err
	}
	a.crc = 0
	if got := binary.BigEndian.Uint32(b); got != want && !a.unchecked {
		return fmt.Errorf("%w: snapshot archive: checksum %08x, want %08x", ErrDamaged, got, want)
	}
	return nil
}

// cutArchive tells a stream that ended early from one that failed.
func cutArchive(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: snapshot archive: cut short", ErrDamaged)
	}
	return fmt.Errorf("read snapshot archive: %w", err)
}

// readArchive unpacks a stream into dir, which does not exist yet, and makes it
// durable. It fails with ErrDamaged or ErrVersion if the stream is not exactly
// one archive; what it wrote by then is the caller's to remove.
func readArchive(r io.Reader, fs vfs.FS, dir string, f faults) (extent, error) {
	a := &archiveReader{r: bufio.NewReaderSize(r, archiveBuffer), unchecked: f.skipArchiveChecksums}
	e, count, err := a.header()
	if err != nil {
		return e, err
	}
	u := unpacking{archiveReader: a, fs: fs, root: dir, dirs: map[string]bool{}}
	if err := u.makeDir(dir); err != nil {
		return e, err
	}
	for range count {
		if err := u.file(); err != nil {
			return e, err
		}
	}
	if err := u.end(); err != nil {
		return e, err
	}
	return e, durable.SyncDirs(u.fs, slices.Collect(maps.Keys(u.dirs))...)
}

func (a *archiveReader) header() (e extent, files uint32, err error) {
	b, err := a.next(archiveHeader - 4)
	if err != nil {
		return e, 0, err
	}
	n := len(archiveMagic)
	if string(b[:n]) != archiveMagic {
		return e, 0, fmt.Errorf("%w: not a snapshot archive", ErrDamaged)
	}
	if b[n] != archiveVersion {
		return e, 0, fmt.Errorf("%w: snapshot archive version %d", ErrVersion, b[n])
	}
	if err := a.sum(); err != nil {
		return e, 0, err
	}
	e.floor = binary.BigEndian.Uint64(b[n+1:])
	e.ceiling = binary.BigEndian.Uint64(b[n+9:])
	files = binary.BigEndian.Uint32(b[n+17:])
	if files > maxArchiveFiles {
		return e, 0, fmt.Errorf("%w: snapshot archive: %d files", ErrDamaged, files)
	}
	return e, files, nil
}

// unpacking is an archive on its way to the disk.
type unpacking struct {
	*archiveReader
	fs     vfs.FS
	root   string
	dirs   map[string]bool // made so far
	last   string          // the last file's name
	total  uint64
	buffer []byte
}

// file reads one file, syncs it and verifies it.
func (u *unpacking) file() error {
	name, size, err := u.fileHeader()
	if err != nil {
		return err
	}
	path := archivePath(u.fs, u.root, name)
	if err := u.makeDir(u.fs.PathDir(path)); err != nil {
		return err
	}
	out, err := u.fs.Create(path, writeCategory)
	if err != nil {
		return fmt.Errorf("unpack snapshot file %s: %w", name, err)
	}
	err = u.content(out, size)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("unpack snapshot file %s: %w", name, err)
	}
	u.last, u.total = name, u.total+size
	return nil
}

func (u *unpacking) fileHeader() (name string, size uint64, err error) {
	b, err := u.next(3)
	if err != nil {
		return "", 0, err
	}
	n := int(binary.BigEndian.Uint16(b[1:]))
	if b[0] != 'F' || n > maxArchiveName {
		return "", 0, fmt.Errorf("%w: snapshot archive: no file where one should be", ErrDamaged)
	}
	b, err = u.next(n + 8)
	if err != nil {
		return "", 0, err
	}
	if err := u.sum(); err != nil {
		return "", 0, err
	}
	name, size = string(b[:n]), binary.BigEndian.Uint64(b[n:])
	if err := checkArchiveName(name); err != nil {
		return "", 0, err
	}
	if name <= u.last {
		return "", 0, fmt.Errorf("%w: snapshot archive: file %q after %q", ErrDamaged, name, u.last)
	}
	return name, size, nil
}

// content copies a file's bytes and compares their checksum.
func (u *unpacking) content(out io.Writer, size uint64) error {
	if u.buffer == nil {
		u.buffer = make([]byte, archiveBuffer)
	}
	for left := size; left > 0; {
		n, err := u.Read(u.buffer[:min(left, uint64(len(u.buffer)))])
		if _, err := out.Write(u.buffer[:n]); err != nil {
			return err
		}
		left -= uint64(n)
		if err != nil && left > 0 {
			return cutArchive(err)
		}
	}
	return u.sum()
}

// end reads the end record, after which there must be nothing.
func (u *unpacking) end() error {
	b, err := u.next(archiveEnd - 4)
	if err != nil {
		return err
	}
	if err := u.sum(); err != nil {
		return err
	}
	if b[0] != 'E' || binary.BigEndian.Uint64(b[1:]) != u.total {
		return fmt.Errorf("%w: snapshot archive: no end where it should be", ErrDamaged)
	}
	switch _, err := u.r.ReadByte(); {
	case err == nil:
		return fmt.Errorf("%w: snapshot archive: goes on after its end", ErrDamaged)
	case !errors.Is(err, io.EOF):
		return cutArchive(err)
	}
	return nil
}

// makeDir makes a directory at or below the root, and its parents down from there.
func (u *unpacking) makeDir(dir string) error {
	if u.dirs[dir] {
		return nil
	}
	if err := u.fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpack snapshot: %w", err)
	}
	for ; !u.dirs[dir] && len(dir) >= len(u.root); dir = u.fs.PathDir(dir) {
		u.dirs[dir] = true
	}
	return nil
}

// checkArchiveName refuses what could name a file outside the directory, or two
// names for one file.
func checkArchiveName(name string) error {
	parts := strings.Split(name, "/")
	if len(parts) > maxArchiveDepth {
		return fmt.Errorf("%w: snapshot archive: file name %q is too deep", ErrDamaged, name)
	}
	for _, p := range parts {
		if p == "" || p == "." || p == ".." || strings.ContainsAny(p, "\x00\\:") {
			return fmt.Errorf("%w: snapshot archive: file name %q", ErrDamaged, name)
		}
	}
	return nil
}
