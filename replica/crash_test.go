package replica

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
)

// -long plays more and longer histories:
//
//	go test ./replica -run CutOff -long
var long = flag.Bool("long", false, "play more and longer histories in the crash test")

// TestANodeCutOffAtAnySyncKeepsWhatItAcknowledgedAndNothingInHalves plays a
// random history of writes, deletions, schemas, horizons, snapshots and
// restarts on a disk in memory, and cuts the power before every single sync of
// it. Each time a node is opened on what is left, and must have
//
//   - every acknowledged write, and of those under way each as a whole or not at all,
//   - every command that any reader may have seen, in its place,
//   - the state that replaying the log's commands from scratch gives, to the byte,
//   - the cluster that it was, whose zookies are kept.
func TestANodeCutOffAtAnySyncKeepsWhatItAcknowledgedAndNothingInHalves(t *testing.T) {
	plan := crashPlan{seeds: 2, lives: 3, writers: 3, calls: 12, chores: 5}
	if raceDetector {
		plan.seeds, plan.lives = 1, 2
	}
	if *long {
		plan = crashPlan{seeds: 20, lives: 6, writers: 4, calls: 40, chores: 16}
	}
	cuts := 0
	for seed := range uint64(plan.seeds) {
		h := newHistory(plan, seed)
		errs := h.play(t)
		cuts += h.cuts
		for _, err := range errs {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	t.Logf("%d times cut off", cuts)
	if least := plan.seeds * plan.lives * plan.writers * plan.calls / 2; cuts < least {
		t.Errorf("only %d times cut off, %d are the least for such a plan", cuts, least)
	}
}

// The test above must be able to fail: it is played against a disk and a node
// that break what it is about.
func TestTheCrashTestNoticesBrokenPromises(t *testing.T) {
	plan := crashPlan{seeds: 1, lives: 1, writers: 3, calls: 12, chores: 5}
	for _, test := range []struct {
		name   string
		broken func(h *history)
		want   string
	}{
		{"a disk that stops syncing the log", func(h *history) {
			h.lies = func(name string) bool { return isRaftLog(name) && h.answered.Load() > 6 }
		}, "acknowledged were"},
		{"a node that forgets commands when it replays", func(h *history) {
			h.replayed = func(n int, command []byte) []byte {
				if n%5 == 3 {
					return store.Encode(store.AdvanceHorizon{})
				}
				return command
			}
		}, "replay"},
		{"a node that replays a write in half", func(h *history) {
			h.replayed = func(_ int, command []byte) []byte { return halved(command) }
		}, "replay"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHistory(plan, 0)
			test.broken(h)
			errs := h.play(t)
			for _, err := range errs {
				if strings.Contains(err.Error(), test.want) {
					return
				}
			}
			t.Errorf("of %d cuts none was objected to with %q, but %v", h.cuts, test.want, errs)
		})
	}
}

// halved returns a write without its last update.
func halved(command []byte) []byte {
	c, err := store.Decode(command)
	if err != nil {
		return command
	}
	w, ok := c.(store.Write)
	if !ok || len(w.Updates) < 2 {
		return command
	}
	w.Updates = w.Updates[:len(w.Updates)-1]
	return store.Encode(w)
}

// crashPlan is the size of a crash test.
type crashPlan struct {
	seeds, lives, writers, calls, chores int
}

// history plays clients against a node on a disk that is cut off.
type history struct {
	plan crashPlan
	seed uint64
	// lies and replayed break promises; see crashDisk and recorder.
	lies     func(name string) bool
	replayed func(n int, command []byte) []byte

	// mu guards what clients know: while it is held, nobody learns of an answer
	// and nobody begins a call.
	mu      sync.Mutex
	random  *rand.Rand // of the cuts
	writers []*writer
	schema  string // acknowledged
	schemas string // under way, or the same
	life    int
	cuts    int
	errs    []error

	answered atomic.Int64 // calls

	// next is one of the cuts of the present life, on whose remains the next one
	// begins; lifeCuts counts those that it was drawn from.
	next     cut
	lifeCuts int
}

func newHistory(plan crashPlan, seed uint64) *history {
	h := &history{
		plan: plan, seed: seed, random: rand.New(rand.NewPCG(seed, 1<<32)),
		lies:     func(string) bool { return false },
		replayed: func(_ int, command []byte) []byte { return command },
	}
	for id := range plan.writers {
		h.writers = append(h.writers, newWriter(id, seed))
	}
	return h
}

// play lives several times on the remains of the life before, and returns what
// was wrong after the cuts.
func (h *history) play(t *testing.T) []error {
	h.next = cut{fs: vfs.NewCrashableMem()}
	for _, w := range h.writers {
		h.next.known = append(h.next.known, w.known())
	}
	for h.life = range h.plan.lives {
		if err := h.live(t.Context()); err != nil {
			h.complain(fmt.Errorf("life %d: %w", h.life, err))
		}
		if len(h.errs) > 0 {
			break // the next life would suffer from the same
		}
	}
	return h.errs
}

func (h *history) complain(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.errs) < 5 {
		h.errs = append(h.errs, err)
	}
}

