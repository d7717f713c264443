package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newCheckCommand(t *terminal) *cobra.Command {
	var fresh consistency
	var batch string
	cmd := &cobra.Command{
		Use:   "check OBJECT RELATION SUBJECT",
		Short: "Ask whether a subject has a relation or permission on an object",
		Long: `Ask whether a subject has a relation or permission on an object.

Prints yes or no and the zookie of the revision that the answer was computed at.
Exit status: 0 for yes, 1 for no, 2 for an error.

With --batch, each line of the file is a question, OBJECT RELATION SUBJECT or
OBJECT#RELATION@SUBJECT; all are answered at one revision. The exit status is 0
if all answers are yes, 1 if one is no, 2 if one could not be given.`,
		Example: `  tupelo check run:42 cancel user:alice
  tupelo check run:42#cancel@user:alice --consistency fully-consistent
  tupelo check repository:gitclub read team:core#member --json
  tupelo check --batch questions.txt`,
		Args: func(cmd *cobra.Command, args []string) error {
			if batch != "" {
				return arguments(0, 0)(cmd, args)
			}
			if len(args) != 1 && len(args) != 3 {
				return usagef("check: write OBJECT RELATION SUBJECT, as in run:42 cancel user:alice")
			}
			return nil
		},
	}
	fresh.register(cmd)
	cmd.Flags().StringVar(&batch, "batch", "", "`file` with a question on each line; - for standard input")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		requirement, err := fresh.message()
		if err != nil {
			return err
		}
		if batch != "" {
			return checkBatch(ctx, t, c, requirement, batch)
		}
		return checkOne(ctx, t, c, requirement, args)
	})
}

func checkOne(ctx context.Context, t *terminal, c *client, requirement *tupelov1.Consistency, words []string) error {
	question, err := parseQuestion(words)
	if err != nil {
		return err
	}
	response, err := c.Check(ctx, &tupelov1.CheckRequest{
		Consistency: requirement,
		Object:      question.Object,
		Relation:    question.Relation,
		Subject:     question.Subject,
	})
	if err != nil {
		return err
	}
	switch {
	case t.json:
		err = t.message(response)
	case t.quiet:
		t.printf("%s\n", resultText(response.Result))
	default:
		t.printf("%s\nzookie %s\n", resultText(response.Result), response.Zookie)
	}
	if err == nil && response.Result != tupelov1.Result_RESULT_YES {
		return errNo
	}
	return err
}

// resultText returns yes, no or conditional.
func resultText(r tupelov1.Result) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "RESULT_"))
}
