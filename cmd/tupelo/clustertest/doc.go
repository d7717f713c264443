// Package clustertest runs three processes of tupelo serve, breaks what is around
// them, and judges what their clients saw. It has no code but tests.
//
// What package raft/sim plays in one process with time of its own, this does with
// the program that is shipped, the kernel's network, and disks that can be full.
// The rules are the same: those of package raft/sim/history.
//
//	          clients (this process)
//	         ╱      │      ╲            every line is a link of its own,
//	       n1 ───── n2 ───── n3         which can be cut, both ways or one
//	         ╲_______________╱
//	clients ──▶ history ──▶ its rules
//
// Each node lives in a network namespace, and the last one's disk is a small
// tmpfs. Where the kernel does not permit namespaces all is on loopback: then links
// are not cut and no disk gets full, and the test says so. Nodes that do not meet
// on loopback show each other the certificates that tupelo cert made.
//
//	make test-cluster                                          ten minutes
//	make test-upgrade                                          a minute, with two programs
//	go test ./cmd/tupelo/clustertest                           some seconds, on loopback
//	go test ./cmd/tupelo/clustertest -v -run Survive -for 2m -seed 7
//	go test ./cmd/tupelo/clustertest -run Judged -history /tmp/tupelo-cluster-7/history.jsonl
//	go test ./cmd/tupelo/clustertest -run '^$' -bench Failover -benchtime 30x
//
// Invariants:
//
//	P1  Everything is mended in the end, and then every node must come to serve,
//	    with one state.
//	P2  A node whose process ends without being told or broken is a failure.
//	P3  A write that was not sent has no effect; any other error without the
//	    server's word for it leaves the outcome unknown.
//	P4  Nothing is left over, however the test ends, killed included: the processes
//	    of nodes end with the thread that started them; namespaces and mounts are
//	    those of the test's own process, which nobody else sees.
//
// Read next: cluster_test.go, trouble_test.go, client_test.go.
package clustertest
