package raft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// plainStreams are TCP connections and nothing else.
type plainStreams struct{ net.Listener }

func (plainStreams) Dial(to ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(to), timeout)
}

func newStreams(t *testing.T) plainStreams {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	return plainStreams{l}
}

func newTransport(t *testing.T, stall time.Duration) *Transport {
	t.Helper()
	tr := NewTransport(TransportOptions{Streams: newStreams(t), Logger: quiet, Stall: stall})
	t.Cleanup(func() { tr.Close() })
	return tr
}

// directPeers asks nodes without anything between.
type directPeers struct {
	mu    sync.Mutex
	nodes map[string]*Node
}

func (p *directPeers) node(id string) (*Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := p.nodes[id]; n != nil {
		return n, nil
	}
	return nil, errOutOfReach
}

func (p *directPeers) Term(_ context.Context, m Member) (uint64, error) {
	n, err := p.node(m.ID)
	if err != nil {
		return 0, err
	}
	return n.Term(), nil
}

func (p *directPeers) ReadIndex(ctx context.Context, leader Member) (uint64, error) {
	n, err := p.node(leader.ID)
	if err != nil {
		return 0, err
	}
	return n.LeaderReadIndex(ctx)
}

func TestAGroupOverTheNetwork(t *testing.T) {
	peers := &directPeers{nodes: map[string]*Node{}}
	ledgers := map[string]*ledger{}
	open := func(transport *Transport, id string, members []Member) *Node {
		n, l := openNode(t, vfs.NewMem(), func(o *Options, _ *ledger) {
			o.NodeID, o.Transport, o.Peers, o.Members = id, transport, peers, members
			o.HeartbeatTimeout, o.LeaderLease = time.Second, time.Second // the machine may be busy
		})
		peers.mu.Lock()
		peers.nodes[id], ledgers[id] = n, l
		peers.mu.Unlock()
		return n
	}
	var members []Member
	transports := map[string]*Transport{}
	for i := range 3 {
		id := fmt.Sprint("n", i+1)
		transports[id] = newTransport(t, 0)
		members = append(members, Member{id, string(transports[id].LocalAddr()), true})
	}
	for id, transport := range transports {
		open(transport, id, members)
	}
	var leader *Node
	eventually(t, "a leader", func() bool {
		for _, n := range peers.nodes {
			if n.Status().Serving {
				leader = n
			}
		}
		return leader != nil
	})
	large := strings.Repeat("x", 1<<20)
	for i := range 6 {
		mustPropose(t, leader, fmt.Sprint(i, large))
		must(t, leader.Snapshot(testContext(t)))
	}
	late := newTransport(t, 0)
	n4 := open(late, "n4", nil)
	must(t, leader.AddNonvoter(testContext(t), "n4", string(late.LocalAddr())))
	for id, n := range peers.nodes {
		must(t, n.Wait(testContext(t), mustServe(t, n)))
		if got := len(ledgers[id].commands()); got != 6 {
			t.Errorf("%s has %d commands", id, got)
		}
	}
	if s := n4.Status(); s.SnapshotIndex == 0 {
		t.Errorf("no snapshot came: %+v", s)
	}
	for _, n := range peers.nodes {
		closeNode(t, n)
	}
}

func TestATransportIsWhereItSaysItIs(t *testing.T) {
	streams := newStreams(t)
	tr := NewTransport(TransportOptions{Streams: streams, Address: "db-1.example:7700", Logger: quiet})
	if got := tr.LocalAddr(); got != "db-1.example:7700" {
		t.Error(got)
	}
	must(t, tr.Close())
	if _, err := streams.Dial(ServerAddress(streams.Addr().String()), time.Second); err == nil {
		t.Error("it listens still")
	}
}

// ended reports whether the other side closes a connection within a time.
func ended(conn net.Conn, within time.Duration) bool {
	conn.SetReadDeadline(time.Now().Add(within))
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	return !(errors.As(err, &timeout) && timeout.Timeout())
}

