package tuple

import "errors"

// Errors of this package; the text form's are wrapped with what is wrong and where.
var (
	// ErrTooManyNames says that a table of names is full: 65,535 types, or
	// 65,534 relations in one type, were ever used.
	ErrTooManyNames = errors.New("too many type or relation names")
	// ErrSyntax says that a text is not a tuple, object or subject.
	ErrSyntax = errors.New("not a tuple")
	// ErrObjectID says that an object id is empty, too long, or holds a
	// character that object ids may not have.
	ErrObjectID = errors.New("bad object id")
)
