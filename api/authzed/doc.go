// Package authzed offers what Tupelo does as authzed.api.v1, the protocol of
// SpiceDB, so that its clients and command line work against Tupelo as they are.
//
// It is an adapter, and decides nothing: a request becomes one of tupelo.v1, the
// handler of package api carries it out, and its answer is put into the other
// protocol's words. What a handler cannot do is not made up for here.
//
//	CheckPermission            tupelo.v1                    CheckPermissionResponse
//	  resource, permission ──▶ object, relation ─▶ Check ─▶   permissionship
//	  ZedToken             ──▶ zookie                         ZedToken
//	  ErrorInfo authzed.com ◀───────────── *api.Error, by the table of errors.go
//
// The words:
//
//	relationship  tuple             resource    object
//	permission    relation          ZedToken    zookie
//
// Invariants:
//
//   - Z1. A token of either protocol is one of the other: ZedTokens are zookies.
//   - Z2. An answer is what the native handler said. Where both protocols can ask
//     the same, they are told the same (property tests).
//   - Z3. Every refusal has SpiceDB's code and reason, for which clients look. Where
//     a reason has no counterpart the native code stays.
//   - Z4. Nothing that a request asks for is passed over in silence: what cannot be
//     done is refused.
//
// Differences from SpiceDB, each with its reason, are in docs/spicedb.md.
//
// Over HTTP there is the same in JSON, by calls of these services: gateway.go.
//
// Read next: register.go for what stands around every call, check.go for a call.
package authzed
