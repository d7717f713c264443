package api

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
)

// newFollower returns a log as a replica sees it that has applied nothing yet
// of what the leader has.
func newFollower(t testing.TB, leader *testLog) *testLog {
	return &testLog{commands: leader.commands, leader: leader.leader, follower: openStore(t), moved: make(chan struct{})}
}

// cluster is a leader's history, and a replica that lags behind it.
type cluster struct {
	*testLog
	replica *Server
	// Revisions of the history.
	schema, granted, revoked uint64
}

// newCluster makes a history in which alice gets a role and loses it again, and
// a replica that has applied none of it but the cluster's name.
func newCluster(t testing.TB, change func(*Options)) *cluster {
	t.Helper()
	w := newWorld(t, gitclub)
	c := &cluster{schema: w.log.last()}
	w.touch(t, aliceOwns)
	c.granted = w.log.last()
	if _, err := w.client.Write(w.ctx, updates(t, tupelov1.Update_OPERATION_DELETE, aliceOwns)); err != nil {
		t.Fatal(err)
	}
	c.revoked = w.log.last()
	c.testLog = newFollower(t, w.log)
	c.release(t, 1)
	c.replica = newTestServer(t, c.testLog, change)
	return c
}

func (c *cluster) ask(ctx context.Context, t testing.TB, how *tupelov1.Consistency) (*tupelov1.CheckResponse, error) {
	return c.replica.Check(ctx, checkRequest(t, how, alicePushes))
}

// TestEachConsistencyReadsItsRevision is the table of DESIGN section 6 on a
// replica that lags.
func TestEachConsistencyReadsItsRevision(t *testing.T) {
	const yes, no = tupelov1.Result_RESULT_YES, tupelov1.Result_RESULT_NO
	for _, c := range []struct {
		name    string
		applied func(*cluster) uint64 // where the replica is when it is asked
		ask     func(*cluster) *tupelov1.Consistency
		waits   bool // for the replica to get to `reaches`
		reaches func(*cluster) uint64
		want    tupelov1.Result
		at      func(*cluster) uint64 // the answer's revision
	}{
		{
			name: "by default the newest here", applied: (*cluster).atGranted,
			ask:  func(*cluster) *tupelov1.Consistency { return nil },
			want: yes, at: (*cluster).atGranted,
		},
		{
			name: "minimize latency: the newest here", applied: (*cluster).atGranted,
			ask:  func(*cluster) *tupelov1.Consistency { return minimizeLatency() },
			want: yes, at: (*cluster).atGranted,
		},
		{
			name: "at least what is here: the newest here, at once", applied: (*cluster).atRevoked,
			ask:  func(c *cluster) *tupelov1.Consistency { return atLeast(here.zookie(c.granted)) },
			want: no, at: (*cluster).atRevoked,
		},
		{
			name: "at least what is not here yet: after a wait", applied: (*cluster).atGranted,
			ask:   func(c *cluster) *tupelov1.Consistency { return atLeast(here.zookie(c.revoked)) },
			waits: true, reaches: (*cluster).atRevoked,
			want: no, at: (*cluster).atRevoked,
		},
		{
			name: "at least: the schema is waited for too", applied: func(*cluster) uint64 { return 1 },
			ask:   func(c *cluster) *tupelov1.Consistency { return atLeast(here.zookie(c.granted)) },
			waits: true, reaches: (*cluster).atGranted,
			want: yes, at: (*cluster).atGranted,
		},
		{
			name: "exactly a revision of the past", applied: (*cluster).atRevoked,
			ask:  func(c *cluster) *tupelov1.Consistency { return exactly(here.zookie(c.granted)) },
			want: yes, at: (*cluster).atGranted,
		},
		{
			name: "exactly a revision that is not here yet", applied: (*cluster).atSchema,
			ask:   func(c *cluster) *tupelov1.Consistency { return exactly(here.zookie(c.granted)) },
			waits: true, reaches: (*cluster).atRevoked,
			want: yes, at: (*cluster).atGranted,
		},
		{
			name: "fully consistent: everything acknowledged", applied: (*cluster).atGranted,
			ask:   func(*cluster) *tupelov1.Consistency { return fully() },
			waits: true, reaches: (*cluster).atRevoked,
			want: no, at: (*cluster).atRevoked,
		},
		{
			name: "fully consistent where all is here", applied: (*cluster).atRevoked,
			ask:  func(*cluster) *tupelov1.Consistency { return fully() },
			want: no, at: (*cluster).atRevoked,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl := newCluster(t, nil)
				cl.release(t, c.applied(cl))
				type answer struct {
					response *tupelov1.CheckResponse
					err      error
				}
				answered := make(chan answer, 1)
				go func() {
					response, err := cl.ask(t.Context(), t, c.ask(cl))
					answered <- answer{response, err}
				}()
				synctest.Wait()
				if got := len(answered) == 0; got != c.waits {
					t.Fatalf("it waits: %t", got)
				}
				if c.waits {
					cl.release(t, c.reaches(cl))
				}
				a := <-answered
				if a.err != nil {
					t.Fatal(a.err)
				}
				if a.response.Result != c.want {
					t.Errorf("%v, want %v", a.response.Result, c.want)
				}
				if want := here.zookie(c.at(cl)); a.response.Zookie != want {
					t.Errorf("the zookie is %s, want that of revision %d, %s", a.response.Zookie, c.at(cl), want)
				}
			})
		})
	}
}

