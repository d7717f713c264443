package raft

import (
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	hraft "github.com/hashicorp/raft"
)

func openLog(t testing.TB, fs vfs.FS) *logStore {
	t.Helper()
	s, err := openLogStore(fs, "/log", quiet, func(err error) {
		t.Logf("log store failed: %v", err)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// entries makes commands at indexes first to last, in term index/10 + 1.
func entries(first, last uint64) []*hraft.Log {
	var all []*hraft.Log
	for i := first; i <= last; i++ {
		all = append(all, &hraft.Log{Index: i, Term: i/10 + 1, Data: fmt.Appendf(nil, "command %d", i)})
	}
	return all
}

func mustStore(t testing.TB, s *logStore, logs []*hraft.Log) {
	t.Helper()
	if err := s.StoreLogs(logs); err != nil {
		t.Fatal(err)
	}
}

// wantLog compares the whole log with entries(first, last).
func wantLog(t testing.TB, s *logStore, first, last uint64) {
	t.Helper()
	f, _ := s.FirstIndex()
	l, _ := s.LastIndex()
	if f != first || l != last {
		t.Fatalf("the log holds %d to %d, want %d to %d", f, l, first, last)
	}
	if first == 0 {
		return
	}
	for _, want := range entries(first, last) {
		var got hraft.Log
		if err := s.GetLog(want.Index, &got); err != nil {
			t.Fatal(err)
		}
		if got.Index != want.Index || got.Term != want.Term || string(got.Data) != string(want.Data) {
			t.Fatalf("entry %d is %+v", want.Index, got)
		}
	}
	if err := s.GetLog(last+1, new(hraft.Log)); err != hraft.ErrLogNotFound {
		t.Fatalf("entry %d, after the log: %v", last+1, err)
	}
	var before hraft.Log
	err := s.GetLog(first-1, &before)
	if _, term, _ := s.span(); term == 0 && err != hraft.ErrLogNotFound || term != 0 && before.Term != term {
		t.Fatalf("entry %d, before the log: %+v, %v", first-1, before, err)
	}
}

// bothWays runs check on the store, and again on the store reopened.
func bothWays(t *testing.T, fs vfs.FS, s *logStore, check func(*logStore)) *logStore {
	t.Helper()
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openLog(t, fs)
	check(s)
	return s
}

func TestTheLogKeepsWhatIsStoredAndTruncated(t *testing.T) {
	fs := vfs.NewMem()
	s := openLog(t, fs)
	s = bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 0, 0) })
	mustStore(t, s, entries(1, 30))
	s = bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 1, 30) })

	if err := s.DeleteRange(1, 12); err != nil {
		t.Fatal(err)
	}
	s = bothWays(t, fs, s, func(s *logStore) {
		wantLog(t, s, 13, 30)
		if previous, term, _ := s.span(); previous != 12 || term != 2 {
			t.Errorf("before the log: %d in term %d", previous, term)
		}
	})

	if err := s.DeleteRange(25, 30); err != nil {
		t.Fatal(err)
	}
	s = bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 13, 24) })
	mustStore(t, s, entries(25, 26))

	if err := s.DeleteRange(13, 26); err != nil {
		t.Fatal(err)
	}
	s = bothWays(t, fs, s, func(s *logStore) {
		wantLog(t, s, 0, 0)
		if previous, term, last := s.span(); previous != 26 || term != 3 || last != 26 {
			t.Errorf("before the log: %d in term %d", previous, term)
		}
	})
	mustStore(t, s, entries(27, 28))
	bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 27, 28) })
}

