package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/internal/golden"
	"github.com/tupelodb/tupelo/store/tuple"
)

// fake is a target that knows what is right, and does it as it is told.
type fake struct {
	// answer changes the n-th answer, from 1 on, or fails. Each takes a millisecond
	// at least.
	answer func(ctx context.Context, n int64, o dataset.Operation, right dataset.Answer) (dataset.Answer, error)
	// lacks are kinds that it does not support.
	lacks map[dataset.Kind]bool

	calls  atomic.Int64
	mu     sync.Mutex
	given  map[string]bool // roles that were written
	loaded int
	events []func(object string, deleted bool)
	// loses has it acknowledge writes that it forgets.
	loses bool
}

func (f *fake) Prepare(context.Context, *dataset.Set, bool) error { return nil }

func (f *fake) Load(_ context.Context, tuples iter.Seq[tuple.Named]) error {
	for range tuples {
		f.loaded++
	}
	return nil
}

func (f *fake) Request(o dataset.Operation, _ int) (Call, error) {
	if f.lacks[o.Kind] {
		return nil, fmt.Errorf("%v: %w", o.Kind, ErrNotSupported)
	}
	if o.Kind == dataset.Watch {
		return func(ctx context.Context) (dataset.Answer, error) {
			f.mu.Lock()
			f.events = append(f.events, o.Deliver)
			f.mu.Unlock()
			<-ctx.Done()
			return dataset.Answer{}, ctx.Err()
		}, nil
	}
	return func(ctx context.Context) (dataset.Answer, error) {
		n, right := f.calls.Add(1), o.Want
		time.Sleep(time.Millisecond)
		switch {
		case o.Kind == dataset.Write:
			right.Token = f.write(o)
		case strings.HasPrefix(o.Ask.ObjectID, "w"): // a proof
			f.mu.Lock()
			right.Yes = f.given[o.Ask.ObjectID]
			f.mu.Unlock()
			if o.Token == "" {
				return right, errors.New("a proof without a token")
			}
		}
		if f.answer == nil {
			return right, nil
		}
		return f.answer(ctx, n, o, right)
	}, nil
}

func (f *fake) write(o dataset.Operation) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.given == nil {
		f.given = make(map[string]bool)
	}
	f.given[o.Ask.ObjectID] = !o.Delete && !f.loses
	for _, deliver := range f.events {
		deliver(o.Ask.ObjectType+":"+o.Ask.ObjectID, o.Delete)
	}
	return "token"
}

func (f *fake) Version(context.Context) (string, error) { return "1", nil }

func (f *fake) Close() error { return nil }

// cell is a short run against a fake.
func cell(t *testing.T, f *fake, workload string) Cell {
	t.Helper()
	set, err := dataset.Open("gitclub", 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	return Cell{
		Target: f, TargetName: "fake", TargetVersion: "1", Set: set, Workload: workload, Prefix: "w",
		InFlight: 4, WarmUp: 10 * time.Millisecond, Duration: 100 * time.Millisecond, Connections: 2, poolLimit: 500,
	}
}

func measure(t *testing.T, c Cell) *Result {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEachWorkloadIsAnsweredRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names, _ := Workloads()
		for _, name := range names {
			if name == Import {
				continue
			}
			for _, rate := range []float64{0, 500} {
				{
					c := cell(t, &fake{}, name)
					c.Rate = rate
					r := measure(t, c)
					if r.Ops == 0 || r.Wrong != 0 || len(r.Errors) != 0 || r.Latency.Count != r.Ops || r.OpsPerSecond <= 0 {
						t.Errorf("%s at %v/s: %+v", name, rate, r)
					}
					if name == "write" && r.Proofs == 0 {
						t.Error("nobody asked for what was written")
					}
					if name == "mixed-90-10" && (r.Kinds["write"] == nil || r.Kinds["check"] == nil) {
						t.Errorf("%v is not mixed", r.Kinds)
					}
				}
			}
		}
	})
}

