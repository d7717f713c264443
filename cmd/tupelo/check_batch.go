package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxBatch is how many questions, or updates, the API takes in one call.
const maxBatch = 1000

// checkBatch asks the questions of a file. The first call finds the revision,
// and those that follow stay at it.
func checkBatch(ctx context.Context, t *terminal, c *client, requirement *tupelov1.Consistency, path string) error {
	questions, err := readQuestions(t, path)
	if err != nil {
		return err
	}
	verdict := batchVerdict{}
	zookie := ""
	for len(questions) > 0 {
		n := min(len(questions), maxBatch)
		request := &tupelov1.BatchCheckRequest{Consistency: requirement, Items: questions[:n]}
		response, err := c.BatchCheck(ctx, request)
		if err != nil {
			return err
		}
		if len(response.Results) != n {
			return fmt.Errorf("the server answered %d questions of %d", len(response.Results), n)
		}
		if err := verdict.print(t, request, response); err != nil {
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

func readQuestions(t *terminal, path string) ([]*tupelov1.BatchCheckItem, error) {
	file, name, err := t.open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var questions []*tupelov1.BatchCheckItem
	for l, err := range linesOf(file) {
		var q *tupelov1.BatchCheckItem
		if err == nil {
			q, err = parseQuestion(strings.Fields(l.text))
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

// batchVerdict counts what the exit status depends on.
type batchVerdict struct {
	failed, denied int
}

// print prints the results of one call, each before its question.
func (v *batchVerdict) print(t *terminal, request *tupelov1.BatchCheckRequest, response *tupelov1.BatchCheckResponse) error {
	for i, r := range response.Results {
		word := resultText(r.Result)
		switch {
		case r.Error != nil:
			word = "error"
			v.failed++
		case r.Result != tupelov1.Result_RESULT_YES:
			v.denied++
		}
		if t.json {
			continue
		}
		q := request.Items[i]
		t.printf("%-5s %s#%s@%s\n", word, objectText(q.Object), q.Relation, subjectText(q.Subject))
		if r.Error != nil {
			t.printf("      %s\n", r.Error.Message)
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
	}
	return nil
}
