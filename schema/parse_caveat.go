package schema

import (
	"slices"
	"strings"
)

// caveat reads `caveat name(parameter type, …) { expression }`.
func (p *parser) caveat() *Caveat {
	c := &Caveat{Comments: p.lead()}
	c.clearGap() // caveats always stand apart
	p.advance()
	c.Pos = p.tok.pos
	if !p.caveatHead(c) {
		p.skipHeader()
		if !p.at("{") {
			return c
		}
	}
	pos, raw, closed := p.lex.expression()
	c.ExpressionPos, c.Expression = pos, tidyExpression(raw)
	p.advance()
	c.Above = append(c.Above, p.takeLoose()...)
	switch {
	case !closed:
		p.notClosed(c.Name, c.Pos)
		return c
	case c.Expression == "":
		p.fail("a caveat is `caveat name(parameter type) { expression }`", "caveat `%s` has no expression", c.Name)
	}
	p.advance()
	c.Behind, _ = p.behindStatement()
	return c
}

// caveatHead reads a caveat up to its opening brace.
func (p *parser) caveatHead(c *Caveat) (ok bool) {
	const hint = "a caveat is `caveat name(parameter type, …) { expression }`"
	if c.Name, ok = p.path("a caveat"); !ok || !p.expect("(", hint) || !p.params(c) || !p.expect(")", hint) {
		return false
	}
	if !p.at("{") {
		return p.fail(hint, "expected `{`, found %s", p.found())
	}
	return true
}

// params reads the parameters between a caveat's parentheses.
func (p *parser) params(c *Caveat) (ok bool) {
	if p.at(")") {
		return p.fail("write at least one: `caveat name(parameter type)`", "caveat `%s` has no parameter", c.Name)
	}
	for {
		m := &Param{Pos: p.tok.pos, Comments: Comments{Above: inline(p.takeComments())}}
		c.Params = append(c.Params, m)
		if m.Name, ok = p.name("a parameter"); !ok {
			return false
		}
		if m.Type, ok = p.paramType(0); !ok {
			return false
		}
		m.Above = append(m.Above, p.takeLoose()...)
		p.skipLineEnds()
		if !p.at(",") {
			return true
		}
		m.Behind = inline(append(p.takeLoose(), p.takeComments()...))
		p.advance()
		m.Behind = append(m.Behind, p.takeBehind()...)
	}
}

// skipLineEnds goes on to the next line where parentheses are open.
func (p *parser) skipLineEnds() {
	for p.tok.kind == newline {
		p.advance()
	}
}

// paramType reads the type of a parameter, which may have arguments.
func (p *parser) paramType(depth int) (*ParamType, bool) {
	if depth > MaxTypeNesting {
		return nil, p.fail("", "types nest deeper than %d levels", MaxTypeNesting)
	}
	t := &ParamType{Pos: p.tok.pos}
	var ok bool
	if t.Name, ok = p.name("the parameter's type"); !ok || !p.at("<") {
		return t, ok
	}
	for first := true; first || p.at(","); first = false {
		p.advance()
		arg, ok := p.paramType(depth + 1)
		if !ok {
			return nil, false
		}
		t.Args = append(t.Args, arg)
	}
	return t, p.expect(">", "a type with arguments is `list<string>`")
}

// expression passes over a caveat's expression, which has a grammar of its own,
// up to the brace that closes it. The place is that of its first character.
func (l *lexer) expression() (pos Position, raw string, closed bool) {
	raw = l.rest()
	end := expressionEnd(raw)
	if closed = end >= 0; closed {
		raw = raw[:end]
	}
	blanks := len(raw) - len(strings.TrimLeft(raw, " \t\r\n"))
	l.skip(raw[:blanks])
	pos = l.pos()
	l.skip(raw[blanks:])
	l.lastEndLine = l.line
	return pos, raw, closed
}

