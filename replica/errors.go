package replica

import (
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

var (
	// ErrOptions says that Options cannot be used as they are.
	ErrOptions = errors.New("bad options for a replica")
	// ErrBootstrap says that the nodes which are to make a cluster together
	// contradict each other: two have one name, there are more than expected, or
	// one has changed. Nothing was made.
	ErrBootstrap = errors.New("these nodes cannot make a cluster")
	// ErrLostLog says that a node votes in a cluster and has lost what it has
	// acknowledged there.
	ErrLostLog = errors.New("this node has lost its log")
	// ErrOffline says that tuples cannot be brought into a directory without its
	// server. Nothing in it has changed.
	ErrOffline = errors.New("the data directory takes no offline import")

	// errClosed is for clients, so it is of a kind that the API knows.
	errClosed = fmt.Errorf("calling a replica: %w", raft.ErrClosed)
	// errMessage is for who takes a stream of this process for one of a connection.
	errMessage = errors.New("messages of this stream are handed over as they are, by Recv")
)

// kinded is an error whose kind, which is one of package peer's, other nodes and
// the API learn.
type kinded struct {
	kind  string
	cause error
}

func (e *kinded) Error() string { return e.cause.Error() }
func (e *kinded) Unwrap() error { return e.cause }

// Kind says what became of the call.
func (e *kinded) Kind() string { return e.kind }

func noLeader(format string, args ...any) error {
	return &kinded{peer.KindNoLeader, fmt.Errorf(format, args...)}
}

func refused(format string, args ...any) error {
	return &kinded{peer.KindRefused, fmt.Errorf(format, args...)}
}

// toPeer gives what the membership does not allow the kind that says so.
func toPeer(err error) error {
	if errors.Is(err, raft.ErrMembership) {
		return &kinded{peer.KindRefused, err}
	}
	return err
}

// toAPI has the API know what the membership does not allow.
func toAPI(err error) error {
	if errors.Is(err, raft.ErrMembership) {
		return fmt.Errorf("%w: %w", api.ErrMembership, err)
	}
	return err
}
