package main

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api/cert"
	"github.com/tupelodb/tupelo/api/peer"
)

func TestServeRefusesSettingsOfOtherNodesThatContradictEachOther(t *testing.T) {
	cluster := []string{"--data", "d", "--node-id", "a", "--raft-addr", "127.0.0.1:0"}
	for _, test := range []struct {
		want string
		args []string
	}{
		{"--max-staleness must be", []string{"--data", "d", "--max-staleness", "0s"}},
		{"--raft-addr is needed", []string{"--data", "d", "--join", "h:1"}},
		{"--raft-addr is needed", []string{"--data", "d", "--bootstrap-expect", "1"}},
		{"--raft-addr is needed", []string{"--data", "d", "--read-replica"}},
		{"--raft-addr is needed", []string{"--data", "d", "--leave-on-stop"}},
		{"--raft-addr is needed", []string{"--data", "d", "--raft-advertise", "h:1"}},
		{"belong together", append(cluster, "--peer-ca", "ca.crt")},
		{"needs --node-id", []string{"--data", "d", "--raft-addr", "127.0.0.1:0"}},
		{"contradicts --bootstrap-expect", append(cluster, "--read-replica", "--bootstrap-expect", "1")},
		{"--read-replica needs --join", append(cluster, "--read-replica")},
		{"--bootstrap-expect 3 needs", append(cluster, "--bootstrap-expect", "3", "--join", "h:1")},
		{"must not be negative", append(cluster, "--bootstrap-expect", "-1")},
		{"--memory loses", []string{"--memory", "--node-id", "a", "--raft-addr", "127.0.0.1:0", "--join", "h:1"}},
	} {
		o := tupelo(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, test.args...)...)
		if o.code != exitError || !strings.Contains(o.diag, test.want) {
			t.Errorf("serve %s: exit status %d, want %q\n%s", strings.Join(test.args, " "), o.code, test.want, o.diag)
		}
	}
}

func TestServeListensToOtherMachinesOnlyWithCertificates(t *testing.T) {
	o := tupelo(t, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--node-id", "a", "--raft-addr", "0.0.0.0:0", "--bootstrap-expect", "1")
	if o.code == exitOK || !strings.Contains(o.diag, "--peer-cert") || !strings.Contains(o.diag, "loopback") {
		t.Errorf("exit status %d\n%s", o.code, o.diag)
	}
}

// peerFiles makes the certificate of a node, and returns the flags that show it.
func peerFiles(t *testing.T, authority *cert.Authority, dir, name string) []string {
	t.Helper()
	pair, err := authority.Issue(name, []string{"127.0.0.1"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	crt, key := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if err := pair.Save(crt, key); err != nil {
		t.Fatal(err)
	}
	return []string{"--peer-ca", filepath.Join(dir, "ca.crt"), "--peer-cert", crt, "--peer-key", key}
}

// The story of a small cluster, from one node to one that has lost its first.
func TestServeGrowsIntoAClusterWhichOutlivesItsFirstNode(t *testing.T) {
	dir := t.TempDir()
	authority, err := cert.NewAuthority("test", time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Save(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	run := func(name string, more ...string) *served {
		args := append([]string{"--data", filepath.Join(dir, name), "--node-id", name, "--raft-addr", "127.0.0.1:0"}, peerFiles(t, authority, dir, name)...)
		return runServe(t, append(args, more...)...)
	}
	lone := runServe(t, "--data", filepath.Join(dir, "a"), "--node-id", "a")
	t.Setenv("TUPELO_ADDR", lone.ready.Address)
	mustTupelo(t, "import", "testdata/files/fixture.yaml")
	lone.end(t)

	a := run("a")
	if a.ready.NodeID != "a" || a.ready.Peers == "" {
		t.Errorf("it is ready as %+v", a.ready)
	}
	b := run("b", "--join", a.ready.Peers)
	c := run("c", "--join", a.ready.Peers, "--read-replica", "--leave-on-stop")
	d := run("d", "--join", a.ready.Peers)
	t.Setenv("TUPELO_ADDR", b.ready.Address)
	zookie := strings.TrimSpace(mustTupelo(t, "write", "-q", "team:core#member@user:bob"))
	t.Setenv("TUPELO_ADDR", c.ready.Address)
	mustTupelo(t, "check", "team:core", "member", "user:bob", "--at-least-as-fresh", zookie)
	c.end(t)

	waitForVoters(t, dir, d, 3)
	a.end(t)
	t.Setenv("TUPELO_ADDR", d.ready.Address)
	mustTupelo(t, "write", "-q", "team:core#member@user:eve")
	mustTupelo(t, "check", "team:core", "member", "user:eve", "--consistency", "fully-consistent")
	d.end(t)
	b.end(t)
}

// waitForVoters waits until a node knows of that many members, all of which vote.
func waitForVoters(t *testing.T, dir string, s *served, voters int) {
	t.Helper()
	source, err := cert.Open(cert.Files{
		Authorities: filepath.Join(dir, "ca.crt"), Certificate: filepath.Join(dir, "a.crt"), Key: filepath.Join(dir, "a.key"),
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	port, err := peer.Listen(peer.Options{NodeID: "asker", Address: "127.0.0.1:0", Certificates: source})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close(t.Context())
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		status, err := port.Status(t.Context(), s.ready.Peers)
		if err == nil && len(status.Members) == voters && !slices.ContainsFunc(status.Members, func(m peer.Member) bool { return !m.Voter }) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("there are not %d voters but %v, %v", voters, status.Members, err)
		}
	}
}

func TestServeStopsWhileItWaitsForTheNodesToBeginWith(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(500*time.Millisecond, stop)
	var diag syncBuffer
	code := run(ctx, []string{"serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--node-id", "a", "--raft-addr", "127.0.0.1:0",
		"--bootstrap-expect", "2", "--join", "127.0.0.1:1"}, strings.NewReader(""), &syncBuffer{}, &diag)
	if code != exitOK || !strings.Contains(diag.String(), "stopped before") {
		t.Errorf("exit status %d\n%s", code, diag.String())
	}
}
