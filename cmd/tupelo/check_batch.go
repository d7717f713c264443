package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxBatch is how many questions, or updates, the API takes in one call.
const maxBatch = 1000

// asked is a question of a file.
type asked struct {
	item *tupelov1.BatchCheckItem
	// with is the context of its line, as it is printed; empty if there is none.
	with string
}

// checkBatch asks the questions of a file. The first call finds the revision,
// and those that follow stay at it.
func checkBatch(ctx context.Context, t *terminal, c *client, requirement *tupelov1.Consistency, given *structpb.Struct, path string) error {
	questions, err := readQuestions(t, given, path)
	if err != nil {
		return err
	}
	verdict := batchVerdict{}
	zookie := ""
	for len(questions) > 0 {
		request := &tupelov1.BatchCheckRequest{Consistency: requirement}
		for bytes := 0; len(request.Items) < min(len(questions), maxBatch) && bytes < maxBatchBytes; {
			item := questions[len(request.Items)].item
			request.Items = append(request.Items, item)
			bytes += proto.Size(item)
		}
		n := len(request.Items)
		response, err := c.BatchCheck(ctx, request)
		if err != nil {
			return err
		}
		if len(response.Results) != n {
			return fmt.Errorf("the server answered %d questions of %d", len(response.Results), n)
		}
		if err := verdict.print(t, questions[:n], response); err != nil {
			return err
		}
		zookie = response.Zookie
		requirement = atExactSnapshot(zookie)
		questions = questions[n:]
	}
	if !t.json && !t.quiet {
		t.printf("zookie %s\n", zookie)
	}
	return verdict.err()
}

func readQuestions(t *terminal, given *structpb.Struct, path string) ([]asked, error) {
	file, name, err := t.open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var questions []asked
	for l, err := range linesOf(file) {
		var q asked
		if err == nil {
			q, err = parseAsked(l.text, given)
		}
		if err != nil {
			return nil, situated{at(name, l.number), err}
		}
		questions = append(questions, q)
	}
	if len(questions) == 0 {
		return nil, fmt.Errorf("%s holds no question", name)
	}
	return questions, nil
}

// withContext finds the context behind a question. A relation may be called
// "with" too, but no subject begins with a brace.
var withContext = regexp.MustCompile(`\s+with\s+\{`)

// parseAsked reads a line: a question, and perhaps `with {"name": value}`.
func parseAsked(text string, given *structpb.Struct) (asked, error) {
	var own *structpb.Struct
	var with string
	if place := withContext.FindStringIndex(text); place != nil {
		var err error
		if own, err = parseContext(text[place[1]-1:]); err != nil {
			return asked{}, err
		}
		text, with = text[:place[0]], " with "+contextText(own)
	}
	words := strings.Fields(text)
	if n := len(words); n > 3 && words[n-2] == "with" {
		return asked{}, fmt.Errorf("what stands behind with is a JSON object, as in with {\"day\":\"friday\"}, not %s", brief(words[n-1]))
	}
	item, err := parseQuestion(words)
	if err != nil {
		return asked{}, err
	}
	item.Context = mergeContexts(given, own)
	return asked{item, with}, nil
}

// batchVerdict counts what the exit status depends on.
type batchVerdict struct {
	failed, denied, conditional int
}

// print prints the results of one call, each before its question.
func (v *batchVerdict) print(t *terminal, questions []asked, response *tupelov1.BatchCheckResponse) error {
	for i, r := range response.Results {
		word := resultText(r.Result)
		switch {
		case r.Error != nil:
			word = "error"
			v.failed++
		case r.Result == tupelov1.Result_RESULT_CONDITIONAL:
			v.conditional++
		case r.Result != tupelov1.Result_RESULT_YES:
			v.denied++
		}
		if t.json {
			continue
		}
		q := questions[i].item
		t.printf("%-11s %s#%s@%s%s%s\n", word, objectText(q.Object), q.Relation, subjectText(q.Subject), questions[i].with, missingText(r.MissingContext))
		if r.Error != nil {
			t.printf("%-11s %s\n", "", r.Error.Message)
		}
	}
	if t.json {
		return t.message(response)
	}
	return nil
}

func (v *batchVerdict) err() error {
	switch {
	case v.failed > 0:
		return fmt.Errorf("%s could not be answered", plural(v.failed, "question"))
	case v.denied > 0:
		return errNo
	case v.conditional > 0:
		return errConditional
	}
	return nil
}

// missingText says behind a conditional answer what it depends on.
func missingText(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (missing: " + strings.Join(names, ", ") + ")"
}
