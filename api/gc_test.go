package api

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/store"
)

// history is a replica with a clock that writes one tuple an hour.
type history struct {
	*testLog
	server *Server
	clock  time.Time
	leader atomic.Bool
}

func newHistory(t *testing.T, change func(*Options)) *history {
	t.Helper()
	h := &history{testLog: newTestLog(t), clock: time.UnixMilli(1_700_000_000_000)}
	h.leader.Store(true)
	h.lead(t)
	h.server = newTestServer(t, h.testLog, func(o *Options) {
		o.Tokens = []string{testToken}
		o.Now = func() time.Time { return h.clock }
		o.LogStatus = func() LogStatus { return LogStatus{Leader: h.leader.Load()} }
		o.HistoryWindow = 24 * time.Hour
		if change != nil {
			change(o)
		}
	})
	w := &world{log: h.testLog, server: h.server}
	if err := w.server.writeSchemaNow(t, gitclub); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *history) hour(t *testing.T) (revision uint64) {
	t.Helper()
	h.clock = h.clock.Add(time.Hour)
	if err := h.server.touchNow(t, "repository:club#owner@user:u"+h.clock.Format("0215")); err != nil {
		t.Fatal(err)
	}
	return h.last()
}

func TestHistoryOlderThanTheWindowIsForgotten(t *testing.T) {
	h := newHistory(t, nil)
	var revisions []uint64
	for range 30 {
		revisions = append(revisions, h.hour(t))
	}
	if err := h.server.collectOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Hour 30 is now; hour 6 is exactly 24 hours ago.
	if got, want := h.follower.Horizon(), revisions[5]; got != want {
		t.Errorf("the horizon is at revision %d, want %d", got, want)
	}
	last := h.last()
	if err := h.server.collectOnce(t.Context()); err != nil || h.last() != last {
		t.Errorf("with nothing to forget, something was proposed (%v)", err)
	}
}

// Each AdvanceHorizon is short; the round goes on until all is done.
func TestALongHistoryIsForgottenInSteps(t *testing.T) {
	h := newHistory(t, nil)
	const rounds = 11
	for i := range rounds {
		command := store.Write{UnixMillis: h.clock.UnixMilli()}
		for j := range 2000 {
			command.Updates = append(command.Updates, bulkUpdate(i, j))
		}
		if r := h.propose(t, command); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	end := h.last()
	h.clock = h.clock.Add(25 * time.Hour)
	if err := h.server.collectOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.follower.Horizon(); got != end {
		t.Errorf("the horizon is at %d, want %d", got, end)
	}
	if steps := h.last() - end; steps < 2 || steps > rounds {
		t.Errorf("%d steps", steps)
	}
}

func bulkUpdate(i, j int) store.Update {
	w := store.Update{Op: store.Touch}
	w.Tuple.Object.Type, w.Tuple.Object.ID = 3, []byte("r"+strings.Repeat("x", i))  // repository
	w.Tuple.Relation = 2                                                            // owner
	w.Tuple.Subject.Type, w.Tuple.Subject.ID = 1, []byte(time.Duration(j).String()) // user
	return w
}

func TestOnlyTheLeaderForgets(t *testing.T) {
	h := newHistory(t, nil)
	h.hour(t)
	h.clock = h.clock.Add(48 * time.Hour)
	h.leader.Store(false)
	if err := h.server.collectOnce(t.Context()); err != nil || h.follower.Horizon() != 0 {
		t.Errorf("a follower advanced the horizon to %d (%v)", h.follower.Horizon(), err)
	}
	h.leader.Store(true)
	if err := h.server.collectOnce(t.Context()); err != nil || h.follower.Horizon() == 0 {
		t.Errorf("the leader did not (%v)", err)
	}
}

func TestTheServerForgetsFromTimeToTimeAndGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := newHistory(t, func(o *Options) {
			o.CollectEvery = time.Minute
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		first := h.hour(t)
		h.clock = h.clock.Add(25 * time.Hour)
		stop := serveOn(t, h.server, bufconn.Listen(1<<10))

		h.failWith(logError("no-leader"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := h.follower.Horizon(); got != 0 {
			t.Errorf("the horizon is at %d although the log failed", got)
		}
		h.failWith(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := h.follower.Horizon(); got != first {
			t.Errorf("the horizon is at %d, want %d", got, first)
		}
		stop()
		if n := strings.Count(log.String(), "the horizon was not advanced"); n != 1 {
			t.Errorf("%d warnings: %s", n, log.String())
		}
	})
}

func TestTheFirstLeaderNamesTheCluster(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(77) }
	command, err := LeaderCommand(now, strings.NewReader("0123456789abcdef-and-more"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the same in every term
		decoded, err := store.Decode(command())
		if err != nil {
			t.Fatal(err)
		}
		if want := (store.Lead{UnixMillis: 77, ClusterID: [16]byte([]byte("0123456789abcdef"))}); decoded != want {
			t.Errorf("%+v", decoded)
		}
	}
	if _, err := LeaderCommand(now, strings.NewReader("short")); err == nil {
		t.Error("an id of five bytes passes")
	}
}

// A command whose result is none of the store's is a fault, not an answer.
func TestAnAnswerOfAnotherTypeIsAFault(t *testing.T) {
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.Log = oddLog{l} })
	err := s.writeSchemaNow(t, gitclub)
	var e *Error
	if err == nil || errors.As(err, &e) || seen(t, statusOf(err).Err()).code != "Internal" {
		t.Errorf("%v", err)
	}
}
