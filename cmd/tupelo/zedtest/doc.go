// Package zedtest drives zed, SpiceDB's command line, against the program that is
// shipped. It has no code but tests.
//
//	                                                      ┌─▶ tupelo serve
//	zed (its own process) ── authzed.api.v1, bearer token ┤      =
//	                                                      └─▶ spicedb serve, in memory
//
// zed_test.go says what each command must do with Tupelo. compare_test.go types some
// 270 commands, good and bad, against Tupelo and a real SpiceDB: what is printed, the
// code that zed exits with and the codes of refusals must be the same, or differ as is said
// beside the story, with the reason. Tokens, times and the texts of refusals are
// not compared.
//
// zed is built by `make test-zed`, and SpiceDB by `make test-spicedb`, both outside this
// module; ZED=path and SPICEDB=path take those that there are. Without -zed nothing is
// tested, and without -spicedb nothing compared.
//
//	make test-zed
//	go test ./cmd/tupelo/zedtest -v -zed $PWD/bin/zed-v0.18.1 -tupelo $PWD/bin/tupelo
//
// zed v0.18.1 has no `schema diff`, no `--page-limit` of `permission lookup-resources`
// and `backup create`, and knows nothing of expiration: it neither takes nor shows
// nor backs up when a relationship expires. A newer zed is asked for the first three;
// the calls behind all of it are tested in api/authzed/zed_test.go.
//
// Read next: zed_test.go.
package zedtest
