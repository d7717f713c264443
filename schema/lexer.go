package schema

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexer cuts a text into tokens.
//
// A line end is a token only behind a token that can end a statement: a name, a
// keyword, a string, `}`, `)` or `*`. So a statement goes on over lines as long as
// something is pending: an operator, `|`, `:`, `=`, an open parenthesis.
type lexer struct {
	file      int // of its positions
	text      string
	offset    int
	line      int
	lineStart int // offset of the current line's first byte

	last        token // the last token given out
	lastEndLine int   // where the last token or comment ended; 0 at the start

	flags []string // what `use` lines switched on: their words are keywords
}

// symbolRunes are the symbols of one character. Not all mean something outside
// of a caveat's expression.
const symbolRunes = "{}()|+-&/=:;#*.,<>[]?!%"

func newLexer(text string) *lexer { return &lexer{text: text, line: 1} }

func (l *lexer) pos() Position {
	return Position{File: l.file, Offset: l.offset, Line: l.line, Column: l.offset - l.lineStart + 1}
}

func (l *lexer) rest() string { return l.text[l.offset:] }

// next returns the next token, with the comments before it.
func (l *lexer) next() token {
	t := token{}
	for {
		l.skipBlanks()
		t.pos, t.gap = l.pos(), l.afterGap()
		rest := l.rest()
		switch {
		case rest == "":
			return l.give(t, endOfText, 0)
		case rest[0] == '\n' || rest[0] == '\r':
			if l.last.endsStatement() {
				return l.lineEnd(t)
			}
			l.skipLineEnd()
		case strings.HasPrefix(rest, "//"), strings.HasPrefix(rest, "/*"):
			c, ok := l.comment()
			if !ok {
				t.text = "comment without an end: `*/` is missing"
				return l.give(t, illegal, len(rest))
			}
			t.comments = append(t.comments, c)
		default:
			return l.wordOrSymbol(t, rest)
		}
	}
}

// give finishes t as a token over the next bytes of the text.
func (l *lexer) give(t token, k kind, bytes int) token {
	t.kind = k
	text := l.text[l.offset : l.offset+bytes]
	l.skip(text)
	l.lastEndLine = l.line
	if k == illegal { // as if it were not there, so that the line still ends
		return t
	}
	t.text = text
	l.last = t
	return t
}

// lineEnd gives the line end as a token. It is no part of the text for gaps:
// the line it ends counts.
func (l *lexer) lineEnd(t token) token {
	t.kind = newline
	l.skipLineEnd()
	l.last = t
	return t
}

func (l *lexer) wordOrSymbol(t token, rest string) token {
	r, size := utf8.DecodeRuneInString(rest)
	switch {
	case wordRune(r):
		end := strings.IndexFunc(rest, func(r rune) bool { return !wordRune(r) })
		if end < 0 {
			end = len(rest)
		}
		if l.isKeyword(rest[:end]) {
			return l.give(t, keyword, end)
		}
		return l.give(t, word, end)
	case strings.HasPrefix(rest, "->"):
		return l.give(t, symbol, len("->"))
	case strings.HasPrefix(rest, "..."):
		return l.give(t, symbol, len("..."))
	case strings.ContainsRune(symbolRunes, r):
		return l.give(t, symbol, size)
	case r == '"' || r == '\'':
		return l.quoted(t, rest)
	}
	t.text = fmt.Sprintf("unexpected character %q", r)
	end := strings.IndexFunc(rest, tokenRune)
	if end < 0 {
		end = len(rest)
	}
	return l.give(t, illegal, end)
}

func (l *lexer) isKeyword(text string) bool {
	return reserved[text] || slices.ContainsFunc(l.flags, func(flag string) bool {
		return slices.Contains(useFlags[flag], text)
	})
}

// quoted gives a string: between single or double quotes on one line, or
// between three of them over several.
func (l *lexer) quoted(t token, rest string) token {
	quote := rest[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(rest, triple) {
		quote = triple
	}
	body := rest[len(quote):]
	end := strings.Index(body, quote)
	line := strings.IndexAny(body, "\r\n")
	if end >= 0 && (len(quote) == 3 || line < 0 || end < line) {
		return l.give(t, literal, end+2*len(quote))
	}
	t.text = "string without an end"
	if len(quote) == 3 || line < 0 {
		return l.give(t, illegal, len(rest))
	}
	return l.give(t, illegal, len(quote)+line)
}

// comment reads a comment; it is not ok if its end is missing.
func (l *lexer) comment() (c Comment, ok bool) {
	c = Comment{Pos: l.pos(), Gap: l.afterGap()}
	rest := l.rest()
	end := strings.IndexAny(rest, "\r\n")
	if end < 0 {
		end = len(rest)
	}
	if strings.HasPrefix(rest, "/*") {
		body := strings.Index(rest[2:], "*/")
		if body < 0 {
			return c, false
		}
		end = body + 4
	}
	c.Text = tidyComment(rest[:end])
	l.skip(rest[:end])
	l.lastEndLine = l.line
	return c, true
}

// afterGap reports whether a blank line lies between here and the last token
// or comment.
func (l *lexer) afterGap() bool { return l.lastEndLine > 0 && l.line-l.lastEndLine > 1 }

func (l *lexer) skipBlanks() {
	for l.offset < len(l.text) && (l.text[l.offset] == ' ' || l.text[l.offset] == '\t') {
		l.offset++
	}
}

// skip passes over text, which may hold line ends.
func (l *lexer) skip(text string) {
	end := l.offset + len(text)
	for {
		n := strings.IndexAny(l.text[l.offset:end], "\r\n")
		if n < 0 {
			l.offset = end
			return
		}
		l.offset += n
		l.skipLineEnd()
	}
}

// skipLineEnd passes over one line end: \n, \r\n or \r.
func (l *lexer) skipLineEnd() {
	if strings.HasPrefix(l.rest(), "\r\n") {
		l.offset++
	}
	l.offset++
	l.line++
	l.lineStart = l.offset
}

// endsStatement reports whether a line end behind the token ends a statement.
func (t token) endsStatement() bool {
	switch t.kind {
	case word, keyword, literal:
		return true
	}
	return t.is("}") || t.is(")") || t.is("*")
}

// wordRune reports whether r can stand in a word. Letters that no name may
// have are among them, so that such a name is reported whole.
func wordRune(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// tokenRune reports whether a token, a blank or a line end can begin with r.
func tokenRune(r rune) bool {
	return wordRune(r) || strings.ContainsRune(symbolRunes+" \t\r\n\"'", r)
}

// tidyComment takes out of a comment what depends on where it stands: the
// blanks at the ends of its lines and the indentation that its lines after the
// first share. Lines of a block that all begin with a star are aligned.
func tidyComment(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	stars := len(lines) > 1
	shared := len(text)
	for i, line := range lines {
		line = strings.TrimRight(line, " \t")
		lines[i] = line
		if i == 0 || line == "" {
			continue
		}
		trimmed := strings.TrimLeft(line, " \t")
		stars = stars && trimmed[0] == '*'
		shared = min(shared, len(line)-len(trimmed))
	}
	for i, line := range lines[1:] {
		switch {
		case line == "":
		case stars:
			lines[i+1] = " " + strings.TrimLeft(line, " \t")
		default:
			lines[i+1] = line[shared:]
		}
	}
	return strings.Join(lines, "\n")
}