func (c *cluster) atSchema() uint64  { return c.schema }
func (c *cluster) atGranted() uint64 { return c.granted }
func (c *cluster) atRevoked() uint64 { return c.revoked }

func TestOnlyWhatNeedsTheLogAsksIt(t *testing.T) {
	c := newCluster(t, nil)
	c.release(t, c.revoked)
	for _, how := range []*tupelov1.Consistency{
		nil, minimizeLatency(), atLeast(here.zookie(c.granted)), exactly(here.zookie(c.granted)),
	} {
		if _, err := c.ask(t.Context(), t, how); err != nil {
			t.Fatal(err)
		}
	}
	if waits, indexes := c.calls(); waits != 0 || indexes != 0 {
		t.Errorf("%d waits and %d read indexes for what is here", waits, indexes)
	}
	if _, err := c.ask(t.Context(), t, fully()); err != nil {
		t.Fatal(err)
	}
	if _, indexes := c.calls(); indexes != 1 {
		t.Errorf("%d read indexes for a fully consistent read", indexes)
	}
}

// Never an older answer: an error, once the server has waited long enough.
func TestARevisionThatDoesNotComeIsAnErrorNotAStaleAnswer(t *testing.T) {
	for name, how := range map[string]func(*cluster) *tupelov1.Consistency{
		"at least": func(c *cluster) *tupelov1.Consistency { return atLeast(here.zookie(c.revoked)) },
		"exact":    func(c *cluster) *tupelov1.Consistency { return exactly(here.zookie(c.revoked)) },
		"fully":    func(*cluster) *tupelov1.Consistency { return fully() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCluster(t, func(o *Options) { o.WaitLimit = 7 * time.Second })
				c.release(t, c.granted)
				patient, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				begun := time.Now()
				_, err := c.ask(patient, t, how(c))
				got := seen(t, statusOf(err).Err())
				if got.code != "Unavailable" || got.reason != "ERROR_REASON_REVISION_NOT_REACHED" {
					t.Errorf("%+v", got)
				}
				if waited := time.Since(begun); waited != 7*time.Second {
					t.Errorf("it waited for %s", waited)
				}

				hasty, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				_, err = c.ask(hasty, t, how(c))
				if got := seen(t, statusOf(err).Err()); got.code != "DeadlineExceeded" {
					t.Errorf("with a deadline of its own: %+v", got)
				}
			})
		})
	}
}

