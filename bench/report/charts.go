package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// chart is one of the report's charts: its files' names, and how it is drawn.
type chart struct {
	name string // of the file, without .svg
	alt  string
	draw func(theme) string
}

// The charts' names.
const (
	ratiosChart    = "ratios"
	latencyChart   = "latency"
	inFlightChart  = "in-flight"
	sizeChart      = "data-size"
	headlineChart  = "checks"
	wrongRemark    = " (wrong answers)"
	failuresRemark = " (errors)"
)

// charts returns the charts for which there is something to draw.
func (p *page) charts() []chart {
	var all []chart
	add := func(name string, draw func(theme) string, title, below string) {
		all = append(all, chart{name: name, alt: title + ": " + below, draw: draw})
	}
	if c, ok := p.ratios(headlineChart, []string{workloadCheck, workloadConsistent}); ok {
		add(headlineChart, c.draw, c.title, c.below)
	}
	if c, ok := p.ratios(ratiosChart, nil); ok {
		add(ratiosChart, c.draw, c.title, c.below)
	}
	if c, ok := p.throughputs(); ok {
		add(inFlightChart, c.draw, c.title, c.below)
	}
	if c, ok := p.latencies(); ok {
		add(latencyChart, c.draw, c.title, c.below)
	}
	if c, ok := p.sizes(); ok {
		add(sizeChart, c.draw, c.title, c.below)
	}
	return all
}

// remark says in a chart what is wrong with a figure.
func (f *figure) remark() string {
	switch {
	case f.wrong > 0:
		return wrongRemark
	case !f.sound():
		return failuresRemark
	}
	return ""
}

// ratios draws the server's processor time of each workload by that of the echo
// server; of some workloads, or of all if none is named.
func (p *page) ratios(name string, workloads []string) (barChart, bool) {
	c := barChart{xTitle: "processor time of the server for one operation, by that of a gRPC server that does nothing (log scale)"}
	asked := p.figures.questions(func(q question) bool {
		return p.main(q) && (workloads == nil || slices.Contains(workloads, q.workload))
	})
	for _, q := range asked {
		if g := p.ratioGroup(q); len(g.bars) > 0 {
			c.groups = append(c.groups, g)
		}
	}
	if len(c.groups) == 0 {
		return c, false
	}
	c.title = "What each operation costs the server"
	if name == headlineChart {
		c.title = "What a check costs the server"
	}
	c.below = fmt.Sprintf("%s, %s tuples, %d in flight; 1× is the least that gRPC itself costs; less is better", setTitle(asked[0].dataSet), count(float64(asked[0].tuples)), asked[0].inFlight)
	c.said = saidOf(c.groups)
	return c, true
}

func (p *page) ratioGroup(q question) barGroup {
	g := barGroup{name: workloadTitle(q.workload)}
	limit := p.figures.find(echoTarget, q)
	if !limit.sound() || !limit.cpu.known {
		return g
	}
	for _, t := range p.run.Targets {
		f := p.figures.find(t.ID, q)
		if f == nil {
			continue
		}
		b := bar{target: t.ID, name: t.Name, hollow: f.wrong > 0}
		switch {
		case f.unsupported != "":
			b.text = "not supported"
		case f.calls == 0 || !f.cpu.known:
			b.text = "not measured"
		default:
			b.value = f.cpu.median / limit.cpu.median
			b.text = times(b.value) + " · " + seconds(f.cpu.median) + f.remark()
		}
		g.bars = append(g.bars, b)
	}
	return g
}

// saidOf puts the bars of a chart into words.
func saidOf(groups []barGroup) string {
	var parts []string
	for _, g := range groups {
		var bars []string
		for _, b := range g.bars {
			bars = append(bars, b.name+" "+b.text)
		}
		parts = append(parts, g.name+": "+strings.Join(bars, "; "))
	}
	return strings.Join(parts, ". ")
}

// throughputs draws checks a second by how many are in flight.
func (p *page) throughputs() (lineChart, bool) {
	asked := p.figures.questions(func(q question) bool {
		return q.workload == workloadCheck && q.rate == 0 && q.dataSet == p.dataSet && q.tuples == p.tuples
	})
	c := lineChart{
		title: "Checks a second, by how many are in flight", xTitle: "checks in flight (closed loop)", yTitle: "checks a second (log scale)",
		below: fmt.Sprintf("%s, %s tuples; the client shares the processors; more is better", setTitle(p.dataSet), count(float64(p.tuples))),
		xText: count, yText: count,
	}
	for _, q := range asked {
		c.xTicks = append(c.xTicks, tick{float64(q.inFlight), count(float64(q.inFlight))})
	}
	c.series = p.lines(asked, func(f *figure) point { return point{float64(f.inFlight), f.throughput.median} })
	c.said = saidOfLines(c.series, count)
	return c, len(asked) > 1 && len(c.series) > 0
}