func TestMixedWorkloadsWriteAsOftenAsTheySay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, percent := range map[string]float64{"mixed-99-1": 1, "mixed-90-10": 10} {
			c := cell(t, &fake{}, name)
			c.Duration = 10 * time.Second
			r := measure(t, c)
			if got := 100 * float64(r.Kinds["write"].Count) / float64(r.Ops); got < percent*0.9 || got > percent*1.1 {
				t.Errorf("%s: %.2f %% are writes", name, got)
			}
		}
	})
}

func TestWrongAnswersAreCountedAndShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lie := func(o dataset.Operation, right dataset.Answer) dataset.Answer {
			right.Yes, right.Each, right.Listed.Count = !right.Yes, nil, right.Listed.Count+1
			return right
		}
		for _, workload := range []string{"check", "check-fully-consistent", "batch-check", "list-objects", "list-subjects"} {
			f := &fake{answer: func(_ context.Context, n int64, o dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
				if n == 20 {
					right = lie(o, right)
				}
				return right, nil
			}}
			if r := measure(t, cell(t, f, workload)); r.Wrong != 1 || len(r.WrongExamples) != 1 {
				t.Errorf("%s: one answer was wrong, counted %d, shown %q", workload, r.Wrong, r.WrongExamples)
			}
		}
	})
}

func TestAWrongAnswerOfTheWarmUpCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ context.Context, n int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			right.Yes = right.Yes != (n == 1)
			return right, nil
		}}
		if r := measure(t, cell(t, f, "check")); r.Wrong != 1 {
			t.Errorf("%d wrong", r.Wrong)
		}
	})
}

func TestLostWritesAreWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, workload := range []string{"write", "mixed-90-10"} {
			if r := measure(t, cell(t, &fake{loses: true}, workload)); r.Wrong == 0 {
				t.Errorf("%s: nobody noticed that writes were lost", workload)
			}
		}
	})
}

func TestAWatchThatTellsTwiceIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.answer = func(_ context.Context, n int64, o dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			if n == 20 {
				f.write(o)
			}
			return right, nil
		}
		c := cell(t, f, "watch")
		c.InFlight = 1
		if r := measure(t, c); r.Wrong != 1 {
			t.Errorf("%d wrong: %q", r.Wrong, r.WrongExamples)
		}
	})
}

func TestFailedCallsAreCountedByCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ context.Context, n int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			switch n {
			case 50:
				return right, errors.New("broken")
			case 51:
				return right, fmt.Errorf("%w: short", ErrAnswer)
			}
			return right, nil
		}}
		r := measure(t, cell(t, f, "check"))
		if r.Errors["Unknown"] != 1 || r.Errors["NO_ANSWER"] != 1 || len(r.ErrorExamples) != 2 || r.Latency.Count != r.Ops {
			t.Errorf("%v, %q, %d of %d", r.Errors, r.ErrorExamples, r.Latency.Count, r.Ops)
		}
	})
}

// deaf is a server that answers nobody in the second after the first half second.
func deaf() *fake {
	started := time.Now()
	return &fake{answer: func(_ context.Context, _ int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
		if into := time.Since(started); into > 500*time.Millisecond && into < 1500*time.Millisecond {
			time.Sleep(1500*time.Millisecond - into)
		}
		return right, nil
	}}
}

// A server that is deaf for half of a run of 500 calls a second makes half of its
// callers wait. That is so whether many calls can be in flight or one.
func TestAnOpenLoopSeesEverybodyWaitWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, inFlight := range []int{1, 64} {
			c := cell(t, deaf(), "check")
			c.WarmUp, c.Duration, c.Rate, c.InFlight = 0, 2*time.Second, 500, inFlight
			r := measure(t, c)
			if r.Unsent != 0 || len(r.Errors) != 0 {
				t.Fatalf("%d unsent, %v", r.Unsent, r.Errors)
			}
			if r.Latency.P90 < 500e3 {
				t.Errorf("%d in flight: a second's deafness shows as p90 %.0f µs", inFlight, r.Latency.P90)
			}
			if inFlight == 1 && r.Service.P99 > r.Latency.P90 {
				t.Errorf("the times from the sending have p99 %.0f µs: this run cannot tell who omits what", r.Service.P99)
			}
		}
	})
}

