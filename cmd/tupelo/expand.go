package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newExpandCommand(t *terminal) *cobra.Command {
	var fresh consistency
	var depth, subjects int32
	cmd := &cobra.Command{
		Use:   "expand OBJECT RELATION",
		Short: "Show why subjects have a relation or permission on an object",
		Long: `Show why subjects have a relation or permission on an object: the tree of set
operations, with the stored subjects at its leaves, and behind them the caveats and
expirations of their tuples. What has expired is left out.

Usersets that are stored, such as team:core#member, are leaves; with --depth 2
they are opened, with --depth 3 those in them too, and so on.`,
		Example: `  tupelo expand run:42 cancel
  tupelo expand run:42#cancel --depth 3
  tupelo expand repository:gitclub read --json`,
		Args: arguments(1, 2),
	}
	fresh.register(cmd)
	cmd.Flags().Int32Var(&depth, "depth", 1, "levels of stored usersets to show")
	cmd.Flags().Int32Var(&subjects, "max-subjects", 1000, "most stored subjects to show in all")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		requirement, err := fresh.message()
		if err != nil {
			return err
		}
		object, relation, err := parseUserset(args)
		if err != nil {
			return err
		}
		response, err := c.Expand(ctx, &tupelov1.ExpandRequest{
			Consistency: requirement,
			Object:      object,
			Relation:    relation,
			MaxDepth:    depth,
			MaxSubjects: subjects,
		})
		if err != nil {
			return err
		}
		if t.json {
			return t.message(response)
		}
		tree, err := treeText(response.Tree)
		if err != nil {
			return err
		}
		t.printf("%s", tree)
		if !t.quiet {
			t.printf("zookie %s\n", response.Zookie)
		}
		if response.Truncated {
			t.notef("not all subjects are shown; --max-subjects asks for more than %d", subjects)
		}
		return nil
	})
}
