package clustertest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/ports"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

const (
	size = 3
	// smallDiskBytes holds a node's data of a long run, and is soon filled.
	smallDiskBytes = 256 << 20
	// beginLimit is how long the nodes may take to find one another, stopLimit how
	// long one may take to stop when told, and mendLimit how long it may take, once
	// nothing is broken any more, until all serve with the same state.
	beginLimit = 30 * time.Second
	stopLimit  = 20 * time.Second
	mendLimit  = time.Minute
)

// cluster is three nodes and what is around them.
type cluster struct {
	nodes   []*node
	rooms   []*room // of the nodes; none on loopback
	outside *room   // of the clients
	token   string  // nodes that others can reach want one
	smallID string  // the node whose disk is small; empty for none
	history *history.Recorder
	pulse   pulse
}

// newCluster makes a place for each node, in namespaces if this process has them.
func newCluster(t testing.TB) *cluster {
	c := &cluster{history: history.NewRecorder(), pulse: pulse{last: time.Now()}}
	if err := prepareProgram(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var err error
	if ways.inside {
		err = c.placeInRooms(t, dir)
	} else {
		err = c.placeOnLoopback(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range c.nodes {
		c.decide(n)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.kill()
		}
	})
	return c
}

func (c *cluster) place(i int, dir string) (*node, error) {
	id := fmt.Sprint("n", i+1)
	n := &node{id: id, dir: filepath.Join(dir, id, "data"), log: filepath.Join(dir, id+".log")}
	c.nodes = append(c.nodes, n)
	return n, os.MkdirAll(filepath.Dir(n.dir), 0o700)
}

func (c *cluster) placeOnLoopback(dir string) error {
	starter, err := newThread(func() error { return nil })
	if err != nil {
		return err
	}
	addresses, err := ports.Take(2 * size)
	if err != nil {
		return err
	}
	for i := range size {
		n, err := c.place(i, dir)
		if err != nil {
			return err
		}
		n.thread, n.calls, n.peers = starter, addresses[2*i], addresses[2*i+1]
	}
	return nil
}

func (c *cluster) placeInRooms(t testing.TB, dir string) (err error) {
	if c.outside, err = newRoom("clients", "10.77.0.100", true); err != nil {
		return err
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails
	c.token = hex.EncodeToString(secret)
	certificates := filepath.Join(dir, "certificates")
	if err := run("cert", "ca", certificates); err != nil {
		return err
	}
	for i := range size {
		n, err := c.place(i, dir)
		if err != nil {
			return err
		}
		host := fmt.Sprint("10.77.0.", i+1)
		if n.room, err = newRoom(n.id, host, false); err != nil {
			return err
		}
		for _, other := range append(c.rooms, c.outside) {
			if err := connect(n.room, other); err != nil {
				return err
			}
		}
		c.rooms = append(c.rooms, n.room)
		n.thread, n.calls, n.peers = n.room.thread, host+":50051", host+":50052"
		if err := run("cert", "node", certificates, "--name", n.id, "--host", host); err != nil {
			return err
		}
		n.settings = []string{
			"--token", c.token, "--peer-ca", filepath.Join(certificates, "ca.crt"),
			"--peer-cert", filepath.Join(certificates, n.id+".crt"), "--peer-key", filepath.Join(certificates, n.id+".key"),
		}
	}
	small := c.nodes[size-1]
	c.smallID = small.id
	disk := filepath.Dir(small.dir)
	if err := mountSmallDisk(disk, smallDiskBytes); err != nil {
		return err
	}
	t.Cleanup(func() { _ = unmount(disk) }) // else it goes with this process
	return nil
}

// run runs the program to its end.
func run(args ...string) error {
	cmd := exec.Command(ways.binary, args...)
	cmd.Env = environment()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("tupelo %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

// decide says how a node is started.
func (c *cluster) decide(n *node) {
	var others []string
	for _, o := range c.nodes {
		if o != n {
			others = append(others, o.peers)
		}
	}
	n.settings = append([]string{
		"serve", "--data", n.dir, "--listen", n.calls, "--node-id", n.id, "--raft-addr", n.peers,
		"--join", strings.Join(others, ","), "--bootstrap-expect", fmt.Sprint(size), "--log-format", "json",
	}, n.settings...)
}

// start has a node live.
func (c *cluster) start(n *node) error {
	return n.start(func(n *node, how string) {
		c.history.Failure("%s ended without being told, with %s\n%s", n.id, how, n.tail())
	})
}

// begin starts all nodes, and waits until each serves.
func (c *cluster) begin(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := c.start(n); err != nil {
			return err
		}
	}
	return c.await(ctx, beginLimit)
}

// await waits until every node answers with what is newest.
func (c *cluster) await(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, n := range c.nodes {
		if err := c.awaitNode(ctx, n); err != nil {
			return fmt.Errorf("within %v: %w\n%s", limit, err, n.tail())
		}
	}
	return nil
}

// awaitNode waits until a node knows who leads, and answers with what is newest.
func (c *cluster) awaitNode(ctx context.Context, n *node) (err error) {
	line := newLine(n, c.token)
	defer line.close()
	for {
		var answer *tupelov1.ClusterStatusResponse
		answer, err = ask(ctx, line, func(ctx context.Context, c calls) (*tupelov1.ClusterStatusResponse, error) {
			return c.ClusterStatus(ctx, &tupelov1.ClusterStatusRequest{})
		})
		if err == nil {
			err = whole(answer)
		}
		if err == nil {
			// One that still applies its log again does not answer this.
			_, err = c.newest(ctx, n)
			if err == nil || reasonOf(err) == tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA {
				return nil
			}
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s does not serve: %w", n.id, err)
		}
	}
}

// whole reports what a cluster lacks to be as it should.
func whole(s *tupelov1.ClusterStatusResponse) error {
	voters := 0
	for _, m := range s.Members {
		if m.Error != "" {
			return fmt.Errorf("%s cannot be asked: %s", m.Member.NodeId, m.Error)
		}
		if m.Member.Voter {
			voters++
		}
	}
	switch {
	case s.LeaderId == "":
		return fmt.Errorf("%s knows of no leader", s.NodeId)
	case voters != size:
		return fmt.Errorf("%s knows of %d voters", s.NodeId, voters)
	}
	return nil
}

// leader returns the node that leads, as those that answer know.
func (c *cluster) leader(ctx context.Context) *node {
	type claim struct {
		id   string
		term uint64
	}
	var newest claim
	for _, n := range c.nodes {
		if !n.lives() {
			continue
		}
		line := newLine(n, c.token)
		answer, err := ask(ctx, line, func(ctx context.Context, c calls) (*tupelov1.ClusterStatusResponse, error) {
			return c.ClusterStatus(ctx, &tupelov1.ClusterStatusRequest{})
		})
		line.close()
		if err != nil {
			continue
		}
		for _, m := range answer.Members {
			if m.Leader && cmp.Compare(m.Term, newest.term) >= 0 {
				newest = claim{m.Member.NodeId, m.Term}
			}
		}
	}
	for _, n := range c.nodes {
		if n.id == newest.id {
			return n
		}
	}
	return nil
}

// close waits until every node serves with the same state, and notes the states
// and what each node says of the changelog.
func (c *cluster) close(ctx context.Context, origin string) {
	if err := c.await(ctx, mendLimit); err != nil {
		c.history.Failure("after everything was mended: %v", err)
		return
	}
	if err := c.noteStates(ctx); err != nil {
		c.history.Failure("comparing the replicas: %v", err)
	}
	for i, n := range c.nodes {
		if err := c.noteChangelog(ctx, n, origin, i == 0); err != nil {
			c.history.Failure("reading the changelog: %v", err)
		}
	}
}

// noteStates notes what each replica holds at one revision.
func (c *cluster) noteStates(ctx context.Context) error {
	line := newLine(c.nodes[0], c.token)
	defer line.close()
	answer, err := askWithin(ctx, mendLimit, line, func(ctx context.Context, c calls) (*tupelov1.VerifyReplicasResponse, error) {
		return c.VerifyReplicas(ctx, &tupelov1.VerifyReplicasRequest{})
	})
	if err != nil {
		return err
	}
	revision, err := history.Revision(answer.Zookie)
	if err != nil {
		return err
	}
	for _, r := range answer.Replicas {
		if r.Error != "" {
			return fmt.Errorf("%s: %s", r.Member.NodeId, r.Error)
		}
		c.history.Add(history.Event{Kind: history.KindState, Node: r.Member.NodeId, Revision: revision, Sum: hex.EncodeToString(r.Checksum)})
	}
	if len(answer.Replicas) != size || !answer.Equal {
		return fmt.Errorf("they are not %d equal ones: %v", size, answer)
	}
	return nil
}
