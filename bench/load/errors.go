package load

import (
	"context"
	"errors"

	"google.golang.org/grpc/status"
)

var (
	// ErrCell is the error of a run that cannot be meant.
	ErrCell = errors.New("no such run")
	// ErrNotSupported is the error of a request that a target's protocol has no
	// form for.
	ErrNotSupported = errors.New("not supported")
	// ErrAnswer is the error of an answer that is none: cut short, conditional, or
	// not as the protocol has it.
	ErrAnswer = errors.New("no answer")
	// ErrUnsettled is the error of a server that does not come to the right answers
	// after it was loaded.
	ErrUnsettled = errors.New("the server's answers are wrong")
	// ErrSlow is the error of a server whose answers to a sample take so long that
	// asking for more would measure nothing else.
	ErrSlow = errors.New("the server answers too slowly to be measured")
	// errUnfinished ends calls that are not answered in the time after a run.
	errUnfinished = errors.New("not answered when the run was given up")
)

// codeOf is the name that an error is counted under.
func codeOf(ctx context.Context, err error) string {
	if errors.Is(context.Cause(ctx), errUnfinished) {
		return "UNFINISHED"
	}
	if errors.Is(err, ErrAnswer) {
		return "NO_ANSWER"
	}
	var named interface {
		error
		Code() string
	}
	if errors.As(err, &named) {
		return named.Code()
	}
	return status.Code(err).String()
}
