package report

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Files of a report's directory.
const (
	PageFile = "report.md"
)

// Write writes the results, the page and its charts into a directory, which it
// makes if need be. What stood there under these names is replaced.
func Write(dir string, r *Run) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := r.write(dir); err != nil {
		return err
	}
	p, err := newPage(r)
	if err != nil {
		return err
	}
	for _, c := range p.charts() {
		for _, t := range []theme{light, dark} {
			if err := os.WriteFile(filepath.Join(dir, c.name+t.suffix+".svg"), []byte(c.draw(t)), 0o644); err != nil {
				return err
			}
		}
	}
	return os.WriteFile(filepath.Join(dir, PageFile), []byte(p.text()), 0o644)
}

// Summary returns the one paragraph of a run that a reader takes along.
func Summary(r *Run) (string, error) {
	p, err := newPage(r)
	if err != nil {
		return "", err
	}
	return p.summary(), nil
}

// The targets that ratios are to and of.
const (
	echoTarget   = "echo"
	tupeloTarget = "tupelo"
)

// page is a report as it is made.
type page struct {
	strings.Builder
	run     *Run
	figures figures
	// What the summary and the bars are about: the data set that was asked first, the
	// size of it that there are the most figures of, and how many checks were in flight
	// in the middle.
	dataSet  string
	tuples   int
	inFlight int
}

func newPage(r *Run) (*page, error) {
	p := &page{run: r}
	var err error
	if p.figures, err = figuresOf(r); err != nil {
		return nil, err
	}
	if len(p.figures.all) == 0 {
		return p, nil
	}
	p.dataSet = p.figures.all[0].dataSet
	most := 0
	for _, f := range p.figures.all { // the sizes of a grid come in order
		figures := 0
		for _, other := range p.figures.all {
			if other.dataSet == p.dataSet && other.tuples == f.tuples && other.calls > 0 {
				figures++
			}
		}
		if f.dataSet == p.dataSet && figures > most {
			most, p.tuples = figures, f.tuples
		}
	}
	var inFlights []int
	for _, q := range p.figures.questions(func(q question) bool { return q.dataSet == p.dataSet && q.tuples == p.tuples && q.rate == 0 }) {
		if !slices.Contains(inFlights, q.inFlight) {
			inFlights = append(inFlights, q.inFlight)
		}
	}
	slices.Sort(inFlights)
	if len(inFlights) > 0 {
		p.inFlight = inFlights[len(inFlights)/2]
	}
	return p, nil
}

// main reports whether a question is of those that bars and summary are about.
func (p *page) main(q question) bool {
	return q.dataSet == p.dataSet && q.tuples == p.tuples && q.inFlight == p.inFlight && q.rate == 0
}

// mainOf returns the question of a workload that the summary is about.
func (p *page) mainOf(workload string) question {
	return question{dataSet: p.dataSet, tuples: p.tuples, workload: workload, inFlight: p.inFlight}
}

func (p *page) name(target string) string {
	i := slices.IndexFunc(p.run.Targets, func(t Target) bool { return t.ID == target })
	if i < 0 {
		return target
	}
	return p.run.Targets[i].Name
}

func (p *page) printf(format string, args ...any) { fmt.Fprintf(p, format, args...) }

// paragraphs writes texts with an empty line after each.
func (p *page) paragraphs(texts ...string) {
	for _, t := range texts {
		if t != "" {
			p.printf("%s\n\n", t)
		}
	}
}

// picture shows a chart, if there is one, on light ground and on dark.
func (p *page) picture(name string) {
	for _, c := range p.charts() {
		if c.name == name {
			p.printf("<picture>\n  <source media=\"(prefers-color-scheme: dark)\" srcset=\"%s%s.svg\">\n  <img alt=\"%s\" src=\"%s.svg\">\n</picture>\n\n",
				name, dark.suffix, escape(c.alt), name)
		}
	}
}

// text returns the whole page.
func (p *page) text() string {
	p.printf("# Measured on %s\n\n", p.run.Began.UTC().Format("2006-01-02"))
	p.printf("<!-- made from %s by `tupelo bench report`: change that, not this -->\n\n", ResultsFile)
	p.paragraphs(p.ended(), p.summary())
	p.picture(headlineChart)
	p.printf("## How it was measured\n\n")
	p.machine()
	p.method()
	p.targets()
	p.consistency()
	p.printf("## What each operation costs\n\n")
	p.paragraphs("Processor time of the server for one operation, database included, by what the echo server needs for the same messages. " +
		"Lists are streams, which the echo server does not make; they are in the tables below.")
	p.picture(ratiosChart)
	p.printf("## Under load\n\n")
	p.picture(inFlightChart)
	p.picture(latencyChart)
	p.printf("## As data grows\n\n")
	p.picture(sizeChart)
	p.loads()
	p.printf("## All figures\n\n")
	p.paragraphs("Medians over the rounds; ± is how far the round furthest away is from its median. " +
		"Latencies are of all rounds. *× echo* and *× Tupelo* compare the server's processor time for one operation.")
	p.tables()
	p.caveats()
	p.printf("## Again\n\n```sh\n%s\n```\n\n", p.run.Command)
	p.paragraphs("[How to, and how to read it](../../../docs/benchmarks.md).")
	return strings.TrimRight(p.String(), "\n") + "\n"
}

func (p *page) ended() string {
	if p.run.Ended == "" {
		return ""
	}
	return fmt.Sprintf("**This run ended before all was measured: %s.** Below is what there is.", p.run.Ended)
}
