package bench

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	authzedTuples  = flag.Int("authzed-tuples", 100_000, "how many tuples BenchmarkAuthzed asks about")
	authzedProfile = flag.String("authzed-profile", "", "file for a profile of the server's processors")
)

// BenchmarkAuthzed is what calls of SpiceDB's clients cost, by how many are in
// flight, beside a server that answers the same messages at once and does nothing.
// Both are processes of their own on this machine, and take turns of a fraction of a
// second, so that what else runs meets both.
//
//	server-µs/op, noop-µs/op  of the processors, by call, in the server's process
//	×noop                     one by the other
//	calls/s, noop-calls/s     of a closed loop, the clients on the same processors
func BenchmarkAuthzed(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "node")
	loader := startServer(b, tupeloServer, dir, "")
	loadGitClub(b, loader, *authzedTuples)
	loader.stop() // its tuples are in memory still, where none but new ones are
	tupelo := startServer(b, tupeloServer, dir, *authzedProfile)
	calls := callsOf(*authzedTuples)
	noop := startServer(b, idleServer, recordAnswers(b, tupelo, calls))
	warmUp(b, tupelo, calls, int64(*authzedTuples))
	for _, c := range calls {
		for _, inFlight := range []int{1, 16, 64} {
			b.Run(fmt.Sprintf("%s/inflight=%d", c.name, inFlight), func(b *testing.B) {
				compareServers(b, c, inFlight, tupelo, noop)
			})
		}
	}
}

// authzedCall is a call that is measured: the i-th of its kind, answered by whoever.
type authzedCall struct {
	name string
	make func(ctx context.Context, s *server, i int64) ([]proto.Message, error) // the answer
}

// callsOf are questions all over the data set, by its users.
func callsOf(tuples int) []authzedCall {
	var runs, users []string
	dataset.GitClub(min(tuples, 1_000_000), func(t tuple.Named) {
		switch t.ObjectType {
		case "run":
			runs = append(runs, t.ObjectID)
		case "organization":
			users = append(users, t.SubjectID)
		}
	})
	run := func(i int64) *v1.ObjectReference {
		return &v1.ObjectReference{ObjectType: "run", ObjectId: runs[i*7919%int64(len(runs))]}
	}
	user := func(i int64) *v1.SubjectReference {
		return &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: "user", ObjectId: users[i*104729%int64(len(users))]}}
	}
	return []authzedCall{
		{nativeCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			return whole(s.native.Check(ctx, inOurs(run(i), user(i))))
		}},
		{freshCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			r := inOurs(run(i), user(i))
			r.Consistency = &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
			return whole(s.native.Check(ctx, r))
		}},
		{batchCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			r := &tupelov1.BatchCheckRequest{}
			for j := range int64(100) {
				one := inOurs(run(i*100+j), user(i))
				r.Items = append(r.Items, &tupelov1.BatchCheckItem{Object: one.Object, Relation: one.Relation, Subject: one.Subject})
			}
			return whole(s.native.BatchCheck(ctx, r))
		}},
		{checkCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			return whole(s.CheckPermission(ctx, &v1.CheckPermissionRequest{Resource: run(i), Permission: "cancel", Subject: user(i)}))
		}},
		{bulkCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			r := &v1.CheckBulkPermissionsRequest{}
			for j := range int64(100) {
				r.Items = append(r.Items, &v1.CheckBulkPermissionsRequestItem{Resource: run(i*100 + j), Permission: "cancel", Subject: user(i)})
			}
			return whole(s.CheckBulkPermissions(ctx, r))
		}},
		{lookupCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			return s.lookUp(ctx, user(i))
		}},
		{writeCall, func(ctx context.Context, s *server, i int64) ([]proto.Message, error) {
			return whole(s.WriteRelationships(ctx, &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{{
				Operation: v1.RelationshipUpdate_OPERATION_TOUCH,
				Relationship: &v1.Relationship{
					Resource: &v1.ObjectReference{ObjectType: "repository", ObjectId: fmt.Sprintf("w%d", i)}, Relation: "reader", Subject: user(i),
				},
			}}}))
		}},
	}
}

// inOurs is a check in the native protocol.
func inOurs(run *v1.ObjectReference, user *v1.SubjectReference) *tupelov1.CheckRequest {
	return &tupelov1.CheckRequest{
		Object: &tupelov1.Object{Type: run.ObjectType, Id: run.ObjectId}, Relation: "cancel",
		Subject: &tupelov1.Subject{Type: user.Object.ObjectType, Id: user.Object.ObjectId},
	}
}

// whole returns an answer that is one message.
func whole(m proto.Message, err error) ([]proto.Message, error) { return []proto.Message{m}, err }

