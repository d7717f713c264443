package main

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/golden"
	"github.com/tupelodb/tupelo/internal/ports"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/replica"
)

// node is a replica in this process, as serve would run it.
type node struct {
	*replica.Replica
	addr, peerAddr string
	stop           func()
}

// startNode serves a replica until the test ends, or stop is called.
func startNode(t *testing.T, o replica.Options) *node {
	t.Helper()
	o.FS, o.Dir, o.Version, o.API.DrainLimit = vfs.NewMem(), "tupelo", "v1.2.3", time.Second
	var log syncBuffer
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	// On a busy machine nobody else shall lead than the test says: a leader that hears
	// nothing for the lease stands down, and what it hears are answers to heartbeats,
	// which come every fifth of their timeout.
	o.Tune = func(log *raft.Options) {
		log.HeartbeatTimeout = 5 * time.Second
		log.LeaderLease = log.HeartbeatTimeout
	}
	r, err := replica.Open(t.Context(), o)
	if err != nil {
		t.Errorf("opening %s: %v", o.NodeID, err)
		return nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error(err)
		return nil
	}
	ctx, end := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- r.Server().Serve(ctx, listener) }()
	n := &node{Replica: r, addr: listener.Addr().String(), peerAddr: o.Peer.Address}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s:\n%s", o.NodeID, log.String())
		}
	})
	n.stop = func() {
		end()
		if err := <-served; err != nil {
			t.Errorf("serving %s: %v", o.NodeID, err)
		}
		closing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := r.Close(closing); err != nil {
			t.Errorf("closing %s: %v", o.NodeID, err)
		}
		n.stop = func() {}
	}
	t.Cleanup(func() { n.stop() })
	return n
}

// startCluster serves three nodes, of which the first leads, and a fourth one
// that waits to be added.
func startCluster(t *testing.T) map[string]*node {
	t.Helper()
	addresses, err := ports.Take(4)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"n1", "n2", "n3"}
	nodes := make([]*node, len(names))
	done := make(chan int)
	for i, name := range names {
		go func() {
			nodes[i] = startNode(t, replica.Options{
				NodeID: name, Peer: &peer.Options{Address: addresses[i]}, API: api.Options{WaitLimit: patience},
				Join: slices.Delete(slices.Clone(addresses[:3]), i, i+1), BootstrapExpect: 3,
			})
			done <- i
		}()
	}
	for range names {
		<-done
	}
	if slices.Contains(nodes, nil) {
		t.FailNow()
	}
	for _, n := range nodes {
		if _, err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	setenv(t, "TUPELO_TIMEOUT", patience.String())
	mustTupelo(t, "cluster", "transfer", "n1", "--addr", nodes[0].addr)
	mustTupelo(t, "schema", "write", "schema.zed", "--addr", nodes[1].addr)
	waiting := startNode(t, replica.Options{NodeID: "n4", Peer: &peer.Options{Address: addresses[3]}})
	if waiting == nil {
		t.FailNow()
	}
	return map[string]*node{"n1": nodes[0], "n2": nodes[1], "n3": nodes[2], "n4": waiting}
}

// awaitStatus waits until all is well, as a node sees it, and the state has the
// newest format.
func awaitStatus(t *testing.T, n *node) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if o := tupelo(t, "cluster", "status", "--addr", n.addr); o.code == exitOK && !strings.Contains(o.out, "+") {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the cluster does not get well")
}

// TestTheClustersTranscript plays a session, as TestTranscripts does, with nodes
// whose addresses are told as @n1 for clients and n1:PEER for other nodes.
func TestTheClustersTranscript(t *testing.T) {
	path, err := filepath.Abs("testdata/cluster/cluster.transcript")
	if err != nil {
		t.Fatal(err)
	}
	want := readText(t, path)
	inCopyOf(t, "testdata/files")
	var here, back []string
	nodes := startCluster(t)
	for name, n := range nodes {
		here = append(here, "@"+name, n.addr, name+":PEER", n.peerAddr)
		back = append(back, n.addr, "@"+name, n.peerAddr, name+":PEER")
	}
	awaitStatus(t, nodes["n1"])
	got := play(t, strings.NewReplacer(here...).Replace(want))
	got = steady(strings.NewReplacer(back...).Replace(got))
	golden.File(t, path, got, "the session went otherwise")
}

var (
	gaps     = regexp.MustCompile(` {2,}`)
	checksum = regexp.MustCompile(`\b[0-9a-f]{64}\b`)
)

// steady replaces what differs between runs in the tables: of a status, all that
// is counted or measured.
func steady(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		cells := gaps.Split(line, -1)
		if len(cells) == 10 && cells[0] != "NODE" {
			cells[2], cells[3], cells[4], cells[6] = "TERM", "APPLIED", "LAG", "SIZES"
			if cells[1] != "leader" {
				cells[5] = "AGO"
			}
		}
		if len(cells) > 2 {
			line = strings.Join(cells, "  ")
		}
		lines[i] = checksum.ReplaceAllString(line, "CHECKSUM")
	}
	return strings.Join(lines, "\n")
}

func TestAStatusInJSONIsTheMessage(t *testing.T) {
	inCopyOf(t, "testdata/files")
	nodes := startCluster(t)
	awaitStatus(t, nodes["n2"])
	var got tupelov1.ClusterStatusResponse
	if err := protojson.Unmarshal([]byte(mustTupelo(t, "cluster", "status", "--json", "--addr", nodes["n2"].addr)), &got); err != nil {
		t.Fatal(err)
	}
	if got.NodeId != "n2" || got.LeaderId != "n1" || len(got.Members) != 3 {
		t.Errorf("%v", &got)
	}
	for _, m := range got.Members {
		if m.Term == 0 || m.Applied == 0 || m.Version != "v1.2.3" || m.Format == 0 {
			t.Errorf("%v", m)
		}
	}

	// A node that is gone makes the status no, and a comparison impossible.
	nodes["n3"].stop()
	o := tupelo(t, "cluster", "status", "--addr", nodes["n2"].addr)
	if o.code != exitNo || !strings.Contains(o.diag, "n3 does not answer: ") || !strings.Contains(o.out, "down") {
		t.Errorf("exit status %d\n%s%s", o.code, o.out, o.diag)
	}
	o = tupelo(t, "cluster", "verify", "--addr", nodes["n2"].addr)
	if o.code != exitError || !strings.Contains(o.diag, "no answer from n3") {
		t.Errorf("exit status %d\n%s%s", o.code, o.out, o.diag)
	}
	// It can be removed all the same, and then all is well again.
	mustTupelo(t, "cluster", "remove", "n3", "--addr", nodes["n2"].addr)
	mustTupelo(t, "cluster", "status", "--addr", nodes["n2"].addr)
	if got := mustTupelo(t, "cluster", "verify", "-q", "--addr", nodes["n1"].addr); got != "yes\n" {
		t.Errorf("verify: %q", got)
	}
}

func TestAServerAloneIsNoCluster(t *testing.T) {
	startServer(t)
	if o := tupelo(t, "cluster", "status"); o.code != exitError || !strings.Contains(o.diag, "not part of a cluster") {
		t.Errorf("exit status %d\n%s", o.code, o.diag)
	}
}
