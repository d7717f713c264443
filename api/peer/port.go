package peer

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// Port is the one port of a node that other nodes reach it by.
type Port struct {
	options  Options
	listener net.Listener
	address  hostPort
	raft     *intake // connections that carry raft's stream
	calls    *intake // connections that carry calls
	terms    *intake // connections that ask for this node's term
	indexes  *intake // connections that ask for read indexes
	refusals refusals

	closing context.Context // ends when the port closes
	shut    context.CancelFunc
	tasks   sync.WaitGroup

	server atomic.Pointer[grpc.Server] // set by Serve

	mu       sync.Mutex
	closed   bool
	greeting int                   // connections of which nothing is known yet
	inbound  int                   // connections that others opened, those included
	open     map[*tracked]struct{} // all connections that were opened
	links    map[string]*link      // by address
	lines    map[lineKey]*line     // that ask for terms and read indexes
}

// Listen opens the port. Connections for raft wait for [Port.Raft] to take them,
// calls and questions for [Port.Serve], all no longer than the limit for greeting. It fails
// with ErrCertificatesRequired if Address is not this machine's alone and there
// are no certificates.
func Listen(o Options) (*Port, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	p := &Port{
		options: o,
		open:    make(map[*tracked]struct{}),
		links:   make(map[string]*link),
		lines:   make(map[lineKey]*line),
	}
	p.closing, p.shut = context.WithCancel(context.Background())
	config := net.ListenConfig{Control: p.control, KeepAliveConfig: keepAlive}
	if p.listener, err = config.Listen(p.closing, "tcp", o.Address); err != nil {
		p.shut()
		return nil, fmt.Errorf("listening for other nodes: %w", err)
	}
	p.address = hostPort(o.Advertise)
	if o.Advertise == "" {
		p.address = hostPort(p.listener.Addr().String())
	}
	if err := checkAddress(string(p.address)); err != nil {
		p.shut()
		_ = p.listener.Close()
		return nil, fmt.Errorf("%w: Advertise is required: %w", ErrOptions, err)
	}
	p.raft, p.calls = newIntake(p.address), newIntake(p.address)
	p.terms, p.indexes = newIntake(p.address), newIntake(p.address)
	p.tasks.Go(p.accept)
	return p, nil
}

// Address is where other nodes reach this one, as host:port.
func (p *Port) Address() string { return string(p.address) }

// hostPort is an address as the members of a cluster spell it: a name stays one,
// since certificates are for names.
type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (a hostPort) String() string { return string(a) }

// Close ends the port: it takes no more calls, lets those that run come to an
// end until ctx does, and then ends every connection, raft's too. It returns
// when nothing of the port is left.
func (p *Port) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.shut()
	err := p.listener.Close()
	if server := p.server.Load(); server != nil {
		cutOff := context.AfterFunc(ctx, server.Stop)
		server.GracefulStop()
		cutOff()
	}
	_ = p.raft.Close()
	_ = p.calls.Close()
	_ = p.terms.Close()
	_ = p.indexes.Close()
	p.closeLinks()
	p.closeConnections()
	p.tasks.Wait()
	if isClosed(err) {
		return nil // closed before
	}
	return err
}

func (p *Port) closeConnections() {
	p.mu.Lock()
	var open []*tracked
	for conn := range p.open {
		open = append(open, conn)
	}
	p.mu.Unlock()
	for _, conn := range open {
		_ = conn.Close()
	}
}

// tracked is a connection that the port closes if nobody else has.
type tracked struct {
	net.Conn
	once    sync.Once
	release func()
}

// Close closes the connection.
func (t *tracked) Close() error {
	t.once.Do(t.release)
	return t.Conn.Close()
}

// track takes a connection into the port's care; it returns nothing, and closes
// it, if the port is closed or has too many.
func (p *Port) track(conn net.Conn, inbound bool) *tracked {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || inbound && p.inbound >= p.options.MaxConnections {
		_ = conn.Close()
		return nil
	}
	if inbound {
		p.inbound++
	}
	t := &tracked{Conn: conn}
	t.release = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.open, t)
		if inbound {
			p.inbound--
		}
	}
	p.open[t] = struct{}{}
	return t
}

// intake is the listener of what is carried by some of the port's connections.
type intake struct {
	address net.Addr
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newIntake(address net.Addr) *intake {
	return &intake{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept returns the next connection.
func (i *intake) Accept() (net.Conn, error) {
	select {
	case conn := <-i.conns:
		return conn, nil
	case <-i.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept; connections that it returned go on.
func (i *intake) Close() error {
	i.once.Do(func() { close(i.closed) })
	return nil
}

// Addr is where other nodes reach this one.
func (i *intake) Addr() net.Addr { return i.address }

// offer hands a connection to whoever accepts, within limit.
func (i *intake) offer(conn net.Conn, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case i.conns <- conn:
		return true
	case <-i.closed:
	case <-timer.C:
	}
	return false
}
