package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tokens spells the tokens of a text, with their places and comments.
func tokens(text string) (spelled []string) {
	l := newLexer(text)
	for {
		tok := l.next()
		for _, c := range tok.comments {
			spelled = append(spelled, fmt.Sprintf("%d:%d %q%s", c.Pos.Line, c.Pos.Column, c.Text, gapMark(c.Gap)))
		}
		if tok.kind == endOfText {
			return spelled
		}
		text := tok.text
		if tok.kind == newline {
			text = "end of line"
		}
		spelled = append(spelled, fmt.Sprintf("%d:%d %s%s", tok.pos.Line, tok.pos.Column, text, gapMark(tok.gap)))
	}
}

func gapMark(gap bool) string {
	if gap {
		return " (gap)"
	}
	return ""
}

func TestTokensHaveTheirPlaces(t *testing.T) {
	cases := []struct {
		name, text string
		want       []string
	}{
		{"words and symbols", "a->b ...c+d", []string{"1:1 a", "1:2 ->", "1:4 b", "1:6 ...", "1:9 c", "1:10 +", "1:11 d"}},
		{"columns are bytes", "ä b", []string{"1:1 ä", "1:4 b"}},
		{"a line ends behind what can end a statement", "a\n}\n)\n*\nnil\n",
			[]string{"1:1 a", "1:2 end of line", "2:1 }", "2:2 end of line", "3:1 )", "3:2 end of line", "4:1 *", "4:2 end of line", "5:1 nil", "5:4 end of line"}},
		{"no line ends where something is pending", "a |\nb +\n\n& (\n->\n{\n;\n:\n=\n#\n...\n-\n,\n/",
			[]string{"1:1 a", "1:3 |", "2:1 b", "2:3 +", "4:1 & (gap)", "4:3 (", "5:1 ->", "6:1 {", "7:1 ;", "8:1 :", "9:1 =", "10:1 #", "11:1 ...", "12:1 -", "13:1 ,", "14:1 /"}},
		{"only the first of several line ends counts", "a\n\n\nb", []string{"1:1 a", "1:2 end of line", "4:1 b (gap)"}},
		{"every kind of line end", "a\rb\r\nc\nd", []string{"1:1 a", "1:2 end of line", "2:1 b", "2:2 end of line", "3:1 c", "3:2 end of line", "4:1 d"}},
		{"comments come before the next token", "a // x\n/* y\n */ b // z", []string{"1:1 a", `1:3 "// x"`, "1:7 end of line", `2:1 "/* y\n */"`, "3:5 b", `3:7 "// z"`}},
		{"a line end in a comment ends no statement", "a /*\n*/ + b", []string{"1:1 a", `1:3 "/*\n */"`, "2:4 +", "2:6 b"}},
		{"blank lines before comments and tokens", "a\n\n// x\n\n// y\nb\n\n", []string{"1:1 a", "1:2 end of line", `3:1 "// x" (gap)`, `5:1 "// y" (gap)`, "6:1 b", "6:2 end of line"}},
		{"no blank line at the start", "\n\n\na", []string{"4:1 a"}},
		{"strings", `"a" '"' """b"` + "\n" + `"c""" ''`, []string{`1:1 "a"`, `1:5 '"'`, "1:9 \"\"\"b\"\n\"c\"\"\"", "2:7 ''"}},
		{"a string without an end ends with its line", "\"a\nb", []string{"1:1 string without an end", "2:1 b"}},
		{"characters that mean nothing", "a @@ b$", []string{"1:1 a", "1:3 unexpected character '@'", "1:6 b", "1:7 unexpected character '$'"}},
		{"a line ends as if what means nothing were not there", "a @\nb", []string{"1:1 a", "1:3 unexpected character '@'", "1:4 end of line", "2:1 b"}},
		{"a comment without an end", "a /* b", []string{"1:1 a", "1:3 comment without an end: `*/` is missing"}},
		{"a comment needs its own slash", "/*/ a */", []string{`1:1 "/*/ a */"`}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, tokens(c.text)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTokensCoverTheirText(t *testing.T) {
	text := "definition git/doc {\r\n\trelation größe: user:* | team#member // x\r}\n"
	l := newLexer(text)
	for tok := l.next(); tok.kind != endOfText; tok = l.next() {
		if tok.kind == newline {
			continue
		}
		if got := text[tok.pos.Offset : tok.pos.Offset+len(tok.text)]; got != tok.text {
			t.Errorf("%v: text has %q, token %q", tok.pos, got, tok.text)
		}
		if line := lineAt(text, tok.pos.Offset); !strings.HasPrefix(line[tok.pos.Column-1:], tok.text) {
			t.Errorf("%v: line %q does not have %q in its column", tok.pos, line, tok.text)
		}
	}
}

func TestTidyCommentTakesOutWhereItStood(t *testing.T) {
	cases := []struct{ name, text, want string }{
		{"a line comment", "// a  \t", "// a"},
		{"a block of one line", "/*  a  */", "/*  a  */"},
		{"stars are aligned", "/**\n\t\t* a\n\t* b\n */", "/**\n * a\n * b\n */"},
		{"shared indentation goes", "/* a\n\t\tb\n\t\t\tc\n\t\t*/", "/* a\nb\n\tc\n*/"},
		{"blank lines do not share", "/* a\n\n    b\n  \n    */", "/* a\n\nb\n\n*/"},
		{"line ends become one kind", "/* a\r\n b\r c */", "/* a\nb\nc */"},
		{"text that has none", "/* a\nb\n c */", "/* a\nb\n c */"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := tidyComment(c.text)
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if again := tidyComment(indented(got, "\t\t")); again != got {
				t.Errorf("indented it becomes %q, not %q", again, got)
			}
		})
	}
}
