package cert

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
)

// Files are where a certificate, its key, and the certificates of the authorities
// that its holder trusts are, in PEM. While an authority is being replaced, the last
// file holds the old one and the new one. It is not named by who asks nobody for a
// certificate: see [OpenPair].
type Files struct {
	Certificate, Key, Authorities string
}

// Source gives the certificates in files, which are looked at again each time
// it is asked: a few calls of stat beside the cost of a handshake, no goroutine,
// and never older than the newest connection.
type Source struct {
	files  Files
	logger *slog.Logger

	mu      sync.Mutex
	seen    stamps // of the files that were last tried
	current material
}

// material is what the files hold.
type material struct {
	pair  *tls.Certificate
	roots *x509.CertPool // of nobody without a file of authorities
}

// stamps tell whether files are those that were read; nil stands for one that
// could not be seen.
type stamps [3]fs.FileInfo

// Open reads the files, which must be good to begin with.
func Open(files Files, logger *slog.Logger) (*Source, error) {
	if files.Authorities == "" {
		return nil, fmt.Errorf("%w: no file of trusted authorities is named", ErrFiles)
	}
	return open(files, logger)
}

// OpenPair is Open for a server whose clients need no certificate. The source trusts
// nobody, so that a port between nodes lets nobody in by it.
func OpenPair(certificate, key string, logger *slog.Logger) (*Source, error) {
	return open(Files{Certificate: certificate, Key: key}, logger)
}

func open(files Files, logger *slog.Logger) (*Source, error) {
	s := &Source{files: files, logger: logger, seen: files.look()}
	var err error
	if s.current, err = files.read(); err != nil {
		return nil, err
	}
	return s, nil
}

// Server returns the configuration of a server that presents the newest
// certificate and asks clients for none.
func (s *Source) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			pair, _ := s.Newest()
			return pair, nil
		},
	}
}

// Newest returns the certificate and the trusted authorities in the files, or
// the last good ones: a renewal may be seen half done, and a wrong one must not
// end service.
func (s *Source) Newest() (*tls.Certificate, *x509.CertPool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.files.look()
	if now.same(&s.seen) {
		return s.current.pair, s.current.roots
	}
	s.seen = now // tried once for each change, so that bad files are told of once
	renewed, err := s.files.read()
	if err != nil {
		s.logger.Warn("the certificates cannot be read; those before stay in use", "error", err)
		return s.current.pair, s.current.roots
	}
	s.current = renewed
	s.logger.Info("the certificates were read again", "file", s.files.Certificate, "valid_until", renewed.pair.Leaf.NotAfter)
	return renewed.pair, renewed.roots
}

func (f Files) read() (material, error) {
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		return material{}, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	if f.Authorities == "" {
		return material{&pair, x509.NewCertPool()}, nil
	}
	text, err := os.ReadFile(f.Authorities)
	if err != nil {
		return material{}, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return material{}, fmt.Errorf("%w: %s holds no certificate in PEM", ErrFiles, f.Authorities)
	}
	return material{pair: &pair, roots: roots}, nil
}

func (f Files) look() (s stamps) {
	for i, name := range []string{f.Certificate, f.Key, f.Authorities} {
		if info, err := os.Stat(name); err == nil {
			s[i] = info
		}
	}
	return s
}

func (s *stamps) same(other *stamps) bool {
	for i, a := range s {
		b := other[i]
		if a == nil || b == nil {
			if a != b {
				return false
			}
			continue
		}
		if !os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime()) {
			return false
		}
	}
	return true
}
