package api

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is a certificate and key that are read again when their files
// change, so that a renewal needs no restart.
//
// The files are looked at when a client connects: two calls of stat beside a
// handshake's cost, no goroutine, and never older than the newest connection.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	seen    fileStamps // that were last tried to read
	current *tls.Certificate
}

// fileStamps tell whether the two files are those that were read.
type fileStamps [2]struct {
	modified time.Time
	size     int64
}

// newCertificate reads the pair; it must be good to begin with.
func newCertificate(certFile, keyFile string, logger *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	var err error
	if c.seen, err = c.stamps(); err != nil {
		return nil, fmt.Errorf("reading the TLS certificate: %w", err)
	}
	if c.current, err = c.read(); err != nil {
		return nil, fmt.Errorf("reading the TLS certificate: %w", err)
	}
	return c, nil
}

// config returns a server's configuration that always presents the newest pair.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.newest(), nil },
	}
}

// newest returns the pair in the files, or the last good one if they cannot be
// used: a renewal may be seen half done, and a wrong one must not end service.
func (c *certificate) newest() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, err := c.stamps()
	if now == c.seen {
		return c.current
	}
	c.seen = now // tried once for each change, so that a bad pair is told of once
	if err == nil {
		var renewed *tls.Certificate
		if renewed, err = c.read(); err == nil {
			c.current = renewed
			c.logger.Info("the TLS certificate was read again", "file", c.certFile)
			return c.current
		}
	}
	c.logger.Warn("the TLS certificate cannot be read; the one before stays in use", "file", c.certFile, "error", err)
	return c.current
}

func (c *certificate) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	return &pair, err
}

// stamps returns what the files look like; the zero value if one cannot be seen.
func (c *certificate) stamps() (s fileStamps, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return fileStamps{}, err
		}
		s[i].modified, s[i].size = info.ModTime(), info.Size()
	}
	return s, nil
}
