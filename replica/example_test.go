package replica_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
)

// A service that answers checks in its own process, as a read replica of the
// cluster that others run.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cluster := startCluster(ctx) // elsewhere: tupelo serve --raft-addr …
	defer cluster.Close(ctx)

	r, err := replica.Open(ctx, replica.Options{
		NodeID:       "jobs-1", // no other node may have it
		ReadReplica:  true,
		Memory:       true, // or Dir, to need only what it has missed after a restart
		LeaveOnClose: true,
		Join:         []string{cluster.Address()},
		// Other nodes reach it there. On a network, Certificates are needed too.
		Peer: &peer.Options{Address: "127.0.0.1:0"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close(ctx)

	// The same interface as that of a connection to a server.
	var authz tupelov1.TupeloClient = r.Client()
	doc, ann := &tupelov1.Object{Type: "doc", Id: "plan"}, &tupelov1.Subject{Type: "user", Id: "ann"}
	written, err := authz.Write(ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{ // by the leader
		Operation: tupelov1.Update_OPERATION_TOUCH,
		Tuple:     &tupelov1.Tuple{Object: doc, Relation: "reader", Subject: ann},
	}}})
	if err != nil {
		log.Fatal(err)
	}
	answer, err := authz.Check(ctx, &tupelov1.CheckRequest{ // here, as soon as the write is
		Object: doc, Relation: "reader", Subject: ann,
		Consistency: &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: written.Zookie}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer.Result)
	// Output: RESULT_YES
}

// startCluster starts a cluster of one node with a schema.
func startCluster(ctx context.Context) *replica.Replica {
	node, err := replica.Open(ctx, replica.Options{
		NodeID: "n1", Dir: "tupelo", FS: vfs.NewMem(), BootstrapExpect: 1, Peer: &peer.Options{Address: "127.0.0.1:0"},
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := node.Client().WriteSchema(ctx, &tupelov1.WriteSchemaRequest{
		Text: "definition user {}\ndefinition doc {\n\trelation reader: user\n}\n",
	}); err != nil {
		log.Fatal(err)
	}
	return node
}
