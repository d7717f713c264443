// Package cert makes the certificates by which nodes know each other, and reads
// them, and those that clients are shown, again when their files change.
//
// A cluster has one authority of its own. Whoever holds a certificate of it is a
// member, so the authority must sign nothing else, and its key belongs on no
// node. It serves for trying things out and for small clusters; a company's own
// issuer does as well, if it keeps to the same: ECDSA or better, both the
// server's and the client's usage, and the host names and addresses by which the
// others dial the node.
//
//	ca.crt  ca.key          NewAuthority, Authority.Save, OpenAuthority
//	node.crt node.key       Authority.Issue, Pair.Save
//	   │
//	   └──▶ Open ──▶ Source.Newest, at each handshake
//
// Invariants:
//
//	C1  A private key's file is never readable by others, not for an instant.
//	C2  An authority's files are never overwritten: the cluster's trust hangs on
//	    them. A node's files are replaced whole, each by a rename.
//	C3  Newest returns a pair that fits and roots that can be read. Files that
//	    are being replaced, or are wrong, leave the last good ones in use.
//
// Read next: authority.go, then source.go.
package cert
