// Package tuple holds the nouns of a relationship-tuple store: object,
// relation, subject, userset, tuple, filter, and their text form.
//
// A tuple says that a subject has a relation to an object. People write it
// with names, as in the Zanzibar paper (section 2.1):
//
//	repository:gitclub#maintainer@team:core#member
//	└───── object ───┘ └relation┘ └── subject ──┘
//
// There are two spellings and no third. [Named] is what people and protocols
// write: six strings. [Tuple] is what the store keeps and the evaluator reads:
// types and relations are small integers that [Names] hands out, object ids
// are bytes. Names turns one into the other.
//
// Invariants:
//
//	T1  A TypeID or RelationID, once handed out, means the same name for ever;
//	    ids are never given to another name. Relation ids are scoped to their type.
//	T2  An object id is never empty and never holds a NUL byte, so that NUL can
//	    end it in a key.
//	T3  A wildcard subject (user:*) has the relation [Wildcard] and the id "*".
//
// The package imports nothing of Tupelo's. Read next: package store, which
// keeps tuples at revisions.
package tuple
