// Package sim plays whole clusters in one process, while everything around them
// breaks, and judges what their clients saw. It has no code but tests.
//
// A run is one bubble of testing/synctest: time is virtual, and passes when
// nobody has anything to do. Replicas are what a server opens, with the real
// store and the real hashicorp/raft; disks and the network between nodes are in
// memory and not to be relied upon.
//
//	clients ──▶ replica ◀──▶ network ◀── adversary
//	   │           └───────▶ disk ◀───────┘
//	   └──▶ history (its rules), registers (what is written and read)
//
// A seed fixes what is broken and when, what clients do, and the fate of each
// message in the order in which they are sent; it does not fix how goroutines
// are scheduled. So a run that fails keeps its whole history, which alone shows
// what was wrong, and a seed can be run many times over:
//
//	go test ./raft/sim -run Survives -seed 17 -times 50
//	go test ./raft/sim -run History -history /tmp/tupelo-sim-17-0.jsonl
//
// `make test-sim` plays a thousand seeds. A tenth of a second of virtual time
// costs about a millisecond, so that a seed takes a quarter of a second on a
// machine that does nothing else.
//
// Invariants of the simulation:
//
//	N1  A dead node says nothing: no answer and no message leaves it after its
//	    disk was looked at, so that whoever heard of it heard of what is on it.
//	N2  Everything is mended in the end, and then every member must come to
//	    serve, with one state.
//	N3  A node that fails although its disk was left alone is a failure of the run.
//	N4  The suite can see: the mutations break one promise of the product each (see
//	    package broken), and it has to notice. The stale answers that zookies
//	    prevent are there when zookies are left out.
//
// What cannot be simulated: the clock that hashicorp/raft lives by, which is the
// bubble's. A node that is paused, or whose clock is slow, is one with longer
// timeouts; a clock that jumps is that of the commands. Of the state's disk only
// tables fail: where Pebble cannot go on, the process ends. Messages between
// nodes are whole: their encoding and the port that carries them are tested with
// real processes. The members are changed by the adversary, not by autopilot.
//
// Read next: sim_test.go, cluster_test.go, adversary_test.go, client_test.go, and
// mutation_test.go and enemy_test.go for what they show.
package sim
