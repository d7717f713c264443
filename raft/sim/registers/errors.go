package registers

import "errors"

// ErrAnswer says that an answer is not about registers.
var ErrAnswer = errors.New("not an answer about a register")
