package gitclub

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// UserHeader names the user on whose behalf a request is made. GitClub's real
// services would take it from a session; the example believes what it is told,
// which is one more reason for it to listen on loopback only.
const UserHeader = "X-GitClub-User"

// RequestTimeout bounds the work for one request, calls to others included.
const RequestTimeout = 5 * time.Second

const shutdownTimeout = 5 * time.Second

// Handler answers a request with a body to send as JSON (nil for none), or an
// error. The context ends with the client's connection or after RequestTimeout.
type Handler func(ctx context.Context, r *http.Request) (body any, err error)

// ServeHTTP makes a Handler an http.Handler. An error is logged if it is the
// service's trouble and told to the client in any case.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), RequestTimeout)
	defer cancel()
	body, err := h(ctx, r)
	httpStatus := http.StatusOK
	switch {
	case err != nil:
		httpStatus = statusOf(err)
		body = map[string]string{"error": err.Error()}
	case body == nil:
		httpStatus = http.StatusNoContent
	}
	if httpStatus >= http.StatusInternalServerError {
		slog.ErrorContext(ctx, "request failed", "method", r.Method, "path", r.URL.Path, "status", httpStatus, "error", err)
	}
	if body == nil {
		w.WriteHeader(httpStatus)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.WarnContext(ctx, "answer not sent", "path", r.URL.Path, "error", err)
	}
}

// User returns who a request is made for.
func User(r *http.Request) (string, error) {
	user := r.Header.Get(UserHeader)
	if user == "" {
		return "", Refuse(http.StatusUnauthorized, "say who asks, in the header %s", UserHeader)
	}
	return user, nil
}

// Serve answers requests at the address until the context ends, then lets those
// under way finish. Once it listens it calls ready with its URL.
func Serve(ctx context.Context, addr string, handler http.Handler, ready func(url string)) error {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: RequestTimeout,
		ReadTimeout:       2 * RequestTimeout,
		WriteTimeout:      2 * RequestTimeout,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	ready("http://" + listener.Addr().String())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(ctx)
	<-failed // http.ErrServerClosed: Shutdown has begun
	return err
}
