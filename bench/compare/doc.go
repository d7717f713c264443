// Package compare puts the same questions to Tupelo and to others, in turn.
//
// The picture to have in mind: for each size of the data all targets are started and
// loaded; then everybody but the one who is asked stands still.
//
//	size ──▶ start, load, stop the clock of each ──▶ round ──▶ question ──▶ target ──▶ Cell
//	                                                  └──────────┴────────────┘ and again
//
// What the questions are is in a Grid; what a cell is, in bench/load; who there is, in
// bench/peer. What comes out is bench/report's.
//
//	V1  Every target is asked the same questions, of the same data, for the same time,
//	    and in each round in the order of the one before, begun one later.
//	V2  A target that cannot be started, loaded in time, or asked is in the results
//	    with the reason. It stops nobody else.
//	V3  However a run ends, no process that it started is left, and what was measured
//	    until then is returned.
//
// Read next: grid.go, then run.go.
package compare