func TestALogGoesOnAfterASnapshotAndNowhereElse(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openLog(t, fs)
	mustStore(t, s, entries(1, 5))
	must(t, s.overtaken(40, 4))
	s = bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 0, 0) })
	mustStore(t, s, entries(41, 43))
	s = bothWays(t, fs, s, func(s *logStore) {
		wantLog(t, s, 41, 43)
		if previous, term, _ := s.span(); previous != 40 || term != 4 {
			t.Errorf("before the log: %d in term %d", previous, term)
		}
	})
	if !s.IsMonotonic() {
		t.Error("and it should say so")
	}
	for name, logs := range map[string][]*hraft.Log{
		"after a gap":       entries(45, 46),
		"what is there":     entries(43, 44),
		"with a gap inside": {entries(44, 44)[0], entries(46, 46)[0]},
	} {
		t.Run(name, func(t *testing.T) {
			s := openLog(t, fs.CrashClone(vfs.CrashCloneCfg{}))
			if err := s.StoreLogs(logs); err == nil {
				t.Error("it was stored")
			}
			if s.failed() == nil {
				t.Error("and the store goes on")
			}
		})
	}
}

func TestWhatACrashLeftUnreclaimedDoesNotComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		previous    uint64 // all of 1 to 9 up to here is truncated, and still there
		after       uint64 // where a snapshot has the log begin; 0: nowhere
		next        []*hraft.Log
		first, last uint64
	}{
		"the log goes on":                   {5, 0, entries(10, 12), 6, 12},
		"an empty log goes on":              {9, 0, entries(10, 12), 10, 12},
		"an empty log is overtaken":         {9, 40, entries(41, 42), 41, 42},
		"an empty log is overruled":         {9, 3, entries(4, 6), 4, 6},
		"a log is overtaken":                {5, 40, entries(41, 42), 41, 42},
		"a log is overruled":                {5, 7, entries(8, 8), 8, 8},
		"a log is overruled to its begin":   {5, 5, entries(6, 6), 6, 6},
		"a log is overruled to before that": {5, 2, entries(3, 3), 3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openLog(t, fs)
			mustStore(t, s, entries(1, 9))
			must(t, s.commit(func(b *pebble.Batch) error { setPrevious(b, c.previous, 1); return nil }))
			must(t, s.Close())
			s = openLog(t, fs)
			if c.after != 0 {
				must(t, s.overtaken(c.after, 1))
				s = bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 0, 0) })
			}
			mustStore(t, s, c.next)
			s = bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, c.first, c.last) })
			must(t, s.DeleteRange(c.first, c.last))
			bothWays(t, fs, s, func(s *logStore) { wantLog(t, s, 0, 0) })
		})
	}
}

func TestDeletingTheMiddleOfTheLogIsRefused(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	mustStore(t, s, entries(1, 9))
	if err := s.DeleteRange(4, 6); err == nil {
		t.Error("that left a hole")
	}
	if err := errors.Join(s.DeleteRange(20, 30), s.DeleteRange(5, 4)); err != nil {
		t.Errorf("deleting nothing: %v", err)
	}
	wantLog(t, s, 1, 9)
}

func membership(ids ...string) hraft.Configuration {
	var c hraft.Configuration
	for _, id := range ids {
		c.Servers = append(c.Servers, hraft.Server{ID: hraft.ServerID(id), Address: hraft.ServerAddress("at " + id)})
	}
	return c
}

func TestTheMembershipOutlivesTheEntryThatSetIt(t *testing.T) {
	fs := vfs.NewMem()
	s := openLog(t, fs)
	if err := s.bootstrap(membership("a")); err != nil {
		t.Fatal(err)
	}
	logs := entries(2, 9)
	logs[3] = &hraft.Log{Index: 5, Term: 1, Type: hraft.LogConfiguration, Data: hraft.EncodeConfiguration(membership("a", "b"))}
	logs[6] = &hraft.Log{Index: 8, Term: 1, Type: hraft.LogConfiguration, Data: hraft.EncodeConfiguration(membership("c"))}
	mustStore(t, s, logs)
	want := func(at uint64, servers int, from uint64) {
		t.Helper()
		c, index, err := s.configuration(at)
		if err != nil || len(c.Servers) != servers || index != from {
			t.Errorf("at %d: %v from %d, %v", at, c, index, err)
		}
	}
	want(1, 1, 1)
	want(4, 1, 1)
	want(5, 2, 5)
	want(9, 1, 8)
	if err := s.DeleteRange(1, 6); err != nil {
		t.Fatal(err)
	}
	s = bothWays(t, fs, s, func(s *logStore) {})
	want(4, 0, 0)
	want(6, 2, 5)
	want(9, 1, 8)
	if err := s.DeleteRange(8, 9); err != nil { // overruled
		t.Fatal(err)
	}
	want(9, 2, 5)
	if term, err := s.GetUint64([]byte(stableTerm)); term != 1 || err != nil {
		t.Errorf("term %d, %v", term, err)
	}
}

