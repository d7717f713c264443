package peer

import (
	"context"
	"net"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
)

const (
	// pingEvery is the pause between gRPC's pings to the other process, and the
	// shortest that gRPC takes. They find a process that hangs; a machine that is
	// dead is found sooner (see dial.go).
	pingEvery = 10 * time.Second
	// pingLimit is how long the answer may take. A process that is slower than
	// that has lost its leadership long ago.
	pingLimit = 3 * time.Second
	// pingsWelcome is the shortest pause between pings that is not taken for
	// abuse: half of pingEvery, since pauses are not kept exactly.
	pingsWelcome = pingEvery / 2
	// unusedLimit is when a connection without a call is closed. Opening one costs
	// a few milliseconds; a node has one to each member that it speaks with.
	unusedLimit = 5 * time.Minute
)

// redial is how a node that cannot be reached is tried again: at first within a
// heartbeat, later once a second. gRPC's own two minutes would leave a leader
// that is back without calls for longer than a failover takes.
var redial = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: 2 * time.Second,
}

// Conn makes calls of one other node, over a connection that is opened when
// it is needed, shared by all, and closed when it is not used. It is what
// generated clients are made of: tupelov1.NewTupeloClient(port.Conn(address)).
//
// A call that fails is tried once, and its error says what became of it. Where
// the other node's handler has answered, it is the handler's status, as it is.
// Otherwise it is an *Error: ErrNotSent, or ErrClosed where this port is closed,
// if the call cannot have been carried out, and ErrOutcomeUnknown if it can.
type Conn struct {
	port    *Port
	address string
}

// Conn returns what makes calls of the node at an address.
func (p *Port) Conn(address string) *Conn { return &Conn{p, address} }

// Invoke makes a call with one answer.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, options ...grpc.CallOption) error {
	l, err := c.port.take(c.address)
	if err != nil {
		return err
	}
	defer c.port.release(l)
	a := &attempt{}
	var trailer metadata.MD
	options = append(options[:len(options):len(options)], grpc.Trailer(&trailer))
	err = l.conn.Invoke(a.in(c.port.outgoing(ctx)), method, args, reply, options...)
	return a.outcome(err, trailer, method, c.address)
}

// NewStream begins a call with streams. Its errors are those of gRPC: what of a
// stream was carried out, its messages must say.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	l, err := c.port.take(c.address)
	if err != nil {
		return nil, err
	}
	defer c.port.release(l)
	return l.conn.NewStream(c.port.outgoing(ctx), desc, method, options...)
}

// link is the connection for calls of one address.
type link struct {
	conn  *grpc.ClientConn
	calls int // that hold it; guarded by Port.mu
}

// take returns the link to an address, which is not closed before it is released.
func (p *Port) take(address string) (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed.because(nil, "calling %s", address)
	}
	l := p.links[address]
	if l == nil {
		conn, err := grpc.NewClient("passthrough:///"+address, p.clientOptions()...)
		if err != nil {
			return nil, ErrNotSent.because(err, "calling %s", address)
		}
		p.dropUnused()
		l = &link{conn: conn}
		p.links[address] = l
	}
	l.calls++
	return l, nil
}

func (p *Port) release(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.calls--
}

// dropUnused closes the links without a call for unusedLimit, whose connections
// gRPC has closed by then: addresses come and go, and each would leave something.
func (p *Port) dropUnused() {
	for address, l := range p.links {
		if l.calls == 0 && l.conn.GetState() == connectivity.Idle {
			delete(p.links, address)
			p.tasks.Go(func() { _ = l.conn.Close() }) // takes p.mu itself
		}
	}
}

func (p *Port) closeLinks() {
	p.mu.Lock()
	links := p.links
	p.links = nil
	p.mu.Unlock()
	for _, l := range links {
		_ = l.conn.Close()
	}
}

func (p *Port) clientOptions() []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return p.dial(ctx, address, carriesCalls)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()), // dial has made it secure
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		// A call is tried again by who knows whether it may be. What gRPC knows not
		// to have been looked at, it still sends again by itself.
		grpc.WithDisableRetry(),
		grpc.WithConnectParams(redial),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingEvery, Timeout: pingLimit, PermitWithoutStream: true}),
		grpc.WithIdleTimeout(p.options.unusedLimit),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(p.options.MaxMessageBytes), grpc.MaxCallSendMsgSize(p.options.MaxMessageBytes)),
		grpc.WithStatsHandler(attempts{}),
	}
	if p.options.TracerProvider != nil {
		options = append(options, grpc.WithStatsHandler(otelgrpc.NewClientHandler(
			otelgrpc.WithTracerProvider(p.options.TracerProvider), otelgrpc.WithPropagators(propagation.TraceContext{}))))
	}
	return options
}
