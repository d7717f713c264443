package gitclub

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Refusal is an error that the client of a service is told, with the HTTP
// status that goes with it.
type Refusal struct {
	Status  int
	Message string
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// Refuse returns a *Refusal.
func Refuse(httpStatus int, format string, args ...any) error {
	return &Refusal{Status: httpStatus, Message: fmt.Sprintf(format, args...)}
}

// statusOf chooses the HTTP status of an error. Only a wrong request is the
// client's fault. When Tupelo cannot be asked the answer is not "no": it is
// that there is no answer.
func statusOf(err error) int {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Status
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	case errors.Is(err, context.Canceled):
		return http.StatusServiceUnavailable
	}
	switch status.Code(err) {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	case codes.Unavailable, codes.ResourceExhausted, codes.Canceled:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}
