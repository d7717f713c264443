package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/bench/load"
)

// benchTable prints results as the rows of a table, as they come.
type benchTable struct{ begun bool }

const benchRow = "%-23s %-9s %10s %9s %9s %9s %10s %7s %9s  %s\n"

func (b *benchTable) row(t *terminal, r *load.Result) {
	if !b.begun {
		b.begun = true
		t.printf("%s %s, %s of %d tuples, seed %d, %d cores\n\n", r.Target, r.TargetVersion, r.DataSet, r.Tuples, r.Seed, r.Machine.Cores)
		t.printf(benchRow, "workload", "load", "ops/s", "p50 µs", "p99 µs", "p99.9 µs", "server", "client", "server", "")
		t.printf(benchRow, "", "", "", "", "", "", "µs/op", "µs/op", "MiB", "")
	}
	if r.NotSupported != "" {
		t.printf("%-23s not supported: %s\n", r.Workload, r.NotSupported)
		return
	}
	latency := r.Latency
	if latency == nil {
		latency = &load.Latency{}
	}
	micros, memory := "", ""
	if r.Server != nil {
		micros, memory = fmt.Sprintf("%.1f", r.Server.CPUMicrosPerOp), fmt.Sprint(r.Server.RSSBytes>>20)
	}
	t.printf(benchRow, r.Workload, loadText(r), fmt.Sprintf("%.0f", r.OpsPerSecond),
		fmt.Sprintf("%.0f", latency.P50), fmt.Sprintf("%.0f", latency.P99), fmt.Sprintf("%.0f", latency.P999),
		micros, fmt.Sprintf("%.1f", r.Client.CPUMicrosPerOp), memory, troubleText(r))
}

// loadText says what the load of a result was.
func loadText(r *load.Result) string {
	switch r.Mode {
	case "closed":
		return fmt.Sprint(r.InFlight)
	case "open":
		return fmt.Sprintf("%.0f/s", r.OfferedPerSecond)
	}
	return ""
}

// troubleText says what went wrong.
func troubleText(r *load.Result) string {
	var all []string
	if r.Wrong > 0 {
		all = append(all, fmt.Sprintf("%d WRONG", r.Wrong))
	}
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		all = append(all, fmt.Sprintf("%d %s", r.Errors[code], code))
	}
	if r.Unsent > 0 {
		all = append(all, fmt.Sprintf("%d never sent", r.Unsent))
	}
	return strings.Join(all, ", ")
}
