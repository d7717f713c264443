package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrNumbering says that the numbers given to [Compile] do not fit the schema:
// a name has none, two names share one, or a number is reserved. The schema is
// not at fault.
var ErrNumbering = errors.New("the store's numbers do not fit the schema")

// Limits on the problems of one run: so many are shown, and so many are kept
// to choose those from, by place.
const (
	maxShownProblems = 20
	maxKeptProblems  = 1000
)

// Errors is what is wrong with a schema: the problems that one run of [Parse]
// or [Check] found, in the order of the text. It is the only type of error
// that a schema's text leads to.
type Errors struct {
	Problems []Problem
	// Omitted counts the problems that were found beyond those listed.
	Omitted int
}

// ProblemKind is a sort of problem, for programs.
type ProblemKind uint8

// The kinds of problems. All but the first are with what a well-formed text means.
// Each says here what the names of About are.
const (
	// Malformed is a text that is no schema: its grammar is wrong, or its statements
	// are, each for itself. There are no names.
	Malformed ProblemKind = iota
	// UnknownType is a restriction or an annotation with a type, Name, that has no definition.
	UnknownType
	// UnknownMember is a Name that is no relation or permission of Definition.
	UnknownMember
	// UnknownCaveat is a restriction with a caveat, Name, that there is not.
	UnknownCaveat
	// RepeatedMember is a Name that Definition has twice.
	RepeatedMember
	// RepeatedRestriction is a restriction, Name, that Definition's relation Member has twice.
	RepeatedRestriction
	// MissingRestriction is a relation, Name, of Definition that takes no subject.
	MissingRestriction
	// ArrowOverPermission is an arrow, in Definition's permission Member, whose left side, Name, is a permission.
	ArrowOverPermission
	// ArrowOverWildcard is an arrow, in Definition's permission Member, over a relation, Name, that takes a wildcard.
	ArrowOverWildcard
	// ArrowToNothing is an arrow, in Definition's permission Member, to a Name that no subject of its left side has.
	// It is a doubt: such an arrow leads to nobody.
	ArrowToNothing
	// CircularPermission is a permission, Member, of Definition that depends on itself;
	// Name lists the permissions of the circle, in order, with commas between them.
	CircularPermission
	// IncompleteAnnotation is a permission, Name, of Definition that does not name all types of its subjects.
	IncompleteAnnotation
	// UnusedParameter is a parameter, Name, that the expression of caveat Definition does not use.
	UnusedParameter
)

// About says what a problem is and what it is with, for programs.
type About struct {
	Kind                     ProblemKind
	Definition, Member, Name string
}

// Problem is one thing that is wrong at one place of a schema's text.
type Problem struct {
	About
	// File is the name that Parse was given.
	File string
	// Pos is the place; its line is 0 if the schema was built rather than parsed.
	Pos Position
	// LengthBytes is how much of the line is meant, from Pos on.
	LengthBytes int
	// Line is the whole line of the text, without its end.
	Line string
	// Message says what is wrong; Hint, if not empty, what may be meant or done.
	Message, Hint string
}

// reporter collects the problems of one run over a text and those it imports.
type reporter struct {
	sources []source // by Position.File
	found   []finding
	omitted int
}

// finding is a problem whose hint is made only if it is shown: a search for
// similar names is dear, and a hostile schema can have very many problems.
type finding struct {
	Problem
	hint func() string
}

// at reports a problem with the lengthBytes of text from pos on. Only the
// first problem at a place is kept: what follows there is a consequence.
func (r *reporter) at(pos Position, lengthBytes int, message, hint string) {
	r.add(finding{Problem: Problem{Pos: pos, LengthBytes: lengthBytes, Message: message, Hint: hint}})
}

// name reports a problem with a name that stands at pos. The hint may be nil.
func (r *reporter) name(pos Position, name string, hint func() string, format string, args ...any) {
	r.add(finding{Problem{Pos: pos, LengthBytes: len(name), Message: fmt.Sprintf(format, args...)}, hint})
}

// meaning is name for a problem with what a well-formed text means.
func (r *reporter) meaning(a About, pos Position, name string, hint func() string, format string, args ...any) {
	r.add(finding{Problem{About: a, Pos: pos, LengthBytes: len(name), Message: fmt.Sprintf(format, args...)}, hint})
}

func (r *reporter) add(f finding) {
	if n := len(r.found); n > 0 && f.Pos.Line > 0 && r.found[n-1].Pos == f.Pos {
		return
	}
	if len(r.found) >= maxKeptProblems {
		r.omitted++
		return
	}
	r.found = append(r.found, f)
}

// failed reports whether anything was reported.
func (r *reporter) failed() bool { return len(r.found) > 0 }

// err returns an *Errors if anything was reported.
func (r *reporter) err() error {
	if !r.failed() {
		return nil
	}
	return r.list()
}

// list returns what was reported.
func (r *reporter) list() *Errors {
	slices.SortStableFunc(r.found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Offset, b.Pos.Offset))
	})
	r.found = slices.CompactFunc(r.found, func(a, b finding) bool { return a.Pos.Line > 0 && a.Pos == b.Pos })
	e := &Errors{}
	for _, f := range r.found[:min(len(r.found), maxShownProblems)] {
		if f.Pos.File < len(r.sources) {
			source := r.sources[f.Pos.File]
			f.File, f.Line = source.name, lineAt(source.text, f.Pos.Offset)
		}
		if f.hint != nil {
			f.Hint = f.hint()
		}
		e.Problems = append(e.Problems, f.Problem)
	}
	e.Omitted = r.omitted + len(r.found) - len(e.Problems)
	return e
}

// didYouMean returns a hint if one of the candidates is near name.
func didYouMean(name string, candidates []string) string {
	if nearest, ok := Suggest(name, candidates); ok {
		return fmt.Sprintf("did you mean `%s`?", nearest)
	}
	return ""
}
