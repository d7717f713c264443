package replica

import (
	"context"
	"time"

	"github.com/tupelodb/tupelo/raft"
)

// lateLog is the log as the API has it from the beginning, before it is open: it
// cannot be while it is not known with whom it is to begin. Calls wait for it.
type lateLog struct {
	node   *raft.Node // not to be looked at before opened is closed
	opened chan struct{}
}

func newLateLog() *lateLog { return &lateLog{opened: make(chan struct{})} }

// set opens the log to those who wait. It is called once.
func (l *lateLog) set(node *raft.Node) {
	l.node = node
	close(l.opened)
}

// now returns the log, or nothing if it is not open yet.
func (l *lateLog) now() *raft.Node {
	select {
	case <-l.opened:
		return l.node
	default:
		return nil
	}
}

func (l *lateLog) get(ctx context.Context) (*raft.Node, error) {
	select {
	case <-l.opened:
		return l.node, nil
	default:
	}
	select {
	case <-l.opened:
		return l.node, nil
	case <-ctx.Done():
		return nil, noLeader("this node is in no cluster yet: %w", ctx.Err())
	}
}

// Propose implements api.Log.
func (l *lateLog) Propose(ctx context.Context, command []byte) (any, error) {
	node, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	return node.Propose(ctx, command)
}

// ReadIndex implements api.Log.
func (l *lateLog) ReadIndex(ctx context.Context) (uint64, error) {
	node, err := l.get(ctx)
	if err != nil {
		return 0, err
	}
	return node.ReadIndex(ctx)
}

// Wait implements api.Log.
func (l *lateLog) Wait(ctx context.Context, index uint64) error {
	node, err := l.get(ctx)
	if err != nil {
		return err
	}
	return node.Wait(ctx, index)
}

// LastContact implements api.Log.
func (l *lateLog) LastContact() time.Time {
	if node := l.now(); node != nil {
		return node.LastContact()
	}
	return time.Time{}
}
