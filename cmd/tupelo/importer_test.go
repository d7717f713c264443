package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// fakeServer takes writes and answers them as a test says.
type fakeServer struct {
	tupelov1.TupeloClient
	answer func(attempt int) error

	mu       sync.Mutex
	attempts int
	under    int // way
	most     int
	sizes    []int
	stored   map[string]bool
}

func (f *fakeServer) Write(ctx context.Context, r *tupelov1.WriteRequest, _ ...grpc.CallOption) (*tupelov1.WriteResponse, error) {
	f.begin(len(r.Updates))
	time.Sleep(time.Millisecond) // of the test's own time: the others get to begin
	f.mu.Lock()
	defer f.mu.Unlock()
	f.under--
	f.attempts++
	if err := f.answer(f.attempts); err != nil {
		return nil, err
	}
	for _, u := range r.Updates {
		f.stored[tupleText(u.Tuple)] = true
	}
	return &tupelov1.WriteResponse{Zookie: "zookie"}, ctx.Err()
}

func (f *fakeServer) begin(size int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.under++
	f.most = max(f.most, f.under)
	f.sizes = append(f.sizes, size)
}

func newFakeImport(answer func(attempt int) error) (*importer, *fakeServer) {
	server := &fakeServer{answer: answer, stored: map[string]bool{}}
	return &importer{
		terminal: &terminal{out: bufio.NewWriter(&bytes.Buffer{}), diag: &bytes.Buffer{}},
		client:   &client{TupeloClient: server},
		inFlight: 4,
	}, server
}

func manyTuples(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "team:t%d#member@user:u%d\n", i%7, i)
	}
	return b.String()
}

func failWith(code codes.Code, reason tupelov1.ErrorReason, details ...string) error {
	st := status.New(code, "as the test says")
	if reason == 0 {
		return st.Err()
	}
	info := &errdetails.ErrorInfo{Reason: reason.String(), Domain: "tupelo"}
	request := &errdetails.BadRequest{}
	for _, field := range details {
		request.FieldViolations = append(request.FieldViolations, &errdetails.BadRequest_FieldViolation{Field: field})
	}
	detailed, err := st.WithDetails(info, request)
	if err != nil {
		panic(err)
	}
	return detailed.Err()
}

func TestImportSendsFullBatchesSeveralAtATimeAndNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, server := newFakeImport(func(int) error { return nil })
		if err := i.tuples(t.Context(), tupleLines(strings.NewReader(manyTuples(10_500))), "file"); err != nil {
			t.Fatal(err)
		}
		if i.imported.Load() != 10_500 || len(server.stored) != 10_500 {
			t.Errorf("%d are counted and %d stored", i.imported.Load(), len(server.stored))
		}
		if server.most != 4 || len(server.sizes) != 11 {
			t.Errorf("%d batches of the sizes %d, %d at a time", len(server.sizes), server.sizes, server.most)
		}
	})
}

func TestImportTriesAgainWhatMayPass(t *testing.T) {
	for _, passing := range []error{
		failWith(codes.Unavailable, tupelov1.ErrorReason_ERROR_REASON_NO_LEADER),
		failWith(codes.Unavailable, 0),
		failWith(codes.Unknown, tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN),
		failWith(codes.ResourceExhausted, tupelov1.ErrorReason_ERROR_REASON_OVERLOADED),
		failWith(codes.Aborted, tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED),
		failWith(codes.DeadlineExceeded, 0),
	} {
		synctest.Test(t, func(t *testing.T) {
			i, server := newFakeImport(func(attempt int) error {
				if attempt < 5 {
					return passing
				}
				return nil
			})
			if err := i.tuples(t.Context(), tupleLines(strings.NewReader(manyTuples(10))), "file"); err != nil {
				t.Errorf("after %v: %v", passing, err)
			}
			if i.imported.Load() != 10 || len(server.stored) != 10 || server.attempts != 5 {
				t.Errorf("%d are counted and %d stored in %d attempts", i.imported.Load(), len(server.stored), server.attempts)
			}
		})
	}
}

func TestImportGivesUpOnWhatDoesNotPass(t *testing.T) {
	for _, test := range []struct {
		err      error
		attempts int
	}{
		{failWith(codes.Unavailable, tupelov1.ErrorReason_ERROR_REASON_NO_LEADER), maxAttempts},
		{failWith(codes.FailedPrecondition, tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_TYPE), 1},
		{failWith(codes.Unauthenticated, tupelov1.ErrorReason_ERROR_REASON_UNAUTHENTICATED), 1},
		{failWith(codes.Unknown, 0), 1},
		{failWith(codes.ResourceExhausted, tupelov1.ErrorReason_ERROR_REASON_TOO_LARGE), 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			i, server := newFakeImport(func(int) error { return test.err })
			err := i.tuples(t.Context(), tupleLines(strings.NewReader(manyTuples(10))), "file")
			if !errors.Is(err, test.err) || server.attempts != test.attempts || i.imported.Load() != 0 {
				t.Errorf("%v after %d attempts, want %v after %d", err, server.attempts, test.err, test.attempts)
			}
		})
	}
}

func TestImportStopsSendingAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, server := newFakeImport(func(attempt int) error {
			if attempt == 2 {
				return failWith(codes.FailedPrecondition, tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_TYPE, "updates[3].tuple.object.type")
			}
			return nil
		})
		i.inFlight = 1
		err := i.tuples(t.Context(), tupleLines(strings.NewReader("// a comment\n\n"+manyTuples(50_000))), "file")
		var at situated
		if !errors.As(err, &at) || at.place != "file:1006" { // 2 without a tuple, 1,000 sent, the fourth
			t.Errorf("the error is %v", err)
		}
		// The one that was waiting for its turn may still have been sent.
		if server.attempts > 3 {
			t.Errorf("%d batches were sent", server.attempts)
		}
	})
}

