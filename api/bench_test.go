package api

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// newBenchServer returns a server with GitClub's tuples of some repositories.
func newBenchServer(b *testing.B) *Server {
	b.Helper()
	l := newTestLog(b)
	l.lead(b)
	s := newTestServer(b, l, nil)
	if err := s.writeSchemaNow(b, gitclub); err != nil {
		b.Fatal(err)
	}
	for i := range 100 {
		err := s.touchNow(b,
			fmt.Sprintf("job:j%d#repo@repository:r%d", i, i),
			fmt.Sprintf("repository:r%d#maintainer@team:t%d#member", i, i),
			fmt.Sprintf("team:t%d#member@user:u%d", i, i),
		)
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// benchQuestion goes through job, repository and team: yes.
const benchQuestion = "job:j7#cancel@user:u7"

func BenchmarkCheckHandler(b *testing.B) {
	s := newBenchServer(b)
	zookie := here.zookie(s.store.Applied())
	for name, c := range map[string]*tupelov1.Consistency{
		"minimizeLatency": nil, "atLeastAsFresh": atLeast(zookie), "exact": exactly(zookie),
	} {
		b.Run(name, func(b *testing.B) {
			r := checkRequest(b, c, benchQuestion)
			b.ReportAllocs()
			for b.Loop() {
				if answer, err := s.Check(b.Context(), r); err != nil || answer.Result != tupelov1.Result_RESULT_YES {
					b.Fatal(answer, err)
				}
			}
		})
	}
}

func BenchmarkBatchCheckHandler(b *testing.B) {
	s := newBenchServer(b)
	r := &tupelov1.BatchCheckRequest{}
	for i := range 1000 {
		r.Items = append(r.Items, checkItem(b, fmt.Sprintf("job:j%d#cancel@user:u%d", i%100, i/10)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.BatchCheck(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "checks/s")
}

// noOp answers Check with the same messages and does nothing for it.
type noOp struct {
	tupelov1.UnimplementedTupeloServer
	zookie string
}

func (n noOp) Check(context.Context, *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	return &tupelov1.CheckResponse{Result: tupelov1.Result_RESULT_YES, Zookie: n.zookie}, nil
}

// BenchmarkCheckOverGRPC sends the same messages to the server and to a no-op
// one, over loopback, 16 in flight. cpu-µs/op is the whole process, client
// included; the difference of the two is the server's own.
func BenchmarkCheckOverGRPC(b *testing.B) {
	s := newBenchServer(b)
	plain := grpc.NewServer()
	tupelov1.RegisterTupeloServer(plain, noOp{zookie: here.zookie(s.store.Applied())})
	b.Run("tupelo", func(b *testing.B) { benchmarkOverGRPC(b, s.grpc) })
	b.Run("noop", func(b *testing.B) { benchmarkOverGRPC(b, plain) })
}

func benchmarkOverGRPC(b *testing.B, server *grpc.Server) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go server.Serve(listener)
	defer listener.Close()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	client, r := tupelov1.NewTupeloClient(conn), checkRequest(b, nil, benchQuestion)
	if _, err := client.Check(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(8)
	begun := cpuMicros(b)
	b.ResetTimer()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := client.Check(b.Context(), r); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric((cpuMicros(b)-begun)/float64(b.N), "cpu-µs/op")
}

func cpuMicros(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000
}

// BenchmarkImport writes messages of 1,000 tuples, over the apply and all but a
// disk that is synced. The figure that matters is tuples/s of one process.
func BenchmarkImport(b *testing.B) {
	const perMessage = 1000
	w := newWorld(b, gitclub)
	begun := cpuMicros(b)
	n := 0
	b.ReportAllocs()
	stream, err := w.client.Import(w.ctx)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		m := &tupelov1.ImportRequest{Mode: tupelov1.ImportRequest_MODE_CREATE}
		for range perMessage {
			m.Tuples = append(m.Tuples, &tupelov1.Tuple{
				Object: &tupelov1.Object{Type: "repository", Id: fmt.Sprintf("repository-%d", n/10)}, Relation: "reader",
				Subject: &tupelov1.Subject{Type: "user", Id: fmt.Sprintf("user-%d", n)},
			})
			n++
		}
		if err := stream.Send(m); err != nil {
			break
		}
	}
	r, err := stream.CloseAndRecv()
	if err != nil || r.Written != uint64(n) {
		b.Fatal(r, err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tuples/s")
	b.ReportMetric((cpuMicros(b)-begun)/float64(n), "µs-CPU/tuple")
}
