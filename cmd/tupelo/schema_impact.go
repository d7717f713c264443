package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newSchemaImpactCommand(t *terminal) *cobra.Command {
	var fresh consistency
	var given contextFlag
	var checks string
	var explain bool
	cmd := &cobra.Command{
		Use:   "impact NEW",
		Short: "Tell which answers another schema would change, before it is written",
		Long: `Tell which answers another schema would change, before it is written. The server
answers checks under its own schema and under the new one, both at one revision and
one instant, and every answer that changes is printed: what it is, what it would be,
and the question. Nothing is written.

The checks are those of a file, with lines as for check --batch, or, without
--checks, those that the server has recorded: it must run with --record-checks. One
that was recorded often is asked once and marked with how often.

Tuples that the new schema does not allow count as not there, and are told of: they
must be deleted before schema write takes it.

With --explain the reasons for both answers follow. ` + explainHelp + `

Exit status: 0 if no answer changes, 1 if one does, 2 for an error, among them a
check of the file that can be answered under neither schema.`,
		Example: `  tupelo schema impact new.zed
  tupelo schema impact new.zed --checks questions.txt --explain
  tupelo schema impact new.zed --checks - < questions.txt`,
		Args: arguments(1, 1),
	}
	fresh.register(cmd)
	given.register(cmd.Flags())
	cmd.Flags().StringVar(&checks, "checks", "", "`file` with a check on each line; - for standard input")
	cmd.Flags().BoolVar(&explain, "explain", false, "print the reasons for both answers too")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		requirement, err := fresh.message()
		if err != nil {
			return err
		}
		if checks == "" && given.text != "" {
			return usagef("schema impact: --context is for the checks of a file; recorded ones have their own")
		}
		if checks == "-" && args[0] == "-" {
			return usagef("schema impact: only one of the two can be standard input")
		}
		values, err := given.message(t)
		if err != nil {
			return err
		}
		text, name, err := schemaToSend(t, args[0])
		if err != nil {
			return err
		}
		p := impactPrinter{terminal: t, request: &tupelov1.CompareSchemaRequest{
			Consistency: requirement, Text: text, Recorded: checks == "", WithExplanation: explain,
		}}
		if err := p.ask(ctx, c, name, values, checks); err != nil {
			return err
		}
		return p.finish()
	})
}

// impactPrinter makes a comparison, in as many calls as its checks need, and
// prints it as one.
type impactPrinter struct {
	*terminal
	request     *tupelov1.CompareSchemaRequest
	differences *tupelov1.SchemaDifferences // of the first call
	summary     tupelov1.ComparisonSummary  // of all calls
}

// ask makes the calls. The first one finds the revision, and those that follow
// stay at it.
func (p *impactPrinter) ask(ctx context.Context, c *client, schemaName string, given *structpb.Struct, checks string) error {
	var questions []asked
	if !p.request.Recorded {
		var err error
		if questions, err = readQuestions(p.terminal, given, checks); err != nil {
			return err
		}
	}
	for {
		p.request.Items, questions = cutQuestions(questions)
		if err := compareSchemas(ctx, c, p.request, p.take); err != nil {
			return situated{schemaName, err}
		}
		if len(questions) == 0 {
			return nil
		}
		p.request.Consistency = atExactSnapshot(p.differences.GetZookie())
	}
}

// cutQuestions cuts off as many questions as one call takes.
func cutQuestions(questions []asked) (items []*tupelov1.BatchCheckItem, rest []asked) {
	for bytes := 0; len(items) < min(len(questions), maxBatch) && bytes < maxBatchBytes; {
		item := questions[len(items)].item
		items = append(items, item)
		bytes += proto.Size(item)
	}
	return items, questions[len(items):]
}

