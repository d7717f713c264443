package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store"
)

// Check answers whether a subject has a relation or permission on an object.
func (s *Server) Check(ctx context.Context, r *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
	if err := validateQuestion(r.Object, r.Relation, r.Subject); err != nil {
		return nil, err
	}
	given, err := s.given(r.Context)
	if err != nil {
		return nil, err
	}
	v, err := s.open(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	defer v.close()
	q, err := v.model.question(r.Object, r.Relation, r.Subject)
	if err != nil {
		return nil, err
	}
	q.Given = given
	if r.WithExplanation {
		return s.explain(ctx, v, q) // by somebody who looks into it: not recorded
	}
	result, err := v.model.engine.Check(ctx, v.snapshot, q)
	s.metrics.evaluated(1, result.Cost)
	if err != nil {
		return nil, err
	}
	s.recorder.check(r)
	return &tupelov1.CheckResponse{Result: resultOf(result.Verdict), Zookie: v.zookie, MissingContext: result.Missing}, nil
}

func resultOf(v rewrite.Verdict) tupelov1.Result {
	switch v {
	case rewrite.Yes:
		return tupelov1.Result_RESULT_YES
	case rewrite.Conditional:
		return tupelov1.Result_RESULT_CONDITIONAL
	}
	return tupelov1.Result_RESULT_NO
}

// BatchCheck answers many checks at one revision.
func (s *Server) BatchCheck(ctx context.Context, r *tupelov1.BatchCheckRequest) (*tupelov1.BatchCheckResponse, error) {
	if err := validateCount("items", len(r.Items), 1, maxBatchItems); err != nil {
		return nil, err
	}
	v, err := s.open(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	defer v.close()
	results, err := s.answerBatch(ctx, v.model, v.snapshot, r.Items, s.now().UnixNano(), inItems)
	if err != nil {
		return nil, err
	}
	s.recorder.batch(r.Items, results)
	return &tupelov1.BatchCheckResponse{Results: results, Zookie: v.zookie}, nil
}

// inItems says which item of a request an error is about.
func inItems(i int, err error) error { return within(fmt.Sprintf("items[%d]", i), err) }

// answerBatch answers checks at one instant: they share what they find out. Where
// says in an error which check it is about.
func (s *Server) answerBatch(ctx context.Context, m *model, reader rewrite.Reader, items []*tupelov1.BatchCheckItem, nowNanos int64, where func(i int, err error) error) ([]*tupelov1.BatchCheckResult, error) {
	b := newBatchAnswers(len(items))
	questions := make([]rewrite.Question, 0, len(items))
	asked := make([]int, 0, len(items)) // the items that questions are of
	for i, item := range items {
		q, err := s.itemQuestion(m, item)
		if err != nil {
			b.fail(i, where(i, err))
			continue
		}
		q.NowNanos = nowNanos
		questions, asked = append(questions, q), append(asked, i)
	}
	answers := make([]rewrite.Answer, len(questions))
	if err := askWide(ctx, m, reader, questions, answers); err != nil {
		return nil, err
	}
	var cost rewrite.Cost
	for j, a := range answers {
		cost.SubProblems += a.Cost.SubProblems
		cost.Steps += a.Cost.Steps
		cost.Reads += a.Cost.Reads
		if err := b.answer(asked[j], a); err != nil {
			return nil, err
		}
	}
	s.metrics.evaluated(len(questions), cost)
	return b.results, nil
}

// askWide asks questions at once, on all processors if the reader is a snapshot, of
// which there can be several.
func askWide(ctx context.Context, m *model, reader rewrite.Reader, questions []rewrite.Question, answers []rewrite.Answer) error {
	snapshot, ok := reader.(*store.Snapshot)
	if !ok {
		return m.engine.BatchCheck(ctx, reader, questions, answers)
	}
	another := func() (rewrite.Reader, func()) {
		if further := snapshot.Another(); further != nil {
			return further, further.Close
		}
		return nil, nil
	}
	return m.engine.BatchCheckWide(ctx, snapshot, another, questions, answers)
}

func (s *Server) itemQuestion(m *model, item *tupelov1.BatchCheckItem) (rewrite.Question, error) {
	if err := validateQuestion(item.GetObject(), item.GetRelation(), item.GetSubject()); err != nil {
		return rewrite.Question{}, err
	}
	given, err := s.given(item.Context)
	if err != nil {
		return rewrite.Question{}, err
	}
	q, err := m.question(item.Object, item.Relation, item.Subject)
	q.Given = given
	return q, err
}

// batchAnswers gathers the results of a batch, whose messages share one allocation.
type batchAnswers struct {
	results []*tupelov1.BatchCheckResult
}

func newBatchAnswers(n int) batchAnswers {
	messages := make([]tupelov1.BatchCheckResult, n)
	results := make([]*tupelov1.BatchCheckResult, n)
	for i := range messages {
		results[i] = &messages[i]
	}
	return batchAnswers{results}
}

func (b batchAnswers) fail(i int, err error) { b.results[i].Error = statusOf(err).Proto() }

// answer takes one answer. Its error, if it is no fault of the item, fails the call.
func (b batchAnswers) answer(i int, a rewrite.Answer) error {
	switch {
	case a.Err == nil:
		b.results[i].Result, b.results[i].MissingContext = resultOf(a.Verdict), a.Missing
	case ofOneCheck(a.Err):
		b.fail(i, a.Err)
	default:
		return a.Err
	}
	return nil
}

// ofOneCheck reports whether an error is about one check and says nothing about others.
func ofOneCheck(err error) bool {
	return errors.Is(err, rewrite.ErrDepthExceeded) || errors.Is(err, rewrite.ErrTooManySubProblems) ||
		errors.Is(err, rewrite.ErrCondition)
}