// lookUp returns the repositories that a user may read.
func (s *server) lookUp(ctx context.Context, user *v1.SubjectReference) (all []proto.Message, err error) {
	stream, err := s.LookupResources(ctx, &v1.LookupResourcesRequest{ResourceObjectType: "repository", Permission: "read", Subject: user})
	if err != nil {
		return nil, err
	}
	for {
		one, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
}

// loadGitClub writes the schema and tuples.
func loadGitClub(b *testing.B, s *server, tuples int) {
	b.Helper()
	native := s.native
	if _, err := native.WriteSchema(b.Context(), &tupelov1.WriteSchemaRequest{Text: dataset.GitClubSchema}); err != nil {
		b.Fatal(err)
	}
	writes := make(chan *tupelov1.WriteRequest)
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for w := range writes {
				if _, err := native.Write(b.Context(), w); err != nil {
					b.Error(err)
				}
			}
		})
	}
	w := &tupelov1.WriteRequest{}
	dataset.GitClub(tuples, func(t tuple.Named) {
		w.Updates = append(w.Updates, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: &tupelov1.Tuple{
			Object: &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID}, Relation: t.Relation,
			Subject: &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
		}})
		if len(w.Updates) == commandTuples {
			writes <- w
			w = &tupelov1.WriteRequest{}
		}
	})
	if len(w.Updates) > 0 {
		writes <- w
	}
	close(writes)
	writers.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// warmUp asks about every run a few times, so that what is measured is not what is
// read for the first time.
func warmUp(b *testing.B, s *server, calls []authzedCall, tuples int64) {
	b.Helper()
	batch := calls[slices.IndexFunc(calls, func(c authzedCall) bool { return c.name == batchCall })]
	err := drive(b.Context(), 16, min(tuples, 1_000_000)/50, func(ctx context.Context, i int64) error {
		_, err := batch.make(ctx, s, i)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

// recordAnswers has a server answer some calls of each kind, and returns the file
// with those of a middling length.
func recordAnswers(b *testing.B, s *server, calls []authzedCall) (file string) {
	b.Helper()
	recorded := make(map[string][][]byte)
	for _, c := range calls {
		var all [][][]byte
		for i := range int64(33) {
			messages, err := c.make(b.Context(), s, i)
			if err != nil {
				b.Fatal(c.name, ": ", err)
			}
			var wires [][]byte
			for _, m := range messages {
				wire, err := proto.Marshal(m)
				if err != nil {
					b.Fatal(err)
				}
				wires = append(wires, wire)
			}
			all = append(all, wires)
		}
		slices.SortFunc(all, func(x, y [][]byte) int { return len(slices.Concat(x...)) - len(slices.Concat(y...)) })
		recorded[c.name] = all[len(all)/2]
	}
	text, err := json.Marshal(recorded)
	if err != nil {
		b.Fatal(err)
	}
	file = filepath.Join(b.TempDir(), "answers")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// compareServers makes b.N calls of each server, by turns.
func compareServers(b *testing.B, c authzedCall, inFlight int, servers ...*server) {
	type sum struct{ cpu, elapsed time.Duration }
	sums := make([]sum, len(servers))
	const turns = 8
	done := int64(0)
	for turn := range int64(turns) {
		n := int64(b.N)*(turn+1)/turns - done
		for i, s := range servers {
			before, begun := s.cpu(b), time.Now()
			err := drive(b.Context(), inFlight, n, func(ctx context.Context, k int64) error {
				_, err := c.make(ctx, s, done+k)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			sums[i].elapsed += time.Since(begun)
			sums[i].cpu += s.cpu(b) - before
		}
		done += n
	}
	micros := func(s sum) float64 { return float64(s.cpu.Nanoseconds()) / 1000 / float64(b.N) }
	rate := func(s sum) float64 { return float64(b.N) / s.elapsed.Seconds() }
	b.ReportMetric(0, "ns/op") // it is of both
	b.ReportMetric(micros(sums[0]), "server-µs/op")
	b.ReportMetric(micros(sums[1]), "noop-µs/op")
	b.ReportMetric(micros(sums[0])/micros(sums[1]), "×noop")
	b.ReportMetric(rate(sums[0]), "calls/s")
	b.ReportMetric(rate(sums[1]), "noop-calls/s")
}

// drive makes n calls, so many at a time.
func drive(ctx context.Context, inFlight int, n int64, call func(context.Context, int64) error) error {
	var next atomic.Int64
	failed := make(chan error, inFlight)
	for range inFlight {
		go func() {
			for {
				i := next.Add(1) - 1
				if i >= n {
					failed <- nil
					return
				}
				if err := call(ctx, i); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	var err error
	for range inFlight {
		err = errors.Join(err, <-failed)
	}
	return err
}
