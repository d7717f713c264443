package main

import (
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// listPart is one message of a list.
type listPart struct {
	message        proto.Message
	lines          []string // the entries, as they are printed
	count          int      // of the entries that are no exceptions
	cursor, zookie string
	complete       bool
}

// add adds an entry. Only a plain yes looks like one: anything else begins with a
// word that is no object's or subject's.
func (p *listPart) add(text string, result tupelov1.Result, missing []string) {
	if result == tupelov1.Result_RESULT_NO {
		p.lines = append(p.lines, "except "+text)
		return
	}
	p.lines = append(p.lines, entryText(text, result, missing))
	p.count++
}

// entryText spells what a list holds, with a word before it unless it is a yes.
func entryText(text string, result tupelov1.Result, missing []string) string {
	if result == tupelov1.Result_RESULT_YES {
		return text
	}
	return resultText(result) + " " + text + missingText(missing)
}

// followList prints a list of things as it comes. Where it ends early, that is
// told, and where it goes on.
func followList(t *terminal, thing string, next func() (listPart, error)) error {
	count := 0
	var last listPart
	for {
		part, err := next()
		switch {
		case errors.Is(err, io.EOF) && last.message == nil:
			return errListUnfinished
		case errors.Is(err, io.EOF):
			endOfList(t, thing, count, last)
			return nil
		case err != nil:
			if last.cursor != "" {
				t.notef("%s listed before that; go on with --cursor %s", plural(count, thing), last.cursor)
			}
			return err
		}
		count += part.count
		if err := printPart(t, part); err != nil {
			return err
		}
		last = part
	}
}

// printPart prints a message at once.
func printPart(t *terminal, part listPart) error {
	if t.json {
		if err := t.message(part.message); err != nil {
			return err
		}
		return t.out.Flush()
	}
	for _, text := range part.lines {
		t.printf("%s\n", text)
	}
	return t.out.Flush()
}

func endOfList(t *terminal, thing string, count int, last listPart) {
	if !last.complete {
		t.notef("%s, zookie %s", plural(count, thing), last.zookie)
		t.notef("more may follow; go on with --cursor %s", last.cursor)
		return
	}
	if !t.quiet {
		t.notef("%s, complete, zookie %s", plural(count, thing), last.zookie)
	}
}
