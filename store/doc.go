// Package store keeps tuples at revisions on Pebble (DESIGN section 4).
//
// The picture to have in mind: a log of commands goes in at one end, and every
// revision that the log ever made, back to a horizon, can be read at the other.
//
//	log entry ──▶ Apply ──▶ one Pebble batch ─────────────▶ view ──▶ Snapshot(R)
//	              decode    forward + reverse versions      (what     Find
//	              check     counters, names, schema          readers  Subjects, Objects
//	                        changelog, applied index         see)     Read
//
// Find and Subjects are answered by the cache of tuplesets (package tupleset) where
// it can say what holds at R, Objects by a second one of what subjects are in, and
// all three by Pebble where these cannot.
//
// A revision is the index of the command in the log. The database keeps no log
// of its own and is never synced: after a crash it is a prefix of what was
// applied, and the raft log has the rest.
//
// # Keys
//
// The first byte is a tag; numbers are big-endian; "store" is always 1.
//
//	meta       01 'f'|'a'|'c'|'h'|'k'                   format, applied, cluster id, horizon, live outcomes
//	name       02 store:4 type:2 relation:2             ▸ name (relation 0: of the type)
//	schema     03 store:4 ^revision:8                   ▸ version:1, text, definitions
//	counter    04 store:4 type:2 relation:2 type:2 relation:2 caveat:2 expires:1 ▸ live tuples:8
//	changelog  05 revision:8                            ▸ version:1, clock, metadata, changes
//	caveat     06 store:4 caveat:2                      ▸ name
//	expiry     07 nanoseconds:8, forward key            ▸ nothing; of live tuples
//	outcome    08 store:4 idempotency key               ▸ version:1, revision, deleted, complete, digest:16
//	key order  09 store:4 revision:8                    ▸ clock, idempotency key
//	registered 0a store:4 counter's name 00 ^revision:8 ▸ version:1, filter if there is one
//	forward    10 store:4 │ type:2 object 00 relation:2 │ type:2 relation:2 subject 00 │ ^revision:8
//	reverse    11 store:4 │ type:2 subject 00 relation:2 │ type:2 relation:2 object 00 │ ^revision:8
//	           └──────────── prefix (Pebble's Split) ───┘
//
// Both tuple keys have one shape, a first half and a second half. The bloom
// filters are built on prefixes: one look into a filter says that an object has
// no tuple of a relation at all, which is what most look-ups of a check find.
// Value: empty for a live version, 01 and the traits (caveat, context,
// expiration) for one that has some, 00 for a deletion.
//
// # Invariants
//
//	S1  A version is a key of its own and is never overwritten. The newest
//	    version at or below R decides what a reader at R sees.
//	S2  Apply is a function of the log: no clock, no randomness, no map order,
//	    and not where its batches begin. Equal logs give equal bytes (Checksum).
//	S3  What a command changes (versions in both directions, counters,
//	    changelog, applied index) is in one Pebble batch: all or nothing.
//	S4  Tuples that the schema does not allow are never stored: Apply checks
//	    shapes at the command's own revision, and a schema that would strand
//	    tuples is refused by the counters.
//	S5  No reader at R sees the removals of a horizon above R: the horizon is
//	    raised before they are committed, and checked after an iterator was made.
//	S6  A command's cost is bounded by what it carries, not by what is stored:
//	    preconditions are answered by counters or key ranges, in which they look
//	    at a limited number of keys, and a DeleteByFilter brings the tuples that
//	    it deletes.
//	S7  A command under an idempotency key takes effect once while its outcome
//	    is remembered: the outcome is in the command's own batch. Outcomes are
//	    forgotten in their order, by the clocks of commands and a count (S2), a
//	    few with each command (S6).
//	S8  What the apply does depends on the log and the active format, which the
//	    log alone raises (Upgrade), never on the build. A build that does not
//	    know a command's form, or the format that it raises, stops there.
//	S9  Restore replaces the database in one step, for a crash, for readers and
//	    for watchers: who read goes on with the old one, which goes with the last
//	    of them; who reads next has the new one, whole, with its own horizon.
//	S10 What is cached of tuplesets is exact: the apply commits, announces that new
//	    iterators have the revision, ends the tuplesets that it changed, both ways, and then
//	    publishes; a load is registered, and then takes an iterator that has what
//	    was announced. Package tupleset has the proof. Every version of a tuple is
//	    noted by keepStep, which says what is to be ended; only a horizon
//	    removes any. So is what is kept of groups, in the same steps (groups.go).
//
// # Bulk loads
//
// A store that never had a tuple can be filled without the log (BulkLoad): tuples are
// sorted by the keys of each index, in files where memory is short, and written into
// tables that Pebble takes in as they are. The state that results is one that no log
// leads to, so whoever does this begins a log behind it, with a snapshot: package
// replica does. The horizon is raised to it, so that no reader or watcher begins below.
//
// # Formats
//
//	1  tuples with traits, schemas with caveats, changelog, horizon
//	2  idempotency keys (outcome, key order), Upgrade
//	3  registered counters, filters by how an object's id begins, a limit on what
//	   preconditions search
//
// A format is never changed once released, down to the limits and digests that
// the apply uses; testdata has the state that a log leaves in each.
//
// It knows type and relation ids, not the schema language. Read next: keys.go,
// apply.go, then snapshot.go and tuplesets.go, and bulk.go for bulk loads; package raft drives Apply, package rewrite reads
// snapshots.
package store
