// Package raft turns one stream of commands into the same state on every
// replica, and never forgets a command it has acknowledged.
//
// It is hashicorp/raft with the parts that touch a disk replaced by our own, so
// that a whole node runs on a [vfs.FS] that tests can crash, and with the edges
// that a caller meets made exact: what was not done, what may have been done,
// and how far the state has come. It knows nothing of tuples: a command is
// bytes, and what the bytes do is the business of a [StateMachine].
//
// The picture to have in mind:
//
//	Propose ──▶ hashicorp/raft ──▶ log (Pebble, one fsync a batch)
//	                │         └──▶ followers, meanwhile (early.go, pipeline.go)
//	                │ committed
//	                ▼
//	            fsm.ApplyBatch ──▶ StateMachine.Apply (never fsyncs)
//	                │                        │
//	                ▼                        ▼ Checkpoint
//	            watermark ──▶ Wait       snapshots/<index>-<term>-<n>/
//
// The state machine's disk never waits: the log is its write-ahead log. After a
// crash the state is some prefix of the log, and its [StateMachine.Applied]
// says which. [Open] starts raft exactly there.
//
// On disk, below Options.Dir:
//
//	log/                       the log, the vote and the term: a small Pebble
//	snapshots/<id>/meta        what the snapshot holds, with a checksum
//	snapshots/<id>/state/      the state machine's checkpoint
//	snapshots/tmp-<id>/        being written or being removed
//
// Invariants (each has a test that fails without it):
//
//	R1  Acknowledged is durable: Propose returns a result only for an entry
//	    whose batch in the log has been synced, here and on as many others as a
//	    majority needs.
//	R2  One order, once: the state machine sees every command with a strictly
//	    greater index than the one before, across restarts and restores.
//	R3  A snapshot at index S is declared (renamed into place) only after the
//	    state machine has made every command up to S durable; the log is
//	    truncated only after that, and never beyond S.
//	R4  Raft starts at the index the state has, not at the one some snapshot
//	    claims. A state behind its newest snapshot is rebuilt; what cannot be
//	    rebuilt is an error, never a gap.
//	R5  "Not done" and "outcome unknown" are different errors, and an error of
//	    the first kind is only given for a command that no log holds.
//	R6  Wait(i) returns only after every command up to i has been applied.
//	    ReadIndex, on any node, returns an index that is at least that of every
//	    command acknowledged before the call, by whichever node, and that Wait
//	    can reach.
//	R7  After a failed write of the log or a failed apply the node stops for
//	    good: it answers nothing more, skips nothing, and leaves the process alive.
//	R8  A received snapshot is verified byte for byte before it is declared; a
//	    damaged or cut stream leaves nothing behind. One that comes when the
//	    node has more already is refused: what was acknowledged is not taken back.
//	R9  A leader is believed only on proof: that a majority of the voters,
//	    never of others, is in its term, asked after the question arrived. No
//	    clock and no lease has a part in it.
//	R10 A transfer of leadership, however it ends, leaves a node that takes
//	    commands again as soon as it leads.
//	R11 A follower commits no entry that its leader has not compared with its own.
//	R12 However large commands are and however many a follower lacks, or a node
//	    has to apply, no more of them are in memory for it than a few messages'.
//	R13 A leader that takes its own vote away is in nobody's way: until that is
//	    committed it can be elected, by those who vote without it.
//
// Several voters make a group by [Options.Members] or one after the other by
// [Node.AddVoter]. Only the leader takes commands; any node can be asked for a
// read index, and asks the leader through [Peers].
//
// [Transport] carries raft's messages over connections that others make.
//
// What this package is not: it forwards no commands, and does not know how its
// questions reach another node, nor how connections are secured. Who removes
// dead members, and when, is decided outside.
//
// Read next: node.go, then start.go (where R4 is decided), fsm.go, propose.go,
// early.go (R1), readindex.go and batch.go (R9), transfer.go (R10), progress.go (R11),
// deferred.go (R12), departure.go (R13).
package raft
