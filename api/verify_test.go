package api

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// traited is a schema whose tuples carry things.
const traited = `use expiration

caveat office_hours(hour int) {
	hour < 18
}

definition user {}

definition document {
	relation viewer: user | user with office_hours | user with expiration
	relation editor: user
}
`

// checksumAt returns what a store holds at a revision.
func checksumAt(t testing.TB, st *store.Store, revision uint64) (string, uint64) {
	t.Helper()
	snapshot, err := st.Snapshot(revision)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	sum, tuples, err := checksum(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	return string(sum), tuples
}

// A replica that has gone on, and has forgotten some of the past, has the same
// sum for a revision as one that stands there.
func TestTheChecksumOfARevisionIsTheSameWhereverTheReplicaIs(t *testing.T) {
	w := newWorld(t, traited)
	random := rand.New(rand.NewPCG(1, 2))
	tuples := []string{
		"document:a#viewer@user:alice", "document:a#viewer@user:alice[office_hours]",
		`document:a#viewer@user:alice[office_hours:{"hour":3}]`, "document:a#viewer@user:alice[expiration:2100-01-01T00:00:00Z]",
		"document:b#viewer@user:alice", "document:a#editor@user:bob", "document:c#editor@user:alice",
	}
	for i := range 60 {
		op := tupelov1.Update_OPERATION_TOUCH
		if random.IntN(3) == 0 {
			op = tupelov1.Update_OPERATION_DELETE
		}
		if _, err := w.client.Write(w.ctx, updates(t, op, tuples[random.IntN(len(tuples))])); err != nil {
			t.Fatal(err)
		}
		if i%20 == 10 {
			w.writeSchema(t, traited+fmt.Sprintf("definition more%d {\n\trelation owner: user\n}\n", i))
			w.touch(t, fmt.Sprintf("document:d%d#editor@user:carol", i))
		}
	}
	const horizon = 20
	w.log.propose(t, store.AdvanceHorizon{UnixMillis: 2, Revision: horizon})
	follower := newFollower(t, w.log)
	sums := map[string]bool{}
	for revision := uint64(1); revision <= w.log.last(); revision++ {
		follower.release(t, revision)
		if revision < horizon {
			continue
		}
		there, count := checksumAt(t, follower.follower, revision)
		here, again := checksumAt(t, w.log.leader, revision)
		if here != there || count != again {
			t.Errorf("revision %d: %d tuples with %x, and %d with %x where it was applied last", revision, again, here, count, there)
		}
		sums[here] = true
	}
	if len(sums) < 15 {
		t.Errorf("only %d sums in all", len(sums))
	}
}

// Whatever is not the same gives another sum.
func TestTheChecksumSeesWhatDiffers(t *testing.T) {
	build := func(text string, tuples ...string) string {
		l := newTestLog(t)
		l.lead(t)
		s := newTestServer(t, l, nil)
		if text != "" {
			if err := s.writeSchemaNow(t, text); err != nil {
				t.Fatal(err)
			}
		}
		for _, one := range tuples {
			if err := s.touchNow(t, one); err != nil {
				t.Fatal(err)
			}
		}
		sum, count := checksumAt(t, l.leader, 0)
		if count != uint64(len(tuples)) {
			t.Errorf("%d tuples of %d", count, len(tuples))
		}
		return sum
	}
	const alice = "document:a#viewer@user:alice"
	seen := map[string]string{}
	for name, sum := range map[string]string{
		"one tuple":          build(traited, alice),
		"none":               build(traited),
		"another object":     build(traited, "document:b#viewer@user:alice"),
		"another subject":    build(traited, "document:a#viewer@user:bob"),
		"another relation":   build(traited, "document:a#editor@user:alice"),
		"ids cut elsewhere":  build(traited, "document:aa#viewer@user:lice"),
		"a caveat":           build(traited, alice+"[office_hours]"),
		"with a context":     build(traited, alice+`[office_hours:{"hour":3}]`),
		"with another":       build(traited, alice+`[office_hours:{"hour":4}]`),
		"an expiration":      build(traited, alice+"[expiration:2100-01-01T00:00:00Z]"),
		"a later expiration": build(traited, alice+"[expiration:2100-01-01T00:00:01Z]"),
		"two tuples":         build(traited, alice, "document:b#viewer@user:alice"),
		"another schema":     build(traited+"\n", alice),
		"no schema":          build(""),
	} {
		if other := seen[sum]; other != "" {
			t.Errorf("%s and %s have the same sum", name, other)
		}
		seen[sum] = name
	}
}

func TestVerifyFindsTheReplicaThatDiffers(t *testing.T) {
	n := newNodes(t, nil)
	l := n.servers["a"].log.(*testLog)
	// c is a replica of its own, which lags.
	c := newFollower(t, l)
	n.servers["c"].store, n.servers["c"].log = c.follower, followingLog{c}
	if _, err := writes(t, "")["Write"](n.servers["b"], t.Context()); err != nil {
		t.Fatal(err)
	}
	c.commands = l.commands
	ask := func() (*tupelov1.VerifyReplicasResponse, error) {
		return n.admin("b").VerifyReplicas(t.Context(), &tupelov1.VerifyReplicasRequest{})
	}
	verify := func() *tupelov1.VerifyReplicasResponse {
		t.Helper()
		r, err := ask()
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Replicas) != 3 || r.Zookie != here.zookie(l.last()) {
			t.Errorf("%v", r)
		}
		return r
	}
	early := make(chan *tupelov1.VerifyReplicasResponse, 1)
	go func() {
		r, err := ask()
		if err != nil {
			t.Error(err)
		}
		early <- r
	}()
	c.release(t, l.last()) // it is waited for
	if r := <-early; !r.GetEqual() || r.Replicas[2].Tuples != 1 || !bytes.Equal(r.Replicas[0].Checksum, r.Replicas[2].Checksum) {
		t.Errorf("equal replicas: %v", r)
	}
	if err := n.servers["a"].touchNow(t, "repository:club#owner@user:bob"); err != nil {
		t.Fatal(err)
	}
	// The same revision, and another tuple.
	n.servers["c"].store, n.servers["c"].log = forgedStore(t, l)
	if r := verify(); r.Equal || r.Replicas[2].Error != "" || bytes.Equal(r.Replicas[0].Checksum, r.Replicas[2].Checksum) {
		t.Errorf("a forged replica: %v", r)
	}
	n.lose = func(to, _ string, _ bool) error {
		if to == "c" {
			return logError("no-leader")
		}
		return nil
	}
	if r := verify(); r.Equal || r.Replicas[2].Error == "" || r.Replicas[1].Error != "" {
		t.Errorf("a replica that is down: %v", r)
	}
}

