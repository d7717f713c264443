// Package peer starts and stops what Tupelo is compared with: itself, a server that
// does nothing, and other stores, with a database where they need one.
//
// The picture to have in mind: one directory, one peer, one or two processes, all of
// them gone when the peer is stopped.
//
//	Start ──▶ PostgreSQL (initdb, migrations)  ──▶ server ──▶ ready ──▶ Peer
//	              └────── a folder below Dir ──────┘              address, process ids, command lines
//
// It is no package for production: servers listen on this machine alone (but for
// Permify's, which cannot), without TLS, and their data is thrown away.
//
//	B1  A peer that Start returned answers. One that ends early, or never answers,
//	    is an error with the last lines of its log, within a bound.
//	B2  Stop leaves no process of the peer, whatever it does about signals: it is
//	    asked to end, and killed with all that it started when it does not. Processes
//	    are named by the ids under which they were started, never by name. On Linux
//	    they end too when this process is killed.
//	B3  What a peer was started with is what a reader can start: Commands has the
//	    exact lines. Settings differ from the peer's own only where Why says so.
//
// Read next: products.go, then process.go.
package peer