// cut is what a power loss leaves, and what clients knew when it came.
type cut struct {
	place  string
	fs     *vfs.MemFS
	known  []known
	schema [2]string // acknowledged, and perhaps
	log    []logged  // commands applied
}

// live opens a node on the present disk and lets the clients at it. Before
// every sync of the disk a cut is made, and looked into on another goroutine.
func (h *history) live(ctx context.Context) error {
	disk := newCrashDisk(h.next.fs)
	disk.lies = h.lies
	recorder := &recorder{log: h.next.log, replayed: keepCommand}
	h.forget()
	cuts := make(chan cut)
	var looking sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			for c := range cuts {
				if err := h.inspect(ctx, c); err != nil {
					h.complain(fmt.Errorf("%s: %w", c.place, err))
				}
			}
		})
	}
	var closed atomic.Bool
	disk.beforeSync = func(name string) {
		if !closed.Load() {
			cuts <- h.cutOff(disk, recorder, name)
		}
	}
	err := h.live1(ctx, disk, recorder)
	closed.Store(true)
	close(cuts)
	looking.Wait()
	return err
}

// forget has clients know what they knew at the cut that the present life
// begins with: what they learned later has not happened in this one.
func (h *history) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, k := range h.next.known {
		w := h.writers[i]
		w.stored, w.after, w.zookie = k.stored, k.after, k.zookie
	}
	h.schema, h.schemas = h.next.schema[0], h.next.schema[1]
	h.lifeCuts = 0
}

// live1 lives on a disk until every client has done its calls.
func (h *history) live1(ctx context.Context, disk *crashDisk, r *recorder) error {
	n, err := openRecorded(ctx, disk, r)
	if err != nil {
		return err
	}
	if err := h.takeStock(ctx, n); err != nil {
		return errors.Join(err, n.Close(ctx))
	}
	var clients sync.WaitGroup
	for _, w := range h.writers {
		clients.Go(func() {
			for range h.plan.calls {
				h.call(ctx, n, w)
			}
		})
	}
	random := rand.New(rand.NewPCG(h.seed, uint64(h.life)))
	clients.Go(func() {
		for number := range h.plan.chores {
			if err := h.chore(ctx, n, random, number); err != nil {
				h.complain(fmt.Errorf("chore: %w", err))
			}
		}
	})
	clients.Wait()
	return n.Close(ctx)
}

// takeStock finds out what became of what was under way when the life before ended.
func (h *history) takeStock(ctx context.Context, n *Replica) error {
	if _, err := n.Ready(ctx); err != nil {
		return err
	}
	if h.schema == "" {
		return h.writeSchema(ctx, n, crashSchemas[0])
	}
	tuples, err := allTuples(ctx, n)
	if err != nil {
		return err
	}
	schema, err := n.Server().ReadSchema(ctx, &tupelov1.ReadSchemaRequest{})
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.schema, h.schemas = schema.Text, schema.Text
	for _, w := range h.writers {
		w.stored, w.after = map[string]bool{}, nil
		for _, text := range tuples {
			if strings.HasPrefix(text, fmt.Sprintf("doc:w%d-", w.id)) {
				w.stored[text] = true
			}
		}
	}
	return nil
}

