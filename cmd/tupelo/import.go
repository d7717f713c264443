package main

import (
	"context"
	"fmt"
	"iter"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
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
line, as read prints them and write takes them; blank lines and comments from // or
# on are passed over. A .yaml or .yml file is a fixture instead, with the keys
schema (or schemaFile) and relationships, as SpiceDB's validation files; its schema
is written first, with the files that it imports.

Tuples are written in batches of at most 1,000, several at a time: an import is not
one write. It can be repeated, for tuples that are there already stay as they are;
one that is there with another caveat or expiration gets those of the file. Which
it gets is open where a file holds it twice, with different ones.
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
	return i.tuples(ctx, tupleLines(file), name)
}

func (i *importer) fixture(ctx context.Context, path string) error {
	content, name, err := i.terminal.readFile(path)
	if err != nil {
		return err
	}
	f, err := fixture.Read(name, string(content))
	if err != nil {
		return mistakes("the fixture", err)
	}
	place, text, err := fixtureSchema(f, name, besides(path))
	if err != nil {
		return err
	}
	if len(f.Assertions)+len(f.Expected) > 0 && !i.terminal.quiet {
		i.terminal.notef("%s: its assertions and expected lists are for validate", name)
	}
	if _, err := i.client.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: text}); err != nil {
		return situated{place, err}
	}
	return i.tuples(ctx, fixtureTuples(f), name)
}

// fixtureSchema returns the schema of a fixture as one text, and the file that it
// stands in.
func fixtureSchema(f *fixture.Fixture, name string, read func(path string) (string, error)) (place, text string, err error) {
	loaded, err := f.LoadSchema(read)
	if err != nil {
		return "", "", mistakes("the schema", err)
	}
	place, text = name, f.Schema
	if f.SchemaFile != "" {
		place = filepath.Join(filepath.Dir(name), f.SchemaFile)
		if text, err = read(path.Clean(f.SchemaFile)); err != nil {
			return "", "", err
		}
	}
	if importsFiles(text) {
		text = schema.Format(loaded)
	}
	return place, text, nil
}

// fixtureTuples yields the tuples of a fixture, with their lines in its file.
func fixtureTuples(f *fixture.Fixture) iter.Seq2[tupleLine, error] {
	return func(yield func(tupleLine, error) bool) {
		for _, r := range f.Relationships {
			t, err := tupleMessage(r.Tuple)
			if !yield(tupleLine{r.Pos.Line, t}, err) {
				return
			}
		}
	}
}

// isFixture tells the kind of a file by its name.
func isFixture(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
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
