// Package peer is the port between the nodes of a cluster: one TCP port that
// carries raft's stream, the questions by which a leader proves that it leads, and
// the calls that nodes make of each other.
//
// The picture to have in mind:
//
//	                       ┌ r ─▶ Stream ──▶ raft's transport
//	accept ─▶ TLS ─▶ greet ┼ t ─▶ terms.go: number ─▶ number and term, again and again
//	                       ├ i ─▶ indexes.go: the same, with a read index
//	  mux.go  both ways    └ c ─▶ gRPC ─┬─▶ tupelo.peer.v1: Status, Join, Leave
//	                                    └─▶ what Services.Register adds: tupelo.v1, for forwarded calls
//
//	Port.Raft().Dial, Term, ReadIndex ─┐
//	Port.Conn, Status, … ──────────────┴─▶ dial.go: address allowed, TLS, greeting
//
// A connection begins, inside TLS, with eight bytes that say what it carries, and
// which the other side returns once it knows them and who sent them. So whoever dials
// learns of a refusal while dialling, where TLS 1.3 alone would tell at the first read.
//
// A follower hands a write to its leader by the client of the public API on
// [Port.Conn]. What the leader's handlers answer, errors and details included,
// comes back as it is. What no handler answered comes back as an [Error] which
// says whether the call can have been carried out.
//
// Invariants (each has a test that fails without it):
//
//	P1  With certificates, nothing is read from or written to a node that has not
//	    shown one of the cluster's authority, in either direction, and the one
//	    dialled must have one for the host it was dialled by. A refusal is logged
//	    with its reason. Any certificate of the authority is a member.
//	P2  Without certificates only addresses of this machine are listened on and
//	    dialled, whatever names resolve to.
//	P3  Renewed certificates are used from the next connection on; those that
//	    there are go on.
//	P4  A connection that does not say what it is within the limit is closed, and
//	    there are never more than the limits allow.
//	P5  "Cannot have been sent" and "outcome unknown" are different errors, and
//	    the first is only given for a call of which no header left this process,
//	    or which the other side said it did not look at.
//	P6  A call counts as forwarded only if it came in by this port; no client of
//	    the public port can claim to be. Every call that goes out by this port is
//	    marked so, and what is marked must not be forwarded again.
//	P7  A node answers Term and ReadIndex only if it is the one that was meant:
//	    one that took over another's address does not vouch for it. Both
//	    are read after the question has come in.
//	P8  Close ends every connection and goroutine of the port. Calls that run may
//	    end first, for as long as its context allows.
//
// What this package is not: it knows no tuples, and of raft only how its stream
// is dialled. What a node answers comes in as functions, see [Node].
//
// Without certificates whoever can open a connection on this machine is a member,
// and gets past the bearer tokens of the public port. That is for trying things out.
//
// Read next: port.go, then mux.go for what comes in, link.go for what goes out,
// and terms.go for what has to be cheap.
package peer

//go:generate sh -c "cd .. && go tool -modfile=../tools.mod buf generate --template peer/buf.gen.yaml"
