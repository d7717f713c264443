package api

import (
	"context"
	"runtime"
	runtimemetrics "runtime/metrics"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// admission bounds how many calls are under way, so that a server which is offered
// more than it can do goes on answering what it can, within a bounded time, and says
// at once to the others to come again.
//
//	a call's headers ── full? ──> refused: nothing of it was read, no goroutine begun
//	        │
//	the call itself ─── full? ──> refused
//	        │
//	     handled
//
// Full is a limit that follows what the processor can do. Every tick it is lowered
// if goroutines that could run had to wait too long for their turn, and raised if they
// had not. That wait is what an overload is made of, whatever calls cost: a thousand
// small ones are no overload where they are through in a moment, and a hundred large
// ones may be. Calls that wait for something else, a disk or a leader, do not add to
// it, and are bounded by the highest limit alone.
//
// Calls pile up before they are begun, while their goroutines wait for a turn, so in
// an overload they are counted from their headers on. To count them so always would
// cost each call a goroutine at its end.
type admission struct {
	limit    atomic.Int64
	underWay atomic.Int64 // begun
	arrived  atomic.Int64 // begun or not, of those that came in an overload
	leaves   func()       // arrived loses one
	refused  atomic.Uint64
	highest  int64
	lowest   int64
	counted  map[string]bool // methods, by full name
	refusal  error
	turns    turns // of the goroutine that follows
}

const (
	// admissionEvery is the pause between two looks at the processor.
	admissionEvery = 100 * time.Millisecond
	// longTurn is how long nine of ten goroutines may wait for their turn before
	// calls are refused.
	longTurn = 50 * time.Millisecond
	// callsPerProcessor is what is let in even then.
	callsPerProcessor = 32
)

// newAdmission returns one that lets in at most so many calls, and refuses none yet.
func newAdmission(highest int) *admission {
	a := &admission{
		highest: int64(highest),
		lowest:  min(int64(highest), int64(callsPerProcessor*runtime.GOMAXPROCS(0))),
		counted: make(map[string]bool),
		refusal: statusOf(&Error{
			Reason:     tupelov1.ErrorReason_ERROR_REASON_OVERLOADED,
			Message:    "the server has more calls under way than it can answer in time; nothing was done",
			RetryAfter: retryAfter[tupelov1.ErrorReason_ERROR_REASON_OVERLOADED],
		}).Err(),
		turns: newTurns(),
	}
	a.leaves = func() { a.arrived.Add(-1) }
	a.limit.Store(a.highest)
	return a
}

// expect says which methods count: those that use the processor while they are under
// way. A watch mostly waits, an import waits for its client, and who looks after an
// overloaded cluster must be let in.
func (a *admission) expect(services map[string]grpc.ServiceInfo) {
	for service, info := range services {
		for _, method := range info.Methods {
			lasting := method.IsClientStream || strings.HasSuffix(method.Name, "Watch")
			if !lasting && service != tupelov1.ClusterService_ServiceDesc.ServiceName {
				a.counted["/"+service+"/"+method.Name] = true
			}
		}
	}
}

// tap looks at a call before anything of it is read but its headers.
func (a *admission) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	limit := a.limit.Load()
	overloaded := limit < a.highest
	if !overloaded && a.underWay.Load() < limit || !a.counted[info.FullMethodName] {
		return ctx, nil
	}
	if a.arrived.Add(1) > limit || a.underWay.Load() >= limit {
		a.leaves()
		a.refused.Add(1)
		return ctx, a.refusal
	}
	context.AfterFunc(ctx, a.leaves) // the context is the stream's, and ends with it
	return ctx, nil
}

// enter lets a call in, which leaves by leave, or refuses it.
func (a *admission) enter(fullMethod string) (counts bool, err error) {
	if !a.counted[fullMethod] {
		return false, nil
	}
	if a.underWay.Add(1) > a.limit.Load() {
		a.leave(true)
		a.refused.Add(1)
		return false, a.refusal
	}
	return true, nil
}

func (a *admission) leave(counts bool) {
	if counts {
		a.underWay.Add(-1)
	}
}

// follow adapts the limit until ctx ends.
func (a *admission) follow(ctx context.Context) {
	ticker := time.NewTicker(admissionEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.adapt(a.turns.ninth())
		}
	}
}

// adapt sets the limit by how long nine of ten goroutines waited for their turn.
func (a *admission) adapt(wait time.Duration) {
	limit := a.limit.Load()
	if wait > longTurn {
		// From what is under way: a limit that nobody came near says nothing.
		limit = min(limit, max(a.underWay.Load(), a.arrived.Load())) * 3 / 4
	} else {
		limit += limit/8 + 1
	}
	a.limit.Store(max(a.lowest, min(limit, a.highest)))
}

// turns is how long goroutines that could run waited until they did, as the runtime
// counts it.
type turns struct {
	sample [1]runtimemetrics.Sample
	before []uint64
}

func newTurns() turns {
	t := turns{sample: [1]runtimemetrics.Sample{{Name: "/sched/latencies:seconds"}}}
	t.ninth()
	return t
}

// ninth returns what nine of ten waited at most, since the last call.
func (t *turns) ninth() time.Duration {
	runtimemetrics.Read(t.sample[:])
	if t.sample[0].Value.Kind() != runtimemetrics.KindFloat64Histogram {
		return 0 // a runtime without the figure: the highest limit stands
	}
	h := t.sample[0].Value.Float64Histogram()
	if len(t.before) != len(h.Counts) {
		t.before = make([]uint64, len(h.Counts))
	}
	var total, below uint64
	for i, n := range h.Counts {
		total += n - t.before[i]
	}
	at := len(h.Counts) - 1
	for i, n := range h.Counts {
		if below += n - t.before[i]; 10*below >= 9*total {
			at = i
			break
		}
	}
	copy(t.before, h.Counts)
	if total == 0 {
		return 0
	}
	return time.Duration(h.Buckets[at] * float64(time.Second)) // its lower bound: the highest bucket has no other
}
