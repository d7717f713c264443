// Package replica puts one whole Tupelo together: tuples, the log that changes
// them, and the API that is asked.
//
// The picture to have in mind:
//
//	api.Server ── reads ──▶ store.Store ◀── applies ── raft.Node
//	    └────── proposes, waits for revisions ────────────▲
//
// It is what `tupelo serve` runs, and what a service opens that wants checks
// answered in its own process.
//
// On disk, below Options.Dir:
//
//	LOCK       held while the replica is open
//	state/     the tuples: package store
//	raft/      the log and its snapshots: package raft
//
// Invariants (each has a test that fails without it):
//
//	N1  One process has the directory; another is refused before it touches
//	    anything.
//	N2  After a power loss at any sync the replica has every acknowledged write,
//	    each write as a whole or not at all, and the state that a replay of the
//	    log from scratch gives, to the byte.
//	N3  A replica that cannot be opened, or is closed, lets go of all it had.
//
// What this package is not: it decides nothing about tuples, and has no logic
// that the packages it puts together could have.
//
// Read next: replica.go.
package replica
