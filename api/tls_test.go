package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// keyPair is a certificate for localhost, with its own key, as files hold them.
type keyPair struct{ cert, key []byte }

func newKeyPair(t *testing.T, serial int64) keyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}
}

// pairFiles are the two files, with times that move with every change.
type pairFiles struct {
	certFile, keyFile string
	clock             time.Time
}

func newPairFiles(t *testing.T) *pairFiles {
	dir := t.TempDir()
	return &pairFiles{filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), time.Unix(1_700_000_000, 0)}
}

func (f *pairFiles) write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f.clock = f.clock.Add(time.Second)
	if err := os.Chtimes(name, f.clock, f.clock); err != nil {
		t.Fatal(err)
	}
}

func (f *pairFiles) writePair(t *testing.T, p keyPair) {
	t.Helper()
	f.write(t, f.certFile, p.cert)
	f.write(t, f.keyFile, p.key)
}

func TestABadCertificateKeepsTheServerFromStarting(t *testing.T) {
	files := newPairFiles(t)
	st := openStore(t)
	start := func() error {
		_, err := New(Options{Store: st, CertFile: files.certFile, KeyFile: files.keyFile})
		return err
	}
	if err := start(); err == nil {
		t.Error("it starts without files")
	}
	first, second := newKeyPair(t, 1), newKeyPair(t, 2)
	files.writePair(t, keyPair{first.cert, second.key})
	if err := start(); err == nil {
		t.Error("it starts with another's key")
	}
	if _, err := New(Options{Store: st, CertFile: files.certFile}); err == nil {
		t.Error("it starts with a certificate and no key")
	}
	files.writePair(t, first)
	if err := start(); err != nil {
		t.Error(err)
	}
}

func TestTheServiceIsReachedOverTLS(t *testing.T) {
	files := newPairFiles(t)
	pair := newKeyPair(t, 1)
	files.writePair(t, pair)
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.CertFile, o.KeyFile = files.certFile, files.keyFile })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stop := serveOn(t, s, listener)
	defer stop()

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pair.cert)
	secure := credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "localhost"})
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(secure))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	old := &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS11}
	if plain, err := tls.Dial("tcp", listener.Addr().String(), old); err == nil {
		plain.Close()
		t.Error("TLS 1.1 is accepted")
	}
}

func TestHTTPSpeaksTheNewestCertificateAndCallsOfDialNone(t *testing.T) {
	files := newPairFiles(t)
	first, second := newKeyPair(t, 1), newKeyPair(t, 2)
	files.writePair(t, first)
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.CertFile, o.KeyFile = files.certFile, files.keyFile })
	w := serveHTTP(t, s, http.NotFoundHandler())
	defer w.stop()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(first.cert)
	roots.AppendCertsFromPEM(second.cert)
	expect := func(serial int64) {
		t.Helper()
		conn, err := tls.Dial("tcp", w.address, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64(); got != serial {
			t.Errorf("certificate %d, want %d", got, serial)
		}
	}
	expect(1)
	files.writePair(t, second)
	expect(2)
	if _, err := grpc_health_v1.NewHealthClient(w.conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
}
