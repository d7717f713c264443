package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// The kinds of files that import takes.
const (
	formatAuto  = "auto"
	formatLines = "lines"
	formatYAML  = "yaml"
)

func newImportCommand(t *terminal) *cobra.Command {
	format := choice{value: formatAuto, among: []string{formatAuto, formatLines, formatYAML}}
	var inFlight int
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Write the tuples of files",
		Long: `Write the tuples of files; - stands for standard input. A file has a tuple on each
line, OBJECT#RELATION@SUBJECT; blank lines and comments from // or # on are passed
over. A .yaml or .yml file is a fixture instead, with the keys schema (or
schemaFile) and relationships, as SpiceDB's validation files; its schema is
written first.

Tuples are written in batches of 1,000, several at a time: an import is not one
write. It can be repeated, for tuples that are there already stay as they are.
The zookie printed at the end covers all of it.`,
		Example: `  tupelo import tuples.txt
  tupelo import gitclub.yaml
  zcat tuples.gz | tupelo import -`,
		Args: arguments(1, -1),
	}
	cmd.Flags().Var(&format, "format", "what the files hold; auto goes by their names")
	cmd.Flags().IntVar(&inFlight, "in-flight", 8, "batches to have under way at a time")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		if inFlight < 1 {
			return usagef("--in-flight must be at least 1")
		}
		i := &importer{terminal: t, client: c, inFlight: inFlight}
		stop := i.showProgress()
		err := i.files(ctx, args, format.value)
		stop()
		if err != nil {
			if imported := i.imported.Load(); imported > 0 {
				t.notef("%s imported before that; the import can be repeated", plural(imported, "tuple"))
			}
			return err
		}
		return i.finish(ctx)
	})
}

// files imports one file after the other: the schema of a fixture must not
// overtake tuples that were before it.
func (i *importer) files(ctx context.Context, paths []string, format string) error {
	for _, path := range paths {
		var err error
		if format == formatYAML || format == formatAuto && isFixture(path) {
			err = i.fixture(ctx, path)
		} else {
			err = i.lines(ctx, path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *importer) lines(ctx context.Context, path string) error {
	file, name, err := i.terminal.open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// A server that is not there, or has no schema, is told of before anything
	// is read, and without trying again and again.
	if _, err := i.client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{}); err != nil {
		return err
	}
	return i.tuples(ctx, file, name, 0)
}

func (i *importer) fixture(ctx context.Context, path string) error {
	data, name, err := i.terminal.readFile(path)
	if err != nil {
		return err
	}
	f, err := parseFixture(data, path)
	if err != nil {
		return fmt.Errorf("reading the fixture %s: %w", name, err)
	}
	if f.untested {
		i.terminal.notef("%s: its assertions and validation are not looked at", name)
	}
	if f.schema != "" {
		if _, err := i.client.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: f.schema}); err != nil {
			return situated{f.schemaName, err}
		}
	}
	return i.tuples(ctx, strings.NewReader(f.relationships), name, f.firstLine-1)
}

// importReport is what --json prints.
type importReport struct {
	Tuples int64  `json:"tuples"`
	Zookie string `json:"zookie"`
}

// finish prints what was done. Batches overtake each other, so the zookie of
// none of them covers the others; that of a fully consistent read covers all.
func (i *importer) finish(ctx context.Context) error {
	response, err := i.client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil {
		return fmt.Errorf("all tuples are imported; finding a zookie for them: %w", err)
	}
	t := i.terminal
	switch imported := i.imported.Load(); {
	case t.json:
		return t.object(importReport{imported, response.Zookie})
	case t.quiet:
		t.printf("%s\n", response.Zookie)
	default:
		t.printf("imported %s\nzookie %s\n", plural(imported, "tuple"), response.Zookie)
	}
	return nil
}
