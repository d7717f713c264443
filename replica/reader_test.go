package replica

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft"
)

// readerOf opens a read replica of a node, as a service would.
func readerOf(t *testing.T, n *testNode, change func(*Options)) *testNode {
	t.Helper()
	o := testOptions(freeAddresses(t, 1), 0)
	o.NodeID, o.Join, o.ReadReplica = "reader", []string{n.Address()}, true
	change(&o)
	return open(t, o)
}

func (n *testNode) check(ctx context.Context, text string, fresh *tupelov1.Consistency) error {
	one, err := tupleOf(text)
	if err != nil {
		return err
	}
	_, err = n.Check(ctx, &tupelov1.CheckRequest{Consistency: fresh, Object: one.Object, Relation: one.Relation, Subject: one.Subject})
	return err
}

// mustRefuse has it refuse what needs the others.
func (n *testNode) mustRefuse(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := contextFor(t, 200*time.Millisecond)
	defer cancel()
	if err := n.check(ctx, text, fullyConsistent()); status.Code(err) != codes.DeadlineExceeded && status.Code(err) != codes.Unavailable {
		t.Errorf("a fully consistent check: %v", err)
	}
	if err := touch(ctx, n.Client(), text); err == nil {
		t.Error("a write is acknowledged")
	}
}

func TestAReaderInMemoryBeginsAnewAfterEachStart(t *testing.T) {
	nodes := bootstrap(t, 1)
	nodes[0].mustWriteSchema(t)
	reader := readerOf(t, nodes[0], func(o *Options) { o.Dir, o.FS, o.Memory = "", nil, true })
	for _, text := range []string{"doc:a#reader@user:ann", "doc:b#reader@user:ann"} {
		if err := touch(t.Context(), reader.Client(), text); err != nil { // by the leader
			t.Fatal(err)
		}
		zookie := nodes[0].mustWrite(t, text)
		reader.mustHave(t, text, atLeastAsFresh(zookie))
		nodes[0].mustHave(t, text, nil)
		reader.stop(t)
		reader.start(t)
		reader.mustHave(t, text, atLeastAsFresh(zookie))
		reader.mustHave(t, text, fullyConsistent())
	}
}

func TestAReaderThatIsCutOffAnswersWhatItCanVouchForOnly(t *testing.T) {
	nodes := bootstrap(t, 1)
	nodes[0].mustWriteSchema(t)
	const text = "doc:a#reader@user:ann"
	zookie := nodes[0].mustWrite(t, text)
	reader := readerOf(t, nodes[0], func(o *Options) { o.API.MaxStaleness = 500 * time.Millisecond })
	reader.mustHave(t, text, atLeastAsFresh(zookie))
	eventually(t, "it does not answer", func() bool { return reader.check(t.Context(), text, nil) == nil })
	nodes[0].stop(t)
	eventually(t, "it goes on answering", func() bool {
		return status.Code(reader.check(t.Context(), text, nil)) == codes.Unavailable
	})
	reader.mustHave(t, text, atLeastAsFresh(zookie))
	reader.mustRefuse(t, text)

	// The state on its disk may be older than the zookie, and it does not know what
	// of its log is committed: it waits for a leader, whatever it is asked.
	reader.stop(t)
	reader.options.API.WaitLimit = 300 * time.Millisecond
	reader.start(t)
	if err := reader.check(t.Context(), text, nil); status.Code(err) != codes.Unavailable {
		t.Errorf("a check after a start without the others: %v", err)
	}
	reader.mustRefuse(t, text)
	nodes[0].start(t)
	for _, fresh := range []*tupelov1.Consistency{nil, fullyConsistent()} {
		eventually(t, "it does not go on when the others are back", func() bool { return reader.check(t.Context(), text, fresh) == nil })
	}
}

// Members that are not heard of are removed; a service that comes back does not
// know that it was.
func TestAReaderThatWasForgottenIsTakenInAgainWhenItIsOpened(t *testing.T) {
	nodes := bootstrapWith(t, 1, func(o *Options) { o.DeadAfter = deadAfter })
	nodes[0].mustWriteSchema(t)
	const text = "doc:a#reader@user:ann"
	zookie := nodes[0].mustWrite(t, text)
	time.Sleep(deadAfter) // a member that is new then is not dead
	reader := readerOf(t, nodes[0], func(*Options) {})
	reader.mustHave(t, text, atLeastAsFresh(zookie))
	reader.stop(t)
	eventually(t, "it is not forgotten", func() bool {
		_, there := memberOf(nodes[0].Log(), "reader")
		return !there
	})
	zookie = nodes[0].mustWrite(t, "doc:b#reader@user:ann")
	reader.start(t)
	reader.mustHave(t, "doc:b#reader@user:ann", atLeastAsFresh(zookie))
	reader.mustHave(t, "doc:b#reader@user:ann", fullyConsistent())
}

// A leader that has led for long has not heard for as long from who is new.
func TestAMemberIsNotDeadBeforeItHadTimeToAnswer(t *testing.T) {
	s := newSteering(nil)
	fresh := raft.Follower{Member: raft.Member{ID: "new"}}
	old := raft.Follower{Member: raft.Member{ID: "old"}}
	first := s.meet([]raft.Follower{old})["old"]
	time.Sleep(time.Millisecond)
	met := s.meet([]raft.Follower{old, fresh})
	if !met["old"].Equal(first) || !met["new"].After(first) {
		t.Errorf("they were met at %v, one of them at %v before", met, first)
	}
	s.meet([]raft.Follower{fresh})
	if again := s.meet([]raft.Follower{old, fresh}); !again["old"].After(met["new"]) {
		t.Errorf("one that was a member before was met at %v", again["old"])
	}
}
