package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// greeting is what a connection begins with: what it carries, in which version
// of the protocol. It is longer than a byte so that nothing else is taken for
// one, and so that a TLS server sees at once that it is not TLS.
type greeting [8]byte

var (
	carriesRaft    = greeting([]byte("tupelo1r"))
	carriesCalls   = greeting([]byte("tupelo1c"))
	carriesTerms   = greeting([]byte("tupelo1t"))
	carriesIndexes = greeting([]byte("tupelo1i"))
)

var (
	errUnknownUse = errors.New("it does not say what it carries in a way known here")
	errNotTaken   = errors.New("this node is not ready to take it")
	// errNotAccepted is what who opened a connection sees of those.
	errNotAccepted = errors.New("it was not accepted")
)

// The bounds of the pause after a connection that could not be accepted, as when
// this process has no file descriptors left.
const (
	shortestPause = 5 * time.Millisecond
	longestPause  = time.Second
)

// accept takes connections until the port closes.
func (p *Port) accept() {
	pause := shortestPause
	for {
		conn, err := p.listener.Accept()
		if err == nil {
			pause = shortestPause
			p.admit(conn)
			continue
		}
		if p.closing.Err() != nil {
			return
		}
		p.options.Logger.Warn("a connection of another node cannot be accepted", "error", err, "next_try_in", pause)
		select {
		case <-time.After(pause):
		case <-p.closing.Done():
			return
		}
		pause = min(2*pause, longestPause)
	}
}

// admit has a new connection greeted, unless there are too many.
func (p *Port) admit(conn net.Conn) {
	p.mu.Lock()
	crowded := p.greeting >= p.options.MaxGreeting
	if !crowded {
		p.greeting++
	}
	p.mu.Unlock()
	if crowded {
		_ = conn.Close()
		p.refuse(conn, fmt.Errorf("%d connections have not said yet what they are", p.options.MaxGreeting))
		return
	}
	t := p.track(conn, true)
	if t == nil {
		p.greeted()
		p.refuse(conn, fmt.Errorf("%d connections are open", p.options.MaxConnections))
		return
	}
	p.tasks.Go(func() {
		defer p.greeted()
		if err := p.greet(t); err != nil {
			_ = t.Close()
			p.refuse(t, err)
		}
	})
}

func (p *Port) greeted() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.greeting--
}

// greet learns who opened a connection and what it carries, and hands it over to
// whom that is for.
func (p *Port) greet(t *tracked) error {
	deadline := time.Now().Add(p.options.GreetingLimit)
	if err := t.SetDeadline(deadline); err != nil {
		return err
	}
	ctx, cancel := context.WithDeadline(p.closing, deadline)
	defer cancel()
	conn, err := p.secureInbound(ctx, t)
	if err != nil {
		return err
	}
	var use greeting
	if _, err := io.ReadFull(conn, use[:]); err != nil {
		return fmt.Errorf("reading what it carries: %w", err)
	}
	intake := p.intakeOf(use)
	if intake == nil {
		return fmt.Errorf("%w: it begins with %q", errUnknownUse, use[:])
	}
	// Returned before it is handed over: whoever takes it may write at once.
	if _, err := conn.Write(use[:]); err != nil {
		return fmt.Errorf("accepting it: %w", err)
	}
	if err := t.SetDeadline(time.Time{}); err != nil {
		return err
	}
	if !intake.offer(conn, time.Until(deadline)) {
		return errNotTaken
	}
	p.options.Logger.Debug("a node has connected", "from", t.RemoteAddr(), "carries", string(use[:]))
	return nil
}

func (p *Port) intakeOf(use greeting) *intake {
	switch use {
	case carriesRaft:
		return p.raft
	case carriesCalls:
		return p.calls
	case carriesTerms:
		if !p.options.withoutLines {
			return p.terms
		}
	case carriesIndexes:
		if !p.options.withoutLines {
			return p.indexes
		}
	}
	return nil
}

// secureInbound has a connection speak TLS from here on, if there are
// certificates, and checks that a member opened it.
func (p *Port) secureInbound(ctx context.Context, t *tracked) (net.Conn, error) {
	if p.options.Certificates == nil {
		return t, nil // the listener's address lets only this machine in
	}
	pair, roots := p.options.Certificates.Newest()
	conn := tls.Server(t, &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{*pair},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    roots,
		// A resumed session would be one of certificates that may be gone.
		SessionTicketsDisabled: true,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("making sure that it is a member's: %w", err)
	}
	return conn, nil
}

// refuse tells the operator why a connection was closed. Nodes try again and
// again: the same reason for the same host is told every refusalEvery only.
func (p *Port) refuse(conn net.Conn, reason error) {
	if p.closing.Err() != nil {
		return
	}
	host, _, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		host = conn.RemoteAddr().String()
	}
	if p.refusals.tell(host, reason.Error(), time.Now()) {
		p.options.Logger.Warn("a connection to the port between nodes was refused", "from", conn.RemoteAddr(), "reason", reason)
	}
}

const (
	refusalEvery = 10 * time.Second
	maxRefusals  = 1000 // that are remembered
)

// refusals remembers what was told of whom.
type refusals struct {
	mu   sync.Mutex
	told map[[2]string]time.Time
}

func (r *refusals) tell(host, reason string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := [2]string{host, reason}
	if last, ok := r.told[key]; ok && now.Sub(last) < refusalEvery {
		return false
	}
	if r.told == nil || len(r.told) >= maxRefusals {
		r.told = make(map[[2]string]time.Time) // told once too often, then
	}
	r.told[key] = now
	return true
}

// isClosed reports whether a listener or connection was closed already.
func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
