package backup

import "errors"

var (
	// ErrFormat says that a file is no backup, or one of a form that is not known.
	ErrFormat = errors.New("not a backup of SpiceDB that this version can read")
	// ErrDamaged says that a backup does not hold what it should.
	ErrDamaged = errors.New("the backup is damaged")
	// ErrNoExpirations says that a backup is of the older form, which leaves out when
	// relationships expire, and that its schema lets some expire: read as they
	// are there, they would never end.
	ErrNoExpirations = errors.New("the backup was made by a zed that leaves out when relationships expire, and its schema lets them expire; make it with a newer zed, or import from the server itself")
)
