package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// A dead machine answers nothing, and TCP waits for it for many minutes unless
// told otherwise. Nodes must know within the time of a failover or two:
//
//   - keepAlive finds a dead machine on a connection on which nothing is sent,
//     where an answer is being waited for, in 2 s + 2 × 1 s. It costs one small
//     packet every two seconds;
//   - deadAfter is how long what was sent may go without any acknowledgement.
//     Three seconds is some dozen retransmissions on a local network, and more than
//     any pause between two data centres.
//
// Both are answered by the other side's kernel, and so say nothing of a process
// that hangs. For that there are the pings of gRPC (see link.go) and raft's
// heartbeats.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 2 * time.Second, Interval: time.Second, Count: 2}

const deadAfter = 3 * time.Second

// control is called with each address that is going to be listened on or
// dialled, after names have been resolved and before anything is sent.
func (p *Port) control(_, address string, socket syscall.RawConn) error {
	if p.options.Certificates == nil {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
			return fmt.Errorf("%w: %s", ErrCertificatesRequired, address)
		}
	}
	return giveUpAfter(socket, deadAfter)
}

// dial opens a connection to another node's port. When it returns, the other
// side knows what it carries, and with certificates each has made sure of the other.
func (p *Port) dial(ctx context.Context, address string, use greeting) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.options.GreetingLimit)
	defer cancel()
	defer context.AfterFunc(p.closing, cancel)()
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{KeepAliveConfig: keepAlive, Control: p.control}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	t := p.track(conn, false)
	if t == nil {
		return nil, ErrClosed.because(nil, "dialling %s", address)
	}
	// The rest is bound by ctx, too: its end closes the connection.
	unbind := context.AfterFunc(ctx, func() { _ = t.Close() })
	secured, err := p.introduce(ctx, t, host, use)
	if !unbind() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = t.Close()
		return nil, fmt.Errorf("dialling %s: %w", address, err)
	}
	return secured, nil
}

// introduce makes sure of the other side, and says what the connection carries.
func (p *Port) introduce(ctx context.Context, t *tracked, host string, use greeting) (net.Conn, error) {
	var conn net.Conn = t
	if p.options.Certificates != nil {
		pair, roots := p.options.Certificates.Newest()
		secured := tls.Client(t, &tls.Config{
			MinVersion:   tls.VersionTLS13,
			ServerName:   host, // or an IP address: the certificate must be for it
			RootCAs:      roots,
			Certificates: []tls.Certificate{*pair},
		})
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	}
	if _, err := conn.Write(use[:]); err != nil {
		return nil, err
	}
	var accepted greeting
	if _, err := io.ReadFull(conn, accepted[:]); err != nil {
		return nil, fmt.Errorf("%w, and that node's log says why: %w", errNotAccepted, err)
	}
	if accepted != use {
		return nil, fmt.Errorf("%w: it answers with %q", errUnknownUse, accepted[:])
	}
	return conn, nil
}
