package raft

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// lateness is a follower, and a snapshot of what it had once, which its leader gave
// up on and which arrives when the follower has had more.
type lateness struct {
	t        *testing.T
	here     *hraft.InmemTransport
	follower *Node
	ledger   *ledger
	meta     *hraft.SnapshotMeta
	archive  []byte
}

func newLateness(t *testing.T, change ...func(*Options)) *lateness {
	t.Helper()
	l := &lateness{t: t}
	_, l.here = hraft.NewInmemTransport("at n1")
	_, there := hraft.NewInmemTransport("at n2")
	l.here.Connect("at n2", there)
	l.follower, l.ledger = openFollower(t, vfs.NewMem(), "n2", there, change...)
	l.entries(0, 5)
	must(t, l.follower.Snapshot(t.Context()))
	all, err := l.follower.store.List()
	must(t, err)
	meta, archive, err := l.follower.store.Open(all[0].ID)
	must(t, err)
	l.meta = meta
	l.archive, err = io.ReadAll(archive)
	must(t, err)
	must(t, archive.Close())
	return l
}

func (l *lateness) header() hraft.RPCHeader {
	return hraft.RPCHeader{ProtocolVersion: hraft.ProtocolVersionMax, ID: []byte("n1"), Addr: []byte("at n1")}
}

// entries sends the entries after previous up to last, all committed.
func (l *lateness) entries(previous, last uint64) {
	l.t.Helper()
	q := hraft.AppendEntriesRequest{RPCHeader: l.header(), Term: 1, PrevLogEntry: previous, LeaderCommitIndex: last}
	if previous > 0 {
		q.PrevLogTerm = 1
	}
	for i := previous + 1; i <= last; i++ {
		e := &hraft.Log{Index: i, Term: 1, Data: fmt.Append(nil, i)}
		if i == 1 {
			e.Type, e.Data = hraft.LogConfiguration, hraft.EncodeConfiguration(membership("n1", "n2", "n3"))
		}
		q.Entries = append(q.Entries, e)
	}
	var a hraft.AppendEntriesResponse
	must(l.t, l.here.AppendEntries("n2", "at n2", &q, &a))
	if !a.Success {
		l.t.Errorf("entries %d to %d are refused: %+v", previous+1, last, a)
	}
	synctest.Wait()
}

// arrive delivers the snapshot.
func (l *lateness) arrive() error {
	q := &hraft.InstallSnapshotRequest{
		RPCHeader: l.header(), SnapshotVersion: l.meta.Version, Term: 1,
		LastLogIndex: l.meta.Index, LastLogTerm: l.meta.Term,
		Configuration: hraft.EncodeConfiguration(l.meta.Configuration), ConfigurationIndex: l.meta.ConfigurationIndex,
		Size: int64(len(l.archive)),
	}
	return l.here.InstallSnapshot("n2", "at n2", q, &hraft.InstallSnapshotResponse{}, bytes.NewReader(l.archive))
}

// wantAll wants every command up to last to be applied.
func (l *lateness) wantAll(last int) {
	l.t.Helper()
	var want []string
	for i := 2; i <= last; i++ {
		want = append(want, fmt.Sprint(i))
	}
	if got := fmt.Sprint(l.ledger.commands()); got != fmt.Sprint(want) {
		l.t.Errorf("applied %s, want %s", got, want)
	}
}

// A follower that lets a late snapshot take entries away again still counts for
// them, and goes on without them.
func TestASnapshotThatComesLateTakesNothingAway(t *testing.T) {
	for name, before := range map[string]func(*lateness){
		"its last entry is in the log":        func(*lateness) {},
		"its last entry is the one before it": func(l *lateness) { must(l.t, l.follower.log.DeleteRange(1, 5)) },
		"the log is truncated beyond it":      func(l *lateness) { must(l.t, l.follower.Snapshot(l.t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				l := newLateness(t)
				l.entries(5, 10)
				before(l)
				if err := l.arrive(); err == nil {
					t.Error("the snapshot is installed")
				}
				if _, _, last := l.follower.log.span(); last != 10 {
					t.Errorf("the log ends at %d", last)
				}
				l.wantAll(10)
				l.entries(10, 10)
				l.entries(10, 12)
				l.wantAll(12)
				stopFollower(t, l.follower, l.ledger)
			})
		})
	}
}

// Were a late snapshot installed, raft would go on where the log does not.
func TestALateSnapshotWouldTakeTheLogAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLateness(t, func(o *Options) { o.faults.takeLateSnapshots = true })
		l.entries(5, 10)
		must(t, l.arrive())
		if _, _, last := l.follower.log.span(); last != 5 {
			t.Errorf("the log ends at %d; is the refusal needed?", last)
		}
		stopFollower(t, l.follower, l.ledger)
	})
}

func TestASnapshotOfAllThatAFollowerHasIsTaken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		l := newLateness(t)
		must(t, l.arrive())
		must(t, l.arrive())
		l.entries(5, 7)
		l.wantAll(7)
		stopFollower(t, l.follower, l.ledger)
	})
}
