// Package validate runs fixtures: it stores a fixture's tuples in a store of its
// own, asks the assertions and lists the subjects that are expected, and says what
// holds, what does not, and why. It needs no server; it is the evaluator and the
// store of one, on a file system in memory.
//
//	fixture ─▶ world: schema compiled, tuples stored
//	             │
//	             ├─ assertions ──▶ Explain, and ListObjects and ListSubjects
//	             ├─ expected lists ──▶ Expand ──▶ sets ──▶ compared line by line
//	             └─ coverage ──▶ the same again without one part of the schema
//
// It does not read files, but through a function that is given, and prints nothing.
//
// # What an expected list is
//
// The semantics are those of SpiceDB's validation files. A list has every subject
// of object#relation that a stored tuple speaks of: objects, usersets and wildcards,
// those further down as well as those stored at the object itself, but not the
// userset as a member of itself. Each stands beside the usersets whose tuples speak
// of it. Caveats are not evaluated, not even with what tuples fix: a subject is
// conditional, [...], if it depends on one. Expirations are. Where a wildcard is
// in the set, those that it does not cover are its exceptions, and other subjects
// are in the list if tuples put them there by name.
//
// # What coverage is
//
// A part of the schema is covered if something in the fixture notices that it is
// gone: an assertion gets another answer or an expected list becomes another one.
// What merely came by is not covered, for it could be deleted and every assertion
// would still hold. The parts are
//
//   - each type of subject of a relation, taken away with its tuples;
//   - each operand of a permission, a name, an arrow or self: taken out of
//     its union, intersection or exclusion (what is left of an exclusion, and what
//     stands alone, becomes nil);
//   - each caveat, taken as true.
//
// The operand nil is not counted, for it is nothing that could be gone.
//
// Invariants:
//
//	V1  Every problem of a fixture is in one *schema.Errors, with its place, and
//	    then nothing is asked. An assertion that fails is no error.
//	V2  An assertion holds only if Check, Explain and both lists agree on it; an
//	    expected list is compared only if it agrees with ListSubjects.
//	V3  A report depends on the files, the instant and nothing else.
//	V4  Coverage counts an answer as changed if its verdict is, or whether it has
//	    one. Each part is taken away alone.
//
// Read next: run.go, then found.go and coverage.go.
package validate
