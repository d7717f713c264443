package api

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// freshness bounds how stale an answer may be that minimizes latency: by how
// long ago this replica heard from a leader.
//
// That is asked of the log once for a bound's length of time, not once for a
// call: whoever was heard from at an instant is fresh until a bound later,
// whatever comes. Only a stale replica asks the log again and again.
type freshness struct {
	log   Log
	bound time.Duration
	begun time.Time
	until atomic.Int64 // nanoseconds after begun
}

// check refuses if the replica is stale. It reports whether a leader was ever
// heard from since the start.
func (f *freshness) check() (heard bool, err error) {
	now := time.Since(f.begun)
	if int64(now) < f.until.Load() {
		return true, nil
	}
	contact := f.log.LastContact()
	if contact.IsZero() {
		return false, nil
	}
	until := contact.Sub(f.begun) + f.bound
	f.until.Store(int64(until))
	if now < until {
		return true, nil
	}
	return true, &Error{
		Reason: tupelov1.ErrorReason_ERROR_REASON_STALE_REPLICA,
		Message: fmt.Sprintf("this replica has not heard from a leader for %s, and answers that minimize latency may be %s old at most; "+
			"ask another replica, or this one for a revision that it has", (now - until + f.bound).Round(time.Millisecond), f.bound),
	}
}
