package peer

import "errors"

var (
	// ErrEnded is the error of a process that ended though it should serve.
	ErrEnded = errors.New("it ended")
	// ErrNotReady is the error of a server that did not answer in time.
	ErrNotReady = errors.New("it did not get ready in time")
	// ErrUnknown is the error of a peer's id that there is not.
	ErrUnknown = errors.New("there is no such peer")
	// ErrNoBinary is the error of a peer whose program was not named.
	ErrNoBinary = errors.New("its program was not named")
)
