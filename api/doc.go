// Package api is the edge of Tupelo: it serves tupelo.v1 over gRPC, and turns
// requests in names and zookies into questions and commands in numbers and
// revisions. What a request means is decided here; how it is answered is not.
//
// The picture to have in mind:
//
//	          ┌────────── intercept.go: let in, counted, errors into statuses ──────────┐
//	request ─▶│ validate.go ─▶ consistency.go ─▶ resolve.go ─▶ rewrite.Engine ─▶ zookie │─▶ answer
//	          │ true or false   a snapshot that   names into    at the snapshot's       │
//	          │ of the message  is fresh enough   numbers       revision, all of it     │
//	          │                                      │                                  │
//	          │                                      └──▶ store.Command ─▶ Log ─▶ apply │
//	          └─────────────────────────────────────────────────────────────────────────┘
//
// That is a write on the leader. Any other node hands it there as it came, and
// the answer back as it comes: forward.go.
//
// A read opens a view: a snapshot of the store and the model of the schema that
// holds at it. A write is checked against the newest schema here, so that its
// errors are good, and again by the apply, so that it is right.
//
// # Invariants
//
//	A1  An answer is computed at exactly one revision, schema included, and its
//	    zookie names that revision.
//	A2  An answer is at least as fresh as the request's zookie, or an error:
//	    the snapshot is taken after the wait, never before. One that minimizes
//	    latency is given as long as a leader was heard from within MaxStaleness.
//	A3  A zookie and a cursor have one spelling, and belong to one cluster; a
//	    cursor belongs to one request too, and reads at its first page's revision.
//	A4  What this server does not understand it refuses where passing over it
//	    could select, delete or grant more, or answer staler: a Consistency, a
//	    filter or a tuple with unknown fields.
//	A5  "Not done" and "may have been done" are different errors, on whichever
//	    node it was done. What may have been done is tried again under an
//	    idempotency key only, and only success settles it.
//	A6  Every error of the packages below has a line in error_rules.go, and every
//	    reason a status code in errors.go; nowhere else are there status codes.
//	A7  A watch sends every change that it selects once and in order,
//	    and a zookie only when everything up to it is sent. It reads from the
//	    changelog, a page at a time: what it holds does not grow with how far
//	    behind it is.
//	A8  Bad input is an error that names the field. A panic is a bug: it is
//	    answered with INTERNAL, logged with its stack, and counted.
//	A9  A comparison of schemas writes nothing. What it says of the other schema is
//	    what Check would say once the tuples that this strands are deleted and it
//	    is written. The checks that are recorded for it are bounded in number and
//	    in bytes.
//	A10 A call that another node handed on is not handed on again.
//	A11 An Import that fails names the first message of its stream that failed, and
//	    what came before that is written. What is under way is waited for.
//	A12 Replicas that hold the same at a revision have the same checksum of it,
//	    wherever each has come since.
//	A13 A call that is refused because too many are under way has done nothing, and
//	    is refused before its message is read. How many may be follows the processor;
//	    health, watches and the cluster's own calls are not held up by others.
//
// Protobuf messages stay in this package. It knows the log and the other nodes
// by interfaces of its own, and neither raft nor Pebble.
//
// What stands before a server in its own process, such as another protocol's HTTP
// form, calls it by Dial and is served by ServeHTTP: local.go and http.go.
//
// A Cluster's members are told of and changed by admin.go, and compared by verify.go.
//
// Read next: proto/tupelo/v1/tupelo.proto, then check.go for a read and
// write.go for a write from door to door, watch.go for a stream,
// and impact.go for two schemas at once.
package api

//go:generate go tool -modfile=../tools.mod buf generate
