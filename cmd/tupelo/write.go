package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newWriteCommand(t *terminal) *cobra.Command {
	var create, remove bool
	var guards preconditionFlags
	var says remarks
	cmd := &cobra.Command{
		Use:   "write TUPLE...",
		Short: "Write or delete tuples, all or none",
		Long: `Write tuples, or delete them: all or none, at one revision, up to 1,000.

A tuple is OBJECT#RELATION@SUBJECT, and behind it, where the schema has the relation
take such subjects, [caveat] or [caveat:{"name":value}], and [expiration:TIME]. An
argument - stands for the lines of standard input. A tuple that is there already is
no error, unless --create is given, and gets the caveat and expiration written; nor
is one that is not there, with --delete.

The zookie is printed once the write is durable. Keep it with what the tuples
protect, and check with --at-least-as-fresh.

` + remarksHelp,
		Example: `  tupelo write repository:gitclub#maintainer@user:alice
  tupelo write --create 'repository:gitclub#reader@user:*' repository:gitclub#admin@team:core#member
  tupelo write 'repository:gitclub#reader@user:bob[office_hours:{"zone":"utc"}][expiration:2030-01-31T12:00:00Z]'
  tupelo write --delete repository:gitclub#maintainer@user:alice
  tupelo write --must-match organization:acme#owner@user:bob organization:acme#member@user:carol
  tupelo write repository:gitclub#maintainer@user:carol --metadata '{"actor":"bob","reason":"on call"}'
  tupelo write - < tuples.txt`,
		Args: arguments(1, -1),
	}
	flags := cmd.Flags()
	flags.BoolVar(&create, "create", false, "fail if a tuple is there already")
	flags.BoolVar(&remove, "delete", false, "delete the tuples")
	guards.register(flags)
	says.register(flags)
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		operation := tupelov1.Update_OPERATION_TOUCH
		switch {
		case create && remove:
			return usagef("write: --create contradicts --delete")
		case says.metadata == "@-" && slices.Contains(args, "-"):
			return usagef("write: --metadata and the tuples cannot both be read from standard input")
		case create:
			operation = tupelov1.Update_OPERATION_CREATE
		case remove:
			operation = tupelov1.Update_OPERATION_DELETE
		}
		metadata, err := says.message(t)
		if err != nil {
			return err
		}
		updates, err := readUpdates(t, operation, args)
		if err != nil {
			return err
		}
		preconditions, err := guards.preconditions()
		if err != nil {
			return err
		}
		response, err := c.Write(ctx, &tupelov1.WriteRequest{
			Updates: updates, Preconditions: preconditions, Metadata: metadata, IdempotencyKey: says.key,
		})
		if err != nil {
			return err
		}
		verb := "wrote"
		if remove {
			verb = "deleted"
		}
		return t.acknowledge(response, response.Zookie, fmt.Sprintf("%s %s", verb, plural(len(updates), "tuple")))
	})
}

// readUpdates returns an update for each tuple of the arguments.
func readUpdates(t *terminal, operation tupelov1.Update_Operation, args []string) ([]*tupelov1.Update, error) {
	var updates []*tupelov1.Update
	add := func(text string) error {
		parsed, err := parseTuple(text)
		if err == nil {
			updates = append(updates, &tupelov1.Update{Operation: operation, Tuple: parsed})
		}
		return err
	}
	for _, arg := range args {
		if arg != "-" {
			if err := add(arg); err != nil {
				return nil, err
			}
			continue
		}
		for l, err := range linesOf(t.in) {
			if err == nil {
				err = add(l.text)
			}
			if err != nil {
				return nil, situated{at("standard input", l.number), err}
			}
		}
	}
	if len(updates) == 0 {
		return nil, fmt.Errorf("standard input holds no tuple")
	}
	if len(updates) > maxBatch {
		return nil, fmt.Errorf("%d tuples are too many for one write of at most %d; import takes any number, but not as one write",
			len(updates), maxBatch)
	}
	return updates, nil
}

// plural counts things: 1 tuple, 2 tuples.
func plural[N int | int64 | uint64](n N, thing string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, thing)
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
