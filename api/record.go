package api

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxRecordedBytes bounds what the recorded checks take: ids and contexts are
// the clients' to choose.
const maxRecordedBytes = 64 << 20

// recorder keeps a random sample of the checks that were answered since the
// server began, in memory: each of them is in it with the same probability, but
// for those that are too long once the bytes are used up. A nil recorder keeps
// nothing.
//
// The sample is a reservoir in the manner of Li's algorithm L, which draws how
// many checks to pass over rather than a number for each. A check that is passed
// over, which soon is nearly every one, costs an addition and a comparison;
// one that is kept is copied, as its message.
type recorder struct {
	seen atomic.Int64 // checks answered
	next atomic.Int64 // the next one to keep

	mu       sync.Mutex
	rng      *rand.Rand
	sample   [][]byte // messages of BatchCheckItem
	capacity int      // grows no more, and ends where the bytes do
	left     int      // bytes
	leftOut  int64    // checks that there was no room for
	w        float64  // algorithm L's W
}

// newRecorder returns a recorder of up to n checks in a number of bytes.
func newRecorder(n, limitBytes int, rng *rand.Rand) *recorder {
	if n <= 0 {
		return nil
	}
	r := &recorder{rng: rng, capacity: n, left: limitBytes, w: 1}
	r.next.Store(1)
	return r
}

// check takes note of a check that was answered.
func (r *recorder) check(c *tupelov1.CheckRequest) {
	if r != nil && r.wants() {
		r.keep(&tupelov1.BatchCheckItem{Object: c.Object, Relation: c.Relation, Subject: c.Subject, Context: c.Context})
	}
}

// batch takes note of those of a batch's checks that were answered.
func (r *recorder) batch(items []*tupelov1.BatchCheckItem, results []*tupelov1.BatchCheckResult) {
	if r == nil {
		return
	}
	for i, item := range items {
		if results[i].Error == nil && r.wants() {
			r.keep(item)
		}
	}
}

// wants counts a check and reports whether it is to be kept.
func (r *recorder) wants() bool { return r.seen.Add(1) >= r.next.Load() }

func (r *recorder) keep(item *tupelov1.BatchCheckItem) {
	message, err := proto.MarshalOptions{Deterministic: true}.Marshal(item)
	if err != nil {
		return // of a text that is not UTF-8, which no client could send
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Others may have been as quick: each kept check moves next once.
	if len(r.sample) == r.capacity && r.seen.Load() < r.next.Load() {
		return
	}
	r.place(message)
	if len(r.sample) < r.capacity {
		r.next.Add(1)
		return
	}
	if r.capacity > 0 {
		r.skip()
	}
}

// place puts a message into the sample, in a place of its own as long as there
// is room.
func (r *recorder) place(message []byte) {
	if len(r.sample) < r.capacity {
		if len(message) <= r.left {
			r.sample = append(r.sample, message)
			r.left -= len(message)
			return
		}
		r.capacity = len(r.sample)
	}
	if r.capacity == 0 {
		r.leftOut++
		r.next.Store(math.MaxInt64)
		return
	}
	at := r.rng.IntN(len(r.sample))
	if room := r.left + len(r.sample[at]); len(message) > room {
		r.leftOut++
		return
	}
	r.left += len(r.sample[at]) - len(message)
	r.sample[at] = message
}

// skip draws the next check to keep.
func (r *recorder) skip() {
	r.w *= math.Exp(math.Log(r.positive()) / float64(r.capacity))
	over := math.Floor(math.Log(r.positive()) / math.Log1p(-r.w))
	over = math.Min(over, 1<<53) // it is infinite once w is so small that it counts as 0
	r.next.Store(r.seen.Load() + int64(over) + 1)
}

// positive returns a random number above 0 and below 1.
func (r *recorder) positive() float64 {
	for {
		if x := r.rng.Float64(); x > 0 {
			return x
		}
	}
}

// keptChecks is what a recorder has at one moment.
type keptChecks struct {
	checks        []comparedCheck // different ones
	count         int64           // of all
	seen, leftOut int64
}

// kept returns the sample.
func (r *recorder) kept() keptChecks {
	r.mu.Lock()
	sample := slices.Clone(r.sample)
	now := keptChecks{count: int64(len(sample)), seen: r.seen.Load(), leftOut: r.leftOut}
	r.mu.Unlock()
	slices.SortFunc(sample, bytes.Compare)
	for i, message := range sample {
		if i > 0 && bytes.Equal(message, sample[i-1]) {
			now.checks[len(now.checks)-1].times++
			continue
		}
		now.checks = append(now.checks, comparedCheck{message: message, times: 1})
	}
	return now
}
