package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/tupelodb/tupelo/api/cert"
)

// dial opens a connection for raft, and closes it again.
func dial(from *Port, address string) error {
	conn, err := from.Raft().Dial(hraft.ServerAddress(address), patience)
	if err == nil {
		err = conn.Close()
	}
	return err
}

// takes has raft's side of a port take what comes.
func takes(p *Port) {
	go func() {
		for {
			if _, err := p.Raft().Accept(); err != nil {
				return
			}
		}
	}()
}

// P1
func TestOnlyMembersGetIn(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	var log logged
	server := listen(t, Options{Certificates: a.local(t), Logger: log.logger()})
	takes(server)
	if err := dial(listen(t, Options{Certificates: a.local(t)}), server.Address()); err != nil {
		t.Fatalf("a member: %v", err)
	}
	foreign := other.filesOf(t, time.Now(), "127.0.0.1")
	foreign.Authorities = a.file // it trusts the server, which does not trust it
	expired := a.filesOf(t, time.Now().Add(-2*time.Hour), "127.0.0.1")
	early := a.filesOf(t, time.Now().Add(time.Hour), "127.0.0.1")
	for name, c := range map[string]struct {
		files cert.Files
		told  string
	}{
		"a certificate of another authority": {foreign, "certificate signed by unknown authority"},
		"an expired certificate":             {expired, "certificate has expired"},
		"a certificate of tomorrow":          {early, "not yet valid"},
	} {
		if err := dial(listen(t, Options{Certificates: open(t, c.files)}), server.Address()); err == nil {
			t.Errorf("%s was let in", name)
		}
		log.waitFor(t, "level=WARN", "was refused", c.told)
	}

	_, roots := a.local(t).Newest()
	bare := tls.Client(dialRaw(t, server), &tls.Config{ServerName: "127.0.0.1", RootCAs: roots})
	_ = bare.Handshake() // TLS 1.3 tells at the first read only
	if _, err := bare.Read(make([]byte, 1)); err == nil {
		t.Error("no certificate was let in")
	}
	log.waitFor(t, "level=WARN", "was refused", "client didn't provide a certificate")

	if err := dial(listen(t, Options{}), server.Address()); err == nil {
		t.Error("a connection without TLS was let in")
	}
	log.waitFor(t, "level=WARN", "was refused", "does not look like a TLS handshake")
}

// P1
func TestOnlyTheNodeThatWasDialledIsSpokenTo(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	client := listen(t, Options{Certificates: a.local(t)})
	for name, c := range map[string]struct {
		source *cert.Source
		told   string
	}{
		"for another host":     {open(t, a.filesOf(t, time.Now(), "node2.example", "10.0.0.1")), "127.0.0.1"},
		"of another authority": {other.local(t), "unknown authority"},
		"that has expired":     {open(t, a.filesOf(t, time.Now().Add(-2*time.Hour), "127.0.0.1")), "expired"},
	} {
		server := listen(t, Options{Certificates: c.source})
		takes(server)
		if err := dial(client, server.Address()); err == nil || !strings.Contains(err.Error(), c.told) {
			t.Errorf("a node with a certificate %s: %v", name, err)
		}
		if _, err := client.Status(patient(t), server.Address()); !errors.Is(err, ErrNotSent) {
			t.Errorf("a node with a certificate %s was called: %v", name, err)
		}
	}
	plain := listen(t, Options{})
	takes(plain)
	if err := dial(client, plain.Address()); err == nil {
		t.Error("a node without TLS was spoken to")
	}
	byName := listen(t, Options{Certificates: a.local(t), Address: "localhost:0"})
	takes(byName)
	_, port, _ := net.SplitHostPort(byName.Address())
	if err := dial(client, net.JoinHostPort("localhost", port)); err != nil {
		t.Errorf("by its name: %v", err)
	}
}

