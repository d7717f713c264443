package bench

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// importTuples is how many tuples the benchmarks of imports bring: several
// memtables full, so that flushes and compactions are in what they cost.
const importTuples = 1_000_000

// BenchmarkImport brings GitClub's tuples through the log, a thousand to a
// command, into an empty store.
func BenchmarkImport(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := openNode(b)
		commands := batches(b, n.names(b), func(visit func(tuple.Named)) { dataset.GitClub(importTuples, visit) })
		b.StartTimer()
		c := startCPU()
		n.propose(b, commands)
		c.report(b, importTuples)
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

// BenchmarkImportStream is an Import over gRPC, by a client in the same process:
// messages of a thousand tuples each, made beforehand.
func BenchmarkImportStream(b *testing.B) {
	var messages []*tupelov1.ImportRequest
	var m *tupelov1.ImportRequest
	dataset.GitClub(importTuples, func(t tuple.Named) {
		if m == nil {
			m = &tupelov1.ImportRequest{Mode: tupelov1.ImportRequest_MODE_CREATE}
			messages = append(messages, m)
		}
		m.Tuples = append(m.Tuples, &tupelov1.Tuple{
			Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
			Relation: t.Relation,
			Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
		})
		if len(m.Tuples) == commandTuples {
			m = nil
		}
	})
	for b.Loop() {
		b.StopTimer()
		client := openNode(b).dial(b)
		b.StartTimer()
		c := startCPU()
		stream, err := client.Import(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range messages {
			if err := stream.Send(m); err != nil {
				break // CloseAndRecv says why
			}
		}
		response, err := stream.CloseAndRecv()
		if err != nil || response.Written < importTuples {
			b.Fatal(response, err)
		}
		c.report(b, importTuples)
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

// dial serves the node on this machine, and returns a client of it.
func (n *node) dial(b *testing.B) tupelov1.TupeloClient {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- n.server.Serve(ctx, listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = conn.Close()
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return tupelov1.NewTupeloClient(conn)
}

// BenchmarkImportApply is the part of an import that one goroutine does: the
// apply, of four commands at a time.
func BenchmarkImportApply(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := openNode(b)
		commands := batches(b, n.names(b), func(visit func(tuple.Named)) { dataset.GitClub(importTuples, visit) })
		st := copyOf(b, n, b.TempDir())
		b.StartTimer()
		c := startCPU()
		applyAll(b, st, st.Applied()+1, commands)
		c.report(b, importTuples)
		b.StopTimer()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

// copyOf returns a store in a directory that has what a node's has, and no log.
func copyOf(b *testing.B, n *node, in string) *store.Store {
	b.Helper()
	st, err := store.Open(store.Options{FS: vfs.Default, Dir: in})
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir() + "/checkpoint"
	if err := n.store.Checkpoint(b.Context(), dir, n.store.Applied()); err != nil {
		b.Fatal(err)
	}
	if err := st.Restore(dir); err != nil {
		b.Fatal(err)
	}
	return st
}

// applyAll applies commands from a revision on, and checks their results.
func applyAll(b *testing.B, st *store.Store, revision uint64, commands [][]byte) {
	b.Helper()
	for len(commands) > 0 {
		some := commands[:min(4, len(commands))]
		commands = commands[len(some):]
		indexes := make([]uint64, len(some))
		for i := range indexes {
			indexes[i] = revision
			revision++
		}
		results, err := st.Apply(indexes, some)
		if err != nil {
			b.Fatal(err)
		}
		for _, r := range results {
			if err := r.(store.Result).Err; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// cpuTime is the processor time of this process at some moment.
type cpuTime time.Duration

func startCPU() cpuTime {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for oneself
	return cpuTime(u.Utime.Nano() + u.Stime.Nano())
}

// report reports what was used since then, for each of n tuples.
func (c cpuTime) report(b *testing.B, n int) {
	b.ReportMetric(float64(startCPU()-c)/1000/float64(n), "cpu-µs/tuple")
}

// BenchmarkImportBulk sorts GitClub's tuples, writes their tables and has a store
// take them in: an offline import without the reading of its files.
func BenchmarkImportBulk(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		n := openNode(b)
		names := n.names(b)
		var list []tuple.Tuple
		dataset.GitClub(importTuples, func(named tuple.Named) {
			t, _ := names.Tuple(named)
			list = append(list, t)
		})
		st := copyOf(b, n, b.TempDir())
		b.StartTimer()
		c := startCPU()
		bulkLoad(b, st, list)
		c.report(b, len(list))
		b.StopTimer()
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*importTuples/b.Elapsed().Seconds(), "tuples/s")
}

func bulkLoad(b *testing.B, st *store.Store, list []tuple.Tuple) {
	b.Helper()
	const sorters = 2
	l, err := st.BulkLoad(store.BulkLoadOptions{Dir: b.TempDir() + "/bulk", Sorters: sorters})
	if err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	for i := range sorters {
		group.Go(func() error {
			s := l.Sorter()
			for _, t := range list[i*len(list)/sorters : (i+1)*len(list)/sorters] {
				if err := s.Add(t); err != nil {
					return err
				}
			}
			return s.End()
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	loaded, err := l.Finish(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(loaded.Bytes)/float64(len(list)), "bytes/tuple")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
