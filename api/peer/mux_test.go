package peer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/tupelodb/tupelo/api/cert"
)

// dialRaw opens a TCP connection to a port, and says nothing.
func dialRaw(t *testing.T, p *Port) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// dialTLS opens a connection that is a member's, and says nothing more.
func dialTLS(t *testing.T, p *Port, source *cert.Source) (net.Conn, error) {
	t.Helper()
	pair, roots := source.Newest()
	conn := tls.Client(dialRaw(t, p), &tls.Config{ServerName: "127.0.0.1", RootCAs: roots, Certificates: []tls.Certificate{*pair}})
	return conn, conn.Handshake()
}

// isOver waits until the other side has closed a connection.
func isOver(t *testing.T, what string, conn net.Conn) {
	t.Helper()
	_, err := io.Copy(io.Discard, conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s is still open", what)
	}
}

// P4
func TestAConnectionThatDoesNotSayWhatItIsIsClosed(t *testing.T) {
	a := newAuthority(t)
	var log logged
	plain := listen(t, Options{GreetingLimit: 100 * time.Millisecond, Logger: log.logger()})
	isOver(t, "a silent connection", dialRaw(t, plain))
	// On a busy machine shaking hands alone may take as long as the limit.
	for limit := 100 * time.Millisecond; ; limit *= 2 {
		secure := listen(t, Options{GreetingLimit: limit, Logger: log.logger(), Certificates: a.local(t)})
		silent, err := dialTLS(t, secure, a.local(t))
		if err != nil && limit < patience {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		isOver(t, "one that is silent after shaking hands", silent)
		isOver(t, "one that does not shake hands", dialRaw(t, secure))
		break
	}
	log.waitFor(t, "level=WARN", "was refused", "reading what it carries")
	log.waitFor(t, "level=WARN", "was refused", "making sure that it is a member's")
}

func TestAConnectionThatCarriesSomethingElseIsRefused(t *testing.T) {
	var log logged
	p := listen(t, Options{Logger: log.logger()})
	conn := dialRaw(t, p)
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	isOver(t, "a browser's", conn)
	log.waitFor(t, "level=WARN", "was refused", "GET / HT")
}

// P4
func TestThereAreNoMoreConnectionsThanTheLimits(t *testing.T) {
	var log logged
	p := listen(t, Options{MaxGreeting: 2, MaxConnections: 3, GreetingLimit: patience, Logger: log.logger()})
	silent := []net.Conn{dialRaw(t, p), dialRaw(t, p)}
	isOver(t, "a third that says nothing", dialRaw(t, p))
	log.waitFor(t, "level=WARN", "was refused", "2 connections have not said yet")
	for _, conn := range silent {
		_ = conn.Close()
	}

	go func() { // raft takes all
		for {
			if _, err := p.Raft().Accept(); err != nil {
				return
			}
		}
	}()
	client := listen(t, Options{})
	address := hraft.ServerAddress(p.Address())
	var opened []net.Conn
	for end := time.Now().Add(patience); len(opened) < 3 && time.Now().Before(end); {
		// The silent ones may not be seen to be gone yet.
		if conn, err := client.Raft().Dial(address, patience); err == nil {
			opened = append(opened, conn)
		}
	}
	if len(opened) != 3 {
		t.Fatalf("%d of 3 could be opened", len(opened))
	}
	waitForGreetings(t, p) // else it may be those that the fourth is refused for
	if conn, err := client.Raft().Dial(address, patience); err == nil {
		t.Error("a fourth was opened")
		_ = conn.Close()
	}
	log.waitFor(t, "level=WARN", "was refused", "3 connections are open")
}

// waitForGreetings waits until it is known of every connection what it carries.
func waitForGreetings(t *testing.T, p *Port) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		p.mu.Lock()
		left := p.greeting
		p.mu.Unlock()
		if left == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("of %d connections it is not known what they carry", left)
		}
	}
}

func TestTheSameRefusalIsToldOnceInAWhile(t *testing.T) {
	var r refusals
	now := time.Now()
	for _, c := range []struct {
		host, reason string
		after        time.Duration
		want         bool
	}{
		{"a", "x", 0, true},
		{"a", "x", time.Second, false},
		{"a", "y", time.Second, true},
		{"b", "x", time.Second, true},
		{"a", "x", refusalEvery, true},
		{"a", "x", refusalEvery + time.Second, false},
	} {
		if got := r.tell(c.host, c.reason, now.Add(c.after)); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
	for i := range 3 * maxRefusals {
		r.tell(string(rune(i)), "x", now)
	}
	if len(r.told) > maxRefusals {
		t.Errorf("%d are remembered", len(r.told))
	}
}

// FuzzAConnectionBeginsWithWhatItCarries sends anything first: only the two
// uses are answered, with themselves.
func FuzzAConnectionBeginsWithWhatItCarries(f *testing.F) {
	for _, seed := range []string{"tupelo1r", "tupelo1c", "", "tupelo1", "tupelo1x", "tupelo2r", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01", "tupelo1ctupelo1c"} {
		f.Add([]byte(seed))
	}
	p, err := Listen(Options{NodeID: "n", Address: "127.0.0.1:0"})
	if err != nil {
		f.Fatal(err)
	}
	go func() {
		for {
			conn, err := p.Raft().Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	go func() {
		for {
			conn, err := p.calls.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	f.Fuzz(func(t *testing.T, first []byte) {
		conn := dialRaw(t, p)
		_, _ = conn.Write(first)
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, _ := io.ReadAll(conn)
		_ = conn.Close()
		known := bytes.HasPrefix(first, carriesRaft[:]) || bytes.HasPrefix(first, carriesCalls[:])
		// What was sent beyond a greeting may have the connection reset, and the
		// answer lost.
		if !known && len(answer) > 0 || known && len(first) == len(greeting{}) && string(answer) != string(first) {
			t.Errorf("%q was answered with %q", first, answer)
		}
	})
}
