package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tupelodb/tupelo/bench/load"
)

// question is what is asked, of all targets alike.
type question struct {
	dataSet  string
	tuples   int
	workload string
	inFlight int     // of a closed loop
	rate     float64 // of an open loop, a second
}

// figure is what all rounds of one question to one target came to.
type figure struct {
	question
	target     string
	rounds     int
	throughput spread // operations a second
	offered    spread // of an open loop: what was due in a second
	items      int    // of each operation
	p50, p99   spread // seconds
	cpu        spread // of the server, seconds of a processor for one operation
	clientCPU  spread
	together   bool             // server and client are one process, and cpu is of both
	memory     spread           // bytes
	calls      int64            // that were answered
	errors     map[string]int64 // by code
	firstError string
	unsent     int64
	wrong      int64
	firstWrong string
	// unsupported says why there is nothing else.
	unsupported string
	latencies   *hdr.Histogram // of all rounds
}

// spread is a figure of several rounds. It is not known if it was not measured.
type spread struct {
	median, low, high float64
	known             bool
	rounds            []float64 // in order of size
}

// add takes in the figure of one round.
func (s *spread) add(v float64) {
	i, _ := slices.BinarySearch(s.rounds, v)
	s.rounds = slices.Insert(s.rounds, i, v)
	n := len(s.rounds)
	s.median, s.low, s.high, s.known = (s.rounds[(n-1)/2]+s.rounds[n/2])/2, s.rounds[0], s.rounds[n-1], true
}

// deviation is how far the rounds are from their median, as a part of it.
func (s spread) deviation() float64 {
	if s.median == 0 {
		return 0
	}
	return max(s.high-s.median, s.median-s.low) / s.median
}

// sound reports whether a figure may be compared with others: nothing wrong, and at
// most one call in a hundred without an answer.
func (f *figure) sound() bool {
	return f != nil && f.unsupported == "" && f.wrong == 0 && f.calls > 0 && f.failed()*100 <= f.calls
}

func (f *figure) failed() int64 {
	n := int64(0)
	for _, k := range f.errors {
		n += k
	}
	return n
}

// figuresOf puts the rounds of a run together.
func figuresOf(r *Run) (figures, error) {
	fs := figures{targets: r.Targets}
	for i := range r.Cells {
		c := &r.Cells[i]
		q := question{dataSet: c.DataSet, tuples: c.Asked, workload: c.Workload, inFlight: c.InFlight}
		if c.Mode == "open" {
			q.inFlight, q.rate = 0, c.Rate
		}
		f := fs.find(c.Target, q)
		if f == nil {
			f = &figure{question: q, target: c.Target, errors: make(map[string]int64)}
			fs.all = append(fs.all, f)
		}
		if err := f.add(&c.Result); err != nil {
			return figures{}, fmt.Errorf("round %d, %s, %s: %w", c.Round, c.Target, c.Workload, err)
		}
	}
	return fs, nil
}

// add takes in one round.
func (f *figure) add(r *load.Result) error {
	if r.NotSupported != "" {
		f.unsupported = r.NotSupported
		return nil
	}
	f.rounds++
	f.items = max(1, r.ItemsPerOp)
	f.calls, f.unsent, f.wrong = f.calls+r.Ops, f.unsent+r.Unsent, f.wrong+r.Wrong
	for code, n := range r.Errors {
		f.errors[code] += n
	}
	if f.firstError == "" && len(r.ErrorExamples) > 0 {
		f.firstError = r.ErrorExamples[0]
	}
	if f.firstWrong == "" && len(r.WrongExamples) > 0 {
		f.firstWrong = r.WrongExamples[0]
	}
	if r.Ops == 0 {
		return nil
	}
	f.throughput.add(r.OpsPerSecond)
	if r.OfferedPerSecond > 0 {
		f.offered.add(r.OfferedPerSecond)
	}
	f.clientCPU.add(r.Client.CPUMicrosPerOp / 1e6)
	server := r.Server
	if f.together = server == nil; f.together {
		server = &r.Client
	}
	if server.CPUMicrosPerOp > 0 {
		f.cpu.add(server.CPUMicrosPerOp / 1e6)
	}
	f.memory.add(float64(server.RSSBytes))
	return f.addLatency(r.Latency)
}

func (f *figure) addLatency(l *load.Latency) error {
	if l == nil || l.Count == 0 {
		return nil
	}
	f.p50.add(l.P50 / 1e6)
	f.p99.add(l.P99 / 1e6)
	if l.Histogram == "" {
		return nil
	}
	h, err := hdr.Decode([]byte(l.Histogram))
	if err != nil {
		return fmt.Errorf("%w: a histogram: %w", ErrForm, err)
	}
	if f.latencies == nil {
		f.latencies = h
	} else {
		f.latencies.Merge(h)
	}
	return nil
}

// figures is everything that a run came to.
type figures struct {
	all     []*figure
	targets []Target // in the run's order
}

// find returns the figure of a target, or nil.
func (fs *figures) find(target string, q question) *figure {
	i := slices.IndexFunc(fs.all, func(f *figure) bool { return f.target == target && f.question == q })
	if i < 0 {
		return nil
	}
	return fs.all[i]
}

// questions returns what was asked, each once, in an order for reading.
func (fs *figures) questions(which func(question) bool) []question {
	var asked []question
	for _, f := range fs.all {
		if !slices.Contains(asked, f.question) && which(f.question) {
			asked = append(asked, f.question)
		}
	}
	slices.SortStableFunc(asked, func(a, b question) int {
		return cmp.Or(cmp.Compare(a.dataSet, b.dataSet), cmp.Compare(workloadOrder(a.workload), workloadOrder(b.workload)),
			cmp.Compare(a.tuples, b.tuples), cmp.Compare(a.rate, b.rate), cmp.Compare(a.inFlight, b.inFlight))
	})
	return asked
}

// cpuRatio returns how much more of the processors one target takes than another
// for the same, and whether both are known and sound.
func (fs *figures) cpuRatio(of, to string, q question) (float64, bool) {
	a, b := fs.find(of, q), fs.find(to, q)
	if !a.sound() || !b.sound() || !a.cpu.known || !b.cpu.known || b.cpu.median <= 0 || a.cpu.median <= 0 {
		return math.NaN(), false
	}
	return a.cpu.median / b.cpu.median, true
}