func TestWithoutALeaderOnlyLocalReadsAreAnswered(t *testing.T) {
	c := newCluster(t, nil)
	c.release(t, c.granted)
	c.failWith(logError("no-leader"))
	if _, err := c.ask(t.Context(), t, nil); err != nil {
		t.Errorf("a local read: %v", err)
	}
	if _, err := c.ask(t.Context(), t, atLeast(here.zookie(c.granted))); err != nil {
		t.Errorf("a read of what is here: %v", err)
	}
	for _, how := range []*tupelov1.Consistency{fully(), atLeast(here.zookie(c.revoked))} {
		_, err := c.ask(t.Context(), t, how)
		if got := seen(t, statusOf(err).Err()); got.code != "Unavailable" || got.reason != "ERROR_REASON_NO_LEADER" {
			t.Errorf("%v: %+v", how, got)
		}
	}
}

func TestARevisionBelowTheHorizonNamesTheHorizon(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	w.log.propose(t, store.Upgrade{Format: store.MaxFormat})
	if _, err := w.client.RegisterCounter(w.ctx, registerOwners("")); err != nil {
		t.Fatal(err)
	}
	past := w.log.last()
	w.touch(t, "repository:club#owner@user:bob")
	horizon := w.log.last()
	w.log.propose(t, store.AdvanceHorizon{UnixMillis: 2, Revision: horizon})

	for rpc, request := range everyRead(t, exactly(here.zookie(past))) {
		err := w.call(w.ctx, request)
		got := seen(t, err)
		if got.code != "OutOfRange" || got.reason != "ERROR_REASON_REVISION_EXPIRED" {
			t.Errorf("%s: %+v", rpc, got)
		}
		for _, detail := range got.status.Details() {
			if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Metadata["horizon"] != here.zookie(horizon) {
				t.Errorf("%s: the horizon is given as %q", rpc, info.Metadata["horizon"])
			}
		}
	}
	for rpc, request := range everyRead(t, exactly(here.zookie(horizon))) {
		if err := w.call(w.ctx, request); err != nil {
			t.Errorf("%s at the horizon: %v", rpc, err)
		}
	}
}

// The stale read that zookies prevent, made by leaving their check out. Were it
// not seen here, the other tests of this file would prove little.
func TestWithoutTheZookieCheckTheRevokedRoleIsSeen(t *testing.T) {
	c := newCluster(t, nil)
	c.release(t, c.granted)
	c.replica.ignoreZookies = true
	response, err := c.ask(t.Context(), t, atLeast(here.zookie(c.revoked)))
	if err != nil {
		t.Fatal(err)
	}
	if response.Result != tupelov1.Result_RESULT_YES {
		t.Errorf("%v: the replica is not behind, so the test shows nothing", response.Result)
	}
}

// A1: an answer at a past revision is by the schema of that revision.
func TestAPastRevisionIsReadByItsOwnSchema(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:club#reader@user:carol")
	before := w.log.last()
	w.writeSchema(t, strings.Replace(gitclub, "permission push = owner + maintainer", "permission push = owner + maintainer + reader", 1))

	const question = "repository:club#push@user:carol"
	if got := w.check(t, nil, question); got.Result != tupelov1.Result_RESULT_YES {
		t.Errorf("by the new schema: %v", got.Result)
	}
	if got := w.check(t, exactly(here.zookie(before)), question); got.Result != tupelov1.Result_RESULT_NO {
		t.Errorf("by the schema of then: %v", got.Result)
	}
	read, err := w.client.ReadSchema(w.ctx, &tupelov1.ReadSchemaRequest{Consistency: exactly(here.zookie(before))})
	if err != nil {
		t.Fatal(err)
	}
	if read.Text != gitclub || read.WrittenAt != here.zookie(2) || read.Zookie != here.zookie(before) {
		t.Errorf("the schema of then: %v", read)
	}
}
