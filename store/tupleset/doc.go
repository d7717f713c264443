// Package tupleset is the exact cache of tuplesets: all subjects of an object and
// relation, decoded, in one piece of memory each (set.go draws it), which are found
// without a lock and without an allocation. Another cache of the kind holds what
// subjects are in, for lists of objects: there the subject stands for the object,
// its relation for the relation, and what it is in for the subjects.
//
// The picture to have in mind: an entry is valid from its newest version on, until
// the apply ends it. Nothing else does, no clock among others.
//
//	                 V = newest version            a change is applied
//	revisions ───────────┬───────────────────────────────┬──────────▶
//	  read the database  │    the entry says it all      │  the next entry
//
// A reader that misses begins a load: it registers the entry, then takes an iterator,
// reads the newest state, and fills the entry in. Nobody waits for a load; who comes
// meanwhile reads the database, as without a cache. The other half of the order is
// the apply's: it commits, announces that new iterators have the revision, ends the
// entries of the tuplesets that changed, and only then shows the revision to readers.
//
// # Invariants
//
//	C1  A set never changes. It has all subjects of each kind that it holds, as
//	    they are from V on; of a kind that it does not hold it says nothing. An
//	    empty tupleset has a set too.
//	C2  A load is registered before its iterator is chosen, and the iterator has
//	    all revisions that were announced when it was chosen.
//	C3  End takes out what the index has for a tupleset, loads under way too,
//	    unless the entry's set does not hold the kind that changed.
//	C4  A reader at R uses an entry that it found in the index after it got R, or
//	    loaded itself after it got R, and only if V ≤ R.
//	C5  The memory, with the entries' own and the index's, stays within the limit,
//	    but for what is being loaded.
//
// # Why an entry is never wrong
//
// Let a reader at R use an entry's set for a kind that it holds, and let W be any
// revision that changed that kind of the tupleset.
//
// If W ≤ R: readers get R after the entries of W were ended, so End for W came before
// the look. Was the entry registered before that End, it was taken out then (C3: it was
// pending, or held the kind), and the look came after. So it was registered after
// End for W, hence after W was announced, and its iterator has W (C2). A reader's
// own load was registered after it got R, which says the same.
//
// If W > R: the iterator lacks W, and then the set does; or it has W, and then W ≤ V,
// and V > R: the entry is not used (C4). W is a version with its revision, deletions
// too, until the horizon removes it; V is therefore not below the horizon as it is
// after the iterator was chosen, and the horizon is raised before anything is removed
// (S5 of package store).
//
// So the set has exactly the changes up to R. A restore brings another database with
// a cache of its own, and the old one's is closed; the argument holds for each.
//
// What stays in the cache is decided by shard.go: S3-FIFO, by bytes. Sets are built
// and loads decided by package store (tuplesets.go).
//
// # Groups
//
// Beside the tuplesets there can be, for subjects that were asked about, the groups
// that they are in: all usersets of a kind which contain the subject, at whatever
// depth. It is what the index is for that the Zanzibar paper calls Leopard, but for
// subjects in use instead of for everybody, and never behind: an entry is exact at
// every revision that may use it.
//
//	user:alice ──member──▶ team:core ──member──▶ team:infra ──member──▶ team:all
//	           a first step            steps between groups: edges
//
//	user:alice, team#member ▸ core, infra, all
//
// A change of a first step changes what one subject is in: the apply ends the entries
// of that subject. An edge that comes or goes may change what many are in: the apply
// notes in a log of fixed length where it begins, and who looks an entry up goes
// through what the log gained since somebody last did. An edge that begins at none of
// the entry's groups leads from nothing that the subject is in, and changes nothing.
// One that does ends the entry, and so does a log that went on too far. So a change
// costs the apply the same whether a group has three members or a million.
//
// Package rewrite finds out what a subject is in; which tuples are those of groups
// package store knows (its groups.go). Both follow from the same schema.
//
//	G1  An entry is computed from the tuples at one revision R. It has every group
//	    of its kind to which unconditional tuples lead from the subject, with every
//	    group on these ways, and the subject itself if it is one; or it says that
//	    they are too many. And it says whether a tuple with a condition was met at
//	    the subject or at one of these groups: then there may be more.
//	G2  A load is registered, then takes its place in the log, and then the newest
//	    revision C that was announced to change groups; it goes on only if C ≤ R.
//	G3  The apply announces a revision that changes groups, then ends the entries of
//	    the subjects whose first steps it changes, loads under way too, and notes
//	    its edges, and only then shows the revision to readers. A schema ends all.
//	G4  A reader at R' uses an entry only if it found it in the index after it got R',
//	    only if C ≤ R', and only if then no edge which the log gained since the
//	    entry's place begins at a group of the entry.
//	G5  Memory is bounded: that of entries by a limit, as tuplesets; that of one by
//	    MaxGroups; the log by its length.
//
// Why no such entry is ever wrong: Let a reader at R' use one. Between C and R no
// revision changes groups: what is not above R was announced before a reader had R.
// So let W, above R and not above R', be the first revision that changes what the
// entry says. Of what W changes something begins at the subject, or at a group that
// the subject was in just before, which the entry has, since W is the first (G1).
//
// W was announced after the load read C, for W > C; so the load was registered and had
// its place in the log before (G2), and what W ended and noted came after both (G3),
// but before a reader had R'. If W changed the first step, the entry was taken out
// before the reader looked, and not found. If it changed an edge at a group of the
// entry, then the reader finds that past the entry's place in the log, or no longer
// finds it there, and in both cases does not use the entry (G4). Whoever moves the
// place on has gone through all before it.
//
// Read next: cache.go, then set.go, then groups.go.
package tupleset
