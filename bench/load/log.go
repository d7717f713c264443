package load

import (
	"fmt"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tupelodb/tupelo/bench/dataset"
)

// maxLogs bounds how many logs there are: each takes some hundred kilobytes.
const maxLogs = 64

// maxExamples bounds how many wrong answers, and errors of a code, are shown.
const maxExamples = 5

// log is what workers saw. Up to maxLogs workers have one each, so that its lock is
// free when it is taken.
type log struct {
	mu      sync.Mutex
	latency map[dataset.Kind]*hdr.Histogram
	service *hdr.Histogram
	waiting *hdr.Histogram // of calls that were never sent

	errors        map[string]int64
	errorExamples []string
	wrong, proofs int64
	wrongExamples []string
}

func newLog() *log {
	l := &log{}
	l.forget()
	return l
}

// forget makes a new log, of which only what was wrong is the old one's.
func (l *log) forget() {
	l.latency = make(map[dataset.Kind]*hdr.Histogram)
	l.service, l.waiting = nil, nil
	l.errors, l.errorExamples = make(map[string]int64), nil
}

// answered notes a call that was answered.
func (l *log) answered(kind dataset.Kind, latency time.Duration, service time.Duration, open bool, wrong string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.latency[kind]
	if h == nil {
		h = newHistogram()
		l.latency[kind] = h
	}
	note(h, latency)
	if open {
		if l.service == nil {
			l.service = newHistogram()
		}
		note(l.service, service)
	}
	if wrong != "" {
		l.noteWrong(wrong)
	}
}

func (l *log) noteWrong(what string) {
	l.wrong++
	if len(l.wrongExamples) < maxExamples {
		l.wrongExamples = append(l.wrongExamples, what)
	}
}

// failed notes a call that was not answered.
func (l *log) failed(code string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.errors[code]++
	if len(l.errorExamples) < maxExamples {
		l.errorExamples = append(l.errorExamples, fmt.Sprintf("%s: %v", code, err))
	}
}

// proved notes a question after writes, and what was wrong with its answer.
func (l *log) proved(wrong string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.proofs++
	if wrong != "" {
		l.noteWrong(wrong)
	}
}

// unsent notes how long a call that was never sent has waited.
func (l *log) unsent(waited time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = newHistogram()
	}
	note(l.waiting, waited)
}

// note records a time; one beyond the limits is recorded as the limit, so that there
// is no error.
func note(h *hdr.Histogram, d time.Duration) {
	_ = h.RecordValue(min(max(int64(d), leastNanos), mostNanos))
}

// collect fills a result with what all logs have.
func (d *driver) collect(r *Result, elapsed time.Duration) error {
	all, service := newHistogram(), (*hdr.Histogram)(nil)
	kinds := make(map[dataset.Kind]*hdr.Histogram)
	r.Seconds = elapsed.Seconds()
	r.Errors = make(map[string]int64)
	for _, l := range d.logs {
		for kind, h := range l.latency {
			if kinds[kind] == nil {
				kinds[kind] = newHistogram()
			}
			kinds[kind].Merge(h)
			all.Merge(h)
		}
		if l.service != nil {
			if service == nil {
				service = newHistogram()
			}
			service.Merge(l.service)
		}
		for code, n := range l.errors {
			r.Errors[code] += n
		}
		r.Wrong += l.wrong
		r.Proofs += l.proofs
		r.WrongExamples = firstOf(r.WrongExamples, l.wrongExamples)
		r.ErrorExamples = firstOf(r.ErrorExamples, l.errorExamples)
	}
	r.Ops = all.TotalCount()
	for _, l := range d.logs {
		if l.waiting != nil {
			all.Merge(l.waiting)
		}
	}
	r.OpsPerSecond = float64(r.Ops) / elapsed.Seconds()
	if d.cell.Rate > 0 {
		lasts := min(elapsed, d.cell.Duration).Seconds()
		r.OfferedPerSecond, r.Unsent = float64(d.scheduled)/lasts, d.unsent
		r.OpsPerSecond = float64(d.inTime.Load()) / lasts
	}
	return r.summarize(all, service, kinds)
}

func (r *Result) summarize(all, service *hdr.Histogram, kinds map[dataset.Kind]*hdr.Histogram) (err error) {
	if r.Latency, err = summarize(all); err != nil {
		return err
	}
	if service != nil {
		if r.Service, err = summarize(service); err != nil {
			return err
		}
	}
	if len(kinds) < 2 {
		return nil
	}
	r.Kinds = make(map[string]*Latency)
	for kind, h := range kinds {
		if r.Kinds[kind.String()], err = summarize(h); err != nil {
			return err
		}
	}
	return nil
}

func firstOf(a, b []string) []string {
	all := append(a, b...)
	return all[:min(len(all), maxExamples)]
}
