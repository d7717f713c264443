package history

import "errors"

// ErrZookie says that a text is no zookie.
var ErrZookie = errors.New("not a zookie")
