package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is one line of the report: what was measured, and what it is to be seen
// beside.
type figure struct {
	Measure string  `json:"measure"`
	Case    string  `json:"case"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	P50ms   float64 `json:"p50_ms,omitempty"`
	P99ms   float64 `json:"p99_ms,omitempty"`
	// CPUus is what a call took of the processors: by nodes, clients and all.
	CPUus float64 `json:"cpu_us,omitempty"`
	// Ratio is Value by something else of the same run, which To names.
	Ratio float64 `json:"ratio,omitempty"`
	To    string  `json:"to,omitempty"`
	// AtLeast is the budget of the ratio; 0: there is none.
	AtLeast float64 `json:"at_least,omitempty"`
}

// report prints figures: each at once as a line of JSON, or a table of those that
// belong together.
type report struct {
	out  io.Writer
	json bool
	held []figure // of the table to come
}

func (r *report) add(f figure) error {
	if r.json {
		return json.NewEncoder(r.out).Encode(f)
	}
	if len(r.held) > 0 && r.held[0].Measure != f.Measure {
		if err := r.flush(); err != nil {
			return err
		}
	}
	r.held = append(r.held, f)
	return nil
}

// flush prints the table of what is held.
func (r *report) flush() error {
	if len(r.held) == 0 {
		return nil
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	for _, f := range r.held {
		p50, p99, cpu := "", "", ""
		if f.P99ms > 0 {
			p50, p99 = "p50 "+milliseconds(f.P50ms), "p99 "+milliseconds(f.P99ms)
		}
		if f.CPUus > 0 {
			cpu = number(f.CPUus) + " µs of CPU"
		}
		line := strings.Join([]string{f.Case, number(f.Value) + " " + f.Unit, p50, p99, cpu, f.comparison()}, "\t")
		fmt.Fprintf(w, "  %s\n", line)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	text := r.held[0].Measure + "\n"
	for line := range strings.Lines(table.String()) {
		text += strings.TrimRight(line, " \n") + "\n"
	}
	r.held = nil
	_, err := fmt.Fprintln(r.out, text)
	return err
}

// comparison says what the ratio is, and whether it is what it should be.
func (f *figure) comparison() string {
	if f.To == "" {
		return ""
	}
	text := fmt.Sprintf("%.2f × %s", f.Ratio, f.To)
	switch {
	case f.AtLeast == 0:
		return text
	case f.Ratio < f.AtLeast:
		return fmt.Sprintf("%s, BELOW %g", text, f.AtLeast)
	}
	return fmt.Sprintf("%s, at least %g is asked for", text, f.AtLeast)
}

func milliseconds(ms float64) string { return number(ms) + " ms" }

// number keeps three digits, and all of those before the point.
func number(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

func inMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// readFigures reads what other programs have measured.
func readFigures(files []string) (figures []figure, err error) {
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		for {
			var f figure
			err := decoder.Decode(&f)
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil && (f.Measure == "" || f.Case == "") {
				err = errors.New("a figure needs a measure and a case")
			}
			if err != nil {
				return nil, fmt.Errorf("reading figures from %s: %w", name, err)
			}
			figures = append(figures, f)
		}
	}
	return figures, nil
}
