package target

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
)

var (
	// ErrUnknown is the error of a name that no target has.
	ErrUnknown = errors.New("unknown target")
	// ErrOption is the error of options that contradict the target.
	ErrOption = errors.New("bad option")
)

// notSupported says what a target has no form for.
func notSupported(target string, o dataset.Operation, why string) error {
	return fmt.Errorf("%s: %v: %w: %s", target, o.Kind, load.ErrNotSupported, why)
}

func noAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", load.ErrAnswer, fmt.Sprintf(format, args...))
}

// isAlone reports whether an error is that of a node which has no cluster to tell of.
func isAlone(err error) bool { return status.Code(err) == codes.FailedPrecondition }

// HTTPError is an answer over HTTP that says that a call failed.
type HTTPError struct {
	Status int
	Text   string
}

func (e *HTTPError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.Status, e.Text) }

// Code is the name that results count it under.
func (e *HTTPError) Code() string { return fmt.Sprintf("HTTP %d", e.Status) }
