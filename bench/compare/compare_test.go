package compare

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/bench/peer"
	"github.com/tupelodb/tupelo/bench/report"
	"github.com/tupelodb/tupelo/bench/target"
)

// brief asks a little of a small data set.
func brief() Grid {
	const short = 30 * time.Millisecond
	return Grid{
		Name: "brief", Rounds: 2, WarmUp: 10 * time.Millisecond, LoadLimit: time.Minute,
		Sizes: []Size{
			{gitclub, 500, 1, checks(short, 1)},
			{gitclub, 1000, 1, []Question{{Workload: check, InFlight: 1, For: short}, {Workload: write, InFlight: 2, For: short}}},
		},
	}
}

// options compare Tupelo in process with two that cannot be started.
func options(t *testing.T) Options {
	t.Helper()
	dead, err := exec.LookPath("false")
	if err != nil {
		t.Skip("there is no program that fails")
	}
	return Options{
		Grid: brief(), Targets: []string{"tupelo", InProcess, "openfga-memory"},
		Peers: peer.Options{Tupelo: dead, OpenFGA: dead, Dir: t.TempDir()},
		Open: func(protocol string, at Place) (load.Target, error) {
			return target.Open(protocol, target.Options{Dir: at.Dir, Connections: at.Connections})
		},
	}
}

func TestWhoCannotBeStartedIsInTheResultsAndStopsNobody(t *testing.T) {
	o := options(t)
	spoiled := map[string]int{}
	o.Spoiled = func(target string, err error) {
		if !errors.Is(err, peer.ErrEnded) {
			t.Errorf("%s: %v", target, err)
		}
		spoiled[target]++
	}
	var told []Progress
	o.Tell = func(p Progress) { told = append(told, p) }
	run, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if spoiled["tupelo"] != 2 || spoiled["openfga-memory"] != 2 || len(spoiled) != 2 {
		t.Errorf("spoiled are %v", spoiled)
	}
	if len(run.Cells) != 2*(1+2) || len(run.Loads) != 3*2 || run.Ended != "" {
		t.Fatalf("%d cells, %d loads, ended %q", len(run.Cells), len(run.Loads), run.Ended)
	}
	for _, c := range run.Cells {
		if c.Target != InProcess || c.Ops == 0 || c.Wrong > 0 || len(c.Errors) > 0 {
			t.Errorf("a cell is %+v", c)
		}
	}
	for _, l := range run.Loads {
		if failed := l.Failed != ""; failed != (l.Target != InProcess) || strings.Contains(l.Failed, "\n") {
			t.Errorf("a load is %+v", l)
		}
	}
	// 3 × 2 loads, and the cells; those of whom there is not are not waited for.
	if len(told) != 6+6 || told[len(told)-1].Left > time.Second {
		t.Errorf("told %d times, last: %+v", len(told), told[len(told)-1])
	}
	for i, p := range told[1:] {
		if p.Left > told[i].Left {
			t.Errorf("%v are left, and then %v", told[i], p)
		}
	}
	if left, err := os.ReadDir(o.Peers.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := report.Write(t.TempDir(), run); err != nil {
		t.Error(err)
	}
}

func TestARunThatIsInterruptedReturnsWhatItHas(t *testing.T) {
	o := options(t)
	o.Targets = []string{InProcess}
	for _, after := range []int{1, 2, 5} {
		ctx, cancel := context.WithCancel(t.Context())
		steps := 0
		o.Tell = func(Progress) {
			if steps++; steps > after {
				cancel()
			}
		}
		run, err := Run(ctx, o)
		if !errors.Is(err, context.Canceled) || run == nil || run.Ended != "it was interrupted" {
			t.Fatalf("after %d steps: %v, %+v", after, err, run)
		}
		loads := 1
		if after > 3 {
			loads = 2
		}
		if len(run.Loads) != loads || len(run.Cells) != after-loads {
			t.Errorf("after %d steps: %d loads, %d cells", after, len(run.Loads), len(run.Cells))
		}
		if left, err := os.ReadDir(o.Peers.Dir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v, %v", left, err)
		}
	}
}

func TestWhatTakesTooLongToLoadIsNotAskedAbout(t *testing.T) {
	o := options(t)
	o.Targets = []string{InProcess}
	o.Grid.LoadLimit = time.Nanosecond
	run, err := Run(t.Context(), o)
	if err != nil || len(run.Cells) != 0 || !strings.Contains(run.Loads[0].Failed, "not loaded within 1ns") {
		t.Fatalf("%v, %+v", err, run)
	}
	s := &session{Options: o, rates: map[string]float64{InProcess: 100}}
	s.Grid.LoadLimit = 4 * time.Second
	set, err := dataset.Open(gitclub, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.bring(t.Context(), InProcess, set)
	if err == nil || err.Error() != "not loaded: at 100 tuples/s, as before, it would take 20s, and 4s are given" {
		t.Errorf("what was slow before: %v", err)
	}
}

func TestWhomThereIsNotIsRefused(t *testing.T) {
	for _, id := range []string{"zanzibar", "spicedb-memory"} {
		o := options(t)
		o.Targets = []string{id}
		if run, err := Run(t.Context(), o); !errors.Is(err, ErrTarget) || run != nil || !strings.Contains(err.Error(), "openfga-memory") {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := Preset("long"); !errors.Is(err, ErrPreset) || !strings.Contains(err.Error(), "full, short, tiny") {
		t.Errorf("a preset that there is not: %v", err)
	}
}

func TestPresetsAskOfTheSameInFlightAtEachSize(t *testing.T) {
	for _, name := range Presets() {
		g, err := Preset(name)
		if err != nil || g.Name != name || g.Rounds < 1 || g.LoadLimit <= 0 {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
		common := map[Question]int{}
		for _, size := range g.Sizes {
			var asked []Question
			for _, q := range size.Questions {
				if q.For <= 0 || (q.Rate > 0) == (q.InFlight > 0) {
					t.Errorf("%s asks %+v", name, q)
				}
				if q.Workload == check && q.Rate == 0 {
					q.For = 0
					asked = append(asked, q)
				}
			}
			for _, q := range asked {
				common[q]++
			}
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(common)), func(n int) bool { return n == len(g.Sizes) }) {
			t.Errorf("%s has no check for the chart by size: %v", name, common)
		}
	}
}
