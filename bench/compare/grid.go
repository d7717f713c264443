package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Grid says what is asked, how often, and how long.
type Grid struct {
	Name   string
	Rounds int
	WarmUp time.Duration // before each cell
	// LoadLimit is how long one target may take to load one data set. It is not asked
	// about what takes longer.
	LoadLimit time.Duration
	Sizes     []Size
}

// Size is one data set and what is asked about it.
type Size struct {
	DataSet   string
	Tuples    int
	Seed      uint64
	Questions []Question
}

// Question is one cell of the grid, asked of each target in each round.
type Question struct {
	Workload string
	InFlight int     // of a closed loop
	Rate     float64 // of an open loop, a second; 0: closed
	For      time.Duration
}

// Names of the data sets, workloads and targets that are spoken of here.
const (
	gitclub         = "gitclub"
	check           = "check"
	consistentCheck = "check-fully-consistent"
	batchCheck      = "batch-check"
	listObjects     = "list-objects"
	write           = "write"
	echo            = "echo"
	inProcess       = "in-process"
)

// offered is the rate of the open loop: what the slower peers can just answer, so
// that latencies and not overload is what is compared.
const offered = 200

// checks returns checks that minimize latency, with each number in flight.
func checks(each time.Duration, inFlights ...int) []Question {
	var all []Question
	for _, n := range inFlights {
		all = append(all, Question{Workload: check, InFlight: n, For: each})
	}
	return all
}

// others returns the other questions.
func others(each time.Duration, inFlight int) []Question {
	var all []Question
	for _, w := range []string{consistentCheck, batchCheck, listObjects, write} {
		all = append(all, Question{Workload: w, InFlight: inFlight, For: each})
	}
	return all
}

// grids are the presets.
var grids = map[string]Grid{
	// A few seconds, to see whether everything is there.
	"tiny": {
		Rounds: 2, WarmUp: 50 * time.Millisecond, LoadLimit: 20 * time.Second,
		Sizes: []Size{
			{gitclub, 1000, 1, checks(100*time.Millisecond, 4)},
			{gitclub, 2000, 1, slices.Concat(checks(100*time.Millisecond, 1, 4), []Question{{check, 0, offered, 200 * time.Millisecond}}, others(100*time.Millisecond, 4))},
		},
	},
	// About a quarter of an hour with SpiceDB and OpenFGA.
	"short": {
		Rounds: 2, WarmUp: time.Second, LoadLimit: time.Minute,
		Sizes: []Size{
			{gitclub, 10_000, 1, checks(time.Second, 16)},
			{gitclub, 100_000, 1, slices.Concat(checks(time.Second, 1, 16, 64), []Question{{check, 0, offered, 3 * time.Second}}, others(time.Second, 16))},
			{gitclub, 1_000_000, 1, checks(2*time.Second, 16)},
		},
	},
	// An evening.
	"full": {
		Rounds: 3, WarmUp: 3 * time.Second, LoadLimit: 20 * time.Minute,
		Sizes: []Size{
			{gitclub, 10_000, 1, checks(10*time.Second, 16)},
			{gitclub, 100_000, 1, slices.Concat(checks(10*time.Second, 1, 16, 64), []Question{{check, 0, offered, 30 * time.Second}}, others(10*time.Second, 16))},
			{gitclub, 1_000_000, 1, slices.Concat(checks(10*time.Second, 16), others(10*time.Second, 16))},
			{gitclub, 10_000_000, 1, checks(10*time.Second, 16)},
			{"nested", 100_000, 1, checks(10*time.Second, 16)},
			{"wide", 100_000, 1, checks(10*time.Second, 16)},
			{"drive", 100_000, 1, checks(10*time.Second, 16)},
		},
	},
}

// Presets returns the names of the grids that there are.
func Presets() []string { return slices.Sorted(maps.Keys(grids)) }

// Preset returns the grid of a name.
func Preset(name string) (Grid, error) {
	g, ok := grids[name]
	if !ok {
		return Grid{}, fmt.Errorf("preset %q: %w: there are %s", name, ErrPreset, strings.Join(Presets(), ", "))
	}
	g.Name = name
	return g, nil
}
