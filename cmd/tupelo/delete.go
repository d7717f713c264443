package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newDeleteCommand(t *terminal) *cobra.Command {
	var parts filterFlags
	var guards preconditionFlags
	var says remarks
	var limit int32
	var partial, all bool
	cmd := &cobra.Command{
		Use:   "delete [PATTERN]",
		Short: "Delete the tuples that a pattern selects",
		Long: `Delete the tuples that a pattern and flags select, at one revision.

If more than --limit are selected, none is deleted and the command fails; with
--partial that many are deleted, and with --all it goes on, in steps of --limit
and as many revisions, until none is left. To delete single tuples, see
"tupelo write --delete". Preconditions are looked at again in each step.

` + remarksHelp + ` With --all there is no
key, for its steps are several changes.

` + filterHelp,
		Example: `  tupelo delete repository:gitclub#maintainer
  tupelo delete --subject-type user --subject-id alice
  tupelo delete @user:alice --all --metadata '{"actor":"bob","reason":"alice has left"}'
  tupelo delete repository:old --must-match organization:acme#owner@user:bob`,
		Args: arguments(0, 1),
	}
	flags := cmd.Flags()
	parts.register(flags)
	guards.register(flags)
	says.register(flags)
	flags.Int32Var(&limit, "limit", 10000, "most tuples to delete at one revision")
	flags.BoolVar(&partial, "partial", false, "delete up to the limit if there are more")
	flags.BoolVar(&all, "all", false, "delete in steps of the limit until none is left")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		filter, err := parts.filter(args)
		if err != nil {
			return err
		}
		if proto.Size(filter) == 0 {
			return usagef("delete: a pattern or a flag must say which tuples")
		}
		if all && says.key != "" {
			return usagef("delete: --idempotency-key contradicts --all, which makes several changes")
		}
		metadata, err := says.message(t)
		if err != nil {
			return err
		}
		preconditions, err := guards.preconditions()
		if err != nil {
			return err
		}
		request := &tupelov1.DeleteByFilterRequest{
			Filter: filter, Preconditions: preconditions, Limit: limit, AllowPartial: partial || all,
			Metadata: metadata, IdempotencyKey: says.key,
		}
		return deleteSteps(ctx, t, c, request, all)
	})
}

// deleteSteps deletes once or, if all are meant, until none is left.
func deleteSteps(ctx context.Context, t *terminal, c *client, request *tupelov1.DeleteByFilterRequest, all bool) error {
	var total uint64
	for {
		response, err := c.DeleteByFilter(ctx, request)
		if err != nil {
			if total > 0 {
				t.notef("%s deleted before that", plural(total, "tuple"))
			}
			return err
		}
		total += response.Deleted
		if response.Deleted == 0 && !response.Complete {
			return fmt.Errorf("the server deleted nothing and says that something is left")
		}
		if all && !response.Complete {
			if t.interactive() {
				t.notef("%s deleted", plural(total, "tuple"))
			}
			continue
		}
		// The last answer stands for all steps.
		response.Deleted = total
		if !response.Complete {
			t.notef("more are selected and left; run it again, or use --all")
		}
		return t.acknowledge(response, response.Zookie, "deleted "+plural(total, "tuple"))
	}
}
