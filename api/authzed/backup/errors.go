package backup

import "errors"

var (
	// ErrFormat says that a file is no backup, or one of a form that is not known.
	ErrFormat = errors.New("not a backup of SpiceDB that this version can read")
	// ErrDamaged says that a backup does not hold what it should.
	ErrDamaged = errors.New("the backup is damaged")
)