// forgedStore has a log's history, but for its last command.
func forgedStore(t *testing.T, l *testLog) (*store.Store, Log) {
	t.Helper()
	forged := newTestLog(t)
	for _, command := range l.commands[:l.last()-1] {
		if _, err := forged.commit(command); err != nil {
			t.Fatal(err)
		}
	}
	s := newTestServer(t, forged, nil)
	if err := s.touchNow(t, "repository:club#owner@user:mallory"); err != nil {
		t.Fatal(err)
	}
	return forged.leader, forged
}

// A checksum is not computed for somebody who has left, and is of the revision
// that was asked for.
func TestAChecksumEndsWithItsCallAndIsOfItsRevision(t *testing.T) {
	w := newWorld(t, gitclub)
	for i := range 4 {
		r := &tupelov1.WriteRequest{}
		for j := range 1000 {
			r.Updates = append(r.Updates, &tupelov1.Update{
				Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tupleMessage(t, fmt.Sprintf("repository:%d-%d#owner@user:alice", i, j)),
			})
		}
		if _, err := w.server.Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := &clusterService{s: w.server}
	_, err := c.ReplicaChecksum(ctx, &tupelov1.ReplicaChecksumRequest{AtExactSnapshot: here.zookie(w.log.last())})
	if got := seen(t, statusOf(err).Err()); got.code != "Canceled" {
		t.Errorf("%+v", got)
	}
	whole, err := c.ReplicaChecksum(t.Context(), &tupelov1.ReplicaChecksumRequest{AtExactSnapshot: here.zookie(w.log.last())})
	if err != nil || whole.Tuples != 4000 {
		t.Errorf("%v, %v", whole, err)
	}
	then := here.zookie(w.log.last())
	if err := w.server.touchNow(t, aliceOwns); err != nil {
		t.Fatal(err)
	}
	past, err := c.ReplicaChecksum(t.Context(), &tupelov1.ReplicaChecksumRequest{AtExactSnapshot: then})
	if err != nil || !bytes.Equal(past.Checksum, whole.Checksum) {
		t.Errorf("of the same revision, once there is a newer one: %v, %v", past, err)
	}
}
