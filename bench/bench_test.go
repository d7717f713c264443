package bench

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// sizes are the data sets that a check is measured in.
var sizes = []struct {
	name   string
	tuples int
}{{"10k", 10_000}, {"1M", 1_000_000}}

// BenchmarkCheck is what one question costs in process, by the depth and the
// fan-out on its way, from a snapshot's opening to its closing.
func BenchmarkCheck(b *testing.B) {
	for _, size := range sizes {
		b.Run("tuples="+size.name, func(b *testing.B) {
			n := openNode(b)
			questions := n.load(b, size.tuples)
			engine, program := n.engine(b)
			names := n.names(b)
			for _, q := range questions {
				b.Run(q.Name, func(b *testing.B) {
					n.benchCheck(b, engine, question(b, program, names, q.Text), q.Yes)
				})
			}
			b.Run("spread", func(b *testing.B) { n.benchSpread(b, engine, program, names, size.tuples) })
		})
	}
}

func (n *node) check(engine *rewrite.Engine, q rewrite.Question) (rewrite.Result, error) {
	snapshot, err := n.store.Snapshot(0)
	if err != nil {
		return rewrite.Result{}, err
	}
	defer snapshot.Close()
	return engine.Check(context.Background(), snapshot, q)
}

func (n *node) benchCheck(b *testing.B, engine *rewrite.Engine, q rewrite.Question, yes bool) {
	b.ReportAllocs()
	var cost rewrite.Cost
	for b.Loop() {
		result, err := n.check(engine, q)
		if err != nil || (result.Verdict == rewrite.Yes) != yes {
			b.Fatal(result, err)
		}
		cost = result.Cost
	}
	b.ReportMetric(float64(cost.Reads), "reads/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
}

// benchSpread asks for cancel on runs all over the data set, so that blocks
// come from the cache rather than from the processor's.
func (n *node) benchSpread(b *testing.B, engine *rewrite.Engine, program *schema.Program, names *tuple.Names, tuples int) {
	questions := spread(b, program, names, tuples)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := n.check(engine, questions[i%len(questions)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
}

// spread returns questions about runs spread evenly over a data set, by its users.
func spread(b *testing.B, program *schema.Program, names *tuple.Names, tuples int) []rewrite.Question {
	var runs, users []string
	dataset.GitClub(tuples, func(t tuple.Named) {
		switch t.ObjectType {
		case "run":
			runs = append(runs, "run:"+t.ObjectID)
		case "organization":
			users = append(users, "user:"+t.SubjectID)
		}
	})
	list := make([]rewrite.Question, 4096)
	for i := range list {
		run := runs[i*7919%len(runs)]
		list[i] = question(b, program, names, run+"#cancel@"+users[i*104729%len(users)])
	}
	return list
}

// BenchmarkBatchCheck is a page of a user interface: 100 runs, one user.
func BenchmarkBatchCheck(b *testing.B) { benchBatch(b, openNode(b)) }

func benchBatch(b *testing.B, n *node) {
	n.load(b, 100_000)
	engine, program := n.engine(b)
	names := n.names(b)
	var questions []rewrite.Question
	dataset.GitClub(1, func(t tuple.Named) {
		if t.ObjectType == "run" && len(questions) < 100 {
			questions = append(questions, question(b, program, names, "run:"+t.ObjectID+"#cancel@user:u0"))
		}
	})
	answers := make([]rewrite.Answer, len(questions))
	b.ReportAllocs()
	for b.Loop() {
		snapshot, err := n.store.Snapshot(0)
		if err != nil {
			b.Fatal(err)
		}
		if err := engine.BatchCheck(b.Context(), snapshot, questions, answers); err != nil {
			b.Fatal(err)
		}
		snapshot.Close()
	}
	b.ReportMetric(float64(b.N*len(questions))/b.Elapsed().Seconds(), "checks/s")
}

// BenchmarkWrite is one durable write of one tuple, by how many are in flight.
func BenchmarkWrite(b *testing.B) {
	for _, inFlight := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("inflight=%d", inFlight), func(b *testing.B) {
			n := openNode(b)
			var serial atomic.Int64
			b.ReportAllocs()
			b.SetParallelism(inFlight)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if _, err := n.server.Write(b.Context(), writeRequest(serial.Add(1))); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}

func writeRequest(serial int64) *tupelov1.WriteRequest {
	return &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
		Operation: tupelov1.Update_OPERATION_TOUCH,
		Tuple: &tupelov1.Tuple{
			Object:   &tupelov1.Object{Type: "repository", Id: fmt.Sprintf("w%d", serial)},
			Relation: "reader",
			Subject:  &tupelov1.Subject{Type: "user", Id: "alice"},
		},
	}}}
}

// BenchmarkBytesPerTuple is the size on disk of a million tuples, both
// directions and the changelog of their writes, and again when the horizon has
// passed them.
func BenchmarkBytesPerTuple(b *testing.B) {
	for b.Loop() {
		n := openNode(b)
		n.load(b, 1_000_000)
		counters, _ := n.store.Counters()
		tuples := uint64(0)
		for _, count := range counters {
			tuples += count
		}
		b.ReportMetric(n.checkpointBytes(b)/float64(tuples), "bytes/tuple")
		n.propose(b, [][]byte{store.Encode(store.AdvanceHorizon{Revision: n.store.Applied()})})
		b.ReportMetric(n.checkpointBytes(b)/float64(tuples), "bytes/tuple-after-horizon")
	}
}

// checkpointBytes returns the size of a compact copy of the state.
func (n *node) checkpointBytes(b *testing.B) float64 {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "checkpoint")
	if err := n.store.Compact(b.Context()); err != nil {
		b.Fatal(err)
	}
	if err := n.store.Checkpoint(b.Context(), dir, n.store.Applied()); err != nil {
		b.Fatal(err)
	}
	total := int64(0)
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return float64(total)
}
