package raft

import (
	"context"
	"fmt"
	"time"

	hraft "github.com/hashicorp/raft"
)

// A transfer of leadership is this package's own. hashicorp/raft's refuses
// commands until its goroutine has ended, which may be never: if one transfer
// gives up while replication to its target is stuck, the next one blocks where
// nothing wakes it, and the node refuses every command in this term and in all
// that it leads later. Here nothing of raft's is switched: commands are held at
// the gate of this package, which opens again whatever happens, and the target
// gets the message by which a leader hands over.

// Transfer has another voter lead, or any that can if id is empty. It waits for
// the target to have nearly all of the log, then holds commands back while those
// in flight come through and the target stands: for three election timeouts at
// the most, if it does not. An error says that this node went on to lead, or
// that another than the target does. Without a deadline in ctx the target has
// ten election timeouts to catch up.
func (n *Node) Transfer(ctx context.Context, id string) error {
	doing := fmt.Sprintf("transfer leadership to %q", id)
	release, err := n.beginChange(ctx, doing)
	if err != nil {
		return err
	}
	defer release()
	term := n.raft.CurrentTerm()
	target, ok := n.member(id)
	if id == "" {
		target, ok = n.successor(term)
	}
	switch {
	case id == n.options.NodeID:
		return nil
	case !ok || !target.Voter:
		return fmt.Errorf("%w: %s: there is no such voter to take it", ErrMembership, doing)
	}
	ready, cancel := n.within(ctx, 10)
	defer cancel()
	if err := n.caughtUp(ready, term, target.ID); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	letPass := n.leadership.hold()
	defer func() {
		if !n.options.faults.keepGateShut {
			letPass()
		}
	}()
	if err := n.handOverTo(ctx, term, target); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// within bounds ctx by so many election timeouts.
func (n *Node) within(ctx context.Context, timeouts time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, timeouts*n.options.ElectionTimeout)
}

// handOverTo does what is left of a transfer once no new commands come.
func (n *Node) handOverTo(ctx context.Context, term uint64, target Member) error {
	drain, cancel := n.within(ctx, 1)
	defer cancel()
	select {
	case <-n.proposals.empty():
	case <-n.stopped:
		return n.reason.Load()
	case <-drain.Done():
		return fmt.Errorf("wait for the commands in flight: %w", drain.Err())
	}
	if err := n.caughtUp(drain, term, target.ID); err != nil {
		return err
	}
	stand, cancel := n.within(ctx, 2)
	defer cancel()
	told := make(chan error, 1)
	go func() { told <- n.tellToStand(target) }() // as long as the transport takes
	for {
		changed := n.contact.watch()
		leader, known := n.Leader()
		switch {
		case known && leader.ID == target.ID:
			n.steppedDown(ctx, term)
			return nil
		case known && leader.ID != n.options.NodeID:
			return fmt.Errorf("node %s leads instead", leader.ID)
		}
		select {
		case <-changed:
		case err := <-told:
			if err != nil {
				return err
			}
			told = nil
		case <-n.stopped:
			return n.reason.Load()
		case <-stand.Done():
			return fmt.Errorf("it does not lead in time: %w", stand.Err())
		}
	}
}

// steppedDown waits until the loss of leadership in the given term has been
// taken note of. A command that is let through before gets lost in raft, and
// its outcome is unknown without need.
func (n *Node) steppedDown(ctx context.Context, term uint64) {
	for {
		role := n.leadership.load()
		if role.ready != term {
			return
		}
		select {
		case <-role.changed:
		case <-n.stopped:
			return
		case <-ctx.Done():
			return
		}
	}
}

// tellToStand sends the message by which a leader hands over: its receiver
// stands for election at once, and voters listen to it although they have a leader.
func (n *Node) tellToStand(m Member) error {
	request := &hraft.TimeoutNowRequest{RPCHeader: n.header()}
	return n.transport.TimeoutNow(hraft.ServerID(m.ID), hraft.ServerAddress(m.Address), request, &hraft.TimeoutNowResponse{})
}

// header is what this node's messages begin with.
func (n *Node) header() hraft.RPCHeader {
	id := hraft.ServerID(n.options.NodeID)
	return hraft.RPCHeader{
		ProtocolVersion: hraft.ProtocolVersionMax,
		ID:              []byte(id),
		Addr:            n.transport.EncodePeer(id, n.transport.LocalAddr()),
	}
}

// successor returns the other voter that is furthest among those in touch.
func (n *Node) successor(term uint64) (best Member, ok bool) {
	var match uint64
	for _, m := range n.Members() {
		if !m.Voter || m.ID == n.options.NodeID {
			continue
		}
		p := n.progress.of(term, m.ID)
		if time.Since(p.contact) < n.options.HeartbeatTimeout && (!ok || p.match > match) {
			best, match, ok = m, p.match, true
		}
	}
	return best, ok
}

// caughtUp waits until a follower has the log up to where it ends now.
func (n *Node) caughtUp(ctx context.Context, term uint64, id string) error {
	last := n.raft.LastIndex()
	for {
		changed, moved := n.contact.watch(), n.progress.change()
		if !n.leads(term) {
			return ErrNoLeader.because(nil, "wait for %s to catch up", id)
		}
		match := n.progress.of(term, id).match
		if match >= last {
			return nil
		}
		select {
		case <-moved:
		case <-changed:
		case <-n.stopped:
			return n.reason.Load()
		case <-ctx.Done():
			return fmt.Errorf("wait for %s, which has %d, to have %d: %w", id, match, last, ctx.Err())
		}
	}
}

// catchUp waits until a follower is as near to the end of the log as one comes
// under load: less than an election timeout behind.
func (n *Node) catchUp(ctx context.Context, id string) error {
	term := n.raft.CurrentTerm()
	for {
		begun := time.Now()
		if err := n.caughtUp(ctx, term, id); err != nil {
			return err
		}
		if time.Since(begun) < n.options.ElectionTimeout {
			return nil
		}
	}
}

// yield hands leadership to another voter before this node closes, if it leads
// and one is in touch. That it fails is no reason not to close.
func (n *Node) yield(ctx context.Context) {
	role := n.leadership.load()
	if n.raft == nil || ctx.Err() != nil || role.refusal != nil || role.ready == 0 || !n.leads(role.ready) {
		return
	}
	if _, ok := n.successor(role.ready); !ok {
		return
	}
	ctx, cancel := n.within(ctx, 2)
	defer cancel()
	if err := n.Transfer(ctx, ""); err != nil {
		n.options.Logger.Warn("raft: leadership is not handed over before closing", "error", err)
	}
}