func TestStableValuesAreKept(t *testing.T) {
	fs := vfs.NewMem()
	s := openLog(t, fs)
	if n, err := s.GetUint64([]byte("n")); n != 0 || err != nil {
		t.Errorf("unset number: %d, %v", n, err)
	}
	if v, err := s.Get([]byte("v")); len(v) != 0 || err != nil {
		t.Errorf("unset value: %q, %v", v, err)
	}
	if err := errors.Join(s.Set([]byte("v"), []byte("x")), s.SetUint64([]byte("n"), 7)); err != nil {
		t.Fatal(err)
	}
	s = bothWays(t, fs, s, func(s *logStore) {
		v, err := s.Get([]byte("v"))
		n, err2 := s.GetUint64([]byte("n"))
		if string(v) != "x" || n != 7 || err != nil || err2 != nil {
			t.Errorf("%q %d %v %v", v, n, err, err2)
		}
	})
	if _, err := s.GetUint64([]byte("v")); !errors.Is(err, ErrDamaged) {
		t.Errorf("a number that is none: %v", err)
	}
}

func TestABatchOfEntriesCostsOneSync(t *testing.T) {
	var syncs atomic.Int64
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			syncs.Add(1)
		}
		return nil
	}))
	s := openLog(t, fs)
	before := syncs.Load()
	mustStore(t, s, entries(1, 1000))
	if n := syncs.Load() - before; n != 1 {
		t.Errorf("%d syncs", n)
	}
}

func TestAFailedSyncIsAFailedWriteAndTheLast(t *testing.T) {
	var broken atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
			if broken.Swap(false) {
				return errBroken
			}
		}
		return nil
	}))
	s := openLog(t, fs)
	mustStore(t, s, entries(1, 3))
	broken.Store(true)
	if err := s.StoreLogs(entries(4, 5)); !errors.Is(err, errBroken) {
		t.Errorf("the write whose sync failed: %v", err)
	}
	if last, _ := s.LastIndex(); last != 3 {
		t.Errorf("the log ends at %d", last)
	}
	if err := s.Set([]byte("v"), []byte("x")); !errors.Is(err, errBroken) {
		t.Errorf("the next write: %v", err)
	}
}

func TestWhatIsStoredIsThereAfterACrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := openLog(t, fs)
	mustStore(t, s, entries(1, 100))
	wantLog(t, openLog(t, fs.CrashClone(vfs.CrashCloneCfg{})), 1, 100)
}

// inGoroutine runs f and reports whether it came back.
func inGoroutine(f func()) (returned bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
		returned = true
	}()
	<-done
	return returned
}

func TestWhereRaftWouldPanicItsGoroutineEndsInstead(t *testing.T) {
	for name, damage := range map[string]func(*pebble.Batch){
		"a missing entry":    func(b *pebble.Batch) { b.Delete(indexKey(entryKey, 5), nil) },
		"a damaged entry":    func(b *pebble.Batch) { b.Set(indexKey(entryKey, 5), []byte{entryVersion, 77}, nil) },
		"an unknown version": func(b *pebble.Batch) { b.Set(indexKey(entryKey, 5), []byte{9, 0, 1, 0}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openLog(t, vfs.NewMem())
			mustStore(t, s, entries(1, 9))
			if err := s.commit(func(b *pebble.Batch) error { damage(b); return nil }); err != nil {
				t.Fatal(err)
			}
			clear(s.tail.entries[:]) // or the disk is not asked
			if inGoroutine(func() { s.GetLog(5, new(hraft.Log)) }) {
				t.Error("GetLog came back")
			}
			if err := s.failed(); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Error(err)
			}
			if inGoroutine(func() { s.SetUint64([]byte(stableTerm), 9) }) {
				t.Error("SetUint64 came back from a store that has failed")
			}
			if err := s.StoreLogs(entries(10, 10)); err == nil {
				t.Error("StoreLogs works on a store that has failed")
			}
		})
	}
}

