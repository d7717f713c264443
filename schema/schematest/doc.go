// Package schematest makes random schemas for property tests, of this language
// and of what evaluates it.
//
// A random schema looks like one that a person could have written, only denser:
// types of subjects (user, bot), groups that nest (team), and resources that
// stand in one another (folder, doc, …), with permissions over them.
//
// Invariants:
//
//	X1  Every schema passes schema.Check.
//	X2  The same random source and options give the same schema.
//	X3  Without Options.NegativeRecursion, no permission depends on itself
//	    through the excluded side of an exclusion: each has one meaning,
//	    whatever the data and the order of evaluation.
//
// Read next: package rewrite's property tests, which compare its evaluator
// with an oracle over these schemas.
package schematest
