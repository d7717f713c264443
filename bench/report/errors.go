package report

import "errors"

// ErrForm is the error of a file that holds no results, or those of another version.
var ErrForm = errors.New("no results that can be read")
