package compare

import "errors"

var (
	// ErrPreset is the error of a preset that there is not.
	ErrPreset = errors.New("there is no such preset")
	// ErrTarget is the error of a target that there is not, or that cannot be started.
	ErrTarget = errors.New("there is no such target")
)