// The same server in a closed loop has one slow call for each in flight: what an
// open loop is for.
func TestAClosedLoopHidesWhoWouldHaveWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cell(t, deaf(), "check")
		c.WarmUp, c.Duration, c.InFlight = 0, 2*time.Second, 1
		if r := measure(t, c); r.Latency.P99 > 500e3 || r.Latency.Max < 900e3 {
			t.Errorf("p99 %.0f µs, max %.0f µs", r.Latency.P99, r.Latency.Max)
		}
	})
}

func TestWhatIsNeverSentIsCountedWithItsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		graceLimit = 50 * time.Millisecond
		defer func() { graceLimit = defaultGrace }()
		f := &fake{answer: func(ctx context.Context, n int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			if n < 10 {
				return right, nil
			}
			<-ctx.Done()
			return right, ctx.Err()
		}}
		c := cell(t, f, "check")
		c.WarmUp, c.Duration, c.Rate, c.InFlight = 0, 200*time.Millisecond, 1000, 2
		r := measure(t, c)
		due := r.Ops + r.Unsent + r.Errors["UNFINISHED"]
		if r.Ops != 9 || r.Unsent == 0 || r.Errors["UNFINISHED"] != 2 || float64(due) != r.OfferedPerSecond*0.2 {
			t.Errorf("%d answered, %d unsent, %v, offered %.0f/s", r.Ops, r.Unsent, r.Errors, r.OfferedPerSecond)
		}
		if r.Latency.Count != r.Ops+r.Unsent || r.Latency.P50 < 50e3 {
			t.Errorf("%d latencies, p50 %.0f µs", r.Latency.Count, r.Latency.P50)
		}
	})
}

func TestWhatATargetLacksIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for workload, kind := range map[string]dataset.Kind{"watch": dataset.Watch, "write": dataset.Write, "list-objects": dataset.ListObjects, "mixed-99-1": dataset.Write} {
			f := &fake{lacks: map[dataset.Kind]bool{kind: true}}
			if r := measure(t, cell(t, f, workload)); r.NotSupported == "" || f.calls.Load() != 0 {
				t.Errorf("%s: %q after %d calls", workload, r.NotSupported, f.calls.Load())
			}
		}
	})
}

func TestARunThatIsInterruptedHasWhatItMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{answer: func(_ context.Context, n int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			if n == 500 {
				cancel()
			}
			return right, nil
		}}
		c := cell(t, f, "check")
		c.WarmUp, c.Duration = 0, time.Hour
		r, err := Run(ctx, c)
		if !errors.Is(err, context.Canceled) || r == nil || r.Ops < 400 || r.Wrong != 0 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestFillLoadsEverythingAndAsksASample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		c := cell(t, f, "")
		r, err := Fill(t.Context(), c)
		if err != nil || r.Ops != int64(c.Set.Count()) || f.loaded != c.Set.Count() || r.Proofs != sampleSize || r.Wrong != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		f.answer = func(_ context.Context, _ int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			right.Yes = false
			return right, nil
		}
		if r, err = Fill(t.Context(), c); err != nil || r.Wrong == 0 {
			t.Errorf("a server that has nothing: %+v, %v", r, err)
		}
	})
}

func TestSettleWaitsForRightAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(_ context.Context, n int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
			right.Yes = right.Yes && n > 2*sampleSize
			return right, nil
		}}
		took, err := Settle(t.Context(), cell(t, f, ""))
		if err != nil || f.calls.Load() != 3*sampleSize || took < 2*settlePause || took > 3*settlePause+2*sampleSize*time.Millisecond {
			t.Errorf("%v after %d calls, %v after loading", err, f.calls.Load(), took)
		}
	})
}

