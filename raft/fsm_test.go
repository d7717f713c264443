package raft

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// asLogs numbers entries from first on.
func asLogs(first uint64, logs ...hraft.Log) []*hraft.Log {
	all := make([]*hraft.Log, len(logs))
	for i := range logs {
		logs[i].Index = first + uint64(i)
		all[i] = &logs[i]
	}
	return all
}

func command(text string) hraft.Log { return hraft.Log{Data: []byte(text)} }

// newFSM returns an fsm on a ledger that has the given records.
func newFSM(t *testing.T, f faults, has ...record) (*fsm, *ledger, *error) {
	t.Helper()
	l, err := openLedger(vfs.NewMem(), ledgerDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.replace(has); err != nil {
		t.Fatal(err)
	}
	var failure error
	return &fsm{
		machine: l, watermark: &watermark{}, proposals: newProposals(&Options{}), faults: f,
		ctx: t.Context(), fail: func(err error) { failure = err }, applied: func() {},
		overtaken: func(uint64, uint64) error { return nil }, load: func(logs []*hraft.Log) (int, error) { return len(logs), nil },
	}, l, &failure
}

func TestABatchIsOneApplyAndItsAnswersKeepTheirPlaces(t *testing.T) {
	f, l, failure := newFSM(t, faults{})
	answers := f.ApplyBatch(asLogs(7, command("a"), hraft.Log{Type: hraft.LogConfiguration}, command("b")))
	if got := fmt.Sprint(answers); got != "[7:a <nil> 9:b]" || *failure != nil {
		t.Errorf("%s, %v", got, *failure)
	}
	if applies, _ := l.counts(); applies != 1 {
		t.Errorf("%d calls of Apply", applies)
	}
	if f.Apply(asLogs(10, command("c"))[0]) != "10:c" {
		t.Error("a single entry got another answer")
	}
}

func TestTheWatermarkPassesRaftsOwnEntries(t *testing.T) {
	f, l, _ := newFSM(t, faults{})
	f.ApplyBatch(asLogs(1, hraft.Log{Type: hraft.LogConfiguration}))
	if f.watermark.load() != 1 || l.Applied() != 0 {
		t.Fatalf("watermark %d, applied %d", f.watermark.load(), l.Applied())
	}
}

func TestWhatTheStateHasIsNotAppliedAgain(t *testing.T) {
	f, l, failure := newFSM(t, faults{}, record{5, "five"}, record{6, "six"})
	answers := f.ApplyBatch(asLogs(5, command("five"), command("six"), command("seven")))
	if answers[0] != errApplied || answers[1] != errApplied || answers[2] != "7:seven" {
		t.Errorf("answers %v", answers)
	}
	if *failure != nil || l.Applied() != 7 || f.watermark.load() != 7 {
		t.Errorf("failure %v, applied %d, watermark %d", *failure, l.Applied(), f.watermark.load())
	}
	f, _, failure = newFSM(t, faults{applyTwice: true}, record{5, "five"})
	f.ApplyBatch(asLogs(5, command("five")))
	if *failure == nil {
		t.Error("the broken promise was not noticed")
	}
}

func TestWhoHasAResultFindsTheWatermarkThere(t *testing.T) {
	f, _, _ := newFSM(t, faults{})
	f.proposals.mu.Lock() // nobody gets an answer yet
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.ApplyBatch(asLogs(7, command("a")))
	}()
	eventually(t, "the watermark moves before the answers go out", func() bool { return f.watermark.load() == 7 })
	f.proposals.mu.Unlock()
	<-done
}

func TestAProposalThatTheStateHadHearsThatItsOutcomeIsUnknown(t *testing.T) {
	f, _, _ := newFSM(t, faults{}, record{5, "five"})
	p, err := f.proposals.enter([]byte("five"), true)
	if err != nil {
		t.Fatal(err)
	}
	f.ApplyBatch(asLogs(5, p.log([]byte("five"))))
	<-p.done
	if !errors.Is(p.err, ErrOutcomeUnknown) || !errors.Is(p.err, errApplied) || p.result != nil {
		t.Fatal(p.result, p.err)
	}
}

func TestARestoreMovesTheWatermarkToWhatTheSnapshotHolds(t *testing.T) {
	f, l, failure := newFSM(t, faults{}, record{2, "overruled"})
	s := newSnapshots(t, l.fs, 1)
	_, r, err := s.Open(snapshotOf(t, s, 9, 1, 5, 7))
	must(t, err)
	defer r.Close()
	must(t, f.Restore(r))
	if f.watermark.load() != 9 || fmt.Sprint(l.commands()) != "[command 5 command 7]" || *failure != nil {
		t.Errorf("watermark %d, %q, %v", f.watermark.load(), l.commands(), *failure)
	}
}

func TestARestoreThatFailsFailsTheNode(t *testing.T) {
	f, l, failure := newFSM(t, faults{})
	s := newSnapshots(t, l.fs, 1)
	_, r, err := s.Open(snapshotOf(t, s, 9, 1, 5, 7))
	must(t, err)
	defer r.Close()
	damages["a shortened file"](t, s, r.(*snapshotReader).id)
	if err := f.Restore(r); err == nil || *failure == nil || f.broken == nil || f.watermark.load() != 0 {
		t.Errorf("%v, failure %v", err, *failure)
	}
}

func TestRestoreAndPersistRefuseWhatIsNotThisStores(t *testing.T) {
	f, _, failure := newFSM(t, faults{})
	if err := f.Restore(io.NopCloser(strings.NewReader("x"))); err == nil {
		t.Error("restored from anything")
	}
	s, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sink, _ := hraft.NewInmemSnapshotStore().Create(1, 1, 1, hraft.Configuration{}, 1, nil)
	if err := s.Persist(sink); err == nil {
		t.Error("persisted into anything")
	}
	s.Release()
	if *failure != nil {
		t.Error(*failure)
	}
}
