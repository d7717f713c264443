package schema

import (
	"fmt"
	"slices"
	"strings"
)

// This file reads the constructs that the language has but this version does
// not: each is recognized as what it is and refused at its place, so that a
// schema that needs them is never taken for something else.

// useFlags are the features that a `use` line can switch on.
var useFlags = []string{"expiration", "import", "partial", "self", "typechecking"}

// notYet reports a construct that is not supported yet, at a token; it returns false.
func (p *parser) notYet(at token, what, hint string) bool {
	p.report.at(at.pos, len(at.text), what+" not supported yet", hint)
	return false
}

// atLater reports whether a top-level construct of this file begins here.
func (p *parser) atLater() bool {
	return p.at("caveat") || p.atWord("use") || p.atWord("import") || p.atWord("partial")
}

// later reads one of them.
func (p *parser) later() {
	at := p.tok
	p.advance()
	switch at.text {
	case "use":
		p.use(at)
		return
	case "import":
		p.notYet(at, "imports are", "")
		if p.tok.kind == literal {
			p.advance()
		}
		return
	case "caveat":
		p.notYet(at, "caveats are", "")
	case "partial":
		p.notYet(at, "partials are", "")
	}
	p.skipHeader()
	p.skipBraces()
}

// use reads the rest of `use flag`.
func (p *parser) use(at token) {
	flag := p.tok
	switch {
	case flag.kind != word:
		p.fail("", "expected the name of a feature after `use`, found %s", flag)
		return
	case !slices.Contains(useFlags, flag.text):
		hint := didYouMean(flag.text, useFlags)
		if hint == "" {
			hint = "the features are " + strings.Join(useFlags, ", ")
		}
		p.fail(hint, "unknown feature `%s`", flag.text)
	default:
		p.notYet(at, fmt.Sprintf("`use %s` is", flag.text), "")
	}
	p.advance()
}

// skipBraces goes past a balanced pair of braces, if one opens here. What is
// between may be a caveat's expression, which has a grammar of its own.
func (p *parser) skipBraces() {
	for depth := 0; p.tok.kind != endOfText; p.advance() {
		switch {
		case p.at("{"):
			depth++
		case p.at("}"):
			depth--
		}
		if depth > 0 {
			continue
		}
		if p.at("}") {
			p.advance()
		}
		return
	}
}

// partialReference reads `...name`.
func (p *parser) partialReference() {
	p.notYet(p.tok, "partials are", "")
	p.skipStatement()
}

// with reads `with caveat`, `with expiration` or both, behind a type.
func (p *parser) with() bool {
	at := p.tok
	p.advance()
	what := "caveats are"
	if p.atWord("expiration") {
		what = "expiration is"
	}
	p.notYet(at, what, "")
	if _, ok := p.path("a caveat"); !ok {
		return false
	}
	if p.atWord("and") {
		p.advance()
		_, ok := p.path("a caveat")
		return ok
	}
	return true
}

// annotation reads the types that may stand between a permission's name and
// its expression.
func (p *parser) annotation(m *Permission) bool {
	at := p.tok
	for first := true; first || p.at("|"); first = false {
		p.advance()
		if _, ok := p.path("a type"); !ok {
			return false
		}
	}
	if !p.at("=") {
		p.report.at(at.pos, len(at.text), fmt.Sprintf("permission `%s` has types instead of an expression", m.Name),
			"permissions are computed, `permission name = expression`; one that stores tuples is a `relation`")
		return false
	}
	p.notYet(at, "type annotations of permissions are", "")
	return true
}

// arrowFunction reads the rest of `relation.any(target)` or `relation.all(target)`.
func (p *parser) arrowFunction(relation string) bool {
	dot := p.tok
	p.advance()
	switch {
	case p.atWord("any"):
		return p.notYet(dot, "`.any(…)` is", fmt.Sprintf("`%s->target` means the same", relation))
	case p.atWord("all"):
		return p.notYet(dot, "`.all(…)` is", "")
	case p.tok.kind == word:
		hint := didYouMean(p.tok.text, []string{"any", "all"})
		if hint == "" {
			hint = followHint
		}
		return p.fail(hint, "`.%s` is no arrow function; there are `.any` and `.all`", p.tok.text)
	}
	return p.fail(followHint, "expected `any` or `all` after `.`, found %s", p.found())
}