// P2
func TestWithoutCertificatesOnlyThisMachineIsListenedOnAndDialled(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0"} {
		if p, err := Listen(Options{NodeID: "n", Address: address, Advertise: "127.0.0.1:7000"}); !errors.Is(err, ErrCertificatesRequired) {
			t.Errorf("listening on %s: %v %v", address, p, err)
		}
	}
	p := listen(t, Options{Address: "localhost:0"})
	for _, address := range []string{"192.0.2.1:7000", "0.0.0.0:7000", "[2001:db8::1]:7000"} {
		if err := dial(p, address); !errors.Is(err, ErrCertificatesRequired) {
			t.Errorf("dialling %s: %v", address, err)
		}
		if _, err := p.Status(patient(t), address); !errors.Is(err, ErrNotSent) || !strings.Contains(err.Error(), ErrCertificatesRequired.Error()) {
			t.Errorf("calling %s: %v", address, err)
		}
	}
	if name, err := os.Hostname(); err == nil {
		if ips, err := net.LookupIP(name); err == nil && !ips[0].IsLoopback() {
			if err := dial(p, net.JoinHostPort(name, "7000")); !errors.Is(err, ErrCertificatesRequired) {
				t.Errorf("dialling %s, which is %s: %v", name, ips[0], err)
			}
		}
	}
	open := listen(t, Options{Address: "0.0.0.0:0", Advertise: "node1.example:7000", Certificates: newAuthority(t).local(t)})
	if open.Address() != "node1.example:7000" || open.Raft().Addr().String() != open.Address() {
		t.Errorf("with certificates it is at %s", open.Address())
	}
}

// P3
func TestCertificatesAndTheirAuthorityAreReplacedUnderTraffic(t *testing.T) {
	old, renewed := newAuthority(t), newAuthority(t)
	var files [2]cert.Files
	var ports [2]*Port
	for i := range ports {
		files[i] = old.filesOf(t, time.Now(), "127.0.0.1")
		files[i].Authorities = files[i].Certificate + ".ca"
		trust(t, files[i], old)
		ports[i] = listen(t, Options{NodeID: "n", Certificates: open(t, files[i])})
		serve(t, ports[i], Services{})
		takes(ports[i])
	}
	ctx, stop := context.WithCancel(patient(t))
	var calls, dials atomic.Int64
	done := make(chan struct{}, 2)
	go func() { // on a connection that stays
		defer func() { done <- struct{}{} }()
		for ctx.Err() == nil {
			if _, err := ports[0].Status(ctx, ports[1].Address()); err != nil && ctx.Err() == nil {
				t.Errorf("a call failed: %v", err)
				return
			}
			calls.Add(1)
		}
	}()
	go func() { // on new ones
		defer func() { done <- struct{}{} }()
		for ctx.Err() == nil {
			if err := dial(ports[1], ports[0].Address()); err != nil {
				t.Errorf("a connection failed: %v", err)
				return
			}
			dials.Add(1)
		}
	}()
	traffic := func() {
		for c, d := calls.Load()+20, dials.Load()+5; (calls.Load() < c || dials.Load() < d) && !t.Failed(); {
			time.Sleep(time.Millisecond)
		}
	}
	steps := []func(i int){
		func(i int) { trust(t, files[i], old, renewed) },
		func(i int) { reissue(t, files[i], renewed) },
		func(i int) { trust(t, files[i], renewed) },
	}
	traffic()
	for _, step := range steps {
		for i := range ports {
			step(i)
			traffic()
		}
	}
	stop()
	<-done
	<-done
	if err := dial(listen(t, Options{Certificates: old.local(t)}), ports[0].Address()); err == nil {
		t.Error("a certificate of the old authority is still let in")
	}
}

func trust(t *testing.T, files cert.Files, authorities ...authority) {
	t.Helper()
	var all []byte
	for _, a := range authorities {
		text, err := os.ReadFile(a.file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if err := os.WriteFile(files.Authorities+".new", all, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(files.Authorities+".new", files.Authorities); err != nil {
		t.Fatal(err)
	}
}

func reissue(t *testing.T, files cert.Files, a authority) {
	t.Helper()
	pair, err := a.Issue("node", []string{"127.0.0.1"}, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := pair.Save(files.Certificate, files.Key); err != nil {
		t.Fatal(err)
	}
}

func TestDiallingEndsWithItsTimeAndWithThePort(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, and nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	p := listen(t, Options{GreetingLimit: patience})
	if _, err := p.Raft().Dial(hraft.ServerAddress(silent.Addr().String()), 20*time.Millisecond); err == nil {
		t.Error("a connection to a silent node was opened")
	}
	result := make(chan error, 1)
	go func() { result <- dial(p, silent.Addr().String()) }()
	conn, err := silent.Accept() // the first
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn)
	if conn, err = silent.Accept(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	closeNow(t, p)
	if err := <-result; err == nil || time.Since(begun) > patience/2 {
		t.Errorf("dialling went on for %s after the port was closed: %v", time.Since(begun), err)
	}
}