// call has a writer make one call.
func (h *history) call(ctx context.Context, n *Replica, w *writer) {
	h.mu.Lock()
	c := w.next()
	w.after = c.after
	h.mu.Unlock()
	zookie, err := c.do(ctx, n.server)
	if wrong := c.judge(err); wrong != nil {
		h.complain(fmt.Errorf("writer %d: %w", w.id, wrong))
		return
	}
	h.answered.Add(1)
	h.mu.Lock()
	defer h.mu.Unlock()
	w.stored, w.after = c.after, nil
	if zookie != "" {
		w.zookie = zookie
	}
}

// chore does what is not writing tuples.
func (h *history) chore(ctx context.Context, n *Replica, random *rand.Rand, number int) error {
	switch random.IntN(5) {
	case 0, 1:
		return n.log.Snapshot(ctx)
	case 2:
		_, err := n.log.Propose(ctx, store.Encode(store.AdvanceHorizon{
			UnixMillis: time.Now().UnixMilli(), Revision: n.store.Applied() / 2,
		}))
		return err
	case 3:
		// The state becomes durable on its own, ahead of any snapshot.
		return n.store.Checkpoint(ctx, fmt.Sprintf("copy-%d-%d", h.life, number), 0)
	}
	return h.writeSchema(ctx, n, crashSchemas[random.IntN(len(crashSchemas))])
}

func (h *history) writeSchema(ctx context.Context, n *Replica, text string) error {
	h.mu.Lock()
	h.schemas = text
	h.mu.Unlock()
	_, err := n.Server().WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: text})
	if err == nil {
		h.mu.Lock()
		h.schema = text
		h.mu.Unlock()
	}
	return err
}

// cutOff makes a cut, in an instant in which nobody learns anything.
func (h *history) cutOff(disk *crashDisk, r *recorder, name string) cut {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cuts++
	unsynced := []int{0, 0, 50, 100}[h.random.IntN(4)]
	c := cut{
		place:  fmt.Sprintf("life %d, cut %d before the sync of %s, with %d%% of what is not synced", h.life, h.cuts, name, unsynced),
		schema: [2]string{h.schema, h.schemas},
		log:    r.commands(),
	}
	for _, w := range h.writers {
		c.known = append(c.known, w.known())
	}
	disk.mu.Lock()
	defer disk.mu.Unlock()
	c.fs = disk.mem.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(h.random.Uint64(), 0)),
	})
	if h.lifeCuts++; h.random.IntN(h.lifeCuts) == 0 {
		h.next = c
		h.next.fs = c.fs.CrashClone(vfs.CrashCloneCfg{})
	}
	return c
}

// inspect opens a node on what a cut has left and looks for what is missing, or
// there and should not be.
func (h *history) inspect(ctx context.Context, c cut) (err error) {
	r := &recorder{log: c.log, replayed: h.replayed}
	n, err := openRecorded(ctx, c.fs, r)
	if err != nil {
		return fmt.Errorf("opening: %w", err)
	}
	defer func() { err = errors.Join(err, n.Close(ctx)) }()
	if _, err := n.Ready(ctx); err != nil {
		return err
	}
	if c.schema[0] != "" { // or nothing could be asked yet
		err = c.askClients(ctx, n)
	}
	return errors.Join(err, c.compareLog(r), replay(n.store, r.commands()))
}

// askClients has the clients look for what they know.
func (c *cut) askClients(ctx context.Context, n *Replica) error {
	tuples, err := allTuples(ctx, n)
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	for _, k := range c.known {
		err = errors.Join(err, k.compare(tuples), k.ask(ctx, n))
	}
	return errors.Join(err, c.compareSchema(ctx, n))
}

// ask has the last zookie of a writer honoured.
func (k known) ask(ctx context.Context, n *Replica) error {
	if k.zookie == "" {
		return nil
	}
	_, err := n.Server().Check(ctx, &tupelov1.CheckRequest{
		Consistency: atLeastAsFresh(k.zookie),
		Object:      &tupelov1.Object{Type: "doc", Id: "w0-0"},
		Relation:    "reader",
		Subject:     &tupelov1.Subject{Type: "user", Id: "u0"},
	})
	if err != nil {
		return fmt.Errorf("the zookie of writer %d: %w", k.writer, err)
	}
	return nil
}

