package history

import (
	"fmt"
	"sync"
	"time"
)

// Recorder keeps the history of a run. Its methods may be called from any
// goroutine.
type Recorder struct {
	begun  time.Time
	mu     sync.Mutex
	events []Event
}

// NewRecorder returns a recorder whose history begins now.
func NewRecorder() *Recorder { return &Recorder{begun: time.Now()} }

// Now is the time of the history.
func (r *Recorder) Now() int64 { return int64(time.Since(r.begun)) }

// Add notes an event. One that is not a call happens now.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Call == 0 {
		e.Call = r.Now()
		e.Return = e.Call
	}
	r.events = append(r.events, e)
}

// Failure notes what must not be.
func (r *Recorder) Failure(format string, args ...any) {
	r.Add(Event{Kind: KindFailure, Text: fmt.Sprintf(format, args...)})
}

// Fault notes that something was broken or mended.
func (r *Recorder) Fault(format string, args ...any) {
	r.Add(Event{Kind: KindFault, Text: fmt.Sprintf(format, args...)})
}

// Events returns what was noted.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}
