package api

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// A server of which all calls are under way refuses further ones before it reads
// them, says when to come again, and lets in who does not use the processor.
func TestAFullServerRefusesCallsAndSaysWhenToComeAgain(t *testing.T) {
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) {
		o.Log, o.Tokens, o.MaxCalls = stuckLog{l}, []string{testToken}, 2
	})
	conn := dialTest(t, s)
	client := tupelov1.NewTupeloClient(conn)
	ctx := withToken(t.Context(), testToken)
	stuck, release := context.WithCancel(ctx)
	defer release()
	var writers sync.WaitGroup
	for range 2 {
		writers.Go(func() {
			_, err := client.WriteSchema(stuck, &tupelov1.WriteSchemaRequest{Text: gitclub})
			if status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		})
	}
	for s.admission.underWay.Load() < 2 {
		time.Sleep(time.Millisecond)
	}

	read := func() error {
		_, err := client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{})
		return err
	}
	err := read()
	if status.Code(err) != codes.ResourceExhausted || reasonOf(err) != tupelov1.ErrorReason_ERROR_REASON_OVERLOADED {
		t.Fatalf("the third call: %v", err)
	}
	var comeAgain time.Duration
	for _, d := range status.Convert(err).Details() {
		if r, ok := d.(*errdetails.RetryInfo); ok {
			comeAgain = r.RetryDelay.AsDuration()
		}
	}
	if comeAgain <= 0 {
		t.Errorf("nothing says when to come again: %v", err)
	}
	stream, err := client.Export(ctx, &tupelov1.ExportRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a stream that reads: %v", err)
	}
	if got := healthOf(t, conn, ""); got == "" {
		t.Error("a full server hides its health")
	}
	if _, err := tupelov1.NewClusterServiceClient(conn).ClusterStatus(ctx, &tupelov1.ClusterStatusRequest{}); status.Code(err) == codes.ResourceExhausted {
		t.Errorf("who looks after the cluster: %v", err)
	}
	watch, err := client.Watch(ctx, &tupelov1.WatchRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if status.Code(err) == codes.ResourceExhausted {
		t.Errorf("a watch: %v", err)
	}
	if got := s.admission.refused.Load(); got != 2 {
		t.Errorf("%d refusals are counted", got)
	}

	release()
	writers.Wait()
	for s.admission.underWay.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if err := read(); status.Code(err) == codes.ResourceExhausted {
		t.Errorf("with room again: %v", err)
	}
}

// What came in between the look at the headers and the call itself is refused too,
// and whatever becomes of calls, none is counted for ever.
func TestNoMoreCallsAreUnderWayThanTheLimitSays(t *testing.T) {
	const limit = 7
	a := newAdmission(limit)
	a.counted["/m"] = true
	var inside, most, refused atomic.Int64
	var callers sync.WaitGroup
	for range 50 {
		callers.Go(func() {
			for range 200 {
				counts, err := a.enter("/m")
				if err != nil {
					refused.Add(1)
					continue
				}
				now := inside.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				time.Sleep(time.Microsecond)
				inside.Add(-1)
				a.leave(counts)
			}
		})
	}
	callers.Wait()
	if most.Load() > limit || most.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d at once, %d refused", most.Load(), refused.Load())
	}
	if got := a.underWay.Load(); got != 0 {
		t.Errorf("%d are under way for ever", got)
	}
	if got := a.refused.Load(); got != uint64(refused.Load()) {
		t.Errorf("%d refusals are counted of %d", got, refused.Load())
	}
	if _, err := a.tap(t.Context(), &tap.Info{FullMethodName: "/m"}); err != nil {
		t.Errorf("an empty server: %v", err)
	}
}

