package replica

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
)

// offlineTuples is how many tuples the tests import.
const offlineTuples = 300

func offlineText(i int) string { return fmt.Sprintf("doc:d%d#reader@user:u%d", i, i%7) }

// importInto brings tuples into a directory, with little memory, and a schema if it
// has none.
func importInto(ctx context.Context, o OfflineOptions) (err error) {
	f, err := OpenOffline(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if f.node.store.Applied() == 0 || !hasSchema(ctx, f.Client()) {
		if _, err := f.Client().WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: clusterSchema}); err != nil {
			return err
		}
	}
	load, err := f.Load(8<<10, 1)
	if err != nil {
		return err
	}
	resolver, err := f.Resolver()
	if err != nil {
		return err
	}
	sorter := load.Sorter()
	for i := range offlineTuples {
		m, err := tupleOf(offlineText(i))
		if err != nil {
			return err
		}
		t, err := resolver.Message(m)
		if err == nil {
			err = sorter.Add(t)
		}
		if err != nil {
			return err
		}
	}
	if err := sorter.End(); err != nil {
		return err
	}
	if _, err := load.Finish(ctx); err != nil {
		return err
	}
	return f.Finish(ctx)
}

func hasSchema(ctx context.Context, c tupelov1.TupeloClient) bool {
	_, err := c.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: fullyConsistent()})
	return err == nil
}

// schemaOnly makes a directory with nothing but a schema in it.
func schemaOnly(t *testing.T, fs vfs.FS) {
	t.Helper()
	n := open(t, Options{FS: fs, Dir: "tupelo"})
	n.mustBeReady(t)
	n.mustWriteSchema(t)
	n.stop(t)
}

func TestWhatWasImportedOfflineIsServedAndJoined(t *testing.T) {
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprintf("schema=%v", begun), func(t *testing.T) {
			addresses := freeAddresses(t, 2)
			lone := testOptions(addresses, 0)
			if begun {
				n := open(t, Options{FS: lone.FS, Dir: lone.Dir, NodeID: lone.NodeID})
				n.mustBeReady(t)
				n.mustWriteSchema(t)
				n.stop(t)
			}
			if err := importInto(t.Context(), OfflineOptions{FS: lone.FS, Dir: lone.Dir, NodeID: lone.NodeID}); err != nil {
				t.Fatal(err)
			}
			if _, err := lone.FS.Stat("tupelo/" + importingDir); err == nil {
				t.Error("the import left its directory")
			}
			first := open(t, lone)
			first.mustHave(t, offlineText(0), fullyConsistent())
			first.mustWrite(t, "doc:new#reader@user:ann")
			o := testOptions(addresses, 1)
			o.Join = addresses[:1]
			second := open(t, o)
			for _, text := range []string{offlineText(0), offlineText(offlineTuples - 1), "doc:new#reader@user:ann"} {
				second.mustHave(t, text, fullyConsistent())
			}
			eventually(t, "the replicas differ", func() bool {
				a, one, err1 := first.Store().Checksum()
				b, two, err2 := second.Store().Checksum()
				return err1 == nil && err2 == nil && a == b && one == two
			})
		})
	}
}

