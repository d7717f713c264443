package schema

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Lines longer than maxRenderedBytes are shown in part, with so many bytes of
// context before the place that is meant.
const (
	maxRenderedBytes = 120
	contextBytes     = 60
)

// Error renders all problems, each with its place, its line and a caret under it.
func (e *Errors) Error() string {
	var b strings.Builder
	for i := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.Problems[i].String())
	}
	if e.Omitted > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.Omitted)
	}
	return b.String()
}

// String renders one problem:
//
//	repo.zed:7:31: definition `repository` has no `maintaner`
//	    permission push = owner + maintaner
//	                              ^^^^^^^^^
//	    hint: did you mean `maintainer`?
func (p *Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		fmt.Fprintf(&b, "%s:", p.File)
	}
	if p.Pos.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", p.Pos.Line, p.Pos.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	b.WriteString(p.Message)
	if p.Pos.Line > 0 && strings.TrimSpace(p.Line) != "" {
		line, mark := excerpt(p.Line, p.Pos.Column-1, p.LengthBytes)
		fmt.Fprintf(&b, "\n    %s\n    %s", line, mark)
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "\n    hint: %s", p.Hint)
	}
	return b.String()
}

// excerpt returns the part of a line to show and the carets for the line below
// it. The part begins where the line's own indentation ends.
func excerpt(line string, at, length int) (shown, mark string) {
	at = min(max(at, 0), len(line))
	end := min(at+max(length, 1), len(line))
	from := min(len(line)-len(strings.TrimLeft(line, " \t")), at)
	to := len(line)
	cutLeft, cutRight := "", ""
	if to-from > maxRenderedBytes && at-from > contextBytes {
		from, cutLeft = runeStart(line, at-contextBytes), "…"
	}
	if to-from > maxRenderedBytes {
		to, cutRight = runeStart(line, from+maxRenderedBytes), "…"
	}
	end = min(max(end, at), to)
	shown = cutLeft + strings.TrimRight(visible(line[from:to]), " ") + cutRight
	indent := utf8.RuneCountInString(cutLeft + visible(line[from:at]))
	carets := max(1, utf8.RuneCountInString(visible(line[at:end])))
	return shown, strings.Repeat(" ", indent) + strings.Repeat("^", carets)
}

// runeStart returns the start of the rune that holds byte i, or i if the bytes
// around it are no rune.
func runeStart(s string, i int) int {
	for start := i; start > max(0, i-utf8.UTFMax) && i < len(s); start-- {
		if utf8.RuneStart(s[start]) {
			return start
		}
	}
	return i
}

// visible makes every rune of s take one place on a terminal, as far as that
// can be known: tabs and control characters become spaces.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// lineAt returns the line of text around an offset, without its end.
func lineAt(text string, offset int) string {
	offset = min(max(offset, 0), len(text))
	start := strings.LastIndexAny(text[:offset], "\r\n") + 1
	end := len(text)
	if n := strings.IndexAny(text[offset:], "\r\n"); n >= 0 {
		end = offset + n
	}
	return text[start:end]
}
