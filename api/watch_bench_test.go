package api

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// BenchmarkWatchEvents has one writer, with one tuple a revision in batches as
// the log makes them, and watchers over loopback that count what they are sent:
// each must be sent every revision. events/s is over all watchers, cpu-µs/event
// the whole process, clients included.
func BenchmarkWatchEvents(b *testing.B) {
	for _, watchers := range []int{1, 100} {
		for _, batch := range []int{1, 64} {
			b.Run(fmt.Sprintf("watchers=%d/batch=%d", watchers, batch), func(b *testing.B) {
				benchmarkWatch(b, watchers, batch)
			})
		}
	}
}

func benchmarkWatch(b *testing.B, watchers, batch int) {
	s := newBenchServer(b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.grpc.Serve(listener)
	defer s.grpc.Stop()
	var ready, done sync.WaitGroup
	ready.Add(watchers)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for range watchers {
		conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		done.Go(func() { countEvents(ctx, b, tupelov1.NewTupeloClient(conn), &ready) })
	}
	ready.Wait()
	begun := cpuMicros(b)
	b.ResetTimer()
	for first := 0; first < b.N; first += batch {
		writeEvents(b, s, min(batch, b.N-first))
	}
	done.Wait()
	events := float64(b.N) * float64(watchers)
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric((cpuMicros(b)-begun)/events, "cpu-µs/event")
}

// countEvents takes b.N events, and fails the benchmark if one is not the next.
func countEvents(ctx context.Context, b *testing.B, client tupelov1.TupeloClient, ready *sync.WaitGroup) {
	stream, err := client.Watch(ctx, &tupelov1.WatchRequest{})
	if err != nil {
		b.Error(err)
		ready.Done()
		return
	}
	first := uint64(0)
	for n := 0; n < b.N; {
		r, err := stream.Recv()
		if err != nil {
			b.Error(err)
			return
		}
		revision, err := here.parseZookie(r.Zookie)
		switch {
		case err != nil:
			b.Error(err)
			return
		case first == 0:
			first = revision
			ready.Done()
		case !r.Checkpoint:
			if n++; revision != first+uint64(n) {
				b.Errorf("revision %d comes as event %d after %d", revision, n, first)
				return
			}
		}
	}
}

// writeEvents applies n revisions of one new tuple each, at once.
func writeEvents(b *testing.B, s *Server, n int) {
	log := s.log.(*testLog)
	log.mu.Lock()
	defer log.mu.Unlock()
	var indexes []uint64
	var commands [][]byte
	for range n {
		index := uint64(len(log.commands)) + 1
		log.commands = append(log.commands, nil)
		indexes = append(indexes, index)
		commands = append(commands, store.Encode(store.Write{UnixMillis: 1, Updates: []store.Update{bulkUpdate(0, int(index))}}))
	}
	if _, err := s.store.Apply(indexes, commands); err != nil {
		b.Fatal(err)
	}
}
