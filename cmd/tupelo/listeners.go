package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tupelodb/tupelo/api"
)

// listeners are where a server answers.
type listeners struct {
	calls   net.Listener
	metrics net.Listener // nil if not asked for
}

// openListeners takes the addresses before anything is opened, so that a
// mistake in them changes nothing.
func (o *serveOptions) openListeners() (l listeners, err error) {
	if l.calls, err = net.Listen("tcp", o.listen); err != nil {
		return l, fmt.Errorf("--listen %s: %w", o.listen, err)
	}
	// The API refuses this too, but only once a node has been made.
	if len(o.tokens) == 0 && !isLoopbackAddr(l.calls.Addr()) {
		return l, errors.Join(fmt.Errorf("%w: %s", api.ErrTokenRequired, l.calls.Addr()), l.close())
	}
	if o.metricsAddr == "" {
		return l, nil
	}
	if l.metrics, err = net.Listen("tcp", o.metricsAddr); err != nil {
		return l, errors.Join(fmt.Errorf("--metrics-addr %s: %w", o.metricsAddr, err), l.close())
	}
	return l, nil
}

func (l listeners) close() error {
	err := l.calls.Close()
	if l.metrics != nil {
		err = errors.Join(err, l.metrics.Close())
	}
	return err
}

func (l listeners) metricsAddr() string {
	if l.metrics == nil {
		return ""
	}
	return l.metrics.Addr().String()
}

func isLoopbackAddr(address net.Addr) bool {
	host, _, err := net.SplitHostPort(address.String())
	return err == nil && isLoopback(host)
}

// serveMetrics answers over HTTP until ctx ends.
func serveMetrics(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}
