// Package tupleset is the exact cache of tuplesets: all subjects of an object and
// relation, decoded, in one piece of memory each (set.go draws it), which are found
// without a lock and without an allocation.
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
// Read next: cache.go, then set.go.
package tupleset
