package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestMain lets the tests' binary be the node that joins.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == joinerCommand {
		if err := beJoiner(context.Background(), os.Args[2:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestEveryFigureIsMeasured(t *testing.T) {
	if testing.Short() {
		t.Skip("two clusters are opened")
	}
	var out bytes.Buffer
	dir := t.TempDir()
	if err := measureAll(t.Context(), []string{"-tuples", "1000", "-time", "50ms", "-json", "-dir", dir}, &out); err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for decoder := json.NewDecoder(&out); decoder.More(); {
		var f figure
		if err := decoder.Decode(&f); err != nil {
			t.Fatal(err)
		}
		got[f.Measure]++
		if f.Value < 0 || f.Value == 0 && f.Unit != "MiB" && f.Measure != "idle" {
			t.Errorf("%s, %s: %g %s", f.Measure, f.Case, f.Value, f.Unit)
		}
		if f.To != "" && f.Ratio <= 0 {
			t.Errorf("%s, %s: %g × %s", f.Measure, f.Case, f.Ratio, f.To)
		}
	}
	joins := 2 * 5 // time, and memory on both sides; two starts
	if resident, _ := memory("VmRSS"); resident == 0 {
		joins = 2 * 3
	}
	want := map[string]int{"writes": 2 * (2*len(inFlights) + 1), "load": 1, "checks": 2 * 3 * 2, "zookies": 2, "idle": 2, catchingUpMeasure: joins}
	if !maps.Equal(got, want) {
		t.Errorf("figures by measure: %v, want %v", got, want)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestOptionsThatMeanNothingAreRefused(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"-only writes,reads", `no measure "reads"`},
		{"-tuples 10", "at least 1000"},
		{"-time 0s", "must be positive"},
		{"now", "no argument is known"},
	} {
		_, err := readOptions(strings.Fields(test.args))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.args, err, test.want)
		}
	}
}

func TestTheTableSaysWhatIsBelowItsBudget(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out}
	for _, f := range []figure{
		{Measure: "writes", Case: "1 in flight", Value: 1234.5, Unit: "/s", P50ms: 0.5, P99ms: 12.34, CPUus: 80},
		{Measure: "writes", Case: "64 in flight", Value: 99, Unit: "/s", Ratio: 19.9, To: "syncs", AtLeast: 20},
		{Measure: "checks", Case: "leader", Value: 1, Unit: "/s", Ratio: 0.9, To: "local", AtLeast: 0.9},
		{Measure: "checks", Case: "follower", Value: 1, Unit: "/s", Ratio: 0.1, To: "local"},
	} {
		if err := r.add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.flush(); err != nil {
		t.Fatal(err)
	}
	const want = `writes
  1 in flight   1234 /s  p50 0.50 ms  p99 12.3 ms  80.0 µs of CPU
  64 in flight  99.0 /s                                            19.90 × syncs, BELOW 20

checks
  leader    1.00 /s        0.90 × local, at least 0.9 is asked for
  follower  1.00 /s        0.10 × local

`
	if got := out.String(); got != want {
		t.Errorf("the tables are\n%s\nwant\n%s", got, want)
	}
}

func TestFiguresOfOtherProgramsAreTakenAsTheyWerePrinted(t *testing.T) {
	var printed bytes.Buffer
	mine := figure{Measure: "failover", Case: "30 rounds", Value: 1.5, Unit: "s", P50ms: 1200, P99ms: 1900}
	if err := (&report{out: &printed, json: true}).add(mine); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "figures")
	write := func(text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(printed.String() + printed.String())
	got, err := readFigures([]string{name})
	if err != nil || len(got) != 2 || got[0] != mine || got[1] != mine {
		t.Errorf("read %v, %v", got, err)
	}
	for _, bad := range []string{printed.String() + "{", "{}", "[]"} {
		write(bad)
		if got, err := readFigures([]string{name}); err == nil {
			t.Errorf("%s is taken for %v", bad, got)
		}
	}
}

func TestALoadKeepsItsCallsInFlightAndSaysHowLongTheyTook(t *testing.T) {
	var running, most atomic.Int64
	l, err := drive(t.Context(), 8, 20*time.Millisecond, func(context.Context, int, int) error {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(2 * time.Millisecond)
		running.Add(-1)
		return nil
	})
	if err != nil || most.Load() < 2 || most.Load() > 8 {
		t.Errorf("%d calls were in flight of 8, %v", most.Load(), err)
	}
	if l.elapsed < 20*time.Millisecond || len(l.took) < 8 || l.quantile(0) < 2*time.Millisecond {
		t.Errorf("%d calls in %v, the fastest in %v", len(l.took), l.elapsed, l.quantile(0))
	}
}

func TestQuantilesAreOfTheCallsThatThereWere(t *testing.T) {
	l := load{elapsed: time.Second}
	for i := range 100 {
		l.add(load{took: []time.Duration{time.Duration(100-i) * time.Millisecond}})
	}
	for part, want := range map[float64]int{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := l.quantile(part); got != time.Duration(want)*time.Millisecond {
			t.Errorf("of %g of the calls: %v, want %d ms", part, got, want)
		}
	}
	if got := l.rate(); got != 100 {
		t.Errorf("%g calls a second", got)
	}
	if got := (&load{}).quantile(0.5); got != 0 {
		t.Errorf("of no calls: %v", got)
	}
}

func TestACallThatFailsEndsTheLoad(t *testing.T) {
	errBroken := errors.New("broken")
	begun := time.Now()
	_, err := drive(t.Context(), 4, time.Hour, func(_ context.Context, worker, i int) error {
		if worker == 2 && i == 3 {
			return errBroken
		}
		return nil
	})
	if !errors.Is(err, errBroken) || time.Since(begun) > time.Minute {
		t.Errorf("it ended with %v after %v", err, time.Since(begun))
	}
}
