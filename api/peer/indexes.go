package peer

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/tupelodb/tupelo/api/peerv1"
)

const (
	// noIndex is the answer of a node that has no read index to give. Who asked
	// learns why by a call: no index of a log is 0.
	noIndex = 0
	// indexLimit is how long a question waits for a leader on the node that was
	// asked. Whoever asked may have given up, and the next question waits behind.
	indexLimit = time.Second
)

// ReadIndex returns a read index of the leader, taken after the call began.
func (p *Port) ReadIndex(ctx context.Context, leader Member) (uint64, error) {
	index, err := p.askByLine(ctx, lineKey{leader, carriesIndexes})
	if errors.Is(err, errNotAccepted) || err == nil && index == noIndex {
		return p.readIndexByCall(ctx, leader)
	}
	return index, err
}

// readIndexByCall asks a member that takes no lines, being of an older version, or
// one that did not give an index by its line.
func (p *Port) readIndexByCall(ctx context.Context, leader Member) (uint64, error) {
	answer, err := p.ask(leader.Address).ReadIndex(ctx, &peerv1.ReadIndexRequest{NodeId: leader.ID})
	if err != nil {
		return 0, answerOf(err, "asking node %s for a read index", leader.ID)
	}
	return answer.GetIndex(), nil
}

// indexOf is what this node answers to a question by line. The next one of the
// same line waits for it, which costs little: a node asks one at a time, for all
// its reads.
func (p *Port) indexOf(node Node) (index uint64) {
	defer func() {
		if fault := recover(); fault != nil {
			p.options.Logger.Error("a question of another node panicked", "panic", fault, "stack", string(debug.Stack()))
			index = noIndex
		}
	}()
	ctx, cancel := context.WithTimeout(p.closing, indexLimit)
	defer cancel()
	index, err := node.ReadIndex(ctx)
	if err != nil {
		return noIndex
	}
	return index
}
