package schema

import (
	"errors"
	"testing"
)

// SpiceDB's own lexer reads comments around an expression; those within it are left to
// CEL, which has none of that kind.
func TestBlockCommentsStandAroundExpressionsOnly(t *testing.T) {
	for expression, taken := range map[string]bool{
		"/* a */ x > 1": true, "x > 1 /* } */": true, "/* { */ // '\n/**/ x > 1 // {\n /* \" */": true, "/*\n}\n*/ x\n > 1": true,
		`x > 1 && "/* }" != "*/"`: true, "x /* a */ > 1": false, "x > 1 /* a": false, "/* a */": false, "x > 1 /* a */ && true": false,
		`"a" /* b */ == "a" && x > 1`: false,
	} {
		_, err := Load("test.zed", "caveat fit(x int) { "+expression+" }\ndefinition user {}\n")
		if (err == nil) != taken {
			t.Errorf("%q: %v", expression, err)
		}
	}
}

func TestBlockCommentsKeepThePlacesOfAnExpression(t *testing.T) {
	for in, out := range map[string]string{
		"/* a\n b */ x /* c */ > 1 /* d\r\n*/": "    \n      x /* c */ > 1     \r\n  ",
		"// /* a\nx":                           "// /* a\nx",
		"x // /* a */":                         "x // /* a */",
	} {
		if got := withoutBlocks(in); got != out {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestCaveatsAndPartialsHaveFreerNames(t *testing.T) {
	for name, allowed := range map[string]bool{
		"hasValidIP": true, "a": true, "_a": true, "a_": true, "1a": true, "Acme/inRange": true,
		"": false, "a//b": false, "/a": false, "aä": false, "a-b": false, "nil": false, "a/nil": false,
	} {
		if problem := ruleNameProblem(name); (problem == "") != allowed {
			t.Errorf("%q: %q", name, problem)
		}
	}
	mustLoad(t, "use partial\ncaveat inRange(x int) { x > 1 }\npartial B {\n\trelation own: user with inRange\n}\ndefinition user {\n\t...B\n}\n")
}

// A name that nothing can have is no question of what there is.
func TestReferencesByBadNamesAreMalformed(t *testing.T) {
	for text, kind := range map[string]ProblemKind{
		"relation aaa: User": Malformed, "relation aaa: us": Malformed, "relation aaa: user#B": Malformed, "permission aaa = B": Malformed,
		"relation aaa: nobody": UnknownType, "relation aaa: user#nothing": UnknownMember, "permission aaa = nothing": UnknownMember,
		"permission aaa = B->bbb": Malformed, "relation bbb: user; permission aaa = bbb->B": Malformed,
	} {
		_, err := Load("test.zed", "definition user {\n"+text+"\n}\n")
		var found *Errors
		if !errors.As(err, &found) || found.Problems[0].Kind != kind {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestNamesInPartialsThatNobodyIncludesAreLookedAt(t *testing.T) {
	if _, err := Load("test.zed", "use partial\npartial odd {\n\trelation A: user\n}\ndefinition user {}\n"); err == nil {
		t.Error("a bad name is taken")
	}
}
