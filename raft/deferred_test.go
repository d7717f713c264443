package raft

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// largeEntries makes commands of a MiB each, and an entry of every other kind.
func largeEntries(first, last uint64) []*hraft.Log {
	all := entries(first, last)
	for _, l := range all {
		l.Data = bytes.Repeat(l.Data, 1<<20/len(l.Data)+1)[:1<<20]
	}
	all[0].Type, all[0].Data = hraft.LogConfiguration, hraft.EncodeConfiguration(membership("n1"))
	return all
}

// takenOut reads entries as raft does.
func takenOut(t *testing.T, s *logStore, first, last uint64) (logs []*hraft.Log) {
	t.Helper()
	for i := first; i <= last; i++ {
		l := &hraft.Log{}
		if err := s.GetLog(i, l); err != nil {
			t.Fatal(err)
		}
		logs = append(logs, l)
	}
	return logs
}

func TestLargeCommandsLeaveTheLogWithoutTheirDataAndGetItBackInParts(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	want := largeEntries(1, 40)
	mustStore(t, s, want)
	logs := takenOut(t, s, 1, 40)
	for _, l := range logs[1:] {
		if len(l.Data) > 0 || dataBytes(l) != 1<<20 {
			t.Fatalf("entry %d came with %d bytes of %d", l.Index, len(l.Data), dataBytes(l))
		}
	}
	var parts []int
	for from := 0; from < len(logs); {
		n, err := s.load(logs[from:])
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, n)
		from += n
	}
	if got := fmt.Sprint(parts); got != "[16 16 8]" {
		t.Errorf("%s entries were in memory at a time", got)
	}
	for i, l := range logs {
		if l.Type != want[i].Type || l.Term != want[i].Term || !bytes.Equal(l.Data, want[i].Data) || l.Extensions != nil {
			t.Errorf("entry %d is not what was stored", l.Index)
		}
	}
	unload(logs)
	if logs[0].Data == nil || logs[1].Data != nil {
		t.Error("unload let go of the wrong entries")
	}
}

func TestAnApplyHoldsNoMoreThanOnePartOfItsBatch(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	mustStore(t, s, largeEntries(1, 40))
	f, l, failure := newFSM(t, faults{})
	f.load = s.load
	batch := takenOut(t, s, 1, 40)
	parts := 0
	l.onApply = func([]uint64) error {
		parts++
		held := 0
		for _, l := range batch {
			held += len(l.Data)
		}
		if held > loadBytes+deferBytes {
			t.Errorf("in part %d, %d bytes are held", parts, held)
		}
		return nil
	}
	f.ApplyBatch(batch)
	if *failure != nil || parts != 3 || l.Applied() != 40 {
		t.Errorf("%d parts have come to %d, %v", parts, l.Applied(), *failure)
	}
}

func TestACommandLargerThanThereIsRoomForIsLoadedAlone(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	logs := entries(1, 3)
	logs[1].Data = make([]byte, loadBytes+1)
	mustStore(t, s, logs)
	out := takenOut(t, s, 1, 3)
	for _, want := range []int{1, 1, 1} {
		n, err := s.load(out)
		if err != nil || n != want {
			t.Fatalf("%d entries, %v, want %d", n, err, want)
		}
		out = out[n:]
	}
}

func TestDataIsNotThatOfAnEntryWhichHasOverruledAnother(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	mustStore(t, s, largeEntries(1, 3))
	out := takenOut(t, s, 3, 3)
	if err := s.DeleteRange(3, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := s.load(out); !errors.Is(err, hraft.ErrLogNotFound) {
		t.Errorf("of an entry that is gone: %v", err)
	}
	other := largeEntries(2, 3)[1:]
	other[0].Term++
	mustStore(t, s, other)
	if _, err := s.load(out); !errors.Is(err, hraft.ErrLogNotFound) {
		t.Errorf("of an entry that was overruled: %v", err)
	}
}

// A follower and a restart get through far more than is in memory at a time.
func TestAFollowerAndARestartGetThroughLargeCommands(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c := newCluster(t, 3)
		n := c.leader()
		away := c.others(n)[0].options.NodeID
		c.crash(away)
		var want []string
		for i := range 48 {
			want = append(want, strings.Repeat(fmt.Sprintf("%04d", i), 1<<18))
			mustPropose(t, n.Node, want[i])
		}
		most := 0
		c.change = append(c.change, func(_ *Options, l *ledger) {
			l.onApply = func(indexes []uint64) error {
				most = max(most, len(indexes))
				return nil
			}
		})
		c.open(away)
		c.wantSame(want...)
		if most < 2 || most > loadBytes>>20 {
			t.Errorf("a follower applied up to %d MiB at a time", most)
		}
		most = 0
		c.crash(away)
		must(t, c.disks[away].RemoveAll(ledgerDir))
		c.open(away)
		c.wantSame(want...)
		if most < 2 || most > loadBytes>>20 {
			t.Errorf("a restart applied up to %d MiB at a time", most)
		}
		c.close()
	})
}
