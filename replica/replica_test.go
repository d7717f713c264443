package replica

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
)

func TestAReplicaClosedUnderLoadEndsInOrder(t *testing.T) {
	options := Options{FS: vfs.NewMem(), Dir: "tupelo"}
	for range 10 {
		n, err := Open(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Server().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: crashSchemas[0]}); err != nil {
			t.Fatal(err)
		}
		var answered atomic.Int64
		var writing sync.WaitGroup
		for w := range 8 {
			writing.Go(func() {
				for i := 0; ; i++ {
					if err := writeOne(t, n, fmt.Sprintf("doc:d%d#reader@user:u%d", w, i)); err != nil {
						return
					}
					answered.Add(1)
				}
			})
		}
		for answered.Load() < 50 {
			time.Sleep(time.Millisecond)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
		writing.Wait()
		if err := n.log.Err(); err != nil {
			t.Errorf("the node did not close but fail: %v", err)
		}
	}
}

func writeOne(t *testing.T, n *Replica, text string) error {
	parsed, err := tupleOf(text)
	if err != nil {
		return err
	}
	_, err = n.Server().Write(t.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{
		{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: parsed},
	}})
	return err
}

func TestAReplicaThatCannotBeOpenedLetsGoOfWhatItHad(t *testing.T) {
	errNotThis := errors.New("not this one")
	fs := vfs.NewMem()
	for _, test := range []struct {
		name   string
		change func(*Options)
		want   error
	}{
		{"the directory", func(o *Options) { o.FS = failing(fs, "tupelo", errNotThis) }, errNotThis},
		{"the state", func(o *Options) { o.FS = failing(fs, "tupelo/state", errNotThis) }, errNotThis},
		{"the log", func(o *Options) { o.FS = failing(fs, "tupelo/raft", errNotThis) }, errNotThis},
		{"raft's options", func(o *Options) { o.Tune = func(r *raft.Options) { r.NodeID = "" } }, raft.ErrOptions},
		{"another node's directory", func(o *Options) { o.Tune = func(r *raft.Options) { r.NodeID = "node-2" } }, raft.ErrMembership},
		{"the API's options", func(o *Options) { o.API.Tokens = []string{"two words"} }, api.ErrWeakToken},
	} {
		t.Run(test.name, func(t *testing.T) {
			openAndClose(t, Options{FS: fs, Dir: "tupelo"})
			options := Options{FS: fs, Dir: "tupelo"}
			test.change(&options)
			if _, err := Open(t.Context(), options); !errors.Is(err, test.want) {
				t.Errorf("opening: %v, want %v", err, test.want)
			}
			openAndClose(t, Options{FS: fs, Dir: "tupelo"})
		})
	}
}

func openAndClose(t *testing.T, o Options) {
	t.Helper()
	n, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if err := n.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// failing fails to open one directory.
func failing(fs vfs.FS, dir string, err error) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Path == dir && op.Kind == errorfs.OpOpenDir {
			return err
		}
		return nil
	}))
}

// An operator may lose one directory of the two.
func TestAStateThatIsLostIsRebuiltAndALostLogIsNotPassedOver(t *testing.T) {
	fs := vfs.NewMem()
	r := &recorder{replayed: keepCommand}
	n, err := openRecorded(t.Context(), fs, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Server().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: crashSchemas[0]}); err != nil {
		t.Fatal(err)
	}
	const writes = 40 // a snapshot and what is after it
	for i := range writes {
		if err := writeOne(t, n, fmt.Sprintf("doc:d%d#reader@user:u", i)); err != nil {
			t.Fatal(err)
		}
		if i == writes/2 {
			if err := n.log.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := fs.RemoveAll("tupelo/state"); err != nil {
		t.Fatal(err)
	}
	before := r.commands()
	n, err = openRecorded(t.Context(), fs, r)
	if err != nil {
		t.Fatal(err)
	}
	tuples, err := allTuples(t.Context(), n)
	if err != nil || len(tuples) != writes {
		t.Errorf("%d tuples are left of %d, %v", len(tuples), writes, err)
	}
	if err := replay(n.store, r.commands()); err != nil {
		t.Error(err)
	}
	if now := r.commands(); len(now) <= len(before) || now[len(before)-1] != before[len(before)-1] {
		t.Errorf("the log has %d commands after %d", len(now), len(before))
	}
	if err := n.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	if err := fs.RemoveAll("tupelo/raft"); err != nil {
		t.Fatal(err)
	}
	if _, err := openRecorded(t.Context(), fs, r); !errors.Is(err, raft.ErrStateAhead) {
		t.Errorf("a node without its log is opened: %v", err)
	}
}

// Whoever calls a new node as soon as it is there waits for its first leader.
func TestANewReplicasFirstCallWaitsForItsLeader(t *testing.T) {
	for range 20 {
		n, err := Open(t.Context(), Options{FS: vfs.NewMem(), Dir: "tupelo"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Server().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: crashSchemas[0]}); err != nil {
			t.Error(err)
		}
		if err := n.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
