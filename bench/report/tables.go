package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/bench/load"
)

// The names of workloads that the page knows more about than their names.
const (
	workloadCheck      = "check"
	workloadConsistent = "check-fully-consistent"
)

// workloadTitles are how workloads are headed, in the order of reading.
var workloadTitles = []struct{ name, title string }{
	{workloadCheck, "Check, minimize latency"},
	{workloadConsistent, "Check, fully consistent"},
	{"batch-check", "Batch of 50 checks"},
	{"list-objects", "List of all objects of a user"},
	{"list-subjects", "List of all subjects of an object"},
	{"write", "Write"},
	{"mixed-99-1", "Checks, one write in 100"},
	{"mixed-90-10", "Checks, ten writes in 100"},
	{"watch", "Write, until it comes by a watch"},
}

func workloadOrder(name string) int {
	for i, w := range workloadTitles {
		if w.name == name {
			return i
		}
	}
	return len(workloadTitles)
}

func workloadTitle(name string) string {
	if i := workloadOrder(name); i < len(workloadTitles) {
		return workloadTitles[i].title
	}
	return name
}

// setTitle is how a data set is spoken of.
func setTitle(name string) string {
	if name == "gitclub" {
		return "GitClub"
	}
	return name
}

// tables writes all figures, a table for each workload, data set and size.
func (p *page) tables() {
	last := ""
	for _, q := range p.figures.questions(func(question) bool { return true }) {
		title := fmt.Sprintf("%s: %s, %s tuples", workloadTitle(q.workload), setTitle(q.dataSet), count(float64(q.tuples)))
		if title != last {
			if last != "" {
				p.printf("\n")
			}
			p.printf("### %s\n\n", title)
			p.printf("| | load | a second | p50 | p99 | server CPU | × echo | × Tupelo | client CPU | memory | remarks |\n")
			p.printf("| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --- |\n")
			last = title
		}
		for _, t := range p.run.Targets {
			if f := p.figures.find(t.ID, q); f != nil {
				p.row(t, f)
			}
		}
	}
	p.printf("\n")
}

// load spells how a question was asked.
func (q question) load() string {
	if q.rate > 0 {
		return count(q.rate) + "/s offered"
	}
	return fmt.Sprintf("%d in flight", q.inFlight)
}

func (p *page) row(t Target, f *figure) {
	if f.unsupported != "" {
		p.printf("| %s | %s | | | | | | | | | %s |\n", t.Name, f.load(), cell("not supported: "+f.whyUnsupported()))
		return
	}
	p.printf("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", t.Name, f.load(), f.throughput.text(count),
		f.p50.plain(seconds), f.p99.plain(seconds), f.cpu.text(seconds), p.ratioText(t.ID, echoTarget, f), p.ratioText(t.ID, tupeloTarget, f),
		f.clientCPU.plain(seconds), f.memory.plain(size), cell(f.remarks()))
}

// whyUnsupported is the reason without what stands before it in the error.
func (f *figure) whyUnsupported() string {
	if _, why, ok := strings.Cut(f.unsupported, "not supported: "); ok {
		return why
	}
	return f.unsupported
}

// ratioText is what stands in the table of ratios: nothing where there is nothing to compare.
func (p *page) ratioText(of, to string, f *figure) string {
	r, ok := p.figures.cpuRatio(of, to, f.question)
	if !ok {
		return ""
	}
	return times(r)
}

// text spells a figure and its deviation.
func (s spread) text(spell func(float64) string) string {
	if !s.known {
		return ""
	}
	if s.low == s.high {
		return spell(s.median)
	}
	return fmt.Sprintf("%s ± %.0f %%", spell(s.median), 100*s.deviation())
}

func (s spread) plain(spell func(float64) string) string {
	if !s.known {
		return ""
	}
	return spell(s.median)
}

// remarks says what a reader must know about a figure.
func (f *figure) remarks() string {
	var all []string
	if f.wrong > 0 {
		all = append(all, fmt.Sprintf("**%s of %s answers wrong**, such as %s", count(float64(f.wrong)), count(float64(f.calls)), f.firstWrong))
	}
	for _, code := range slices.Sorted(maps.Keys(f.errors)) {
		all = append(all, fmt.Sprintf("%s failed, beside %s that did not: %s", count(float64(f.errors[code])), count(float64(f.calls)), code))
	}
	if f.firstError != "" {
		all = append(all, "the first: "+f.firstError)
	}
	if f.unsent > 0 {
		all = append(all, count(float64(f.unsent))+" were due and never sent")
	}
	if f.together {
		all = append(all, "client and server are one process")
	}
	return strings.Join(all, "; ")
}

// cell makes a text fit for a cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(s)
}

// loads writes how targets came by each data set.
func (p *page) loads() {
	if len(p.run.Loads) == 0 {
		return
	}
	p.paragraphs("Loading, each target in its own way, by the client's clock. *Right after* is how long it was after the last acknowledgement " +
		"until 300 checks by the default consistency were all answered right.")
	p.printf("| | data set | tuples | took | tuples a second | server CPU a tuple | right after | memory then |\n| --- | --- | --: | --: | --: | --: | --: | --: |\n")
	for _, l := range p.run.Loads {
		if l.Target == echoTarget {
			continue
		}
		p.printf("| %s | %s | %s |", p.name(l.Target), setTitle(l.DataSet), count(float64(l.Asked)))
		if l.Failed != "" {
			p.printf(" **%s** | | | | |\n", cell(l.Failed))
			continue
		}
		p.printf(" %s | %s | %s | %s | %s |\n", seconds(l.Seconds), count(float64(l.Asked)/max(l.Seconds, 1e-9)), importCPU(l.Import), seconds(l.Settled), importMemory(l.Import))
	}
	p.printf("\n")
}

// importCPU spells the server's processor time for each tuple that it loaded.
func importCPU(r *load.Result) string {
	switch {
	case r == nil:
		return ""
	case r.Server == nil:
		return seconds(r.Client.CPUMicrosPerOp/1e6) + ", client included"
	}
	return seconds(r.Server.CPUMicrosPerOp / 1e6)
}

func importMemory(r *load.Result) string {
	switch {
	case r == nil:
		return ""
	case r.Server == nil:
		return size(float64(r.Client.RSSBytes))
	}
	return size(float64(r.Server.RSSBytes))
}
