// Package target asks servers of several makes for the operations of package
// dataset, each in its own protocol.
//
//	                     ┌─ native      tupelo.v1, over gRPC
//	                     ├─ in-process  the same calls, of a replica in this process
//	Prepare, Load,       ├─ authzed     authzed.api.v1: SpiceDB, and Tupelo too
//	Request ─────────────┼─ openfga     openfga.v1
//	                     ├─ keto        ory.keto.relation_tuples.v1alpha2; batches by HTTP/JSON
//	                     ├─ permify     its HTTP/JSON
//	                     └─ echo        tupelo.v1 that answers at once: the limit
//
// [load.Target]'s Request makes the message ahead; the [load.Call] that it returns does nothing
// but send it and take in the answer. So the cost of a client is that of its
// protocol's generated code, for all the same.
//
// What a server cannot be asked is the error [load.ErrNotSupported], never an easier
// operation in its place.
//
// What the levels of consistency mean for each:
//
//	            minimize latency            at least as fresh    fully consistent
//	native      the replica's state now     the write's zookie   proof by a majority
//	authzed     SpiceDB: a revision of up   the write's token    the newest revision
//	            to 5 s ago; Tupelo: as above
//	openfga     caches, if it has any on    no tokens: HIGHER_CONSISTENCY for both
//	keto        the database's state; it takes no other wish
//	permify     the newest write's snapshot the write's token    not supported
//
// Invariants (each has a test that fails without it):
//
//	T1  A call can be made any number of times, and by several goroutines at once.
//	T2  An answer that was cut short, or is conditional, is an error and no answer.
package target