// TestAnOfflineImportThatIsCutLeavesAllOrNothing loses power before each sync of an
// import, with or without what was not synced: the directory then opens as it was,
// and takes the import again, or has all of it.
func TestAnOfflineImportThatIsCutLeavesAllOrNothing(t *testing.T) {
	mem := vfs.NewCrashableMem()
	schemaOnly(t, mem)
	disk := newCrashDisk(mem)
	rng := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	var cuts []vfs.FS
	var places []string
	disk.beforeSync = func(name string) {
		mu.Lock()
		defer mu.Unlock()
		cuts = append(cuts, mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100 * rng.IntN(2), RNG: rng}))
		places = append(places, name)
	}
	if err := importInto(t.Context(), OfflineOptions{FS: disk, Dir: "tupelo"}); err != nil {
		t.Fatal(err)
	}
	cuts, places = append(cuts, mem), append(places, "the end")
	outcomes := map[int]int{}
	for i, fs := range cuts {
		n, err := countOffline(t.Context(), fs)
		if err != nil {
			t.Fatalf("cut %d of %d, before the sync of %s: %v", i, len(cuts), places[i], err)
		}
		outcomes[n]++
		if n != 0 && n != offlineTuples {
			t.Errorf("cut %d, before the sync of %s: %d tuples", i, places[i], n)
		}
		if n != 0 || i%5 != 0 {
			continue
		}
		if err := importInto(t.Context(), OfflineOptions{FS: fs, Dir: "tupelo"}); err != nil {
			t.Errorf("cut %d, before the sync of %s: importing again: %v", i, places[i], err)
		} else if n, err := countOffline(t.Context(), fs); err != nil || n != offlineTuples {
			t.Errorf("cut %d, before the sync of %s: imported again, %d tuples (%v)", i, places[i], n, err)
		}
	}
	if len(outcomes) != 2 || outcomes[offlineTuples] < 3 {
		t.Errorf("%d cuts left %v: the end was not cut", len(cuts), outcomes)
	}
}

// countOffline opens a replica that must have its schema, and counts its tuples.
func countOffline(ctx context.Context, fs vfs.FS) (n int, err error) {
	r, err := Open(ctx, Options{FS: fs, Dir: "tupelo"})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close(ctx)) }()
	if _, err := r.Ready(ctx); err != nil {
		return 0, err
	}
	if !hasSchema(ctx, r.Client()) {
		return 0, errors.New("the schema is gone")
	}
	if _, err := fs.Stat("tupelo/" + importingDir); err == nil {
		return 0, errors.New("what the import left is there still")
	}
	counters, _ := r.store.Counters()
	for _, of := range counters {
		n += int(of)
	}
	// Who joins must not get a log that does not lead to the tuples.
	if snapshot := r.Log().Status().SnapshotIndex; n > 0 && (snapshot == 0 || snapshot < r.store.Horizon()) {
		return n, fmt.Errorf("the tuples are of revision %d, and the snapshot is of %d", r.store.Horizon(), snapshot)
	}
	all, err := allTuples(ctx, r)
	if err == nil && len(all) != n {
		err = fmt.Errorf("%d tuples are read, %d counted", len(all), n)
	}
	return n, err
}

func TestADirectoryThatTakesNoOfflineImportIsLeftAlone(t *testing.T) {
	t.Run("in use", func(t *testing.T) {
		fs := vfs.NewMem()
		open(t, Options{FS: fs, Dir: "tupelo"})
		if err := importInto(t.Context(), OfflineOptions{FS: fs, Dir: "tupelo"}); err == nil {
			t.Error("two have it open")
		}
	})
	t.Run("with tuples", func(t *testing.T) {
		fs := vfs.NewMem()
		n := open(t, Options{FS: fs, Dir: "tupelo"})
		n.mustBeReady(t)
		n.mustWriteSchema(t)
		n.mustWrite(t, "doc:old#reader@user:ann")
		n.stop(t)
		if err := importInto(t.Context(), OfflineOptions{FS: fs, Dir: "tupelo"}); !errors.Is(err, ErrOffline) {
			t.Errorf("importing: %v", err)
		}
		n.start(t)
		n.mustHave(t, "doc:old#reader@user:ann", fullyConsistent())
	})
	t.Run("of a cluster", func(t *testing.T) {
		nodes := bootstrap(t, 2)
		nodes[0].stop(t)
		o := nodes[0].options
		err := importInto(t.Context(), OfflineOptions{FS: o.FS, Dir: o.Dir, NodeID: o.NodeID})
		if !errors.Is(err, ErrOffline) || !errors.Is(err, raft.ErrMembership) {
			t.Errorf("importing: %v", err)
		}
		nodes[0].start(t)
		nodes[0].mustBeReady(t)
	})
	t.Run("of another node", func(t *testing.T) {
		fs := vfs.NewMem()
		schemaOnly(t, fs)
		if err := importInto(t.Context(), OfflineOptions{FS: fs, Dir: "tupelo", NodeID: "other"}); err == nil {
			t.Error("it is imported under another name")
		}
	})
}
