package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
)

func newSchemaCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Read, write, check, format and compare schemas",
		Example: `  tupelo schema write gitclub.zed
  tupelo schema check gitclub.zed`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("schema: say what to do: read, write, check, fmt, diff or impact")
		},
	}
	cmd.AddCommand(
		newSchemaReadCommand(t),
		newSchemaWriteCommand(t),
		newSchemaCheckCommand(t),
		newSchemaFormatCommand(t),
		newSchemaDiffCommand(t),
		newSchemaImpactCommand(t),
	)
	return cmd
}

func newSchemaReadCommand(t *terminal) *cobra.Command {
	var fresh consistency
	cmd := &cobra.Command{
		Use:   "read",
		Short: "Print the server's schema",
		Long: `Print the server's schema as it was written. The zookie goes to standard error,
so that the output is the schema and nothing else.`,
		Example: "  tupelo schema read > gitclub.zed\n  tupelo schema read --json",
		Args:    arguments(0, 0),
	}
	fresh.register(cmd)
	return withClient(cmd, func(ctx context.Context, c *client, _ []string) error {
		requirement, err := fresh.message()
		if err != nil {
			return err
		}
		response, err := c.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: requirement})
		if err != nil {
			return err
		}
		if t.json {
			return t.message(response)
		}
		t.printf("%s", response.Text)
		if !strings.HasSuffix(response.Text, "\n") {
			t.printf("\n")
		}
		if !t.quiet {
			t.notef("zookie %s", response.Zookie)
		}
		return nil
	})
}

func newSchemaWriteCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "write FILE",
		Short: "Replace the server's schema",
		Long: `Replace the server's schema by that of a file; - for standard input. If it imports
others, what the server gets is one text that holds them all. It is refused if
stored tuples would no longer be allowed; the error says which and how many. What
is hardly meant, an arrow that leads to nobody, is taken with a warning.`,
		Example: "  tupelo schema write gitclub.zed\n  tupelo schema write - < gitclub.zed",
		Args:    arguments(1, 1),
	}
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		text, name, err := t.readFile(args[0])
		if err != nil {
			return err
		}
		whole, err := wholeSchema(name, string(text), besides(args[0]))
		if err != nil {
			return err
		}
		response, err := c.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: whole})
		if err != nil {
			return situated{name, err}
		}
		if taken, err := schema.LoadFiles(name, string(text), besides(args[0])); err == nil {
			doubt(t, taken)
		}
		return t.acknowledge(response, response.Zookie, "wrote the schema")
	})
}
