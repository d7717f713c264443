package main

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// timeout(1) sends its signal to the process and to its group, one right after the
// other. What is being taken away then must not be left half there.
func TestASignalsEchoDoesNotEndTheProcessAtOnce(t *testing.T) {
	for _, test := range []struct {
		pauses []time.Duration // before each further signal
		atOnce bool
	}{
		{nil, false},
		{[]time.Duration{0}, false},
		{[]time.Duration{0, time.Millisecond}, false},
		{[]time.Duration{oneWish}, true},
		{[]time.Duration{0, time.Hour}, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			signals := make(chan os.Signal)
			orderly, atOnce := 0, 0
			go heed(signals, func() { orderly++ }, func() { atOnce++ })
			signals <- syscall.SIGTERM
			for _, pause := range test.pauses {
				time.Sleep(pause)
				signals <- syscall.SIGTERM
			}
			synctest.Wait()
			if orderly != 1 || (atOnce == 1) != test.atOnce {
				t.Errorf("after pauses of %v it was asked to end %d times, and at once %d times", test.pauses, orderly, atOnce)
			}
			if !test.atOnce {
				close(signals)
			}
		})
	}
}

func TestThatAServerStopsIsToldBeforeThatItHasStopped(t *testing.T) {
	for _, ends := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx, end := context.WithCancel(t.Context())
			defer end()
			told := false
			wait := tellAtEnd(ctx, func() {
				time.Sleep(time.Second)
				told = true
			})
			if ends {
				end()
			}
			wait()
			if told != ends {
				t.Errorf("ended %v, and told %v", ends, told)
			}
		})
	}
}
