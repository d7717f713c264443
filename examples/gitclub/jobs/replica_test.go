package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/replica"
)

// startVoter starts a node with GitClub that others can have replicas of.
func startVoter(t *testing.T) *replica.Replica {
	t.Helper()
	voter, err := replica.Open(t.Context(), replica.Options{
		Dir: t.TempDir(), NodeID: "n1", BootstrapExpect: 1, Peer: &peer.Options{Address: "127.0.0.1:0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := voter.Close(context.Background()); err != nil {
			t.Errorf("closing the voter: %v", err)
		}
	})
	if err := gitclub.Load(t.Context(), voter.Client()); err != nil {
		t.Fatal(err)
	}
	return voter
}

func isReader(n *replica.Replica, name string) bool {
	for _, m := range n.Log().Members() {
		if m.ID == name {
			return !m.Voter
		}
	}
	return false
}

func TestAReplicaInJobsSeesWhatWebHasAcknowledged(t *testing.T) {
	voter := startVoter(t)
	ctx, client, hangUp, err := connect(t.Context(), "127.0.0.1:1", replicaOptions{of: voter.Address(), name: "jobs", address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	if !isReader(voter, "jobs") {
		t.Errorf("the members are %v", voter.Log().Members())
	}
	zookie := ""
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { record(zookie)(w, r) }))
	defer web.Close()
	p := permissions{tupelo: client, web: webClient{web.URL, web.Client()}}
	run := &jobRun{id: "42", repository: "gitclub"}
	for i := range 100 {
		operation := tupelov1.Update_OPERATION_TOUCH
		if i%2 == 1 {
			operation = tupelov1.Update_OPERATION_DELETE
		}
		written, err := voter.Client().Write(ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
			Operation: operation,
			Tuple: &tupelov1.Tuple{
				Object:   &tupelov1.Object{Type: "repository", Id: "gitclub"},
				Relation: "maintainer",
				Subject:  &tupelov1.Subject{Type: "user", Id: "zoe"},
			},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if zookie = written.Zookie; i%10 == 0 {
			zookie = "" // web does not know it: the leader is asked
		}
		if allowed, err := p.may(ctx, "zoe", "cancel", run); err != nil || allowed != (i%2 == 0) {
			t.Fatalf("after change %d zoe may cancel: %t, %v", i, allowed, err)
		}
	}
	if err := hangUp(); err != nil {
		t.Errorf("hanging up: %v", err)
	}
	if isReader(voter, "jobs") {
		t.Error("a replica in memory is a member after its end")
	}
}

func TestAReplicaInJobsComesBackToItsDirectory(t *testing.T) {
	voter := startVoter(t)
	own := replicaOptions{of: voter.Address(), name: "jobs", address: "127.0.0.1:0", dir: t.TempDir()}
	for range 2 {
		_, client, hangUp, err := connect(t.Context(), "127.0.0.1:1", own)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.ReadSchema(t.Context(), &tupelov1.ReadSchemaRequest{}); err != nil {
			t.Error(err)
		}
		if err := hangUp(); err != nil {
			t.Error(err)
		}
		if !isReader(voter, "jobs") {
			t.Error("it is no member while it is down")
		}
	}
}