// sizes draws what a check costs by how many tuples there are.
func (p *page) sizes() (lineChart, bool) {
	asked := p.figures.questions(func(q question) bool {
		return q.workload == workloadCheck && q.rate == 0 && q.dataSet == p.dataSet && q.inFlight == p.inFlight
	})
	c := lineChart{
		title: "What a check costs the server, by how many tuples there are", xTitle: "tuples (log scale)", yTitle: "processor time of the server for one check (log scale)",
		below: fmt.Sprintf("%s, %d in flight; less is better, and flat is best", setTitle(p.dataSet), p.inFlight),
		xText: count, yText: seconds,
	}
	for _, q := range asked {
		c.xTicks = append(c.xTicks, tick{float64(q.tuples), count(float64(q.tuples))})
	}
	c.series = p.lines(asked, func(f *figure) point { return point{float64(f.tuples), f.cpu.median} })
	c.said = saidOfLines(c.series, seconds)
	return c, len(asked) > 1 && len(c.series) > 0
}

// lines returns a line for each target, through its figures of the questions.
func (p *page) lines(asked []question, place func(*figure) point) []series {
	var all []series
	for _, t := range p.run.Targets {
		s := series{target: t.ID, name: t.Name}
		for _, q := range asked {
			f := p.figures.find(t.ID, q)
			if f == nil || f.unsupported != "" || f.calls == 0 {
				continue
			}
			if at := place(f); at.y > 0 {
				s.points = append(s.points, at)
				if r := f.remark(); !strings.HasSuffix(s.name, r) {
					s.name = t.Name + r
				}
			}
		}
		if len(s.points) > 0 {
			all = append(all, s)
		}
	}
	return all
}

func saidOfLines(all []series, text func(float64) string) string {
	var parts []string
	for _, s := range all {
		var values []string
		for _, v := range s.points {
			values = append(values, text(v.y)+" at "+count(v.x))
		}
		parts = append(parts, s.name+": "+strings.Join(values, ", "))
	}
	return strings.Join(parts, ". ")
}

// latencies draws the whole distribution of latencies at one offered rate.
func (p *page) latencies() (lineChart, bool) {
	asked := p.figures.questions(func(q question) bool {
		return q.workload == workloadCheck && q.rate > 0 && q.dataSet == p.dataSet && q.tuples == p.tuples
	})
	if len(asked) == 0 {
		return lineChart{}, false
	}
	q := asked[0]
	c := lineChart{
		title:  fmt.Sprintf("Latency of checks that come %s times a second", count(q.rate)),
		below:  fmt.Sprintf("%s, %s tuples; from when each was meant to be sent (open loop); lower is better", setTitle(q.dataSet), count(float64(q.tuples))),
		xTitle: "percentile (of the slowest, on a log scale)", yTitle: "latency (log scale)",
		yText: seconds, smooth: true,
	}
	var fewest int64 = math.MaxInt64
	for _, t := range p.run.Targets {
		f := p.figures.find(t.ID, q)
		if f == nil || f.latencies == nil || f.latencies.TotalCount() == 0 {
			continue
		}
		fewest = min(fewest, f.latencies.TotalCount())
		name := t.Name + f.remark()
		if f.offered.known && f.throughput.median < 0.95*f.offered.median {
			name = fmt.Sprintf("%s, answers %s/s", name, count(f.throughput.median))
		}
		c.series = append(c.series, series{target: t.ID, name: name})
	}
	for i := range c.series {
		c.series[i].points = curve(p.figures.find(c.series[i].target, q), fewest)
	}
	for _, nines := range []string{"0", "50", "90", "99", "99.9", "99.99"} {
		if x := tailOf(nines); x <= float64(fewest) {
			c.xTicks = append(c.xTicks, tick{x, nines + " %"})
		}
	}
	c.said = saidOfCurves(c.series, p, q)
	return c, len(c.series) > 0
}

// tailOf returns one in how many is slower than a percentile.
func tailOf(percentile string) float64 {
	return map[string]float64{"0": 1, "50": 2, "90": 10, "99": 100, "99.9": 1000, "99.99": 10000}[percentile]
}

// curve returns the latencies of a figure by one in how many is slower, as far as
// so many samples reach.
func curve(f *figure, samples int64) []point {
	const perDoubling = 6
	var points []point
	for i := 0; ; i++ {
		x := math.Pow(2, float64(i)/perDoubling)
		if x > float64(samples) {
			return points
		}
		if v := f.latencies.ValueAtQuantile(100 * (1 - 1/x)); v > 0 {
			points = append(points, point{x, float64(v) / 1e9})
		}
	}
}

func saidOfCurves(all []series, p *page, q question) string {
	var parts []string
	for _, s := range all {
		h := p.figures.find(s.target, q).latencies
		parts = append(parts, fmt.Sprintf("%s: median %s, 99th percentile %s", s.name,
			seconds(float64(h.ValueAtQuantile(50))/1e9), seconds(float64(h.ValueAtQuantile(99))/1e9)))
	}
	return strings.Join(parts, ". ")
}
