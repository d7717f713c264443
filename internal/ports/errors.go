package ports

import "errors"

// ErrNone means that other processes have all ports, or that none or more than [Max]
// were asked for.
var ErrNone = errors.New("no ports are free")
