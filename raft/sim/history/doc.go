// Package history is what clients saw of a cluster, as lines of JSON, and the
// rules that it must keep. The rules need the history alone: no node, no clock
// and no seed, so that what failed once can be judged again.
//
// The picture to have in mind: clients write numbers into registers and read
// them, while things break. A register is an object whose tuples are the bits of
// its number, so that one value is several tuples which change and are read
// together; one register is the schema itself. When all is well again, the run
// notes the changelog, which says what became of every write.
//
//	calls of clients ─┐
//	messages of watches ─┤──▶ []Event ──▶ Check ──▶ []Problem
//	the changelog ───────┤
//	sums of the states ──┘
//
// Rules (each has a test that breaks it):
//
//	linearizable  Writes and fully consistent reads of a register are those of one
//	              register, by porcupine, which looks at times and values only.
//	order         No write and no fully consistent read is at a revision before
//	              one that any client had been given when it began.
//	zookie        An answer is no older than the zookie that was asked for; at an
//	              exact snapshot it is at that revision.
//	answer        What is read at a revision is what the changelog says of it,
//	              schema included.
//	acknowledged  An acknowledged write is in the changelog, at its revision.
//	invented      The changelog has nothing that nobody wrote, nothing that was
//	              said not to be done, and nothing twice.
//	watch         A watch gives every change once and in order, over all its
//	              connections.
//	state         All replicas have the same state.
//	failure       The run itself saw something that must not be, such as a node
//	              that stopped without cause.
//
// What this package is not: it runs nothing. Package sim does, and so may tests
// with real processes.
//
// Read next: event.go, check.go.
package history
