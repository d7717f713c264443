// Package caveat evaluates the conditions that a schema puts on tuples: named
// parameters with types, and one expression of type bool in CEL, the Common
// Expression Language.
//
//	caveat office_hours(now timestamp, ip ipaddress, networks list<string>) {
//		now.getHours("Europe/Berlin") < 18 && networks.exists(n, ip.in_cidr(n))
//	}
//
// A tuple fixes some of the parameters when it is written; a request gives others
// when it asks. Both are JSON, converted by the types of the parameters:
//
//	parameters, expression ── Compile ──> *Caveat
//	JSON of the tuple   ── Context ──> fixed   ─┐
//	JSON of the request ── Context ──> request ─┴─ Eval ──> no, yes,
//	                                                        or conditional on what is missing
//
// It is the language of SpiceDB's caveats. A uint is an int to the type checker,
// so that `n < 5` compiles; a number in an any is a double; an expression that has
// no value, because it divides by zero, say, is an error and not a no. Unlike
// there, a value of the wrong type is an error even if the tuple fixes the
// parameter, integers are exact, maps are visited in the order of their keys, and
// compiling and evaluating have limits.
//
// Invariants:
//
//	V1  Whatever the parameters, the expression and the contexts: a value or a
//	    typed error, and no panic.
//	V2  A yes or no holds however the parameters would be completed that no
//	    context has, unless the expression has no value with them. A conditional
//	    names exactly those that decide in the three-valued logic of CEL: with
//	    any others completed, it is the same conditional. (It is not a prover:
//	    `x || !x` is conditional on x.)
//	V3  The result depends on the arguments only: not on maps' order, the clock,
//	    or what was evaluated before. (Time zones are those of the host, or the
//	    binary's where the host has none.)
//	V4  Compiling and evaluating end within bounded numbers of steps, which no
//	    text and no context can raise.
//	V5  Canonical(values) is the same text for equal contexts, and Context reads
//	    it as FromMap reads the values.
//	V6  What the tuple fixes wins over what the request says.
//
// The package imports nothing of Tupelo's, and no other imports CEL. Read next:
// package schema, where caveats are declared and named.
package caveat
