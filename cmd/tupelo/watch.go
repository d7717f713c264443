package main

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newWatchCommand(t *terminal) *cobra.Command {
	request := &tupelov1.WatchRequest{}
	filter := &tupelov1.WatchFilter{}
	var limit int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Follow what changes",
		Long: `Print what changes, revision by revision, until interrupted: + for a tuple that is
there now, - for one that is there no longer, and the zookie of each revision, from
which --after goes on without loss or repetition. Behind its sign a tuple is spelled
as write and import take it. What the writer said of the change, with --metadata,
follows it. Flags select changes; what is left out selects every
value.

Revisions in which nothing is selected are passed by in silence; with --json their
checkpoints are printed too.`,
		Example: `  tupelo watch
  tupelo watch --object-type repository --relation maintainer
  tupelo watch --after AeElOn2fXmxpB8sh7Vg --json`,
		Args: arguments(0, 0),
	}
	flags := cmd.Flags()
	flags.StringVar(&request.After, "after", "", "zookie to go on after; from now on without")
	flags.StringVar(&filter.ObjectType, "object-type", "", "type of the object")
	flags.StringVar(&filter.ObjectIdPrefix, "object-id-prefix", "", "how the object's id begins")
	flags.StringVar(&filter.Relation, "relation", "", "relation")
	flags.StringVar(&filter.SubjectType, "subject-type", "", "type of the subject")
	flags.IntVar(&limit, "limit", 0, "end after so many revisions with changes; 0 for never")
	return withClient(cmd, func(ctx context.Context, c *client, _ []string) error {
		if limit < 0 {
			return usagef("--limit must not be negative")
		}
		if filter.ObjectType != "" || filter.ObjectIdPrefix != "" || filter.Relation != "" || filter.SubjectType != "" {
			request.Filters = []*tupelov1.WatchFilter{filter}
		}
		stream, err := c.Watch(ctx, request)
		if err != nil {
			return err
		}
		return followChanges(ctx, t, stream, limit)
	})
}

// followChanges prints a watch until it ends. An interrupt is the usual end, no error.
func followChanges(ctx context.Context, t *terminal, stream tupelov1.Tupelo_WatchClient, limit int) error {
	for revisions := 0; limit == 0 || revisions < limit; {
		message, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF), err != nil && ctx.Err() != nil && status.Code(err) == codes.Canceled:
			return nil
		case err != nil:
			return err
		}
		if err := printChanges(t, message); err != nil {
			return err
		}
		if !message.Checkpoint && message.Zookie != "" {
			revisions++
		}
	}
	return nil
}

// printChanges prints one message at once.
func printChanges(t *terminal, message *tupelov1.WatchResponse) error {
	switch {
	case t.json:
		if err := t.message(message); err != nil {
			return err
		}
	case !message.Checkpoint:
		for _, change := range message.Changes {
			sign := "+"
			if change.Operation == tupelov1.TupleChange_OPERATION_DELETED {
				sign = "-"
			}
			t.printf("%s %s\n", sign, tupleText(change.Tuple))
		}
		if message.SchemaChanged {
			t.printf("schema changed\n")
		}
		if len(message.GetMetadata().GetFields()) > 0 {
			t.printf("metadata %s\n", contextText(message.Metadata))
		}
		if message.Zookie != "" {
			t.printf("zookie %s\n", message.Zookie)
		}
	}
	return t.out.Flush()
}
