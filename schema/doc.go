// Package schema is the language that says which relations objects have and
// which permissions follow from them. It is SpiceDB's schema language, so that
// existing .zed files load unchanged:
//
//	definition repository {
//		relation owner: user | team#member
//		relation parent: organization
//		permission read = owner + parent->member
//	}
//
// A text goes one way, each step with a result that the next one takes:
//
//	text ── Parse ──> *Schema ── Check ──> (no *Errors) ── Compile ──> *Program
//	           <── Format ──┘                                └─ on integers, for package rewrite
//
// A [Schema] is the text as a tree, with positions and comments. A [Program] is
// what an evaluator runs: the rewrite operators of the Zanzibar paper (section
// 2.3) in flat arrays, with numbers in place of names, operands in the order in
// which to try them, and for each relation and permission the kinds of subject
// that it can have at all, so that whole branches need not be looked at.
//
// Invariants:
//
//	L1  Every problem of a text is in the one *Errors, with its place: no other
//	    error and no panic, whatever the text. What the language has but this
//	    version does not support is a problem too, never ignored.
//	L2  A schema that passes Check compiles, given numbers for its names.
//	L3  Format(Parse(text)) parses to the same tree, comments included, and
//	    formats to itself (if it does not grow beyond MaxTextBytes).
//	L4  The result of each step depends on its arguments only, and so is the
//	    same on every replica.
//	L5  Reaches never denies a possible yes.
//	L6  Memory and time are bounded by the limits in this package (MaxTextBytes
//	    and the like), not by what a text makes of them.
//
// The package imports nothing of Tupelo's. It knows no tuples; their numbers
// come in through [Numbering]. Subpackage schematest makes random schemas for
// property tests. Read next: package rewrite, which evaluates a Program.
package schema
