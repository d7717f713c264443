package schema

import (
	"fmt"
	"strings"
)

// kind is what a token is; which word or symbol it is its text tells.
type kind uint8

const (
	endOfText kind = iota
	// newline is the end of a line that ends a statement; other line ends are blanks.
	newline
	word    // a name, or a keyword's text where a name may stand
	keyword // one of the reserved words
	literal // a string in quotes
	symbol  // one of the operators and brackets
	illegal // what no token can begin with; the text says why
)

// token is one word or symbol of the text.
type token struct {
	kind kind
	pos  Position
	text string
	// comments are those between the token before and this one.
	comments []Comment
	// gap says that a blank line stands before the token, after its comments.
	gap bool
}

// is reports whether the token is the given keyword or symbol.
func (t token) is(text string) bool {
	return t.text == text && (t.kind == symbol || t.kind == keyword)
}

// endLine returns the line on which the token ends.
func (t token) endLine() int { return t.pos.Line + lineEnds(t.text) }

// end returns the place behind the token, which must be on one line.
func (t token) end() Position {
	t.pos.Offset += len(t.text)
	t.pos.Column += len(t.text)
	return t.pos
}

// String describes the token for a message.
func (t token) String() string {
	switch t.kind {
	case endOfText:
		return "the end of the text"
	case newline:
		return "the end of the line"
	case literal:
		return "a string"
	}
	return fmt.Sprintf("`%s`", t.text)
}

// endLine returns the line on which the comment ends.
func (c Comment) endLine() int { return c.Pos.Line + lineEnds(c.Text) }

func lineEnds(s string) int { return strings.Count(s, "\n") }
