// Package gitclubtest gives tests a Tupelo with GitClub loaded: a whole node of
// the real code in the test's own process, and two ways in which a node can be
// less than ideal.
//
//	Start   a node: api over store over raft, all in memory
//	Laggard a replica that lags behind the node by one write
//	Faulty  a client whose calls can be made to fail or be looked at
package gitclubtest
