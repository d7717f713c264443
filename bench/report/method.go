package report

import (
	"fmt"
	"strings"
)

// machine says on what the run was made.
func (p *page) machine() {
	m := p.run.Machine
	p.printf("| | |\n| --- | --- |\n")
	p.printf("| machine | %d processors, %s; %s/%s |\n", m.Cores, cell(orUnknown(m.CPU)), m.OS, m.Arch)
	p.printf("| client | %s, commit %s |\n", m.Go, orUnknown(m.Commit))
	p.printf("| began | %s, and took %s |\n", p.run.Began.UTC().Format("2006-01-02 15:04 MST"), minutes(p.run.Seconds))
	p.printf("| grid | preset %s, %d rounds |\n\n", p.run.Preset, p.run.Rounds)
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

func minutes(s float64) string {
	return fmt.Sprintf("%d:%02d min", int(s)/60, int(s)%60)
}

// method says how figures came about.
func (p *page) method() {
	p.paragraphs(
		"Every target was started with the same data, loaded by the client. Then rounds were gone through: in each, one question after "+
			"another was put to one target after another, with a warm-up before. While one was measured, the processes of all others were stopped "+
			"(SIGSTOP), so that none had its housekeeping paid by another.",
		"Every answer was compared with the right one, which follows from how the data was made. The client makes its messages ahead and sends them by "+
			"the generated code of each protocol. Processor time is of the server's process and all below it, its database included, as the kernel counts it; "+
			"of the target in the client's own process it is that of both together.",
		"A closed loop keeps so many calls in flight. An open loop sends at a fixed rate and counts latency from when a call was meant to be sent, "+
			"so that a server that stalls cannot hide what waited.",
	)
}

// targets says who was asked, and how each was started.
func (p *page) targets() {
	p.printf("### Who was asked\n\n| | version | settings that are not its own |\n| --- | --- | --- |\n")
	for _, t := range p.run.Targets {
		if t.Missing != "" {
			p.printf("| %s | **not there**: %s | |\n", t.Name, cell(t.Missing))
			continue
		}
		p.printf("| %s | %s | %s |\n", t.Name, cell(t.Version), cell(t.Why))
	}
	p.printf("\n<details><summary>Their command lines</summary>\n\n```sh\n")
	for _, t := range p.run.Targets {
		if len(t.Commands) > 0 {
			p.printf("# %s\n%s\n", t.Name, strings.Join(t.Commands, "\n"))
		}
	}
	p.printf("```\n\n</details>\n\n")
}

// consistencies say what the levels mean where, by product.
var consistencies = []struct{ product, name, latency, full string }{
	{"tupelo", "Tupelo", "the newest state that the node has applied; alone, it is never behind",
		"everything acknowledged before the call"},
	{"spicedb", "SpiceDB", "a revision that is kept for 5 s by default, so an answer may be older than a write by that",
		"the newest revision, past its caches"},
	{"openfga", "OpenFGA", "what the database says, or, with its caches on, what it said up to 10 s ago",
		"HIGHER_CONSISTENCY: past its caches"},
	{"keto", "Keto", "what the database says", "not offered; asked as with minimize latency"},
	{"permify", "Permify", "the snapshot that the newest write began with: another that was under way then may be missing until the next write", "not offered"},
}

// consistency says what was asked for, and what that means for each product.
func (p *page) consistency() {
	p.printf("### What the same question means\n\n| | minimize latency (each product's default) | fully consistent |\n| --- | --- | --- |\n")
	for _, c := range consistencies {
		for _, t := range p.run.Targets {
			if t.Missing == "" && strings.HasPrefix(t.ID, c.product) {
				p.printf("| %s | %s | %s |\n", c.name, c.latency, c.full)
				break
			}
		}
	}
	p.printf("\n")
}

// caveats says what the figures are not.
func (p *page) caveats() {
	p.printf("## What to beware of\n\n")
	for _, c := range []string{
		p.busy(),
		p.batchesOfPermify(),
		fmt.Sprintf("The client shares %d processors with the servers. What a target answers in a second, and its latency with many in flight, are "+
			"as much the client's as its own; processor time for one operation is not, so ratios are of that.", p.run.Machine.Cores),
		"Databases and Tupelo write to the same disk, which may be a virtual one. Writes depend on what a sync costs there.",
		"One node of each. Nothing here says what a cluster does; `make bench-cluster` measures Tupelo's.",
		"Datastores in memory are what their makers offer for tests. They are here because nothing of a database is in their figures.",
		"Caches are as each product comes, unless its name says otherwise. SpiceDB has some on; OpenFGA has none on. Questions come from all over the data, " +
			"so a cache of answers helps less than where a few are asked again and again.",
		"No target was tuned, and each can be. Corrections are welcome: [docs/benchmarks.md](../../../docs/benchmarks.md) tells how to repeat this.",
		"Two rounds on one machine tell multiples apart, not tenths.",
	} {
		if c != "" {
			p.printf("- %s\n", c)
		}
	}
	p.printf("\n")
}

// batchesOfPermify says how a wrong answer of its comes about, if it was asked.
func (p *page) batchesOfPermify() string {
	for _, t := range p.run.Targets {
		if t.Missing == "" && strings.HasPrefix(t.ID, "permify") {
			return "In a batch, Permify answers \"denied\" where a check failed, as its database took too long or the read was given up. " +
				"Its protocol has no way to tell that from an answer, so it counts as a wrong one."
		}
	}
	return ""
}

// busy says that others used the machine, if they did.
func (p *page) busy() string {
	if p.run.BusyBefore < float64(p.run.Machine.Cores)/2 {
		return ""
	}
	return fmt.Sprintf("**The machine was busy with other work**: %s processes wanted its %d processors in the minute before the run. "+
		"Throughput and latency suffer from that, each target's in its turn; processor time does less.", digits(p.run.BusyBefore), p.run.Machine.Cores)
}
