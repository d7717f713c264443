package api

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// The bound counts from the last contact, to the instant, however often it was
// asked before.
func TestAReplicaThatIsCutOffAnswersForTheBoundAndNoLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(o *Options) { o.MaxStaleness = 3 * time.Second })
		c.release(t, c.granted)
		ask := func(how *tupelov1.Consistency) string {
			_, err := c.ask(t.Context(), t, how)
			if err == nil {
				return "answered"
			}
			got := seen(t, statusOf(err).Err())
			return got.code + " " + got.reason
		}
		time.Sleep(time.Hour)
		if got := ask(nil); got != "answered" {
			t.Fatalf("with a leader: %s", got)
		}
		time.Sleep(time.Second)
		c.hear(false, time.Now()) // the last word
		for _, asked := range []time.Duration{0, time.Second, 3*time.Second - 1} {
			time.Sleep(time.Until(c.silent.Add(asked)))
			if got := ask(nil); got != "answered" {
				t.Errorf("after %s: %s", asked, got)
			}
		}
		const stale = "Unavailable ERROR_REASON_STALE_REPLICA"
		for _, asked := range []time.Duration{3 * time.Second, time.Hour} {
			time.Sleep(time.Until(c.silent.Add(asked)))
			for _, how := range []*tupelov1.Consistency{nil, minimizeLatency()} {
				if got := ask(how); got != stale {
					t.Errorf("after %s: %s", asked, got)
				}
			}
			for _, how := range []*tupelov1.Consistency{atLeast(here.zookie(c.granted)), exactly(here.zookie(c.granted))} {
				if got := ask(how); got != "answered" {
					t.Errorf("%v, of what is here, after %s: %s", how, asked, got)
				}
			}
		}
		c.hear(false, time.Time{})
		if got := ask(nil); got != "answered" {
			t.Errorf("in touch again: %s", got)
		}
	})
}

// A node that has just started knows no age of what it has. It finds out, as it
// finds out the cluster's name.
func TestAReplicaThatNeverHeardOfALeaderAsksBeforeItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil)
		c.release(t, c.granted)
		c.hear(true, time.Time{})
		answered := make(chan *tupelov1.CheckResponse, 1)
		go func() {
			response, err := c.ask(t.Context(), t, nil)
			if err != nil {
				t.Error(err)
			}
			answered <- response
		}()
		synctest.Wait()
		if len(answered) > 0 {
			t.Error("it answers without having asked")
		}
		c.release(t, c.revoked)
		if got := <-answered; got.GetResult() != tupelov1.Result_RESULT_NO {
			t.Errorf("%v", got)
		}
		c.failWith(logError("no-leader"))
		_, err := c.ask(t.Context(), t, nil)
		if got := seen(t, statusOf(err).Err()); got.reason != "ERROR_REASON_NO_LEADER" {
			t.Errorf("without a leader: %+v", got)
		}
	})
}

// What every call would pay is one look at a number.
func TestTheLogIsAskedForItsContactOncePerBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, nil)
		c.release(t, c.granted)
		time.Sleep(time.Second)
		for range 1000 {
			if _, err := c.ask(t.Context(), t, nil); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		if c.contacts > 3 {
			t.Errorf("the log is asked %d times in ten seconds", c.contacts)
		}
	})
}

// A zookie of a history that was lost need not be waited for; one that this
// replica lacks is.
func TestTheLeaderIsAskedAboutAZookieThatDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, func(o *Options) { o.WaitLimit = 7 * time.Second })
		c.release(t, c.granted)
		begun := time.Now()
		_, err := c.ask(t.Context(), t, atLeast(here.zookie(c.revoked)))
		got := seen(t, statusOf(err).Err())
		if got.reason != "ERROR_REASON_REVISION_NOT_REACHED" || !strings.Contains(got.message, "revision 4 is asked for, this replica has 3, the leader 4") {
			t.Errorf("behind: %+v", got)
		}
		if waited := time.Since(begun); waited != 7*time.Second {
			t.Errorf("behind: it waited for %s", waited)
		}

		beyond := &longerLog{c.testLog}
		c.replica.log = beyond
		begun = time.Now()
		_, err = c.ask(t.Context(), t, exactly(here.zookie(c.revoked+1)))
		got = seen(t, statusOf(err).Err())
		if got.code != "OutOfRange" || got.reason != "ERROR_REASON_REVISION_UNKNOWN" || !strings.Contains(got.message, "the leader 4") {
			t.Errorf("beyond: %+v", got)
		}
		if waited := time.Since(begun); waited != askLeaderAfter {
			t.Errorf("beyond: it waited for %s", waited)
		}

		c.replica.log = mutedLog{beyond}
		_, err = c.ask(t.Context(), t, atLeast(here.zookie(c.revoked)))
		got = seen(t, statusOf(err).Err())
		if got.reason != "ERROR_REASON_REVISION_NOT_REACHED" || !strings.Contains(got.message, "no leader was reached") {
			t.Errorf("cut off: %+v", got)
		}
	})
}

// longerLog is a follower's, which cannot tell an index that will come from one
// that will not.
type longerLog struct{ *testLog }

func (l *longerLog) Wait(ctx context.Context, index uint64) error {
	if index > l.last() {
		<-ctx.Done()
		return ctx.Err()
	}
	return l.testLog.Wait(ctx, index)
}

// mutedLog reaches no leader.
type mutedLog struct{ Log }

func (mutedLog) ReadIndex(ctx context.Context) (uint64, error) {
	<-ctx.Done()
	return 0, logError("no-leader")
}
