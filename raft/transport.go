package raft

import (
	"log/slog"
	"net"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"
)

// StreamLayer makes and takes the connections that raft's messages go over.
type StreamLayer = hraft.StreamLayer

// ServerAddress is where a [StreamLayer] is told to connect to.
type ServerAddress = hraft.ServerAddress

// TransportOptions says how messages travel. Numbers left zero take the default.
type TransportOptions struct {
	// Streams makes and takes the connections. Required. It is closed with the
	// transport.
	Streams StreamLayer
	// Address is under which others reach this node. Default: that of Streams.
	Address string
	// Logger takes what the transport has to say. Default: slog.Default().
	Logger *slog.Logger

	// Timeout bounds a message other than a snapshot, from dialling to the
	// answer. Default 5 s.
	Timeout time.Duration
	// Stall bounds how long the other side may take no byte, or send none in
	// the middle of a message. Default 20 s.
	Stall time.Duration
}

// idleConnections is how many are kept open to each member: for heartbeats, for
// entries one by one, and for the odd vote. Each has a buffer of 256 KiB on
// either side, and so has each pipeline; nothing else grows with the messages
// but the messages themselves.
const idleConnections = 3

// snapshotRate is the slowest a snapshot may come, its installation included,
// in bytes a second. hashicorp/raft bounds the whole of it by its size, and not
// whether it goes on; that is left to Stall, so this can be slow.
const snapshotRate = 1 << 20

// Transport carries raft's messages over the connections of a [StreamLayer]. It
// is hashicorp/raft's network transport, without its two ways to wait for ever:
// a receiver that has got half a message, which holds up the whole node while it
// is a snapshot, and a sender nobody reads from any more.
type Transport struct {
	*hraft.NetworkTransport
	streams *watchedStreams
}

// NewTransport starts to take connections. The node it is given to closes it.
func NewTransport(o TransportOptions) *Transport {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	orDefault(&o.Timeout, 5*time.Second)
	orDefault(&o.Stall, 20*time.Second)
	streams := &watchedStreams{StreamLayer: o.Streams, stall: o.Stall, inbound: map[net.Conn]bool{}}
	streams.address = o.Streams.Addr()
	if o.Address != "" {
		streams.address = namedAddress{streams.address.Network(), o.Address}
	}
	inner := hraft.NewNetworkTransportWithConfig(&hraft.NetworkTransportConfig{
		Stream: streams, MaxPool: idleConnections, Timeout: o.Timeout, Logger: raftLogger{slog: o.Logger},
	})
	// Timeout times size over scale is how long a snapshot may take.
	inner.TimeoutScale = max(1, int(o.Timeout.Seconds()*snapshotRate))
	return &Transport{inner, streams}
}

// Close ends all connections. hashicorp/raft's leaves those that others have
// opened until a message comes.
func (t *Transport) Close() error {
	err := t.NetworkTransport.Close()
	t.NetworkTransport.CloseStreams()
	t.streams.closeInbound()
	return err
}

type namedAddress struct{ network, address string }

func (a namedAddress) Network() string { return a.network }
func (a namedAddress) String() string  { return a.address }

// watchedStreams is a StreamLayer whose connections do not wait for ever.
type watchedStreams struct {
	StreamLayer
	address net.Addr
	stall   time.Duration

	mu      sync.Mutex
	inbound map[net.Conn]bool
	closed  bool
}

// Addr is where others reach this node.
func (s *watchedStreams) Addr() net.Addr { return s.address }

// Dial implements hraft.StreamLayer.
func (s *watchedStreams) Dial(to hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	conn, err := s.StreamLayer.Dial(to, timeout)
	if err != nil {
		return nil, err
	}
	return &outboundConn{Conn: conn, stall: s.stall}, nil
}

// Accept implements net.Listener.
func (s *watchedStreams) Accept() (net.Conn, error) {
	conn, err := s.StreamLayer.Accept()
	if err != nil {
		return nil, err
	}
	in := &inboundConn{Conn: conn, streams: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	s.inbound[in] = true
	return in, nil
}

func (s *watchedStreams) closeInbound() {
	s.mu.Lock()
	s.closed = true
	var open []net.Conn
	for conn := range s.inbound {
		open = append(open, conn)
	}
	s.mu.Unlock()
	for _, conn := range open {
		conn.Close()
	}
}

// outboundConn carries requests. Its transport sets a deadline for each message
// and its answer; a write has one of its own besides, so that a snapshot nobody
// takes is given up long before it.
type outboundConn struct {
	net.Conn
	stall time.Duration

	mu    sync.Mutex
	limit time.Time // for writes; zero: none
}

// Write implements net.Conn.
func (c *outboundConn) Write(p []byte) (int, error) {
	end := time.Now().Add(c.stall)
	c.mu.Lock()
	if !c.limit.IsZero() && c.limit.Before(end) {
		end = c.limit
	}
	c.mu.Unlock()
	if err := c.Conn.SetWriteDeadline(end); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// SetDeadline implements net.Conn.
func (c *outboundConn) SetDeadline(t time.Time) error {
	c.setLimit(t)
	return c.Conn.SetDeadline(t)
}

// SetWriteDeadline implements net.Conn.
func (c *outboundConn) SetWriteDeadline(t time.Time) error {
	c.setLimit(t)
	return c.Conn.SetWriteDeadline(t)
}

func (c *outboundConn) setLimit(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = t
}

// inboundConn carries requests from another node. Between two of them it may be
// silent for as long as it likes; within one it may not. A request ends where
// its answer begins, and one goroutine reads requests and writes answers.
type inboundConn struct {
	net.Conn
	streams *watchedStreams
	within  bool // a request
}

// Read implements net.Conn.
func (c *inboundConn) Read(p []byte) (int, error) {
	var end time.Time
	if c.within {
		end = time.Now().Add(c.streams.stall)
	}
	if err := c.Conn.SetReadDeadline(end); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(p)
	c.within = c.within || n > 0
	return n, err
}

// Write implements net.Conn.
func (c *inboundConn) Write(p []byte) (int, error) {
	c.within = false
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.streams.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close implements net.Conn.
func (c *inboundConn) Close() error {
	c.streams.mu.Lock()
	delete(c.streams.inbound, c)
	c.streams.mu.Unlock()
	return c.Conn.Close()
}