// take takes one part of the comparison.
func (p *impactPrinter) take(m *tupelov1.CompareSchemaResponse) error {
	switch part := m.Part.(type) {
	case *tupelov1.CompareSchemaResponse_Differences:
		if p.differences != nil {
			return nil // of a later call, at the same revision
		}
		p.differences = part.Differences
		if p.json {
			return p.message(m)
		}
		if !p.quiet {
			p.stranded(part.Differences.Stranded)
		}
	case *tupelov1.CompareSchemaResponse_Check:
		if p.json {
			return p.message(m)
		}
		return p.check(part.Check)
	case *tupelov1.CompareSchemaResponse_Summary:
		s, more := &p.summary, part.Summary
		s.Checks += more.Checks
		s.Changed += more.Changed
		s.Gained += more.Gained
		s.Lost += more.Lost
		s.Failed += more.Failed
		s.Recorded, s.RecordedOf, s.RecordedLeftOut = more.Recorded, more.RecordedOf, more.RecordedLeftOut
	}
	return nil
}

func (p *impactPrinter) stranded(list []*tupelov1.StrandedTuples) {
	for _, s := range list {
		p.printf("stranded, and so not there: %s of %s\n", plural(s.Count, "tuple"), s.Kind)
	}
}

// check prints a check whose answer changes or that has none.
func (p *impactPrinter) check(c *tupelov1.CheckComparison) error {
	word := "error"
	if c.Changed {
		word = answerWord(c.Before) + " -> " + answerWord(c.After)
	}
	item, with := c.Item, ""
	if item.GetContext() != nil {
		with = " with " + contextText(item.Context)
	}
	times := ""
	if c.Times > 1 {
		times = fmt.Sprintf(" (%d times)", c.Times)
	}
	p.printf("%-20s %s#%s@%s%s%s\n", word, objectText(item.GetObject()), item.GetRelation(), subjectText(item.GetSubject()), with, times)
	p.details("before", c.Before)
	if c.Changed {
		p.details("after", c.After)
	}
	if err := p.reasons("before", c.ExplanationBefore, item.GetContext()); err != nil {
		return err
	}
	return p.reasons("after", c.ExplanationAfter, item.GetContext())
}

func answerWord(r *tupelov1.BatchCheckResult) string {
	if r.GetError() != nil {
		return "error"
	}
	return resultText(r.GetResult())
}

// details says what an answer lacks or why there is none.
func (p *impactPrinter) details(side string, r *tupelov1.BatchCheckResult) {
	switch {
	case r.GetError() != nil:
		p.printf("%-20s %s: %s\n", "", side, r.Error.Message)
	case len(r.GetMissingContext()) > 0:
		p.printf("%-20s %s: missing %s\n", "", side, strings.Join(r.MissingContext, ", "))
	}
}

func (p *impactPrinter) reasons(side string, e *tupelov1.Explanation, given *structpb.Struct) error {
	if e == nil {
		return nil
	}
	text, err := explanationText(e, given)
	if err != nil {
		return err
	}
	p.printf("\n%s:\n%s\n", side, strings.TrimRight(text, "\n"))
	if side == "after" {
		p.printf("\n")
	}
	return nil
}

// finish prints the summary and returns what the exit status says.
func (p *impactPrinter) finish() error {
	s := &p.summary
	if p.json {
		part := &tupelov1.CompareSchemaResponse_Summary{Summary: s}
		if err := p.message(&tupelov1.CompareSchemaResponse{Part: part}); err != nil {
			return err
		}
	} else if !p.quiet {
		p.printf("%s", summaryText(s))
		p.printf("zookie %s\n", p.differences.GetZookie())
	}
	switch {
	case s.Failed > 0 && !p.request.Recorded:
		return fmt.Errorf("%s could be answered under neither schema", plural(s.Failed, "check"))
	case s.Changed > 0:
		return errNo
	}
	return nil
}

func summaryText(s *tupelov1.ComparisonSummary) string {
	text := fmt.Sprintf("%s: %d changed", plural(s.Checks, "check"), s.Changed)
	if s.Changed > 0 {
		text += fmt.Sprintf(" (%d granted more, %d less, %d other)", s.Gained, s.Lost, s.Changed-s.Gained-s.Lost)
	}
	if s.Failed > 0 {
		text += fmt.Sprintf(", %d answered under neither schema", s.Failed)
	}
	text += "\n"
	if s.RecordedOf > 0 || s.Recorded > 0 {
		text += fmt.Sprintf("recorded: %d of %d", s.Recorded, s.RecordedOf)
		if s.RecordedLeftOut > 0 {
			text += fmt.Sprintf(", %d left out for want of room", s.RecordedLeftOut)
		}
		text += "\n"
	}
	return text
}
