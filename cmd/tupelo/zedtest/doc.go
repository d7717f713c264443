// Package zedtest drives zed, SpiceDB's command line, against the program that is
// shipped. It has no code but tests.
//
//	zed (its own process) ── authzed.api.v1, bearer token ──▶ tupelo serve
//
// zed is built by `make test-zed`, outside this module, which needs its module from
// the module proxy; ZED=path takes one that there is. Without -zed the tests are
// skipped. What zed asks of a server is tested without it, call by call, in
// api/authzed/zed_test.go.
//
//	make test-zed
//	go test ./cmd/tupelo/zedtest -v -zed /usr/local/bin/zed -tupelo bin/tupelo
//
// Outputs are compared in meaning: colours, layout and zed's remarks on stderr may
// differ between its versions.
//
// Read next: zed_test.go.
package zedtest
