// Package rewritetest makes small worlds for tests of the evaluator: a schema,
// its compiled program, and tuples in memory. It is for tests of this package
// and of those that evaluate through it.
//
// A [World] is built from a schema's text or tree and filled with tuples by
// name, in files ([Scenario]) or at random ([World.Fill]).
//
// Invariants:
//
//	W1  A World stores only tuples that its schema allows, each once.
//	W2  The same random source fills the same world.
//	W3  Tuples answers reads as rewrite.Reader says: ids ascend, pages are
//	    whole, and More is set only if there is more.
//
// Read next: package rewrite's scenario tests.
package rewritetest
