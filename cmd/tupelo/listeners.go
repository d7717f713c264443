package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/authzed"
)

// listeners are where a server answers.
type listeners struct {
	calls         net.Listener
	http, metrics net.Listener // nil if not asked for
}

// openListeners takes the addresses before anything is opened, so that a
// mistake in them changes nothing.
func (o *serveOptions) openListeners() (l listeners, err error) {
	if l.calls, err = net.Listen("tcp", o.listen); err != nil {
		return l, fmt.Errorf("--listen %s: %w", o.listen, err)
	}
	for _, more := range []struct {
		flag, address string
		listener      *net.Listener
	}{
		{"--http-addr", o.httpAddr, &l.http},
		{"--metrics-addr", o.metricsAddr, &l.metrics},
	} {
		if more.address == "" {
			continue
		}
		if *more.listener, err = net.Listen("tcp", more.address); err != nil {
			return l, errors.Join(fmt.Errorf("%s %s: %w", more.flag, more.address, err), l.close())
		}
	}
	// The API refuses this too, but only once a node has been made.
	for _, listener := range l.ofClients() {
		if len(o.tokens) == 0 && !isLoopbackAddr(listener.Addr()) {
			return l, errors.Join(fmt.Errorf("%w: %s", api.ErrTokenRequired, listener.Addr()), l.close())
		}
	}
	return l, nil
}

// ofClients returns the listeners that ask for tokens.
func (l listeners) ofClients() []net.Listener {
	if l.http == nil {
		return []net.Listener{l.calls}
	}
	return []net.Listener{l.calls, l.http}
}

func (l listeners) close() (err error) {
	for _, listener := range []net.Listener{l.calls, l.http, l.metrics} {
		if listener != nil {
			err = errors.Join(err, listener.Close())
		}
	}
	return err
}

// addressOf returns where a listener listens, if there is one.
func addressOf(listener net.Listener) string {
	if listener == nil {
		return ""
	}
	return listener.Addr().String()
}

func isLoopbackAddr(address net.Addr) bool {
	host, _, err := net.SplitHostPort(address.String())
	return err == nil && isLoopback(host)
}

// gatewayFactor is how many times as long as a request its JSON may be.
const gatewayFactor = 4

// serveHTTP answers authzed.api.v1 over HTTP until ctx ends.
func serveHTTP(ctx context.Context, server *api.Server, listener net.Listener, maxRequestBytes int) error {
	conn, err := server.Dial()
	if err != nil {
		return errors.Join(fmt.Errorf("serving HTTP: %w", err), listener.Close())
	}
	defer conn.Close()
	handler, err := authzed.Gateway(conn, gatewayFactor*maxRequestBytes)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return server.ServeHTTP(ctx, listener, handler)
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
