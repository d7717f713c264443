package cert

import "errors"

var (
	// ErrRequest says that a certificate was asked for that nobody could use:
	// without a name, or for hosts that are none.
	ErrRequest = errors.New("no such certificate can be made")
	// ErrNotAuthority says that files hold no certificate and key that may sign
	// others.
	ErrNotAuthority = errors.New("not a certificate authority")
	// ErrFiles says that the files of a node's certificate, key and authority
	// cannot be used together.
	ErrFiles = errors.New("the certificate files cannot be used")
)
