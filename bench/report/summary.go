package report

import (
	"fmt"
	"strings"
)

// summary is the one paragraph that a reader takes along.
func (p *page) summary() string {
	q := p.mainOf(workloadCheck)
	tupelo := p.figures.find(tupeloTarget, q)
	if !tupelo.sound() || !tupelo.cpu.known {
		return "There is no sound measurement of Tupelo's checks in this run, so nothing is compared with it." + p.outOfRatios()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "With %s of %s tuples and %d checks in flight, Tupelo's server spends **%s of processor time on a check**",
		setTitle(q.dataSet), count(float64(q.tuples)), q.inFlight, seconds(tupelo.cpu.median))
	if r, ok := p.figures.cpuRatio(tupeloTarget, echoTarget, q); ok {
		fmt.Fprintf(&b, ", **%s** what a gRPC server that does nothing spends on the same messages", times(r))
	}
	b.WriteString(".")
	if peer := p.strongest(q); peer != nil {
		r, _ := p.figures.cpuRatio(peer.target, tupeloTarget, q)
		fmt.Fprintf(&b, " The strongest peer measured, %s, spends %s: **%s as much**. With the client on the same processors Tupelo answers %s checks a second, and that peer %s.",
			p.name(peer.target), seconds(peer.cpu.median), times(r), count(tupelo.throughput.median), count(peer.throughput.median))
	} else {
		b.WriteString(" No peer's figures can be compared with it.")
	}
	b.WriteString(p.consistentSummary())
	b.WriteString(p.outOfRatios())
	return b.String()
}

// consistentSummary says what freshness costs.
func (p *page) consistentSummary() string {
	q := p.mainOf(workloadConsistent)
	tupelo := p.figures.find(tupeloTarget, q)
	if !tupelo.sound() || !tupelo.cpu.known {
		return ""
	}
	text := fmt.Sprintf(" Fully consistent, a check is %s of Tupelo's", seconds(tupelo.cpu.median))
	peer := p.strongest(q)
	if peer == nil {
		return text + "."
	}
	r, _ := p.figures.cpuRatio(peer.target, tupeloTarget, q)
	return fmt.Sprintf("%s, and %s of the strongest peer's there, %s: %s as much.", text, seconds(peer.cpu.median), p.name(peer.target), times(r))
}

// strongest returns the peer whose server spends the least on an operation, of those that answered right.
func (p *page) strongest(q question) *figure {
	var best *figure
	for _, t := range p.run.Targets {
		if !t.peer() {
			continue
		}
		if f := p.figures.find(t.ID, q); f.sound() && f.cpu.known && (best == nil || f.cpu.median < best.cpu.median) {
			best = f
		}
	}
	return best
}

// peer reports whether a target is of somebody else.
func (t Target) peer() bool {
	return t.ID != echoTarget && t.ID != tupeloTarget && !strings.HasPrefix(t.ID, tupeloTarget+"-")
}

// outOfRatios names who gave wrong answers or failed too often to be compared.
func (p *page) outOfRatios() string {
	var out []string
	for _, t := range p.run.Targets {
		for _, w := range []string{workloadCheck, workloadConsistent} {
			f := p.figures.find(t.ID, p.mainOf(w))
			if f == nil || f.calls == 0 || f.sound() {
				continue
			}
			what := fmt.Sprintf("%s wrong answers", count(float64(f.wrong)))
			if f.wrong == 0 {
				what = fmt.Sprintf("%s errors", count(float64(f.failed())))
			}
			text := fmt.Sprintf("%s (%s of %s, %s)", t.Name, what, count(float64(f.calls)), strings.ToLower(workloadTitle(w)))
			if limit := p.figures.find(echoTarget, f.question); f.cpu.known && limit.sound() && limit.cpu.known {
				text = strings.TrimSuffix(text, ")") + fmt.Sprintf(", at %s of processor time, %s echo)", seconds(f.cpu.median), times(f.cpu.median/limit.cpu.median))
			}
			out = append(out, text)
		}
	}
	text := ""
	if len(out) > 0 {
		text = " Not compared, because answers were wrong or missing: " + strings.Join(out, "; ") + "."
	}
	if absent := p.absent(); len(absent) > 0 {
		text += " Not there to be asked: " + strings.Join(absent, "; ") + "."
	}
	return text
}

// absent names who could not be asked about the data that the summary is about, and how each
// compares where it could be asked.
func (p *page) absent() (all []string) {
	for _, l := range p.run.Loads {
		if l.Failed == "" || l.DataSet != p.dataSet || l.Asked != p.tuples {
			continue
		}
		text := fmt.Sprintf("%s (%s", p.name(l.Target), l.Failed)
		for _, q := range p.figures.questions(func(q question) bool { return q.workload == workloadCheck && q.tuples < p.tuples && q.rate == 0 }) {
			if r, ok := p.figures.cpuRatio(l.Target, tupeloTarget, q); ok {
				text += fmt.Sprintf("; with %s tuples and %s it spends %s of Tupelo's processor time on a check", count(float64(q.tuples)), q.load(), times(r))
			}
		}
		all = append(all, text+")")
	}
	return all
}