func (c *cut) compareSchema(ctx context.Context, n *Replica) error {
	response, err := n.Server().ReadSchema(ctx, &tupelov1.ReadSchemaRequest{})
	if err != nil {
		return fmt.Errorf("reading the schema: %w", err)
	}
	if response.Text != c.schema[0] && response.Text != c.schema[1] {
		return fmt.Errorf("the schema is %q, acknowledged was %q", response.Text, c.schema[0])
	}
	return nil
}

// compareLog expects that commands which were applied are still in their places.
func (c *cut) compareLog(r *recorder) error {
	log := r.commands()
	for i, want := range c.log {
		if i >= len(log) || log[i] != want {
			return fmt.Errorf("the command applied at %d is lost or another one", want.index)
		}
	}
	return nil
}

// replay applies the log's commands to an empty store and expects the state
// that the node has.
func replay(live *store.Store, log []logged) error {
	fresh, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "state"})
	if err != nil {
		return err
	}
	for _, l := range log {
		if _, err := fresh.Apply([]uint64{l.index}, [][]byte{[]byte(l.command)}); err != nil {
			return errors.Join(fmt.Errorf("replaying: %w", err), fresh.Close())
		}
	}
	want, wantSum, err := fresh.Checksum()
	got, gotSum, gotErr := live.Checksum()
	if err := errors.Join(err, gotErr, fresh.Close()); err != nil {
		return err
	}
	if got != want || gotSum != wantSum {
		return fmt.Errorf("the state at %d has the checksum %x, a replay from scratch gives %x at %d",
			got, short(gotSum), short(wantSum), want)
	}
	return nil
}

func short(sum [sha256.Size]byte) []byte { return sum[:4] }

// allTuples reads the newest tuples.
func allTuples(ctx context.Context, n *Replica) ([]string, error) {
	var texts []string
	request := &tupelov1.ReadRequest{Consistency: fullyConsistent(), Limit: 1000}
	for {
		page, err := n.Server().Read(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, one := range page.Tuples {
			texts = append(texts, textOf(one))
		}
		if page.NextCursor == "" {
			return texts, nil
		}
		request.Cursor = page.NextCursor
	}
}

// logged is a command and its place in the log.
type logged struct {
	index   uint64
	command string
}

// recorder is a state machine that notes every command before the store gets it.
type recorder struct {
	raft.StateMachine
	// replayed changes commands on their way to the store; the n-th is counted
	// from 1 on.
	replayed func(n int, command []byte) []byte

	mu    sync.Mutex
	log   []logged // only ever appended to, so that slices of it stay
	count int
}

func keepCommand(_ int, command []byte) []byte { return command }

// Apply notes commands. Those that were noted in an earlier life are replayed.
func (r *recorder) Apply(indexes []uint64, commands [][]byte) ([]any, error) {
	r.mu.Lock()
	kept := len(r.log)
	for kept > 0 && r.log[kept-1].index >= indexes[0] {
		kept--
	}
	r.log = r.log[:kept:kept]
	passed := make([][]byte, len(commands))
	for i, c := range commands {
		r.count++
		r.log = append(r.log, logged{indexes[i], string(c)})
		passed[i] = r.replayed(r.count, c)
	}
	r.mu.Unlock()
	return r.StateMachine.Apply(indexes, passed)
}

func (r *recorder) commands() []logged {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log[:len(r.log):len(r.log)]
}

// openRecorded opens a node whose commands a recorder notes. Its log is cut
// into small snapshots.
func openRecorded(ctx context.Context, fs vfs.FS, r *recorder) (*Replica, error) {
	return Open(ctx, Options{FS: fs, Dir: "tupelo", Tune: func(o *raft.Options) {
		r.StateMachine = o.StateMachine
		o.StateMachine = r
		o.SnapshotLogEntries = 25
	}})
}
