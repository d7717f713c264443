// Package report makes the pages that a comparison is read by.
//
// The picture to have in mind: one file of results goes in, a page and its charts
// come out, and nothing else is asked.
//
//	results.json ──▶ Run ──▶ figures (medians over rounds) ──▶ report.md, *.svg
//
// It starts no server and measures nothing: bench/compare does, and bench/load.
//
//	Q1  The page follows from the results alone: the same file gives the same
//	    bytes, on any machine and at any time.
//	Q2  Nothing that was measured is left out for how it came out. What a target
//	    cannot do, what was not loaded in time, errors and wrong answers are said
//	    where their figures would stand. What answered wrong is in no ratio of the
//	    summary.
//	Q3  A ratio is of two figures of the same run, data set, workload and load.
//
// Read next: run.go, figures.go, page.go, charts.go.
package report