// expressionEnd returns where the brace is that closes an expression, or -1.
// Braces in strings and comments do not count.
func expressionEnd(text string) int {
	depth := 1
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"', '\'':
			i += stringBytes(text[i:], rawPrefix(text[:i])) - 1
		case '/':
			i += max(commentBytes(text[i:]), 1) - 1
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// rawPrefix reports whether a string that begins behind text is a raw one:
// r"…", br"…" or rb"…".
func rawPrefix(text string) bool {
	prefix := strings.ToLower(text[max(0, len(text)-2):])
	return strings.HasSuffix(prefix, "r") || prefix == "rb"
}

// stringBytes returns the length of the string that begins a text, with its
// quotes. One in single quotes that has no end ends with its line.
func stringBytes(text string, raw bool) int {
	quote := text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text, triple) {
		quote = triple
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\' && !raw:
			i++
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		case len(quote) == 1 && (text[i] == '\n' || text[i] == '\r'):
			return i
		}
	}
	return len(text)
}

// lineBytes returns the length of the first line of a text, without its end.
func lineBytes(text string) int {
	if end := strings.IndexAny(text, "\r\n"); end >= 0 {
		return end
	}
	return len(text)
}

// commentBytes returns the length of the comment that begins a text; 0 if none does.
func commentBytes(text string) int {
	switch {
	case strings.HasPrefix(text, "//"):
		return lineBytes(text)
	case strings.HasPrefix(text, "/*"):
		if end := strings.Index(text[2:], "*/"); end >= 0 {
			return end + 4
		}
		return len(text)
	}
	return 0
}

// withoutBlocks returns an expression with blanks in the place of the comments in
// /* and */ before and behind it, which are the schema's. Within it they are no CEL,
// and stay, for the compiler to say so.
func withoutBlocks(expression string) string {
	if !strings.Contains(expression, "/*") {
		return expression
	}
	text := []byte(expression)
	var run []int // where the comments behind the last token begin and end
	begun := false
	for i := 0; i < len(expression); {
		n := commentBytes(expression[i:])
		switch c := expression[i]; {
		case n > 0:
			run = append(run, i, i+n)
			if !begun {
				run = blanked(text, run)
			}
		case strings.IndexByte(" \t\r\n", c) >= 0:
			n = 1
		default:
			begun, run, n = true, run[:0], 1
			if c == '"' || c == '\'' {
				n = stringBytes(expression[i:], rawPrefix(expression[:i]))
			}
		}
		i += n
	}
	blanked(text, run)
	return string(text)
}

// blanked writes blanks over the blocks that begin and end at places of a text, but for
// the line ends, and returns no places.
func blanked(text []byte, places []int) []int {
	for i := 0; i < len(places); i += 2 {
		comment := text[places[i]:places[i+1]]
		if comment[1] != '*' {
			continue
		}
		for j, c := range comment {
			if c != '\r' && c != '\n' {
				comment[j] = ' '
			}
		}
	}
	return places[:0]
}

// verbatim reports whether an expression must be left as it is: it may have
// strings of several lines, whose indentation means something.
func verbatim(expression string) bool {
	return strings.Contains(expression, `"""`) || strings.Contains(expression, `'''`)
}

// tidyExpression takes out of an expression what depends on where it stands:
// the blanks at the ends of its lines, blank lines around it, and the
// indentation that its lines share. A first line on the line of the opening
// brace has none.
func tidyExpression(raw string) string {
	trimmed := strings.TrimLeft(raw, " \t\r\n")
	if trimmed == "" {
		return ""
	}
	if verbatim(raw) {
		return raw
	}
	ownLine := strings.ContainsAny(raw[:len(raw)-len(trimmed)], "\r\n")
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(strings.Trim(raw, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t")
	}
	lines = lines[slices.IndexFunc(lines, func(line string) bool { return line != "" }):]
	for lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	first := 0
	if !ownLine {
		lines[0] = strings.TrimLeft(lines[0], " \t")
		first = 1
	}
	dedent(lines[first:])
	return strings.Join(lines, "\n")
}

// dedent takes the indentation that lines share out of them.
func dedent(lines []string) {
	shared := -1
	for _, line := range lines {
		indent := indentation(line)
		if line != "" && (shared < 0 || indent < shared) {
			shared = indent
		}
	}
	for i, line := range lines {
		if line != "" {
			lines[i] = line[shared:]
		}
	}
}

// indentation returns how many blanks a line begins with.
func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }
