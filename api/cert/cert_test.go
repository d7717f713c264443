package cert

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, lifetime time.Duration) *Authority {
	t.Helper()
	a, err := NewAuthority("test", now, lifetime)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, hosts ...string) Pair {
	t.Helper()
	p, err := a.Issue("node", hosts, now, 0)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(text)
	if block == nil || len(rest) > 0 {
		t.Fatalf("not one PEM block: %s", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestANodesCertificateIsGoodForBothSidesAtItsHostsAndNoOther(t *testing.T) {
	a := newAuthority(t, 0)
	roots := x509.NewCertPool()
	roots.AddCert(parse(t, a.pair.Certificate))
	leaf := parse(t, issue(t, a, "node1.example", "10.0.0.1", "::1").Certificate)
	for host, want := range map[string]bool{"node1.example": true, "10.0.0.1": true, "::1": true, "node2.example": false, "10.0.0.2": false} {
		for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, KeyUsages: []x509.ExtKeyUsage{usage}, CurrentTime: now})
			if (err == nil) != want {
				t.Errorf("%s for %v: %v", host, usage, err)
			}
		}
	}
	if leaf.IsCA {
		t.Error("a node may sign certificates")
	}
}

func TestACertificateEndsWithItsAuthorityAndBeginsForSlowClocks(t *testing.T) {
	a := newAuthority(t, time.Hour)
	leaf := parse(t, issue(t, a, "localhost").Certificate)
	if !leaf.NotAfter.Equal(now.Add(time.Hour)) || leaf.NotBefore.After(now.Add(-time.Minute)) {
		t.Errorf("valid from %s to %s", leaf.NotBefore, leaf.NotAfter)
	}
	if _, err := a.Issue("late", []string{"localhost"}, now.Add(2*time.Hour), 0); !errors.Is(err, ErrRequest) {
		t.Errorf("issued by an authority that has expired: %v", err)
	}
}

func TestWhatNobodyCouldUseIsRefused(t *testing.T) {
	a := newAuthority(t, 0)
	for _, c := range []struct {
		name     string
		hosts    []string
		lifetime time.Duration
	}{
		{"", []string{"localhost"}, 0},
		{"node", nil, 0},
		{"node", []string{""}, 0},
		{"node", []string{"localhost:7000"}, 0},
		{"node", []string{"a..b"}, 0},
		{"node", []string{"-a"}, 0},
		{"node", []string{"*.example"}, 0},
		{"node", []string{strings.Repeat("a", 64)}, 0},
		{"node", []string{"localhost"}, -time.Hour},
	} {
		if _, err := a.Issue(c.name, c.hosts, now, c.lifetime); !errors.Is(err, ErrRequest) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if _, err := NewAuthority(" ", now, 0); !errors.Is(err, ErrRequest) {
		t.Errorf("an authority without a name: %v", err)
	}
}

func TestKeysAreForTheirOwnerAloneAndAuthoritiesAreNotOverwritten(t *testing.T) {
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	a := newAuthority(t, 0)
	if err := a.Save(crt, key); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(key)
	if err := newAuthority(t, 0).Save(crt, key); !errors.Is(err, fs.ErrExist) {
		t.Errorf("saved over an authority: %v", err)
	}
	if err := newAuthority(t, 0).Save(filepath.Join(dir, "other.crt"), key); !errors.Is(err, fs.ErrExist) {
		t.Errorf("saved over an authority's key: %v", err)
	}
	if after, _ := os.ReadFile(key); !bytes.Equal(before, after) {
		t.Error("the key has changed")
	}
	opened, err := OpenAuthority(crt, key)
	if err != nil {
		t.Fatal(err)
	}
	nodeCrt, nodeKey := filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.key")
	for range 2 { // a node's files are replaced
		if err := issue(t, opened, "localhost").Save(nodeCrt, nodeKey); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{key, nodeKey} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	if _, err := OpenAuthority(nodeCrt, nodeKey); !errors.Is(err, ErrNotAuthority) {
		t.Errorf("a node's certificate was taken for an authority: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".new-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// onDisk saves an authority and a pair of it, and returns where.
func onDisk(t *testing.T) (Files, *Authority) {
	t.Helper()
	dir := t.TempDir()
	files := Files{Certificate: filepath.Join(dir, "node.crt"), Key: filepath.Join(dir, "node.key"), Authorities: filepath.Join(dir, "ca.crt")}
	a := newAuthority(t, 0)
	if err := a.Save(files.Authorities, filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if err := issue(t, a, "localhost").Save(files.Certificate, files.Key); err != nil {
		t.Fatal(err)
	}
	return files, a
}

func TestRenewedFilesAreUsedAndWrongOnesLeaveTheLastGood(t *testing.T) {
	files, a := onDisk(t)
	var log bytes.Buffer
	s, err := Open(files, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	serial := func() string {
		pair, _ := s.Newest()
		return pair.Leaf.SerialNumber.String()
	}
	first := serial()

	renewed := issue(t, a, "localhost")
	if err := replace(files.Key, renewed.Key, 0o600); err != nil { // half of a renewal
		t.Fatal(err)
	}
	for range 3 {
		if serial() != first {
			t.Fatal("a key without its certificate is in use")
		}
	}
	if n := strings.Count(log.String(), "those before stay in use"); n != 1 {
		t.Errorf("told of the bad files %d times:\n%s", n, &log)
	}
	if err := replace(files.Certificate, renewed.Certificate, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := serial(), parse(t, renewed.Certificate).SerialNumber.String(); got != want {
		t.Errorf("certificate %s is in use, not the renewed %s", got, want)
	}

	other := newAuthority(t, 0)
	both := append(bytes.Clone(a.pair.Certificate), other.pair.Certificate...)
	if err := os.WriteFile(files.Authorities, both, 0o644); err != nil {
		t.Fatal(err)
	}
	leaf := parse(t, issue(t, other, "localhost").Certificate)
	_, roots := s.Newest()
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err != nil {
		t.Errorf("the new authority is not trusted: %v", err)
	}
	for _, name := range []string{files.Authorities, files.Certificate} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if pair, roots := s.Newest(); pair == nil || roots == nil {
			t.Errorf("nothing is in use without %s", name)
		}
	}
}

func TestBadFilesAreRefusedToBeginWith(t *testing.T) {
	good, a := onDisk(t)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	otherKey := filepath.Join(t.TempDir(), "other.key")
	if err := os.WriteFile(otherKey, issue(t, a, "localhost").Key, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Files){
		"no certificate":        func(f *Files) { f.Certificate = "" },
		"an empty one":          func(f *Files) { f.Certificate = empty },
		"another key":           func(f *Files) { f.Key = otherKey },
		"no authorities":        func(f *Files) { f.Authorities = "" },
		"lost authorities":      func(f *Files) { f.Authorities = empty + "s" },
		"empty authorities":     func(f *Files) { f.Authorities = empty },
		"a key as an authority": func(f *Files) { f.Authorities = f.Key },
	} {
		files := good
		spoil(&files)
		if _, err := Open(files, slog.New(slog.DiscardHandler)); !errors.Is(err, ErrFiles) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tls.LoadX509KeyPair(good.Certificate, good.Key); err != nil {
		t.Errorf("the good ones are not: %v", err)
	}
}

func TestAPairAloneTrustsNobody(t *testing.T) {
	files, a := onDisk(t)
	s, err := OpenPair(files.Certificate, files.Key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	pair, roots := s.Newest()
	if pair == nil || roots == nil { // without roots, the system's would count
		t.Fatalf("%v, %v", pair, roots)
	}
	leaf := parse(t, issue(t, a, "localhost").Certificate)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now}); err == nil {
		t.Error("an authority is trusted")
	}
}
