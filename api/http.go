package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// MetricsHandler returns what an operator's tools ask for over HTTP, on an
// address of its own: /metrics for what gatherer has, and /healthz, which is
// 200 while the server is ready and 503 before and after.
func (s *Server) MetricsHandler(gatherer prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if err := s.ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("serving\n"))
	})
	return mux
}

// Times that HTTP clients have. There is none for a request or an answer as a
// whole, because both can be streams.
const (
	httpHeaderLimit = 10 * time.Second
	httpIdleLimit   = 2 * time.Minute
)

// ServeHTTP has a handler, which calls the server by [Server.Dial], answer on a
// listener until ctx ends. What holds for Serve holds here: the certificate, the
// listeners that are refused where no token is asked for, and how requests come to
// an end. It closes the listener.
func (s *Server) ServeHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	if err := s.tokens.allowListener(listener.Addr()); err != nil {
		_ = listener.Close()
		return err
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: httpHeaderLimit, IdleTimeout: httpIdleLimit,
		ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug), // what clients do wrong
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		if s.certificates == nil {
			err = server.Serve(listener)
		} else {
			server.TLSConfig = s.certificates.Server()
			err = server.ServeTLS(listener, "", "")
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return fmt.Errorf("serving HTTP: %w", err)
	})
	group.Go(func() error {
		<-ctx.Done()
		draining, cancel := context.WithTimeout(context.Background(), s.drainLimit)
		defer cancel()
		if server.Shutdown(draining) != nil {
			_ = server.Close() // cut off, as the calls of Serve are
		}
		return nil
	})
	return group.Wait()
}
