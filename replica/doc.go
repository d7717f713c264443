// Package replica puts one whole Tupelo together: tuples, the log that changes
// them, the API that is asked, and the port that other nodes reach it by.
//
// The picture to have in mind:
//
//	clients ──▶ api.Server ── reads ──▶ store.Store ◀── applies ── raft.Node
//	             ▲      └── proposes, waits for revisions ────────▲   │ log, votes
//	             │ forwarded                    Term, ReadIndex   │   ▼
//	             └───────────────────────────── peer.Port ────────┴────────▶ other nodes
//
// It is what `tupelo serve` runs, and what a service opens that wants checks
// answered in its own process.
//
// # In a service
//
// A service is a read replica: it has all tuples, and no vote, so that it can come
// and go. Its options are [Options.ReadReplica], a name of its own, a port that the
// other nodes reach it by, addresses of some of theirs, and a directory or memory.
// [Replica.Client] then is a client as the API's package has it, whose calls stay in
// the process:
//
//	at least as fresh   answered here; waits if the zookie is newer than what has come
//	minimize latency    answered here, if a leader was heard from within MaxStaleness
//	fully consistent    asks the leader for a revision, and is answered here
//	writes              are done by the leader
//
// Cut off from the others it answers for zookies that it has reached, refuses to
// minimize latency after MaxStaleness, and never gives an older answer than was
// asked for; opened while it is cut off, it waits for a leader. One that the others
// have not heard from for their DeadAfter, and so removed, is taken in again when it
// is opened, and not before.
//
// Whether it leaves the cluster when it is closed is [Options.LeaveOnClose]. One that
// will come back should stay: it then needs only what it has missed. One in memory,
// or without a name that lasts, should leave.
//
// # How it is made
//
// How a node comes into a cluster: alone (no [Options.Peer]); by making one with
// those that expect each other (bootstrap.go); by asking to join one
// (membership.go). A lone node becomes the first of a cluster by being opened with
// a port: it corrects its address in the membership, and others join it.
//
// The leader looks after the members (steering.go), and raises the format of the
// state once all know it (format.go).
//
// On disk, below Options.Dir:
//
//	LOCK       held while the replica is open
//	state/     the tuples: package store
//	raft/      the log and its snapshots: package raft; made once there is a cluster
//	importing/ what an offline import works on (offline.go), until it is all there
//	founders   those that this node has named to begin with, until its log is open
//
// Invariants (each has a test that fails without it):
//
//	N1  One process has the directory; another is refused before it touches
//	    anything.
//	N2  After a power loss at any sync the replica has every acknowledged write,
//	    each write as a whole or not at all, and the state that a replay of the
//	    log from scratch gives, to the byte.
//	N3  A replica that cannot be opened, or is closed, lets go of all it had.
//	N4  No node is a founder of two clusters, whatever lists the nodes have and
//	    in whatever order they see each other. One that has begun never decides
//	    again; one that is starting is not taken for an empty one.
//	N5  A voter that has lost its directory does not vote again under its name
//	    until it has been removed, if it is told whom to ask.
//	N6  A member's name is not given to another node while it answers. A read
//	    replica never gets a vote that nobody asked for.
//	N7  Dead voters are removed only as long as Options.MinVoters are left.
//	N8  The format is raised only to one that every member says it knows.
//	N9  Whoever is told to stop hands over what it leads: writes that other nodes
//	    take meanwhile succeed.
//	N10 A call in process has the answer and the error that a server would give.
//	    None begins once the replica is being closed, and none that has begun is cut
//	    short as long as Close has time; streams are.
//	N11 A read replica that was removed while it was closed, because nobody heard
//	    from it, is a member again once it is opened. Nobody is removed before
//	    there was time to answer.
//
//	N12 An offline import leaves the directory as it was or has brought in all,
//	    whenever it ends; and never touches one that is in use, of a cluster, or has
//	    had tuples.
//
// What this package is not: it decides nothing about tuples, and has no logic
// that the packages it puts together could have.
//
// Read next: replica.go and client.go, then bootstrap.go, and offline.go.
package replica
