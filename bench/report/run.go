package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tupelodb/tupelo/bench/load"
)

// RunVersion is the version of the form of Run. It is raised when the meaning of a
// field changes; new fields do not raise it.
const RunVersion = 1

// Run is everything that a comparison came to: what results.json holds.
type Run struct {
	Version int       `json:"version"`
	Began   time.Time `json:"began"`
	// Seconds is how long all of it took, loading included.
	Seconds float64 `json:"seconds"`
	Command string  `json:"command"` // with which it can be repeated
	Preset  string  `json:"preset"`
	Rounds  int     `json:"rounds"`
	// BusyBefore is how many processes wanted a processor in the minute before the run
	// began (the load average), where the system tells.
	BusyBefore float64 `json:"busy_before,omitempty"`
	// Ended says why the run ended before all was measured; it is empty if it did not.
	Ended   string       `json:"ended,omitempty"`
	Machine load.Machine `json:"machine"`
	Targets []Target     `json:"targets"`
	Loads   []Load       `json:"loads"`
	Cells   []Cell       `json:"cells"`
}

// Target is who was asked.
type Target struct {
	ID       string   `json:"id"`   // the product's name, a dash, and the variant, such as spicedb-memory
	Name     string   `json:"name"` // for people
	Version  string   `json:"version"`
	Commands []string `json:"commands,omitempty"` // that started it
	Why      string   `json:"why,omitempty"`      // the settings that are not its own
	// Missing says why it is not there at all.
	Missing string `json:"missing,omitempty"`
}

// Load is how a target came by a data set.
type Load struct {
	Target  string  `json:"target"`
	DataSet string  `json:"data_set"`
	Asked   int     `json:"asked"`   // how many tuples the grid asks for
	Seconds float64 `json:"seconds"` // until they were loaded, or it was given up
	// Settled is how long it was after loading until answers by the target's default
	// consistency were right.
	Settled float64 `json:"settled_seconds,omitempty"`
	// Failed says why the data set is not there to be asked about.
	Failed string `json:"failed,omitempty"`
	// Import is what loading took, if it was done.
	Import *load.Result `json:"import,omitempty"`
}

// Cell is one measurement: what was asked in which round, and what came of it. The
// result's Target is a Target's ID.
type Cell struct {
	Round int     `json:"round"`          // from 1
	Asked int     `json:"asked"`          // how many tuples the grid asks for; a data set has a few more
	Rate  float64 `json:"rate,omitempty"` // how many calls a second the grid asks for, of an open loop
	load.Result
}

// Slim drops what the page does not need and that is long: the histograms of all
// but the latencies of open loops. Their percentiles stay.
func (c *Cell) Slim() {
	drop := func(l *load.Latency) {
		if l != nil {
			l.Histogram = ""
		}
	}
	drop(c.Service)
	for _, l := range c.Kinds {
		drop(l)
	}
	if c.Mode != "open" {
		drop(c.Latency)
	}
}

// ReadRun reads results.json of a directory.
func ReadRun(dir string) (*Run, error) {
	name := filepath.Join(dir, ResultsFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var r Run
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, ErrForm, err)
	}
	if r.Version != RunVersion {
		return nil, fmt.Errorf("%s: %w: its version is %d, and %d is known", name, ErrForm, r.Version, RunVersion)
	}
	return &r, nil
}

// ResultsFile is the file of a run's results, beside its report.
const ResultsFile = "results.json"

// write writes the results into a directory, each cell in a line of its own.
func (r *Run) write(dir string) error {
	head := *r
	head.Cells = nil
	text, err := json.MarshalIndent(head, "", " ")
	if err != nil {
		return err
	}
	text = append(bytes.TrimSuffix(text, []byte("null\n}")), '[')
	for i := range r.Cells {
		line, err := json.Marshal(r.Cells[i])
		if err != nil {
			return err
		}
		if i > 0 {
			text = append(text, ',')
		}
		text = append(append(text, '\n'), line...)
	}
	return os.WriteFile(filepath.Join(dir, ResultsFile), append(text, "\n]}\n"...), 0o644)
}
