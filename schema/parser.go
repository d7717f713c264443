package schema

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits that keep a hostile text from exhausting memory or the stack. Real
// schemas stay far below.
const (
	// MaxTextBytes is the longest schema that Parse takes.
	MaxTextBytes = 1 << 20
	// MaxNesting is how deep parentheses may nest.
	MaxNesting = 100
	// MaxOperands is how many operands one permission may have.
	MaxOperands = 4096
	// MaxTypeNesting is how deep the types of a caveat's parameter may nest.
	MaxTypeNesting = 10
)

// Load parses and checks a schema. The name is that of the file, for messages.
// Any error is an *Errors.
func Load(name, text string) (*Schema, error) {
	s, err := Parse(name, text)
	if err != nil {
		return nil, err
	}
	if err := Check(s); err != nil {
		return nil, err
	}
	return s, nil
}

// Parse reads a schema's text and checks its grammar; what the names mean is
// for [Check], and imports stay as they are. The name is that of the file, for messages. An error is an
// *Errors with every problem found: after each, the parser goes on with the
// next statement.
func Parse(name, text string) (*Schema, error) {
	report := &reporter{sources: []source{{name: name, text: text}}}
	s := parseFile(report, 0)
	if report.failed() {
		return nil, report.err()
	}
	s.sources = report.sources
	s.include()
	return s, nil
}

// parseFile parses one of the texts of a run.
func parseFile(report *reporter, file int) *Schema {
	text := report.sources[file].text
	p := parser{lex: newLexer(text), report: report}
	p.lex.file = file
	if !p.readable(text) {
		return &Schema{}
	}
	p.advance()
	return p.schema()
}

// parser is a recursive-descent parser with one token of lookahead.
//
// Its methods return false when they met a problem, which they have reported,
// and could not go on; the statement's method then skips to the statement's end.
type parser struct {
	lex       *lexer
	report    *reporter
	tok, prev token
	loose     []Comment // passed over, for the next node that takes comments
	broken    bool      // something illegal, already reported, stands before tok

	last              topKind // of the last statement outside of bodies
	nesting, operands int     // of the current permission
}

// readable reports what makes a text no text.
func (p *parser) readable(text string) bool {
	if len(text) > MaxTextBytes {
		p.report.sources[p.lex.file].text = ""
		p.report.at(Position{File: p.lex.file}, 0, fmt.Sprintf("the schema has %d bytes, at most %d are allowed", len(text), MaxTextBytes), "")
		return false
	}
	for i, r := range text {
		if r == utf8.RuneError && !strings.HasPrefix(text[i:], "\uFFFD") {
			l := newLexer(text)
			l.file = p.lex.file
			l.skip(text[:i])
			p.report.at(l.pos(), 1, "the text is not valid UTF-8", "")
			return false
		}
	}
	return true
}

// advance goes on to the next token.
func (p *parser) advance() {
	p.loose = append(p.loose, p.tok.comments...)
	p.prev = p.tok
	p.broken = false
	for p.tok = p.lex.next(); p.tok.kind == illegal; p.tok = p.lex.next() {
		p.broken = true
		p.report.at(p.tok.pos, p.lex.offset-p.tok.pos.Offset, p.tok.text, "")
	}
}

// at reports whether the current token is a keyword or symbol.
func (p *parser) at(text string) bool { return p.tok.is(text) }

// atWord reports whether the current token is a word that is a keyword only
// where it stands.
func (p *parser) atWord(text string) bool { return p.tok.kind == word && p.tok.text == text }

// atLineStart reports whether the current token is the first of its line.
func (p *parser) atLineStart() bool { return p.tok.pos.Line > p.prev.endLine() }

// fail reports a problem at the current token, unless it follows from
// something illegal before it; it returns false.
func (p *parser) fail(hint, format string, args ...any) bool {
	pos, length := p.tok.pos, len(p.tok.text)
	if p.cutOff() {
		pos, length = p.prev.end(), 1
	}
	if !p.broken {
		p.report.at(pos, length, fmt.Sprintf(format, args...), hint)
	}
	return false
}

// cutOff reports whether the line before ended where the statement could not:
// what is missing is missing there.
func (p *parser) cutOff() bool {
	switch {
	case p.prev.kind != symbol, p.prev.endsStatement(), p.prev.is("{"), p.prev.is(";"):
		return false
	}
	return p.atLineStart()
}

// found describes the current token for a message.
func (p *parser) found() string {
	if p.cutOff() {
		return token{kind: newline}.String()
	}
	return p.tok.String()
}

// expect goes past a symbol or fails, with a hint on what it is for.
func (p *parser) expect(text, hint string) bool {
	if !p.at(text) {
		return p.fail(hint, "expected `%s`, found %s", text, p.found())
	}
	p.advance()
	return true
}

// name reads a name of what, such as "a relation".
func (p *parser) name(what string) (string, bool) {
	switch {
	case p.tok.kind == word:
		name := p.tok.text
		p.advance()
		return name, true
	case p.tok.kind == keyword && !p.cutOff():
		return "", p.fail("", "`%s` is a reserved word and cannot name %s", p.tok.text, what)
	}
	return "", p.fail("", "expected the name of %s, found %s", what, p.found())
}

// path reads a name of what with its prefix segments.
func (p *parser) path(what string) (string, bool) {
	path, ok := p.name(what)
	for ok && p.at("/") {
		p.advance()
		var segment string
		segment, ok = p.name(what)
		path += "/" + segment
	}
	return path, ok
}

// behindStatement reads what ends a statement, and returns the comments behind
// it. It is not ended if something else follows on the line.
func (p *parser) behindStatement() (behind []Comment, ended bool) {
	switch {
	case p.tok.kind == newline:
		behind = p.takeComments()
		p.advance()
		return behind, true
	case p.at(";"):
		behind = p.takeComments()
		p.advance()
		return append(behind, p.takeBehind()...), true
	}
	return p.takeBehind(), p.tok.kind == endOfText || p.atLineStart()
}

// endStatement is behindStatement where a statement that does not end is a
// problem; the hint is for that.
func (p *parser) endStatement(hint string) []Comment {
	behind, ended := p.behindStatement()
	switch {
	case ended:
	case p.at("}"):
		p.fail("write `;` or begin a new line before `}`", "a statement must end before `}`")
	default:
		p.fail(hint, "unexpected %s; the statement should end here", p.tok)
		p.skipStatement()
	}
	return behind
}

// skipStatement goes on to where the next statement can begin: behind the end
// of this one, or at a `}` or a keyword that begins a line.
func (p *parser) skipStatement() {
	for depth := 0; ; p.advance() {
		switch {
		case p.tok.kind == endOfText, p.atBody():
			return
		case p.at("{"):
			depth++
		case p.at("}") && depth > 0:
			depth--
		case depth > 0:
		case p.at("}"), p.atLineStart() && (p.at("relation") || p.at("permission")):
			return
		case p.tok.kind == newline, p.at(";"):
			p.advance()
			return
		}
	}
}
