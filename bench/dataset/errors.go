package dataset

import "errors"

var (
	// ErrUnknown is the error of a name that no data set has.
	ErrUnknown = errors.New("unknown data set")
	// ErrSize is the error of a size that no data set can have.
	ErrSize = errors.New("no size of a data set")
)
