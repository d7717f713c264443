package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/replica"
)

// authority is a certificate authority of a test, which trusts nobody else's.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// file holds the authority's own certificate.
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	template := certificate("an authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	a.key = newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	writePEM(t, a.file, "CERTIFICATE", der)
	return a
}

// issue writes a certificate for the given names, and its key, into files.
func (a *authority) issue(t *testing.T, certFile, keyFile string, names ...string) {
	t.Helper()
	template := certificate("a server")
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, certFile, "CERTIFICATE", der)
	writePEM(t, keyFile, "PRIVATE KEY", keyDER)
}

func certificate(subject string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: subject},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	data := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestClientsSpeakTLSAndRenewedCertificatesAreUsedAtOnce(t *testing.T) {
	first, second := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	first.issue(t, certFile, keyFile, "127.0.0.1")
	startServer(t, func(o *replica.Options) { o.API.CertFile, o.API.KeyFile = certFile, keyFile })

	mustTupelo(t, "schema", "write", "testdata/files/schema.zed", "--tls-ca", first.file)
	expectFailure(t, "UNAVAILABLE", "schema", "read")
	expectFailure(t, "UNAVAILABLE", "schema", "read", "--tls")
	expectFailure(t, "UNAVAILABLE", "schema", "read", "--tls-ca", second.file)
	expectFailure(t, "UNAVAILABLE", "schema", "read", "--tls-ca", first.file, "--tls-server-name", "tupelo.example")

	second.issue(t, certFile, keyFile, "tupelo.example")
	mustTupelo(t, "schema", "read", "--tls-ca", second.file, "--tls-server-name", "tupelo.example")
	expectFailure(t, "UNAVAILABLE", "schema", "read", "--tls-ca", second.file)
	expectFailure(t, "UNAVAILABLE", "schema", "read", "--tls-ca", first.file)
}

// expectFailure runs a command that must fail, with a word in its diagnostics.
func expectFailure(t *testing.T, word string, args ...string) {
	t.Helper()
	o := tupelo(t, args...)
	if o.code != exitError || !strings.Contains(o.diag, word) || o.out != "" {
		t.Errorf("tupelo %s: exit status %d, want 2 and %q:\n%s%s", strings.Join(args, " "), o.code, word, o.out, o.diag)
	}
}

func TestAServerWithTokensLetsInWhoShowsOne(t *testing.T) {
	startServer(t, func(o *replica.Options) { o.API.Tokens = []string{"old-secret", "new-secret"} })
	expectFailure(t, "UNAUTHENTICATED", "schema", "write", "testdata/files/schema.zed")
	expectFailure(t, "UNAUTHENTICATED", "schema", "write", "testdata/files/schema.zed", "--token", "guess")
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed", "--token", "old-secret")
	t.Setenv("TUPELO_TOKEN", "new-secret")
	mustTupelo(t, "schema", "read")
}

func TestOnlyLoopbackIsReachedWithoutTLSUnlessToldTo(t *testing.T) {
	for _, test := range []struct {
		via connection
		tls bool
	}{
		{connection{addr: "127.0.0.1:1"}, false},
		{connection{addr: "127.9.9.9:1"}, false},
		{connection{addr: "[::1]:1"}, false},
		{connection{addr: "localhost:1"}, false},
		{connection{addr: "127.0.0.1:1", tls: true}, true},
		{connection{addr: "127.0.0.1:1", tlsServer: "tupelo"}, true},
		{connection{addr: "10.0.0.1:1"}, true},
		{connection{addr: "tupelo.example:1"}, true},
		{connection{addr: "localhost.example:1"}, true},
		{connection{addr: "10.0.0.1:1", insecure: true}, false},
	} {
		credentials, err := test.via.credentials()
		if err != nil {
			t.Errorf("%+v: %v", test.via, err)
			continue
		}
		if got := credentials.Info().SecurityProtocol == "tls"; got != test.tls {
			t.Errorf("%+v: TLS is %v, want %v", test.via, got, test.tls)
		}
	}
}

func TestAnAnswerIsWaitedForAsLongAsAskedFor(t *testing.T) {
	// It takes connections and says nothing.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	expectFailure(t, "DEADLINE_EXCEEDED", "read", "--addr", listener.Addr().String(), "--timeout", "50ms")
}

func TestNobodyAtTheAddressIsSaidReadably(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	listener.Close()
	o := tupelo(t, "read", "--addr", addr)
	if o.code != exitError || !strings.Contains(o.diag, "connection refused") || !strings.Contains(o.diag, "is `tupelo serve` running") {
		t.Errorf("exit status %d: %s", o.code, o.diag)
	}
}

func TestAnInterruptedCommandSaysSo(t *testing.T) {
	startServer(t)
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, diag strings.Builder
	if code := run(ctx, []string{"read"}, strings.NewReader(""), &out, &diag); code != exitError {
		t.Errorf("exit status %d", code)
	}
	if !strings.Contains(diag.String(), "interrupted") || strings.Contains(diag.String(), "hint") {
		t.Errorf("the diagnostics are %q", diag.String())
	}
}

// failingWriter fails like a disk that is full.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestAnAnswerThatCannotBePrintedIsAFailure(t *testing.T) {
	startServer(t)
	var diag strings.Builder
	code := run(t.Context(), []string{"schema", "write", "testdata/files/schema.zed"}, strings.NewReader(""), failingWriter{}, &diag)
	if code != exitError || !strings.Contains(diag.String(), os.ErrClosed.Error()) {
		t.Errorf("exit status %d: %s", code, diag.String())
	}
}
