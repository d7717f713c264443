// Package ports finds ports for programs that must be told an address before they
// listen at it: nodes that are to find each other, and servers that cannot say
// which port they were given. Whoever can listen at port 0 does not need it.
//
// A port that was free a moment ago, as port 0 finds one, is not free for long: the
// kernel gives it to the next listener at port 0, or to the next connection, of any
// process. So ports are taken here from below those that kernels give away (they
// begin at 32768 on Linux, and higher elsewhere), in blocks of which a process holds
// the first port while it lives, so that no other process takes from that block.
//
//	10000      10001 … 10099   10100      10101 …
//	listened   given away      listened
//	at         one by one      at
//
// Invariants:
//
//   - T1: two processes of this machine never get the same port while both live, nor
//     does one process get a port twice.
//   - T2: nobody listens at a port when it is given away.
//
// What is not promised: that a program which has nothing to do with this one does
// not take it later.
package ports
