package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newCheckCommand(t *terminal) *cobra.Command {
	var fresh consistency
	var given contextFlag
	var batch string
	var explain bool
	cmd := &cobra.Command{
		Use:   "check OBJECT RELATION SUBJECT",
		Short: "Ask whether a subject has a relation or permission on an object",
		Long: `Ask whether a subject has a relation or permission on an object.

Prints yes or no and the zookie of the revision that the answer was computed at; or
conditional and the names of the values that it depends on, where caveats ask for
what --context does not give. Exit status: 0 for yes, 1 for no, 2 for an error, 3
for conditional.

With --explain the reasons follow: what decided, or for a no all that was tried,
and the nearest changes that would make it a yes. ` + explainHelp + `

With --batch, each line of the file is a question, OBJECT RELATION SUBJECT or
OBJECT#RELATION@SUBJECT, and may have a context of its own behind it, as in
run:42 cancel user:alice with {"day":"friday"}. Its values win over those of
--context, which is for all. All questions are answered at one revision. The exit
status is 2 if one could not be answered, else 1 if one answer is no, else 3 if one
is conditional, and 0 if all are yes.`,
		Example: `  tupelo check run:42 cancel user:alice
  tupelo check run:42#cancel@user:alice --consistency fully-consistent
  tupelo check run:42 cancel user:alice --context '{"day":"friday"}'
  tupelo check run:42 cancel user:alice --context @request.json --explain
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
	given.register(cmd.Flags())
	cmd.Flags().StringVar(&batch, "batch", "", "`file` with a question on each line; - for standard input")
	cmd.Flags().BoolVar(&explain, "explain", false, "print the reasons for the answer too")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		requirement, err := fresh.message()
		if err != nil {
			return err
		}
		if err := contradiction(batch, given.text, explain); err != nil {
			return err
		}
		values, err := given.message(t)
		if err != nil {
			return err
		}
		if batch != "" {
			return checkBatch(ctx, t, c, requirement, values, batch)
		}
		question, err := parseQuestion(args)
		if err != nil {
			return err
		}
		return checkOne(ctx, t, c, &tupelov1.CheckRequest{
			Consistency: requirement,
			Object:      question.Object, Relation: question.Relation, Subject: question.Subject,
			Context: values, WithExplanation: explain,
		})
	})
}

// contradiction finds flags of a check that do not go together.
func contradiction(batch, given string, explain bool) error {
	switch {
	case batch != "" && explain:
		return usagef("check: --explain contradicts --batch")
	case batch == "-" && given == "@-":
		return usagef("check: --batch and --context cannot both read standard input")
	}
	return nil
}

// explainHelp is the legend of an explanation.
const explainHelp = `A step is marked ✓ if it holds, ✗ if not, and
? if that depends on context; behind it stand how many reads of the store it and all
below it rest on, and the time that they took, with finding out which of them decide.`

func checkOne(ctx context.Context, t *terminal, c *client, request *tupelov1.CheckRequest) error {
	response, err := c.Check(ctx, request)
	if err != nil {
		return err
	}
	if err := printAnswer(t, response, request.Context); err != nil {
		return err
	}
	switch response.Result {
	case tupelov1.Result_RESULT_YES:
		return nil
	case tupelov1.Result_RESULT_CONDITIONAL:
		return errConditional
	default:
		return errNo
	}
}

func printAnswer(t *terminal, response *tupelov1.CheckResponse, given *structpb.Struct) error {
	if t.json {
		return t.message(response)
	}
	t.printf("%s\n", resultText(response.Result))
	if !t.quiet {
		if len(response.MissingContext) > 0 {
			t.printf("missing context: %s\n", strings.Join(response.MissingContext, ", "))
		}
		t.printf("zookie %s\n", response.Zookie)
	}
	if response.Explanation == nil {
		return nil
	}
	text, err := explanationText(response.Explanation, given)
	if err != nil {
		return err
	}
	t.printf("\n%s", text)
	return nil
}

// resultText returns yes, no or conditional.
func resultText(r tupelov1.Result) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), "RESULT_"))
}