func TestHalfAMessageIsNotWaitedForAndSilenceBetweenTwoIs(t *testing.T) {
	const stall = 50 * time.Millisecond
	tr := newTransport(t, stall)
	dial := func() net.Conn {
		conn, err := plainStreams{}.Dial(tr.LocalAddr(), time.Second)
		must(t, err)
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	silent, half := dial(), dial()
	_, err := half.Write([]byte{0, 0x85}) // entries, a map of five, and no more
	must(t, err)
	if !ended(half, 40*stall) {
		t.Error("half a message holds the connection")
	}
	if ended(silent, 10*stall) {
		t.Error("a silent connection was closed")
	}
	must(t, tr.Close())
	if !ended(silent, patience) {
		t.Error("a connection outlives its transport")
	}
}

// stuck gives a part of a snapshot, and then nothing until it is let go.
type stuck struct {
	part    io.Reader
	release chan struct{}
}

func (s stuck) Read(p []byte) (int, error) {
	n, err := s.part.Read(p)
	if err == io.EOF {
		<-s.release
	}
	return n, err
}

func TestASnapshotThatStopsComingIsGivenUp(t *testing.T) {
	fs := vfs.NewMem()
	there := newTransport(t, 100*time.Millisecond)
	n, l := openNode(t, fs, func(o *Options, _ *ledger) {
		o.NodeID, o.Transport, o.Peers = "n2", there, noPeers{}
	})
	here := newTransport(t, 0)
	header := hraft.RPCHeader{ProtocolVersion: hraft.ProtocolVersionMax, ID: []byte("n1"), Addr: []byte(here.LocalAddr())}
	s := stuck{bytes.NewReader(make([]byte, 100_000)), make(chan struct{})}
	request := &hraft.InstallSnapshotRequest{
		RPCHeader: header, SnapshotVersion: 1, Term: 7, LastLogIndex: 9, LastLogTerm: 7, Size: 1 << 20,
		Configuration: hraft.EncodeConfiguration(membership("n1")), ConfigurationIndex: 1,
	}
	done := make(chan error, 1)
	go func() {
		done <- here.InstallSnapshot("n2", there.LocalAddr(), request, &hraft.InstallSnapshotResponse{}, s)
	}()
	eventually(t, "the snapshot begins to come", func() bool { return n.Term() == 7 })
	// The node takes entries again, which it does not while a snapshot comes in.
	entries := &hraft.AppendEntriesRequest{RPCHeader: header, Term: 7, LeaderCommitIndex: 2, Entries: []*hraft.Log{
		{Index: 1, Term: 7, Type: hraft.LogConfiguration, Data: hraft.EncodeConfiguration(membership("n1", "n2"))},
		{Index: 2, Term: 7, Data: []byte("x")},
	}}
	var answer hraft.AppendEntriesResponse
	must(t, here.AppendEntries("n2", there.LocalAddr(), entries, &answer))
	must(t, n.Wait(testContext(t), 2))
	if !answer.Success || fmt.Sprint(l.commands()) != "[x]" {
		t.Errorf("%+v, %q", answer, l.commands())
	}
	if names, _ := fs.List(nodeDir + "/snapshots"); len(names) != 0 {
		t.Errorf("left behind: %q", names)
	}
	close(s.release)
	if err := <-done; err == nil {
		t.Error("the sender was told that it came")
	}
}

// nobodyReads is a connection to somebody who takes nothing.
type nobodyReads struct {
	plainStreams
	last *deadlines
}

type deadlines struct {
	net.Conn
	write, all time.Time
}

func (d *deadlines) SetDeadline(t time.Time) error { d.all = t; return nil }
func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.write = t
	return d.Conn.SetWriteDeadline(t)
}

func (n *nobodyReads) Dial(ServerAddress, time.Duration) (net.Conn, error) {
	here, _ := net.Pipe()
	n.last = &deadlines{Conn: here}
	return n.last, nil
}

func TestALargeSnapshotHasTimeAndOneNobodyTakesHasNot(t *testing.T) {
	streams := &nobodyReads{plainStreams: newStreams(t)}
	tr := NewTransport(TransportOptions{Streams: streams, Logger: quiet, Stall: 50 * time.Millisecond})
	defer tr.Close()
	begun := time.Now()
	request := &hraft.InstallSnapshotRequest{Size: 10 << 30}
	err := tr.InstallSnapshot("n2", "nowhere", request, &hraft.InstallSnapshotResponse{}, bytes.NewReader(nil))
	var timeout net.Error
	if took := time.Since(begun); !errors.As(err, &timeout) || !timeout.Timeout() || took > time.Minute {
		t.Errorf("%v after %v", err, took)
	}
	if limit := streams.last.all.Sub(begun); limit < time.Hour || limit > 4*time.Hour {
		t.Errorf("10 GiB have %v", limit)
	}
}
