// Package sim plays whole clusters in one process, while everything around them
// breaks, and judges what their clients saw. It has no code but tests.
//
// A run is one bubble of testing/synctest: time is virtual, and passes when
// nobody has anything to do. Stores, logs, hashicorp/raft and the API's handlers
// are the real ones; disks and the network between nodes are in memory and not
// to be relied upon.
//
//	clients ──▶ api ──▶ raft ◀──▶ network ◀── adversary
//	   │         └──▶ store ──▶ disk ◀────────────┘
//	   └──▶ history (package history: its rules, and what a register is)
//
// A seed fixes what is broken and when, what clients do, and the fate of each
// message in the order in which they are sent; it does not fix how goroutines
// are scheduled. So a run that fails keeps its whole history, which alone shows
// what was wrong, and a seed can be run many times over:
//
//	go test ./raft/sim -run Survives -seed 17 -times 50
//	go test ./raft/sim -run History -history /tmp/tupelo-sim-17-0.jsonl
//
// Invariants of the simulation:
//
//	N1  A dead node says nothing: no answer and no message leaves it after its
//	    disk was looked at, so that whoever heard of it heard of what is on it.
//	N2  Everything is mended in the end, and then every member must come to
//	    serve, with one state.
//	N3  A node that fails although its disk was left alone is a failure of the run.
//	N4  Each rule of package history can fail: the mutations break one promise of
//	    the product each, and the suite has to notice.
//
// What cannot be simulated: the clock that hashicorp/raft lives by, which is the
// bubble's. A node that is paused, or whose clock is slow, is one with longer
// timeouts; a clock that jumps is that of the commands. Of the state's disk only
// tables fail: where Pebble cannot go on, the process ends.
//
// Read next: sim_test.go, cluster_test.go, adversary_test.go, client_test.go.
package sim