func TestImportNamesTheLinesOfABatchThatFailsAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newFakeImport(func(int) error { return failWith(codes.Internal, tupelov1.ErrorReason_ERROR_REASON_INTERNAL) })
		err := i.tuples(t.Context(), tupleLines(strings.NewReader("\n"+manyTuples(5))), "file")
		if err == nil || !strings.HasPrefix(err.Error(), "file, lines 2 to 6: ") {
			t.Errorf("the error is %v", err)
		}
	})
}

func TestImportEndsWhenItIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, server := newFakeImport(func(int) error { return failWith(codes.Unavailable, 0) })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := i.tuples(ctx, tupleLines(strings.NewReader(manyTuples(50_000))), "file")
		if !errors.Is(err, context.Canceled) || server.attempts == 0 {
			t.Errorf("%v after %d attempts", err, server.attempts)
		}
	})
}

func TestImportInterruptedBeforeItSendsIsNotDone(t *testing.T) {
	i, server := newFakeImport(func(int) error { return nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := i.tuples(ctx, tupleLines(strings.NewReader(manyTuples(5))), "file"); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if server.attempts != 0 {
		t.Errorf("%d batches were sent", server.attempts)
	}
}

func TestBadLinesAreToldOfUpToALimitAndNothingAfterThemIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, server := newFakeImport(func(int) error { return nil })
		text := manyTuples(999) + strings.Repeat("rubbish\n", 25) + manyTuples(3000)
		err := i.tuples(t.Context(), tupleLines(strings.NewReader(text)), "file")
		if err == nil || !strings.Contains(err.Error(), "25 lines cannot be read") ||
			!strings.Contains(err.Error(), "file:1000: ") || !strings.HasSuffix(err.Error(), "and 15 more") {
			t.Errorf("the error is %v", err)
		}
		if server.attempts != 0 {
			t.Errorf("%d batches were sent", server.attempts)
		}
	})
}

func TestALineThatIsTooLongIsRefusedByItsNumber(t *testing.T) {
	i, _ := newFakeImport(func(int) error { return nil })
	text := "team:core#member@user:alice\n" + strings.Repeat("a", maxLineBytes+1) + "\n"
	err := i.tuples(t.Context(), tupleLines(strings.NewReader(text)), "file")
	if err == nil || !strings.Contains(err.Error(), "file:2: the line has more than 262144 bytes") {
		t.Errorf("the error is %v", err)
	}
}

func TestProgressIsShownToWhoWatchesAndTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, _ := newFakeImport(nil)
		i.terminal.tty = true
		stop := i.showProgress("imported")
		i.imported.Store(3000)
		time.Sleep(500 * time.Millisecond)
		stop()
		const erase = "\r\x1b[K"
		want := erase + "3000 tuples imported, 15000 tuples/s" + erase + "3000 tuples imported, 7500 tuples/s" + erase
		if got := i.terminal.diag.(*bytes.Buffer).String(); got != want {
			t.Errorf("shown was %q, want %q", got, want)
		}
	})
}

func TestProgressIsNotShownToAFileOrInJSON(t *testing.T) {
	for _, shown := range []terminal{{}, {tty: true, json: true}, {tty: true, quiet: true}} {
		synctest.Test(t, func(t *testing.T) {
			i, _ := newFakeImport(nil)
			shown.diag = &bytes.Buffer{}
			i.terminal = &shown
			stop := i.showProgress("imported")
			time.Sleep(time.Second)
			stop()
			if got := shown.diag.(*bytes.Buffer).String(); got != "" {
				t.Errorf("shown was %q", got)
			}
		})
	}
}

func TestProgressIsCountedBySecond(t *testing.T) {
	if got := progressText("imported", 120_000, 4*time.Second); got != "120000 tuples imported, 30000 tuples/s" {
		t.Error(got)
	}
	if got := progressText("imported", 0, 0); got != "0 tuples imported, 0 tuples/s" {
		t.Error(got)
	}
}

func TestABatchIsSentBeforeItsContextsGrowTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, server := newFakeImport(func(int) error { return nil })
		var text strings.Builder
		for n := range 300 {
			fmt.Fprintf(&text, "team:core#member@user:u%d[words:{\"words\":\"%s\"}]\n", n, strings.Repeat("x", 20_000))
		}
		if err := i.tuples(t.Context(), tupleLines(strings.NewReader(text.String())), "file"); err != nil {
			t.Fatal(err)
		}
		if len(server.stored) != 300 || slices.Max(server.sizes) > 60 || len(server.sizes) > 7 {
			t.Errorf("%d tuples in batches of the sizes %d", len(server.stored), server.sizes)
		}
	})
}

func TestATupleThatCarriesTwoThingsInOneBatchIsRefusedWithItsLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i, server := newFakeImport(func(int) error { return nil })
		const text = "team:core#member@user:a[day]\n\nteam:core#member@user:a[day]\nteam:core#member@user:a\n"
		err := i.tuples(t.Context(), tupleLines(strings.NewReader(text)), "file")
		if err == nil || !strings.Contains(err.Error(), "file:4: team:core#member@user:a is on line 1 too, with another caveat or expiration") {
			t.Errorf("the error is %v", err)
		}
		if server.attempts != 0 {
			t.Errorf("%d batches were sent", server.attempts)
		}
	})
}
