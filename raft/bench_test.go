package raft

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// countingMachine applies commands by counting them: what is measured is the log.
type countingMachine struct {
	ledger  // Checkpoint and Restore
	applied atomic.Uint64
}

func (m *countingMachine) Apply(indexes []uint64, _ [][]byte) ([]any, error) {
	m.applied.Store(indexes[len(indexes)-1])
	return make([]any, len(indexes)), nil
}

func (m *countingMachine) Applied() uint64 { return m.applied.Load() }

func openBenchNode(b *testing.B, fs vfs.FS, dir string) *Node {
	b.Helper()
	n, err := Open(b.Context(), Options{
		FS: fs, Dir: dir, StateMachine: &countingMachine{}, NodeID: "n1",
		LeaderCommand: func() []byte { return nil }, Logger: quiet,
		SnapshotLogBytes: 1 << 40, SnapshotLogEntries: 1 << 40,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close(b.Context()) })
	mustServe(b, n)
	return n
}

// BenchmarkFsync is what the disk can do: one writer that appends 200 bytes and
// syncs. The rates of BenchmarkDurableWrite are to be seen beside it.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 200)
	for b.Loop() {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fsyncs/s")
}

// BenchmarkDurableWrite proposes commands of 200 bytes, so many at a time.
func BenchmarkDurableWrite(b *testing.B) {
	for _, inFlight := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("in-flight=%d", inFlight), func(b *testing.B) {
			proposeAll(b, openBenchNode(b, vfs.Default, b.TempDir()), inFlight)
		})
	}
}

// BenchmarkWriteInMemory is the same without a disk: what the code itself costs.
func BenchmarkWriteInMemory(b *testing.B) {
	for _, inFlight := range []int{1, 64} {
		b.Run(fmt.Sprintf("in-flight=%d", inFlight), func(b *testing.B) {
			proposeAll(b, openBenchNode(b, vfs.NewMem(), "/node"), inFlight)
		})
	}
}

func proposeAll(b *testing.B, n *Node, inFlight int) {
	b.ReportAllocs()
	command := bytes.Repeat([]byte("x"), 200)
	var left atomic.Int64
	left.Store(int64(b.N))
	var g sync.WaitGroup
	b.ResetTimer()
	for range inFlight {
		g.Add(1)
		go func() {
			defer g.Done()
			for left.Add(-1) >= 0 {
				if _, err := n.Propose(b.Context(), command); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	g.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkReadIndex is what a fully consistent read adds on the leader.
func BenchmarkReadIndex(b *testing.B) {
	n := openBenchNode(b, vfs.NewMem(), "/node")
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			index, err := n.ReadIndex(ctx)
			if err == nil {
				err = n.Wait(ctx, index)
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkStart opens a node whose state lacks nothing, until it serves.
func BenchmarkStart(b *testing.B) {
	for _, commands := range []int{0, 100_000} {
		b.Run(fmt.Sprintf("log=%d", commands), func(b *testing.B) {
			dir := b.TempDir()
			n := openBenchNode(b, vfs.Default, dir)
			machine := n.options.StateMachine
			var g sync.WaitGroup
			for range 256 {
				g.Add(1)
				go func() {
					defer g.Done()
					for range commands / 256 {
						if _, err := n.Propose(b.Context(), make([]byte, 200)); err != nil {
							b.Error(err)
						}
					}
				}()
			}
			g.Wait()
			closeNode(b, n)
			o := n.options
			o.StateMachine = machine
			for b.Loop() {
				n, err := Open(b.Context(), o)
				if err != nil {
					b.Fatal(err)
				}
				mustServe(b, n)
				b.StopTimer()
				closeNode(b, n)
				b.StartTimer()
			}
		})
	}
}