func TestAClosedLogIsEmptyAndRefusesWrites(t *testing.T) {
	s := openLog(t, vfs.NewMem())
	mustStore(t, s, entries(1, 3))
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.GetLog(2, new(hraft.Log)); err != hraft.ErrLogNotFound {
		t.Error(err)
	}
	_, err := s.Get([]byte("v"))
	_, _, err2 := s.configuration(1)
	for _, err := range []error{err, err2, s.StoreLogs(entries(4, 4)), s.Set(nil, nil)} {
		if !errors.Is(err, errLogClosed) {
			t.Error(err)
		}
	}
}

func TestALogThatBeginsInTheWrongPlaceIsDamaged(t *testing.T) {
	for name, damage := range map[string]func(*pebble.Batch){
		"a lost beginning":     func(b *pebble.Batch) { b.Delete(indexKey(entryKey, 1), nil) },
		"a short previous one": func(b *pebble.Batch) { b.Set([]byte{previousKey}, []byte{1}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			s := openLog(t, fs)
			mustStore(t, s, entries(1, 9))
			if err := s.commit(func(b *pebble.Batch) error { damage(b); return nil }); err != nil {
				t.Fatal(err)
			}
			s.Close()
			if _, err := openLogStore(fs, "/log", quiet, func(error) {}); !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
		})
	}
}

func TestAMembershipThatIsNoneIsDamaged(t *testing.T) {
	if _, err := decodeConfiguration([]byte{0xc1}); !errors.Is(err, ErrDamaged) {
		t.Error(err)
	}
}

// entryBytes encodes an entry as the log stores it.
func entryBytes(l *hraft.Log) []byte { return append(appendEntryHeader(nil, l), l.Data...) }

func TestEntriesAreStoredAsTheyEverWere(t *testing.T) {
	at := time.Unix(1700000000, 123456789)
	for _, c := range []struct {
		log  hraft.Log
		want string
	}{
		{hraft.Log{Index: 1, Term: 1, Type: hraft.LogConfiguration, Data: []byte("servers")}, "01050100" + hex.EncodeToString([]byte("servers"))},
		{hraft.Log{Index: 2, Term: 300, Type: hraft.LogNoop, AppendedAt: at}, "0101ac02aab4aed8c7bfce972f"},
		{hraft.Log{Index: 3, Term: 2, Type: hraft.LogCommand, Data: []byte{0xff}, AppendedAt: at}, "010002aab4aed8c7bfce972fff"},
		{hraft.Log{Index: 4, Term: 2, Type: hraft.LogBarrier}, "01040200"},
	} {
		b := entryBytes(&c.log)
		if got := hex.EncodeToString(b); got != c.want {
			t.Errorf("%v: %s, want %s", c.log.Type, got, c.want)
		}
		var back hraft.Log
		if err := decodeEntry(c.log.Index, b, &back); err != nil {
			t.Error(err)
		}
		if back.Index != c.log.Index || back.Term != c.log.Term || back.Type != c.log.Type ||
			string(back.Data) != string(c.log.Data) || !back.AppendedAt.Equal(c.log.AppendedAt) {
			t.Errorf("%+v came back as %+v", c.log, back)
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for _, l := range entries(1, 3) {
		l.AppendedAt = time.Unix(7, 7)
		f.Add(entryBytes(l))
	}
	f.Add([]byte{entryVersion, 1, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		var l hraft.Log
		if err := decodeEntry(9, b, &l); err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrVersion) {
				t.Fatal(err)
			}
			return
		}
		var back hraft.Log
		if err := decodeEntry(9, entryBytes(&l), &back); err != nil {
			t.Fatal(err)
		}
		if back.Term != l.Term || back.Type != l.Type || string(back.Data) != string(l.Data) || !back.AppendedAt.Equal(l.AppendedAt) {
			t.Fatalf("%+v came back as %+v", l, back)
		}
	})
}
