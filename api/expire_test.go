package api

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// newLeases returns a history in which owners of repositories may be such for a
// time only, with n of them, one a minute from now on.
func newLeases(t *testing.T, n int, change func(*Options)) *history {
	t.Helper()
	h := newHistory(t, change)
	h.propose(t, store.WriteSchema{
		UnixMillis: 1, Text: gitclub,
		Definitions: []store.Definition{
			{Type: "user"}, {Type: "repository", Relations: []string{"owner"}, Allowed: []store.Allowed{
				{Relation: "owner", SubjectType: "user"}, {Relation: "owner", SubjectType: "user", Expires: true},
			}},
		},
	})
	for i := range n {
		h.lease(t, fmt.Sprintf("r%d", i), h.clock.Add(time.Duration(i+1)*time.Minute))
	}
	return h
}

// lease writes an owner that expires, or for the zero time one that does not.
func (h *history) lease(t *testing.T, id string, until time.Time) {
	t.Helper()
	u := bulkUpdate(0, 0)
	u.Tuple.Object.ID = []byte(id)
	if !until.IsZero() {
		u.Tuple.Traits.ExpiresNanos = until.UnixNano()
	}
	if r := h.propose(t, store.Write{UnixMillis: 1, Updates: []store.Update{u}}); r.Err != nil {
		t.Fatal(r.Err)
	}
}

// owned counts the stored tuples.
func (h *history) owned(t *testing.T) int {
	t.Helper()
	snapshot, err := h.follower.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer snapshot.Close()
	tuples, _, err := snapshot.Read(t.Context(), tuple.Filter{Relation: "owner"}, nil, 10000)
	if err != nil {
		t.Fatal(err)
	}
	return len(tuples)
}

func TestExpiredTuplesAreDeletedFromTheirInstantOn(t *testing.T) {
	h := newLeases(t, 3, nil)
	h.lease(t, "kept", time.Time{})
	begun := h.clock
	for _, c := range []struct {
		after time.Duration
		left  int
	}{
		{time.Minute - time.Millisecond, 4}, {time.Minute, 3}, {2*time.Minute + 1, 2}, {time.Hour, 1},
	} {
		h.clock = begun.Add(c.after)
		if err := h.server.expireOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := h.owned(t); got != c.left {
			t.Errorf("after %s there are %d tuples, want %d", c.after, got, c.left)
		}
	}
	last := h.last()
	if err := h.server.expireOnce(t.Context()); err != nil || h.last() != last {
		t.Errorf("with nothing expired, something was proposed (%v)", err)
	}
}

// A tuple that is written again, for longer, is not the one that expired.
func TestALeaseThatIsRenewedIsKept(t *testing.T) {
	h := newLeases(t, 1, nil)
	h.clock = h.clock.Add(time.Minute)
	h.before = func() { h.lease(t, "r0", h.clock.Add(time.Hour)) }
	if err := h.server.expireOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.owned(t); got != 1 {
		t.Errorf("there are %d tuples", got)
	}
}

func TestManyExpiredTuplesAreDeletedInSteps(t *testing.T) {
	h := newLeases(t, 2*maxExpired+1, nil)
	h.clock = h.clock.Add(24 * time.Hour)
	before := h.last()
	if err := h.server.expireOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if steps := h.last() - before; h.owned(t) != 0 || steps != 3 {
		t.Errorf("%d tuples are left after %d steps", h.owned(t), steps)
	}
}

func TestOnlyTheLeaderDeletesWhatExpired(t *testing.T) {
	h := newLeases(t, 1, nil)
	h.clock = h.clock.Add(time.Hour)
	h.leader.Store(false)
	if err := h.server.expireOnce(t.Context()); err != nil || h.owned(t) != 1 {
		t.Errorf("a follower deleted (%v)", err)
	}
	h.leader.Store(true)
	if err := h.server.expireOnce(t.Context()); err != nil || h.owned(t) != 0 {
		t.Errorf("the leader did not (%v)", err)
	}
}

func TestTheServerDeletesWhatExpiresFromTimeToTimeAndGoesOnAfterErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		h := newLeases(t, 1, func(o *Options) {
			o.CollectEvery = time.Minute
			o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		h.clock = h.clock.Add(time.Hour)
		stop := serveOn(t, h.server, bufconn.Listen(1<<10))
		h.failWith(logError("no-leader"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := h.owned(t); got != 1 {
			t.Errorf("there are %d tuples although the log failed", got)
		}
		h.failWith(nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := h.owned(t); got != 0 {
			t.Errorf("%d tuples are left", got)
		}
		stop()
		if n := strings.Count(log.String(), "expired tuples were not deleted"); n != 1 {
			t.Errorf("%d warnings: %s", n, log.String())
		}
	})
}
