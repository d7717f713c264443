// Package oracle answers Tupelo's questions in the plainest way there is, for
// tests to compare the engine with. It reads the schema's syntax tree and a
// list of tuples by name, and shares nothing with the engine or the compiler.
//
// For one subject it finds the set of all usersets that contain it, by the
// definition of the operators: begin with nothing, add every userset that the
// tuples and rewrites make it a member of, until nothing more is added. That
// is the least fixpoint, in which members need a reason that does not go in a
// circle.
//
// An exclusion looks at what is not in a set, which is not known before the
// set is complete. So the sets are found twice in turns: what holds at the
// least, taking everything possible as excluded, and what holds at the most,
// taking only the least as excluded, until the two no longer move. This is the
// alternating fixpoint of the well-founded semantics; a userset between the two
// is undefined, and reads as not containing the subject.
//
// Whether a tuple counts is said by the test that asks ([Condition]). A tuple of
// which that is open is left out of what holds at the least and taken into what
// holds at the most; a userset between the two may contain the subject if it
// depends on such a tuple, and missing.go says on which fields.
//
// Invariants:
//
//	O1  No code is shared with what it judges: only the syntax tree and the
//	    named tuples come in.
//	O2  Clarity before speed, and no memo: each answer is found from nothing.
//
// Read next: package rewrite's property tests.
package oracle
