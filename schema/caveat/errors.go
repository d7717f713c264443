package caveat

import (
	"errors"
	"fmt"
	"strings"
)

// ErrCost says that an evaluation was stopped because it took more steps than
// one may take. Other contexts may well do with less.
var ErrCost = errors.New("the caveat takes too many steps to evaluate")

// ErrForeignContext says that a [Context] was made by another caveat. Each
// caveat converts what it is given by its own parameters.
var ErrForeignContext = errors.New("the context was converted for another caveat")

// TypeProblem is what can be wrong with a type.
type TypeProblem int

// What can be wrong with a type.
const (
	UnknownType TypeProblem = iota
	WrongArguments
	TypeTooDeep
)

// TypeError says what is wrong with the type called Name, which may be an
// argument of the type that was asked about.
type TypeError struct {
	Name string
	Kind TypeProblem
	// Want and Got count the arguments if there is a wrong number of them.
	Want, Got int
}

func (e *TypeError) Error() string {
	switch {
	case e.Kind == TypeTooDeep:
		return fmt.Sprintf("types nest at most %d deep", maxTypeDepth)
	case e.Kind == UnknownType:
		return fmt.Sprintf("unknown type `%s`", e.Name)
	case e.Want == 0:
		return fmt.Sprintf("type `%s` takes no argument, found %d", e.Name, e.Got)
	default:
		return fmt.Sprintf("type `%s` takes one argument, as in `%s<string>`, found %d", e.Name, e.Name, e.Got)
	}
}

// Error is why a caveat does not compile: its first problem, and those after it.
type Error struct {
	Problem
	// More are the other problems, in the order of the text.
	More []Problem
	// Omitted counts the problems that were found beyond those listed.
	Omitted int
}

// Problem is one thing that is wrong with a caveat.
type Problem struct {
	// Parameter names the parameter that is at fault rather than the expression.
	Parameter string
	// Unused says that the expression does not mention the parameter.
	Unused bool
	// Line and Column are the place in the expression, from 1, in bytes; Offset is
	// the same as bytes from its beginning. A line of 0 means no place in particular.
	Line, Column, Offset int
	// Unknown is the name that is not known, if that is the problem, so that the
	// caller can suggest another.
	Unknown string
	// Message says what is wrong.
	Message string
}

func (p Problem) String() string {
	if p.Line == 0 {
		return p.Message
	}
	return fmt.Sprintf("%d:%d: %s", p.Line, p.Column, p.Message)
}

// Problems returns all problems that are listed.
func (e *Error) Problems() []Problem {
	return append([]Problem{e.Problem}, e.More...)
}

func (e *Error) Error() string {
	var lines []string
	for _, p := range e.Problems() {
		lines = append(lines, p.String())
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// ContextError says that a context does not fit the parameters: the value of
// one has the wrong type, or, with an empty Parameter, the context as a whole is
// not one.
type ContextError struct {
	Parameter string
	// Path leads to the value inside that of the parameter, as in `[3].name`.
	Path string
	// Want and Got are phrases, as in: a duration like `1h30m`; the string `soon`.
	Want, Got string
}

func (e *ContextError) Error() string {
	if e.Parameter == "" {
		return fmt.Sprintf("the context must be %s, not %s", e.Want, e.Got)
	}
	return fmt.Sprintf("parameter `%s%s` must be %s, not %s", e.Parameter, e.Path, e.Want, e.Got)
}

// UnknownParameterError says that a context to be stored has a value for a
// parameter that the caveat does not have.
type UnknownParameterError struct{ Parameter string }

func (e *UnknownParameterError) Error() string {
	return fmt.Sprintf("the caveat has no parameter `%s`", shortened(e.Parameter))
}

// EvalError says that the expression has no value for the context that it was
// given: it divides by zero, say, or asks a map for a key that is not there.
type EvalError struct {
	// Line and Column are the place in the expression, as in [Problem].
	Line, Column int
	Message      string
}

func (e *EvalError) Error() string {
	return Problem{Line: e.Line, Column: e.Column, Message: e.Message}.String()
}
