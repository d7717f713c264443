// Package dataset makes worlds to measure in: a schema, as many tuples of it as
// are wanted, and operations whose answers are known because of how the world was
// made, and not because some server said so.
//
//	Open("gitclub", 1_000_000, seed) ──▶ Set
//	     Schema      one text, which Tupelo and SpiceDB read as it is
//	     Tuples      a stream, in constant memory; equal names, sizes and seeds give equal tuples
//	     Reads       checks, batches and lists, each with what it must be answered
//	     Writes      changes to objects of their own, each with the check that shows it
//
// The sets, each for one thing that is hard:
//
//	gitclub   code hosting: organizations, teams, repositories, jobs and runs
//	hot       the same, asked as the world asks: few organizations get most of it
//	nested    documents of teams that are 16 deep in each other
//	wide      documents that 10,000 teams may read
//	drive     folders in folders, with people kept out and links for everybody
//
// A set is made of places that look alike (organizations, companies, drives), and
// a user is known by the number of the place and a number in it. So an answer is
// arithmetic: user 1 of any organization maintains its repositories.
//
// Invariants (each has a test that fails without it):
//
//	D1  The same name, size and seed give the same tuples and the same operations,
//	    on any machine.
//	D2  What an operation is said to be answered is what the tuples and the schema
//	    say, by the oracle.
//	D3  What is written by one [Writes] changes no answer but those that it says
//	    itself, so reads and writes can go on at once.
//
// It measures nothing: see bench/load. Read next: set.go, then gitclub.go.
package dataset
