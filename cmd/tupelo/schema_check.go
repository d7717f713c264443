package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/schema"
)

func newSchemaCheckCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE...",
		Short: "Look for mistakes in schemas, without a server",
		Long: `Look for mistakes in schemas, and in the files that they import, without a server;
- stands for standard input, whose imports are in the working directory. Each mistake is shown with its line,
and so is what a server takes although it is hardly meant: an arrow that leads to
nobody. Exit status: 0 if there is no mistake, 1 if there are some, 2 if a file
cannot be read.`,
		Example: "  tupelo schema check gitclub.zed\n  tupelo schema check --json gitclub.zed",
		Args:    arguments(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			good := true
			for _, path := range args {
				ok, err := checkSchema(t, path)
				if err != nil {
					return err
				}
				good = good && ok
			}
			if !good {
				return errNo
			}
			return nil
		},
	}
}

// schemaReport is what --json prints for each file.
type schemaReport struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Problems []schemaProblem `json:"problems"`
	// Doubts are with what is valid and hardly meant.
	Doubts []schemaProblem `json:"doubts"`
	// Omitted counts the problems beyond those listed.
	Omitted int `json:"omitted"`
}

// schemaProblem is one mistake; lines and columns count from 1, columns in bytes.
type schemaProblem struct {
	// File is the schema's own, or one that it imports.
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Length  int    `json:"length"`
	Text    string `json:"text"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func checkSchema(t *terminal, path string) (valid bool, err error) {
	text, name, err := t.readFile(path)
	if err != nil {
		return false, err
	}
	parsed, err := schema.LoadFiles(name, string(text), besides(path))
	var found *schema.Errors
	if err != nil && !errors.As(err, &found) {
		return false, err
	}
	switch {
	case t.json:
		r := report(name, found)
		if found == nil {
			r.Doubts = schemaProblems(schema.Doubts(parsed))
		}
		return found == nil, t.object(r)
	case found != nil:
		t.notef("%s", found)
		return false, nil
	}
	if !t.quiet {
		t.printf("%s: ok, %s\n", name, plural(len(parsed.Definitions), "definition"))
	}
	doubt(t, parsed)
	return true, nil
}

// doubt tells what a valid schema hardly means.
func doubt(t *terminal, valid *schema.Schema) {
	if doubts := schema.Doubts(valid); len(doubts.Problems) > 0 {
		t.notef("warning: %s", doubts)
	}
}

func report(name string, found *schema.Errors) schemaReport {
	r := schemaReport{File: name, Valid: found == nil, Problems: []schemaProblem{}, Doubts: []schemaProblem{}}
	if found != nil {
		r.Omitted, r.Problems = found.Omitted, schemaProblems(found)
	}
	return r
}

func schemaProblems(found *schema.Errors) []schemaProblem {
	list := []schemaProblem{}
	for _, p := range found.Problems {
		list = append(list, schemaProblem{
			File: p.File, Line: p.Pos.Line, Column: p.Pos.Column, Length: p.LengthBytes,
			Text: p.Line, Message: p.Message, Hint: p.Hint,
		})
	}
	return list
}
