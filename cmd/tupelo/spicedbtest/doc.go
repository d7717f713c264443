// Package spicedbtest puts the same requests to a real SpiceDB and to the program that
// is shipped, and compares what they answer. It has no code but tests.
//
//	           ┌─ authzed.api.v1 ──▶ spicedb serve, in memory
//	a story ───┤                          =
//	           └─ authzed.api.v1 ──▶ tupelo serve, in memory
//
// A story is a list of named steps. Both must answer each alike: messages, codes,
// reasons and their metadata. What differs by intent is listed beside the story, with
// both answers and the reason, and must go on differing in that way: so that
// docs/spicedb.md stays true of a SpiceDB that is newer. Tokens, cursors, times and the
// texts of refusals are not compared; each server goes on from its own.
//
// SpiceDB is built by `make test-spicedb`, outside this module; SPICEDB=path takes one
// that there is. Without -spicedb the tests are skipped.
//
//	make test-spicedb
//	go test ./cmd/tupelo/spicedbtest -spicedb $PWD/bin/spicedb-v1.56.2 -tupelo $PWD/bin/tupelo
//
// Read next: side_test.go.
package spicedbtest
