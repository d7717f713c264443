package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/schema"
)

func newSchemaFormatCommand(t *terminal) *cobra.Command {
	var f formatter
	cmd := &cobra.Command{
		Use:   "fmt FILE...",
		Short: "Lay schemas out in the one canonical way, without a server",
		Long: `Print schemas in their canonical layout, comments kept, without a server; - stands
for standard input. With -w files are rewritten and their names printed; with
--check the names of the files that are not in that layout are printed, and the
exit status is 1 if there are any.

Imports stay lines. With --resolve the one text is printed that holds what they
import too: what schema write sends.`,
		Example: `  tupelo schema fmt gitclub.zed
  tupelo schema fmt -w *.zed
  tupelo schema fmt --check *.zed
  tupelo schema fmt --resolve main.zed > whole.zed`,
		Args: arguments(1, -1),
		RunE: func(_ *cobra.Command, args []string) error {
			if f.rewrite && f.check {
				return usagef("schema fmt: -w contradicts --check")
			}
			if f.resolve && (f.rewrite || f.check) {
				return usagef("schema fmt: --resolve contradicts -w and --check")
			}
			changed := false
			for _, path := range args {
				c, err := f.format(t, path)
				if err != nil {
					return err
				}
				changed = changed || c
			}
			if f.check && changed {
				return errNo
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&f.rewrite, "write", "w", false, "rewrite the files")
	cmd.Flags().BoolVar(&f.check, "check", false, "only tell which files would change")
	cmd.Flags().BoolVar(&f.resolve, "resolve", false, "print what is imported in place of the imports")
	return cmd
}

type formatter struct {
	rewrite, check, resolve bool
}

// formatReport is what --json prints for each file.
type formatReport struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	// Text is the canonical layout; it is left out if the file was rewritten or only checked.
	Text string `json:"text,omitempty"`
}

// format treats one file and reports whether its layout was another one. Names
// need not make sense for that, only the grammar must hold, unless imports are
// to be resolved.
func (f *formatter) format(t *terminal, path string) (changed bool, err error) {
	if f.rewrite && path == "-" {
		return false, usagef("schema fmt: -w cannot rewrite standard input")
	}
	text, name, err := t.readFile(path)
	if err != nil {
		return false, err
	}
	parsed, err := schema.Parse(name, string(text))
	if err == nil && f.resolve {
		parsed, err = schema.LoadFiles(name, string(text), besides(path))
	}
	if err != nil {
		return false, errors.New("cannot format: " + err.Error())
	}
	formatted := schema.Format(parsed)
	changed = formatted != string(text)
	if f.rewrite && changed {
		if err := rewriteFile(path, formatted); err != nil {
			return false, err
		}
	}
	return changed, f.print(t, formatReport{name, changed, formatted})
}

func (f *formatter) print(t *terminal, r formatReport) error {
	named := f.rewrite || f.check
	switch {
	case t.json:
		if named {
			r.Text = ""
		}
		return t.object(r)
	case !named:
		t.printf("%s", r.Text)
	case r.Changed:
		t.printf("%s\n", r.File)
	}
	return nil
}

// rewriteFile replaces a file's content and keeps its mode.
func rewriteFile(path, content string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), info.Mode().Perm())
}
