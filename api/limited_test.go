package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestALimitedContextEndsWithItsCallOrItsLimit(t *testing.T) {
	for _, asked := range []bool{false, true} { // whether somebody asks for Done before
		for _, c := range []struct {
			name        string
			call, limit time.Duration
			cancelled   bool
			want        error
		}{
			{"limit", 3 * time.Second, time.Second, false, context.DeadlineExceeded},
			{"call's deadline", time.Second, 3 * time.Second, false, context.DeadlineExceeded},
			{"cancelled", 3 * time.Second, 3 * time.Second, true, context.Canceled},
		} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), c.call)
					defer cancel()
					limited := withLimit(ctx, c.limit)
					defer limited.end()
					if at, ok := limited.Deadline(); !ok || time.Until(at) != min(c.call, c.limit) {
						t.Errorf("the deadline is %s away, %t", time.Until(at), ok)
					}
					if asked {
						limited.Done()
					}
					time.Sleep(time.Second - 1)
					if err := limited.Err(); err != nil || asked && isOver(limited) {
						t.Fatal("it has ended before its time: ", err)
					}
					if c.cancelled {
						cancel()
					}
					time.Sleep(time.Nanosecond)
					synctest.Wait()
					if err := limited.Err(); !errors.Is(err, c.want) || !isOver(limited) {
						t.Errorf("it ended with %v, want %v", err, c.want)
					}
				})
			})
		}
	}
}

// isOver looks at Done, and so asks for it.
func isOver(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	default:
		return false
	}
}

func TestAContextDerivedFromALimitedOneEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		limited := withLimit(ctx, time.Second)
		defer limited.end()
		derived, end := context.WithTimeout(limited, time.Hour)
		defer end()
		time.Sleep(time.Second)
		synctest.Wait()
		if !errors.Is(derived.Err(), context.DeadlineExceeded) {
			t.Error("it goes on: ", derived.Err())
		}
	})
}

func TestALimitThatNobodyWaitsForIsOneAllocation(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not those of the program under the race detector")
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	allocations := testing.AllocsPerRun(100, func() {
		limited := withLimit(ctx, time.Second)
		defer limited.end()
		if limited.Err() != nil {
			t.Error(limited.Err())
		}
	})
	if allocations > 1 {
		t.Errorf("%.0f allocations", allocations)
	}
}