// What a server takes for its answers is no time in which they were wrong; and one
// that takes too long is not waited for.
func TestSettleGivesASlowServerUp(t *testing.T) {
	for each, want := range map[time.Duration]error{settleLimit / (2 * sampleSize): nil, settleLimit * 2 / sampleSize: ErrSlow} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{answer: func(ctx context.Context, _ int64, _ dataset.Operation, right dataset.Answer) (dataset.Answer, error) {
				select {
				case <-ctx.Done():
					return dataset.Answer{}, ctx.Err()
				case <-time.After(each):
					return right, nil
				}
			}}
			began := time.Now()
			if took, err := Settle(t.Context(), cell(t, f, "")); took != 0 || !errors.Is(err, want) || time.Since(began) > settleLimit {
				t.Errorf("%v an answer: %v, %v", each, took, err)
			}
		})
	}
}

func TestCellsThatCannotBeMeantAreTypedErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, spoil := range map[string]func(*Cell){
			"workload": func(c *Cell) { c.Workload = "nothing" }, "import": func(c *Cell) { c.Workload = Import },
			"in flight": func(c *Cell) { c.InFlight = 0 }, "rate": func(c *Cell) { c.Rate = -1 },
			"duration": func(c *Cell) { c.Duration = 0 }, "warm-up": func(c *Cell) { c.WarmUp = -1 }, "prefix": func(c *Cell) { c.Prefix = "" },
		} {
			c := cell(t, &fake{}, "check")
			spoil(&c)
			if _, err := Run(t.Context(), c); !errors.Is(err, ErrCell) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestTheServersProcessesAreMeasured(t *testing.T) {
	c := cell(t, &fake{}, "check")
	c.PIDs = []int{os.Getpid()}
	r := measure(t, c)
	if r.Server == nil || r.Server.CPUSeconds <= 0 || r.Server.RSSBytes < 1<<20 || r.Client.CPUSeconds <= 0 || r.Client.RSSBytes < 1<<20 {
		t.Errorf("server %+v, client %+v", r.Server, r.Client)
	}
	c.PIDs = []int{1 << 30}
	if _, err := Run(t.Context(), c); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that there is not: %v", err)
	}
}

func TestTheFormOfResultsIsWhatItWas(t *testing.T) {
	h := newHistogram()
	for i := range 1000 {
		note(h, time.Duration(i+1)*time.Microsecond)
	}
	latency, err := summarize(h)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := hdr.Decode([]byte(latency.Histogram))
	if err != nil || decoded.TotalCount() != 1000 || decoded.ValueAtPercentile(50) != h.ValueAtPercentile(50) {
		t.Errorf("the histogram does not come back: %v", err)
	}
	latency.Histogram = "HISTFAAA" // what compresses it may come to compress it better
	r := Result{
		Version: ResultVersion, Target: "authzed", TargetVersion: "v1", Verified: true, DataSet: "gitclub", Tuples: 1096, Seed: 1,
		Workload: "mixed-99-1", Mode: "open", InFlight: 64, Connections: 4, OfferedPerSecond: 500, WarmUpSeconds: 2, Seconds: 10,
		NotSupported: "why", Ops: 1000, ItemsPerOp: 1, OpsPerSecond: 100, Errors: map[string]int64{"Unavailable": 1},
		ErrorExamples: []string{"Unavailable: gone"}, Unsent: 2, Wrong: 3, WrongExamples: []string{"x"}, Proofs: 4,
		Latency: latency, Service: latency, Kinds: map[string]*Latency{"write": latency},
		Server: &Usage{1, 2, 3}, Client: Usage{4, 5, 6}, Machine: Machine{"linux", "amd64", "A CPU", 2, "go1.26", "abc"},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.File(t, "testdata/result.json", string(got)+"\n", "if readers cannot take it, ResultVersion must change")
	var back Result
	if err := json.Unmarshal(got, &back); err != nil || back.Kinds["write"].P99 != latency.P99 || back.Server.RSSBytes != 3 {
		t.Errorf("%+v, %v", back, err)
	}
}
