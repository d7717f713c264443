package schema

import (
	"strings"
	"testing"
)

func TestNamesThatAreAllowed(t *testing.T) {
	sixtyFour := "a" + strings.Repeat("_", 62) + "9"
	for name, allowed := range map[string]bool{
		"abc": true, "a_1": true, "a__": false, "user2": true, "use": true, "self": true, "expiration": true,
		"and": true, "any": true, "import": true, "partial": true, sixtyFour: true,
		"": false, "a": false, "ab": false, sixtyFour + "9": false, "Abc": false, "aBc": false, "1bc": false,
		"_bc": false, "ab_": false, "a-b": false, "a/b": false, "aäb": false, "a b": false, "...": false,
		"definition": false, "caveat": false, "relation": false, "permission": false, "nil": false, "with": false,
	} {
		if problem := nameProblem(name); (problem == "") != allowed {
			t.Errorf("%q: %q", name, problem)
		}
	}
}

func TestNamesOfDefinitionsHavePrefixes(t *testing.T) {
	segment := strings.Repeat("a", 41)
	for name, allowed := range map[string]bool{
		"user": true, "git/user": true, "git/hub/user": true,
		"/user": false, "git/": false, "git//user": false, "g/user": false, "git/nil": false, "nil/git": false,
		segment + "/" + segment + "/" + segment + "/aa":            false, // a segment is too short
		segment + "/" + segment + "/" + segment[1:] + "a/a" + "aa": false, // 129 bytes
		segment + "/" + segment + "/" + segment + "abc":            true,  // 128 bytes
		segment + "/" + segment + "/" + segment + "abcd":           false,
	} {
		if problem := definitionNameProblem(name); (problem == "") != allowed {
			t.Errorf("%q (%d bytes): %q", name, len(name), problem)
		}
	}
}

// The words that `use` lines would make keywords are names without them, and
// the words of other constructs are names where those cannot stand.
func TestContextualWordsAreNames(t *testing.T) {
	mustLoad(t, `
definition user {}
definition partial {
	relation self: user
	relation use: user | partial#self
	relation import: partial
	permission any = self + use
	permission all = import->any
	permission and = all - any
	permission expiration = nil
	permission typechecking = and
}
`)
}
