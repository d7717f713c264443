package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
)

// maxLineBytes bounds a line: two ids have up to 1,024 bytes each, the context of
// a tuple 25,000 and that of a question 65,536, before spaces and escapes.
const maxLineBytes = 256 << 10

// errLongLine says that a line is longer than any tuple could be.
var errLongLine = fmt.Errorf("the line has more than %d bytes", maxLineBytes)

// line is one line of a file that says something.
type line struct {
	number int // from 1
	text   string
}

// linesOf yields the lines of r that say something. Blank lines are passed
// over, and comments: from // or # at the start of a line, or after white
// space, to the line's end. What stands in double quotes, as texts of contexts
// do, is no comment.
func linesOf(r io.Reader) iter.Seq2[line, error] {
	return func(yield func(line, error) bool) {
		scanner := bufio.NewScanner(r)
		scanner.Buffer(make([]byte, 0, 4096), maxLineBytes)
		number := 0
		for scanner.Scan() {
			number++
			text := uncomment(scanner.Text())
			if text != "" && !yield(line{number, text}, nil) {
				return
			}
		}
		err := scanner.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = errLongLine
		}
		if err != nil {
			yield(line{number: number + 1}, err)
		}
	}
}

func uncomment(text string) string {
	quoted, escaped := false, false
	for i := range len(text) {
		c := text[i]
		switch {
		case escaped:
			escaped = false
			continue
		case quoted:
			escaped = c == '\\'
			quoted = c != '"'
			continue
		case c == '"':
			quoted = true
			continue
		}
		starts := c == '#' || strings.HasPrefix(text[i:], "//")
		if starts && (i == 0 || text[i-1] == ' ' || text[i-1] == '\t') {
			text = text[:i]
			break
		}
	}
	return strings.TrimSpace(text)
}

// at returns the place of a line, for messages.
func at(name string, number int) string { return fmt.Sprintf("%s:%d", name, number) }
