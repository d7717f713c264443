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
// [LoadFiles] does the first two steps for a text that imports others, and gives one
// tree of all of them. [Diff] says what changes in meaning from one tree to another,
// and [Disallowed] which kinds of tuples the change would strand.
//
// A [Schema] is the text as a tree, with positions and comments. Members that a
// definition includes from a partial are among its own, so that only the formatter
// needs to know of partials. A [Program] is what an evaluator runs: the rewrite
// operators of the Zanzibar paper (section 2.3) in flat arrays, with numbers in place
// of names, operands in the order in which to try them, and for each relation and
// permission the kinds of subject that it can have at all, so that whole branches
// need not be looked at.
//
// Invariants:
//
//	L1  Every problem of a text is in the one *Errors, with its place: no other
//	    error and no panic, whatever the text. A caveat's expression is part of it.
//	L2  A schema that passes Check compiles, given numbers for its names.
//	L3  Format(Parse(text)) parses to the same tree, comments included, and
//	    formats to itself (if it does not grow beyond MaxTextBytes).
//	L4  The result of each step depends on its arguments only, and so is the
//	    same on every replica.
//	L5  Reaches never denies a possible yes.
//	L6  Memory and time are bounded by the limits in this package (MaxTextBytes
//	    and the like), not by what a text makes of them.
//	L7  A change that Diff calls wider takes a subject from nobody, one that it
//	    calls narrower gives none to anybody, whatever tuples are stored, as far
//	    as the names that the expressions use mean what they meant.
//	L8  A relation lists each kind of subject once, with all traits that tuples of
//	    the kind may carry.
//
// The package imports nothing of Tupelo's but schema/caveat, which compiles and
// evaluates the expressions of caveats. It knows no tuples; their numbers come in
// through [Numbering]. Subpackage schematest makes random schemas for property tests,
// fixture reads files of tuples and assertions. Read next: package rewrite, which
// evaluates a Program.
package schema
