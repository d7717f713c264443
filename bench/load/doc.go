// Package load puts a target under load and measures it, judging every answer.
//
//	closed loop   N in flight: each is followed by the next when it is answered.
//	              How much a server can do, and what it takes of the processors.
//	open loop     so many a second, whatever the server does, at times that are
//	              random and known ahead. How long users wait at that rate.
//
// The latency of an open loop counts from when a call was due, not from when it was
// sent: the calls that a server which stalls keeps from being sent have waited too,
// and leaving them out (coordinated omission) would show one slow call where a
// thousand users waited. What was due and never sent is counted, with the time that
// it had waited when the run gave it up. Service is the latency from the sending, and
// tells how much of it is the client's own lateness.
//
// One run is one cell of a table: a target, a data set, a workload, and so many in
// flight or so many a second. Its [Result] holds all that is needed to read it years
// later, as JSON whose form has a number.
//
// Requests are made before the run and are sent again and again, so that a client's
// share of processors that it has in common with the server is small; it is in the
// result. Nothing is shared between the goroutines that call, unless there are more
// than 64.
//
// Invariants (each has a test that fails without it):
//
//	L1  Every answer is compared with what it must be. Wrong ones are counted and the
//	    first ones shown, those of the warm-up too.
//	L2  Every call that was begun is in the result: with its latency, or as an error
//	    under its code. None is left out for being slow.
//	L3  An open loop's latency counts from when a call was due.
//	L4  What was written is asked for before a run of writes counts.
//
// Read next: run.go, then worker.go.
package load