// In an overload calls are counted from their headers on, as they pile up before they
// are begun, and each until its stream has ended, whatever becomes of it.
func TestAnOverloadCountsCallsBeforeTheyAreBegun(t *testing.T) {
	a := newAdmission(1000)
	a.counted["/m"] = true
	info := &tap.Info{FullMethodName: "/m"}
	if _, err := a.tap(t.Context(), info); err != nil || a.arrived.Load() != 0 {
		t.Errorf("without an overload: %v, %d counted", err, a.arrived.Load())
	}
	a.limit.Store(3)
	var ends []context.CancelFunc
	for i := range 5 {
		ctx, end := context.WithCancel(t.Context())
		defer end()
		_, err := a.tap(ctx, info)
		if refused := err != nil; refused != (i >= 3) {
			t.Errorf("call %d: %v", i, err)
		}
		ends = append(ends, end)
	}
	if _, err := a.tap(t.Context(), &tap.Info{FullMethodName: "/other"}); err != nil {
		t.Errorf("what does not count: %v", err)
	}
	for _, end := range ends {
		end()
	}
	for a.arrived.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
	if _, err := a.tap(t.Context(), info); err != nil {
		t.Errorf("after their end: %v", err)
	}
	a.underWay.Store(3)
	if _, err := a.tap(t.Context(), info); err == nil {
		t.Error("calls that had begun before the overload are not counted")
	}
	if got := a.arrived.Load(); got != 1 {
		t.Errorf("%d counted, with one under way", got)
	}
}

// The limit falls from what is under way while turns are long, never below what is
// let in always, and comes back by itself.
func TestTheLimitFollowsTheProcessor(t *testing.T) {
	a := newAdmission(10_000)
	a.lowest = 64
	a.adapt(longTurn)
	if got := a.limit.Load(); got != 10_000 {
		t.Errorf("turns that are not too long: %d", got)
	}
	a.underWay.Store(1000)
	before := int64(10_000)
	for i := range 20 {
		a.adapt(longTurn + 1)
		now := a.limit.Load()
		if i == 0 && now > 1000 || now > before || now < a.lowest {
			t.Fatalf("overloaded for %d ticks: %d, before %d", i+1, now, before)
		}
		before = now
	}
	if before != a.lowest {
		t.Errorf("overloaded for long: %d", before)
	}
	for range 100 {
		a.adapt(0)
	}
	if got := a.limit.Load(); got != a.highest {
		t.Errorf("long after an overload: %d", got)
	}
	if small := newAdmission(5); small.lowest != 5 {
		t.Errorf("at least %d of at most 5", small.lowest)
	}
}

// The figure that the limit follows is there, and goes up with what has to wait.
func TestTurnsAreMeasured(t *testing.T) {
	turns := newTurns()
	var spinning sync.WaitGroup
	var stop atomic.Bool
	for range 20 * runtime.GOMAXPROCS(0) {
		spinning.Go(func() {
			for !stop.Load() {
			}
		})
	}
	time.Sleep(300 * time.Millisecond)
	stop.Store(true)
	spinning.Wait()
	if got := turns.ninth(); got < longTurn {
		t.Errorf("twenty on each processor wait %v", got)
	}
}

// To refuse is cheaper than to answer, or an overload would be one of refusals.
func TestARefusalAllocatesNothing(t *testing.T) {
	a := newAdmission(1)
	a.counted["/m"] = true
	a.underWay.Store(1)
	info := &tap.Info{FullMethodName: "/m"}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = a.tap(ctx, info) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every method of ours either counts or is known not to.
func TestAllMethodsCountButThoseThatWait(t *testing.T) {
	s := newTestServer(t, newTestLog(t), nil)
	free := map[string]bool{
		"/tupelo.v1.Tupelo/Watch": true, "/tupelo.v1.Tupelo/Import": true,
	}
	for service, info := range s.grpc.GetServiceInfo() {
		for _, m := range info.Methods {
			name := "/" + service + "/" + m.Name
			want := service == tupelov1.Tupelo_ServiceDesc.ServiceName && !free[name]
			if s.admission.counted[name] != want {
				t.Errorf("%s counts: %v", name, !want)
			}
		}
	}
}
