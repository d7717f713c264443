package peer

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tupelodb/tupelo/raft"
)

// The index grows all the time: who asks after it was n is told no less.
func TestAReadIndexIsTakenAfterItsQuestionWasSent(t *testing.T) {
	var now atomic.Uint64
	server := answering(t, "a", func(n *Node) {
		n.ReadIndex = func(context.Context) (uint64, error) { return now.Load(), nil }
	})
	client := listen(t, Options{})
	ctx := patient(t)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 300 {
				before := now.Add(1)
				index, err := client.ReadIndex(ctx, memberAt(server))
				if err != nil || index < before {
					t.Errorf("asked at %d: %d %v", before, index, err)
					return
				}
			}
		})
	}
	asking.Wait()
	if n := server.connections(); n != 1 {
		t.Errorf("it took %d connections", n)
	}
}

// Whatever kept a node from an answer, the next question is answered, and by the
// same line.
func TestANodeThatHasNoIndexOnceHasOneLater(t *testing.T) {
	var answer func(context.Context) (uint64, error)
	server := answering(t, "a", func(n *Node) {
		n.ReadIndex = func(ctx context.Context) (uint64, error) { return answer(ctx) }
	})
	client := listen(t, Options{})
	for _, c := range []struct {
		answer func(context.Context) (uint64, error)
		want   *Error
	}{
		{func(context.Context) (uint64, error) { panic("of a question") }, ErrFailed},
		{func(context.Context) (uint64, error) { return 0, raft.ErrNoLeader }, ErrNotSent},
	} {
		answer = c.answer
		if _, err := client.ReadIndex(patient(t), memberAt(server)); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
		answer = func(context.Context) (uint64, error) { return 7, nil }
		if index, err := client.ReadIndex(patient(t), memberAt(server)); index != 7 || err != nil {
			t.Errorf("the next question: %d %v", index, err)
		}
	}
	if n := server.connections(); n != 2 {
		t.Errorf("it took %d connections; want a line and one for calls", n)
	}
}

// Who waits for a leader on a node that finds none gives up, and those who ask
// later do not wait behind that for good.
func TestAQuestionThatNobodyWaitsForAnyMoreEnds(t *testing.T) {
	var asked atomic.Int64
	waiting := make(chan struct{})
	server := answering(t, "a", func(n *Node) {
		n.ReadIndex = func(ctx context.Context) (uint64, error) {
			if asked.Add(1) > 1 {
				return 7, nil
			}
			close(waiting)
			<-ctx.Done()
			return 0, raft.ErrNoLeader
		}
	})
	client := listen(t, Options{})
	ctx, giveUp := context.WithCancel(patient(t))
	go func() { <-waiting; giveUp() }()
	if _, err := client.ReadIndex(ctx, memberAt(server)); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if index, err := client.ReadIndex(patient(t), memberAt(server)); index != 7 || err != nil {
		t.Errorf("the next question: %d %v", index, err)
	}
}

// P8
func TestClosingEndsAQuestionUnderWay(t *testing.T) {
	waiting, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	server := answering(t, "a", func(n *Node) {
		n.ReadIndex = func(ctx context.Context) (uint64, error) {
			waiting <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return 0, raft.ErrClosed
		}
	})
	client := listen(t, Options{})
	failed := make(chan error, 1)
	go func() { _, err := client.ReadIndex(patient(t), memberAt(server)); failed <- err }()
	<-waiting
	closeNow(t, server)
	if err := <-failed; err == nil {
		t.Error("it was answered")
	}
	if len(ended) == 0 {
		t.Error("the port has closed over a question that goes on")
	}
}

// A call takes some 200 allocations.
func TestAskingForAReadIndexByALineTakesFewAllocations(t *testing.T) {
	server, client := answering(t, "a", func(*Node) {}), listen(t, Options{})
	ctx := patient(t)
	n := testing.AllocsPerRun(200, func() {
		if _, err := client.ReadIndex(ctx, memberAt(server)); err != nil {
			t.Fatal(err)
		}
	})
	if n > 16 {
		t.Errorf("%.0f allocations, on both sides", n)
	}
}
