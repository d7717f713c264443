package raft

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/internal/durable"
)

// ledger is the state machine of the tests: it keeps every command it was ever
// given, in order, in a file that it never syncs unless a checkpoint asks for
// it. It refuses a command that does not come after the last one, so a command
// applied twice is a failure, not a curiosity.
//
// Its directory holds numbered files and CURRENT, which names the valid one. A
// record is index (8), length (4), command, CRC-32C (4).
type ledger struct {
	fs  vfs.FS
	dir string

	mu      sync.Mutex
	file    vfs.File
	number  int
	records []record
	applies int // calls of Apply since it was opened
	taken   int // commands applied since it was opened

	onApply      func(indexes []uint64) error // may block, or fail the apply
	onCheckpoint func(ctx context.Context) error
}

type record struct {
	index   uint64
	command string
}

// openLedger reads what survived: the longest valid beginning of the file.
func openLedger(fs vfs.FS, dir string) (*ledger, error) {
	l := &ledger{fs: fs, dir: dir}
	if err := durable.MakeDir(fs, dir); err != nil {
		return nil, err
	}
	current, err := readFile(fs, fs.PathJoin(dir, "CURRENT"), 100)
	if err == nil {
		if _, err := fmt.Sscanf(string(current), "%d", &l.number); err != nil {
			return nil, err
		}
		b, err := readFile(fs, l.path(l.number), 1<<30)
		if err != nil {
			return nil, err
		}
		l.records = decodeLedger(b)
	}
	return l, l.replace(l.records)
}

func (l *ledger) path(number int) string {
	return l.fs.PathJoin(l.dir, fmt.Sprintf("%06d", number))
}

// replace makes records the durable content, in a new file.
func (l *ledger) replace(records []record) error {
	next := l.number + 1
	f, err := l.fs.Create(l.path(next), writeCategory)
	if err != nil {
		return err
	}
	if _, err := f.Write(encodeLedger(records)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	marker := l.fs.PathJoin(l.dir, "CURRENT.new")
	if err := writeFile(l.fs, marker, fmt.Appendf(nil, "%d", next)); err != nil {
		return err
	}
	if err := durable.SyncDirs(l.fs, l.dir); err != nil {
		return err
	}
	if err := l.fs.Rename(marker, l.fs.PathJoin(l.dir, "CURRENT")); err != nil {
		return err
	}
	if l.file != nil {
		l.file.Close()
	}
	l.file, l.number, l.records = f, next, records
	return durable.SyncDirs(l.fs, l.dir)
}

func encodeLedger(records []record) []byte {
	var b []byte
	for _, r := range records {
		start := len(b)
		b = binary.BigEndian.AppendUint64(b, r.index)
		b = binary.BigEndian.AppendUint32(b, uint32(len(r.command)))
		b = append(b, r.command...)
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	}
	return b
}

func decodeLedger(b []byte) []record {
	var records []record
	for len(b) >= 16 {
		n := int(binary.BigEndian.Uint32(b[8:]))
		if n > len(b)-16 || crc32.Checksum(b[:12+n], castagnoli) != binary.BigEndian.Uint32(b[12+n:]) {
			break
		}
		r := record{binary.BigEndian.Uint64(b), string(b[12 : 12+n])}
		if len(records) > 0 && r.index <= records[len(records)-1].index || r.index == 0 {
			break
		}
		records, b = append(records, r), b[16+n:]
	}
	return records
}

func (l *ledger) Apply(indexes []uint64, commands [][]byte) ([]any, error) {
	if l.onApply != nil {
		if err := l.onApply(indexes); err != nil {
			return nil, err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var fresh []record
	results := make([]any, len(indexes))
	last := l.last()
	for i, index := range indexes {
		if index <= last {
			return nil, fmt.Errorf("ledger: command %d after %d", index, last)
		}
		last = index
		fresh = append(fresh, record{index, string(commands[i])})
		results[i] = fmt.Sprintf("%d:%s", index, commands[i])
	}
	if _, err := l.file.Write(encodeLedger(fresh)); err != nil {
		return nil, err
	}
	l.records = append(l.records, fresh...)
	l.applies++
	l.taken += len(fresh)
	return results, nil
}

func (l *ledger) last() uint64 {
	if len(l.records) == 0 {
		return 0
	}
	return l.records[len(l.records)-1].index
}

func (l *ledger) Applied() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last()
}

func (l *ledger) Checkpoint(ctx context.Context, dir string, atLeast uint64) error {
	if l.onCheckpoint != nil {
		if err := l.onCheckpoint(ctx); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last() < atLeast {
		return fmt.Errorf("ledger: checkpoint at %d, applied %d", atLeast, l.last())
	}
	if err := l.file.Sync(); err != nil {
		return err
	}
	// Two directories deep, so that the archive carries some.
	sub := l.fs.PathJoin(dir, "sub")
	if err := durable.MakeDir(l.fs, sub); err != nil {
		return err
	}
	if err := writeFile(l.fs, l.fs.PathJoin(sub, "ledger"), encodeLedger(l.records)); err != nil {
		return err
	}
	if err := durable.SyncDirs(l.fs, sub); err != nil {
		return err
	}
	if err := writeFile(l.fs, l.fs.PathJoin(dir, "empty"), nil); err != nil {
		return err
	}
	return durable.SyncDirs(l.fs, dir)
}

func (l *ledger) Restore(dir string) error {
	b, err := readFile(l.fs, l.fs.PathJoin(dir, "sub", "ledger"), 1<<30)
	if err != nil {
		return err
	}
	records := decodeLedger(b)
	if !bytes.Equal(encodeLedger(records), b) {
		return errors.New("ledger: the checkpoint is damaged")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replace(records)
}

// commands returns the commands that callers proposed, without the leader's.
func (l *ledger) commands() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []string
	for _, r := range l.records {
		if !strings.HasPrefix(r.command, "leader") {
			all = append(all, r.command)
		}
	}
	return all
}

func (l *ledger) counts() (applies, taken int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.applies, l.taken
}

var _ StateMachine = (*ledger)(nil)
var _ io.Reader = (*snapshotReader)(nil)
