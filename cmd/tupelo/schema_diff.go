package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
)

func newSchemaDiffCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff [OLD] NEW",
		Short: "Tell what changes in meaning from one schema to another",
		Long: `Tell what changes in meaning from one schema to another: caveats, types, relations
and permissions that come and go, relations that take other tuples, and permissions
that become wider or narrower. Order, layout, comments, and how expressions are
grouped make no difference. Files may import others; - stands for standard input.

With two files it takes no server, and names the kinds of tuples that the new schema
does not allow any more. With one, the server's schema is the old one, and of these
kinds the server counts the tuples that it has: as long as there are some, schema
write is refused.

Exit status: 0 if nothing changes, 1 if something does, 2 for an error.`,
		Example: `  tupelo schema diff old.zed new.zed
  tupelo schema diff new.zed
  tupelo schema diff new.zed --json`,
		Args: arguments(1, 2),
	}
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		var found differences
		var err error
		if len(args) == 2 {
			if err := refuseServerFlags(cmd); err != nil {
				return err
			}
			found, err = diffFiles(t, args[0], args[1])
		} else {
			found, err = diffServer(ctx, t, c, args[0])
		}
		if err != nil {
			return err
		}
		if err := found.print(t); err != nil {
			return err
		}
		if len(found.Changes) > 0 {
			return errNo
		}
		return nil
	})
}

// refuseServerFlags refuses flags that mean nothing where no server is asked;
// what the environment says of the server is no contradiction.
func refuseServerFlags(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && cmd.InheritedFlags().Lookup(f.Name) == nil {
			err = usagef("schema diff: --%s is for the server, which two files do without", f.Name)
		}
	})
	return err
}

// differences is what --json prints.
type differences struct {
	Changes []schemaChange `json:"changes"`
	// Stranded are the kinds of tuples that the new schema does not allow any
	// more; of a server, those of which there are some.
	Stranded []strandedKind `json:"stranded"`
	Zookie   string         `json:"zookie,omitempty"`
}

// schemaChange is a change of a schema; its kind is a schema.ChangeKind.
type schemaChange struct {
	Kind        schema.ChangeKind `json:"kind"`
	Type        string            `json:"type,omitempty"`
	Name        string            `json:"name,omitempty"`
	Before      string            `json:"before,omitempty"`
	After       string            `json:"after,omitempty"`
	Description string            `json:"description"`
}

type strandedKind struct {
	Kind string `json:"kind"`
	// Count is how many tuples a server has; nil without a server.
	Count *uint64 `json:"count,omitempty"`
}

func diffFiles(t *terminal, before, after string) (differences, error) {
	found := differences{Changes: []schemaChange{}, Stranded: []strandedKind{}}
	if before == "-" && after == "-" {
		return found, usagef("schema diff: only one of the two can be standard input")
	}
	first, err := loadSchema(t, before)
	if err != nil {
		return found, err
	}
	second, err := loadSchema(t, after)
	if err != nil {
		return found, err
	}
	for _, c := range schema.Diff(first, second) {
		found.Changes = append(found.Changes, schemaChange{c.Kind, c.Type, c.Name, c.Before, c.After, c.String()})
	}
	for _, kind := range schema.Disallowed(first, second) {
		found.Stranded = append(found.Stranded, strandedKind{Kind: kind})
	}
	return found, nil
}

// loadSchema returns the schema of a file and those that it imports.
func loadSchema(t *terminal, path string) (*schema.Schema, error) {
	text, name, err := t.readFile(path)
	if err != nil {
		return nil, err
	}
	loaded, err := schema.LoadFiles(name, string(text), besides(path))
	if err != nil {
		return nil, mistakes("the schema", err)
	}
	return loaded, nil
}

// diffServer compares with the server's schema, at what it has acknowledged.
func diffServer(ctx context.Context, t *terminal, c *client, path string) (differences, error) {
	text, name, err := schemaToSend(t, path)
	if err != nil {
		return differences{}, err
	}
	message, err := askDifferences(ctx, c, &tupelov1.CompareSchemaRequest{Consistency: newest(), Text: text})
	if err != nil {
		return differences{}, situated{name, err}
	}
	found := differences{Changes: []schemaChange{}, Stranded: []strandedKind{}, Zookie: message.Zookie}
	for _, c := range message.Changes {
		found.Changes = append(found.Changes, schemaChange{changeKind(c.Kind), c.Type, c.Name, c.Before, c.After, c.Description})
	}
	for _, s := range message.Stranded {
		found.Stranded = append(found.Stranded, strandedKind{s.Kind, &s.Count})
	}
	return found, nil
}

// schemaToSend returns a file's schema as one text, and the name of the file.
func schemaToSend(t *terminal, path string) (whole, name string, err error) {
	text, name, err := t.readFile(path)
	if err != nil {
		return "", "", err
	}
	whole, err = wholeSchema(name, string(text), besides(path))
	return whole, name, err
}

// askDifferences makes a comparison without checks.
func askDifferences(ctx context.Context, c *client, r *tupelov1.CompareSchemaRequest) (found *tupelov1.SchemaDifferences, err error) {
	err = compareSchemas(ctx, c, r, func(m *tupelov1.CompareSchemaResponse) error {
		if d := m.GetDifferences(); d != nil {
			found = d
		}
		return nil
	})
	if err == nil && found == nil {
		err = errors.New("the server does not say how the schemas differ")
	}
	return found, err
}

// compareSchemas makes a comparison and takes each part of it. It fails if the
// comparison ends without its summary, because it is not whole then.
func compareSchemas(ctx context.Context, c *client, r *tupelov1.CompareSchemaRequest, take func(*tupelov1.CompareSchemaResponse) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := c.CompareSchema(ctx, r)
	if err != nil {
		return err
	}
	whole := false
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		whole = m.GetSummary() != nil
		if err := take(m); err != nil {
			return err
		}
	}
	if !whole {
		return errors.New("the comparison ended early")
	}
	return nil
}

// changeKind spells a kind as package schema does: relation-narrowed.
func changeKind(k tupelov1.SchemaChange_Kind) schema.ChangeKind {
	name := strings.TrimPrefix(k.String(), "KIND_")
	return schema.ChangeKind(strings.ToLower(strings.ReplaceAll(name, "_", "-")))
}

func (d differences) print(t *terminal) error {
	if t.json {
		return t.object(d)
	}
	for _, c := range d.Changes {
		t.printf("%s\n", c.Description)
	}
	for _, s := range d.Stranded {
		if s.Count == nil {
			t.printf("stranded, if there are some: %s\n", s.Kind)
		} else {
			t.printf("stranded: %s of %s\n", plural(*s.Count, "tuple"), s.Kind)
		}
	}
	if len(d.Changes) == 0 && !t.quiet {
		t.printf("the schemas mean the same\n")
	}
	if d.Zookie != "" && !t.quiet {
		t.printf("zookie %s\n", d.Zookie)
	}
	return nil
}
