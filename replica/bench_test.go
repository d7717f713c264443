package replica

import (
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

const benchSchema = `definition user {}
definition team {
	relation member: user | team#member
}
definition doc {
	relation reader: user | team#member
	permission view = reader
}
`

// BenchmarkCheckInProcess asks a read replica whether somebody may view a document
// through two teams, beside the same questions over gRPC on loopback to the same
// replica. A fully consistent one asks the leader, over loopback, in each.
func BenchmarkCheckInProcess(b *testing.B) {
	reader, zookie := benchCluster(b)
	for _, by := range []struct {
		name   string
		client tupelov1.TupeloClient
	}{{"in process", reader.Client()}, {"over gRPC", dial(b, reader)}} {
		for _, fresh := range []struct {
			name string
			c    *tupelov1.Consistency
		}{{"minimize latency", nil}, {"zookie", atLeastAsFresh(zookie)}, {"fully consistent", fullyConsistent()}} {
			b.Run(by.name+"/"+fresh.name, func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					r, err := by.client.Check(b.Context(), &tupelov1.CheckRequest{
						Consistency: fresh.c,
						Object:      &tupelov1.Object{Type: "doc", Id: fmt.Sprint("d", i%100)}, Relation: "view",
						Subject: &tupelov1.Subject{Type: "user", Id: "ann"},
					})
					if err != nil || r.Result != tupelov1.Result_RESULT_YES {
						b.Fatal(r, err)
					}
				}
			})
		}
	}
}

// benchCluster returns a read replica of a lone voter, and the zookie of its last write.
func benchCluster(b *testing.B) (reader *Replica, zookie string) {
	b.Helper()
	start := func(o Options) *Replica {
		o.Peer = &peer.Options{Address: "127.0.0.1:0"}
		r, err := Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := r.Close(context.Background()); err != nil {
				b.Error(err)
			}
		})
		return r
	}
	voter := start(Options{FS: vfs.NewMem(), Dir: "tupelo", NodeID: "n1", BootstrapExpect: 1})
	reader = start(Options{Memory: true, NodeID: "reader", ReadReplica: true, Join: []string{voter.Address()}})
	if _, err := reader.Client().WriteSchema(b.Context(), &tupelov1.WriteSchemaRequest{Text: benchSchema}); err != nil {
		b.Fatal(err)
	}
	updates := []string{"team:a#member@user:ann", "team:b#member@team:a#member"}
	for i := range 100 {
		updates = append(updates, fmt.Sprintf("doc:d%d#reader@team:b#member", i))
	}
	for _, text := range updates {
		if err := touch(b.Context(), reader.Client(), text); err != nil {
			b.Fatal(err)
		}
	}
	answer, err := reader.Client().Read(b.Context(), &tupelov1.ReadRequest{Consistency: fullyConsistent(), Filter: &tupelov1.Filter{ObjectType: "doc"}})
	if err != nil {
		b.Fatal(err)
	}
	return reader, answer.Zookie
}
