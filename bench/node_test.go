package bench

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// node is a whole Tupelo in this process, on the machine's disk.
type node struct {
	store  *store.Store
	log    *raft.Node
	server *api.Server
}

func openNode(b testing.TB) *node { return openCached(b, 0) }

// openCached opens a node with a cache of tuplesets.
func openCached(b testing.TB, tuplesetBytes int64) *node {
	b.Helper()
	dir := b.TempDir()
	st, err := store.Open(store.Options{FS: vfs.Default, Dir: dir + "/state", TuplesetCacheBytes: tuplesetBytes})
	if err != nil {
		b.Fatal(err)
	}
	lead, err := api.LeaderCommand(time.Now, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	log, err := raft.Open(b.Context(), raft.Options{
		FS: vfs.Default, Dir: dir + "/raft", StateMachine: st, NodeID: "bench", LeaderCommand: lead,
	})
	if err != nil {
		b.Fatal(err)
	}
	server, err := api.New(api.Options{Store: st, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := log.Close(context.Background()); err != nil {
			b.Error(err)
		}
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	if _, err := log.ReadIndex(b.Context()); err != nil {
		b.Fatal(err)
	}
	n := &node{st, log, server}
	n.writeSchema(b, dataset.GitClubSchema)
	return n
}

func (n *node) writeSchema(b testing.TB, text string) {
	b.Helper()
	if _, err := n.server.WriteSchema(b.Context(), &tupelov1.WriteSchemaRequest{Text: text}); err != nil {
		b.Fatal(err)
	}
}

func (n *node) names(b testing.TB) *tuple.Names {
	b.Helper()
	snapshot, err := n.store.Snapshot(0)
	if err != nil {
		b.Fatal(err)
	}
	defer snapshot.Close()
	return snapshot.Names()
}

// engine compiles the schema that every node has.
func (n *node) engine(b testing.TB) (*rewrite.Engine, *schema.Program) {
	return n.compile(b, dataset.GitClubSchema)
}

// compile compiles the schema that was written last, as a server has it.
func (n *node) compile(b testing.TB, text string) (*rewrite.Engine, *schema.Program) {
	b.Helper()
	tree, err := schema.Load("", text)
	if err != nil {
		b.Fatal(err)
	}
	program, err := schema.Compile(tree, n.names(b))
	if err != nil {
		b.Fatal(err)
	}
	engine := rewrite.New(program, rewrite.Limits{})
	snapshot, err := n.store.Snapshot(0)
	if err != nil {
		b.Fatal(err)
	}
	defer snapshot.Close()
	written, err := snapshot.Schema()
	if err != nil {
		b.Fatal(err)
	}
	engine.UseGroups(written.Revision)
	return engine, program
}

// question turns a text into the evaluator's form.
func question(b testing.TB, program *schema.Program, names *tuple.Names, text string) rewrite.Question {
	b.Helper()
	named, err := tuple.Parse(text)
	if err != nil {
		b.Fatal(err)
	}
	typ, ok := program.TypeByName(named.ObjectType)
	if !ok {
		b.Fatal(text)
	}
	slot, ok := program.Slot(typ, named.Relation)
	if !ok {
		b.Fatal(text)
	}
	subject, ok := names.Subject(named.SubjectType, named.SubjectID, named.SubjectRelation)
	if !ok {
		b.Fatal(text)
	}
	return rewrite.Question{Slot: slot, ObjectID: []byte(named.ObjectID), Subject: subject}
}

// commandTuples is how many tuples a Write carries: the API's limit.
const commandTuples = 1000

// batches cuts tuples into commands as the API would make them.
func batches(b testing.TB, names *tuple.Names, each func(visit func(tuple.Named))) [][]byte {
	b.Helper()
	var list [][]byte
	var w store.Write
	flush := func() {
		if len(w.Updates) > 0 {
			list = append(list, store.Encode(w))
		}
		w.Updates = w.Updates[:0]
	}
	each(func(named tuple.Named) {
		t, ok := names.Tuple(named)
		if !ok {
			b.Fatalf("%s: unknown name", named)
		}
		w.Updates = append(w.Updates, store.Update{Op: store.Touch, Tuple: t})
		if len(w.Updates) == commandTuples {
			flush()
		}
	})
	flush()
	return list
}

// load brings n GitClub tuples and those of the fixed questions through the log.
func (n *node) load(b testing.TB, tuples int) []dataset.Question {
	b.Helper()
	questions, fixed := dataset.FixedQuestions()
	commands := batches(b, n.names(b), func(visit func(tuple.Named)) {
		dataset.GitClub(tuples, visit)
		for _, t := range fixed {
			visit(t)
		}
	})
	n.propose(b, commands)
	return questions
}

// propose brings commands through the log, some in flight, and checks results.
func (n *node) propose(b testing.TB, commands [][]byte) {
	b.Helper()
	const inFlight = 8
	next := make(chan []byte)
	failed := make(chan error, inFlight)
	for range inFlight {
		go func() {
			var err error
			for command := range next {
				result, proposeErr := n.log.Propose(context.Background(), command)
				switch {
				case proposeErr != nil:
					err = proposeErr
				case result.(store.Result).Err != nil:
					err = result.(store.Result).Err
				}
			}
			failed <- err
		}()
	}
	for _, command := range commands {
		next <- command
	}
	close(next)
	for range inFlight {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
}
