package schema

import (
	"fmt"
	"strings"
)

// Limits of names, in bytes; they are SpiceDB's.
const (
	minNameBytes           = 3
	maxNameBytes           = 64
	maxDefinitionNameBytes = 128
)

// reserved are the words that are never names. The words of `use` lines
// (self, expiration, and the like) are not among them: they become keywords
// only where they are used.
var reserved = map[string]bool{
	"definition": true,
	"caveat":     true,
	"relation":   true,
	"permission": true,
	"nil":        true,
	"with":       true,
}

// useFlags are the features that a `use` line can switch on, each with the words
// that it makes keywords.
var useFlags = map[string][]string{
	"expiration":   {"expiration", "and"},
	"import":       {"import"},
	"partial":      {"partial"},
	"self":         {"self"},
	"typechecking": {"typechecking"},
}

// nameProblem says what is wrong with the name of a relation or permission, or
// with one segment of a definition's name; "" if nothing is.
func nameProblem(name string) string {
	switch {
	case reserved[name]:
		return fmt.Sprintf("`%s` is a reserved word", name)
	case len(name) < minNameBytes:
		return fmt.Sprintf("it is too short: at least %d characters are needed", minNameBytes)
	case len(name) > maxNameBytes:
		return fmt.Sprintf("it has %d characters, at most %d are allowed", len(name), maxNameBytes)
	case !lower(name[0]):
		return "it must begin with a letter a-z"
	case name[len(name)-1] == '_':
		return "it must not end with `_`"
	}
	for i := range len(name) {
		if c := name[i]; !lower(c) && c != '_' && (c < '0' || c > '9') {
			return "only a-z, 0-9 and `_` are allowed"
		}
	}
	return ""
}

// definitionNameProblem is nameProblem for a definition's name, whose prefix
// segments end in a slash.
func definitionNameProblem(name string) string {
	if len(name) > maxDefinitionNameBytes {
		return fmt.Sprintf("it has %d characters, at most %d are allowed", len(name), maxDefinitionNameBytes)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if problem := nameProblem(segment); problem != "" {
			return problem
		}
	}
	return ""
}

// ruleNameProblem is nameProblem for the name of a caveat or a partial, which no
// object, relation or permission is called by: SpiceDB takes any case and length.
func ruleNameProblem(name string) string {
	if len(name) > maxDefinitionNameBytes {
		return fmt.Sprintf("it has %d characters, at most %d are allowed", len(name), maxDefinitionNameBytes)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" {
			return "a segment between `/` is empty"
		}
		if reserved[segment] {
			return fmt.Sprintf("`%s` is a reserved word", segment)
		}
	}
	for i := range len(name) {
		if c := name[i]; !lower(c|0x20) && c != '_' && c != '/' && (c < '0' || c > '9') {
			return "only a-z, A-Z, 0-9 and `_` are allowed"
		}
	}
	return ""
}

func lower(c byte) bool { return 'a' <= c && c <= 'z' }
