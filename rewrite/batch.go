package rewrite

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
)

// BatchCheck answers questions at the reader's revision, each as Check would,
// and puts the answer to questions[i] into answers[i]. Questions of one subject,
// instant and context share what is found out on the way; a question asked twice is answered once.
//
// An error of one question goes into its answer and leaves the others alone.
// BatchCheck itself fails if the two lists differ in length, the context ends
// or the reader fails; the answers then mean nothing.
//
// One difference from Check: what another question of the batch has found out
// may answer a question that alone would exceed the depth limit.
func (e *Engine) BatchCheck(ctx context.Context, reader Reader, questions []Question, answers []Answer) error {
	if len(questions) != len(answers) {
		return fmt.Errorf("%w: %d and %d", ErrAnswers, len(questions), len(answers))
	}
	r := e.acquire(ctx, reader)
	defer e.release(r)
	r.sort(questions)
	_, err := r.answerAll(r.order, questions, answers)
	return err
}

// answerAll answers some of a batch's questions, in an order in which questions of
// one asker stand together. If it fails, it says at which place of the order.
func (r *run) answerAll(order []int32, questions []Question, answers []Answer) (failedAt int, err error) {
	e := r.engine
	stale := true // the memo does not serve the next question
	for i, at := range order {
		q := &questions[at]
		if i > 0 {
			previous := order[i-1]
			if q.compare(&questions[previous]) == 0 {
				answers[at] = answers[previous]
				answers[at].Cost = Cost{}
				continue
			}
			stale = stale || q.compareAskers(&questions[previous]) != 0
		}
		answers[at] = Answer{Err: q.validate(e.program)}
		if answers[at].Err != nil {
			continue
		}
		// Past the limit the memo is started again, so that a batch holds no
		// more of it than two questions may.
		if stale || len(r.goals.list) > e.limits.SubProblems {
			r.begin(q.Subject, q.Given)
		}
		result, err := r.answer(q)
		if err != nil && !ofOneQuestion(err) {
			return i, fmt.Errorf("question %d of the batch: %w", at, err)
		}
		answers[at] = Answer{Result: result, Err: err}
		stale = errors.Is(err, ErrTooManySubProblems) // the search stopped halfway
	}
	return 0, nil
}

// ofOneQuestion reports whether an error says nothing about other questions.
func ofOneQuestion(err error) bool {
	return errors.Is(err, ErrDepthExceeded) || errors.Is(err, ErrTooManySubProblems) || errors.Is(err, ErrCondition)
}

// sort orders the questions of a batch by subject, so that they share a memo,
// and then as the store keeps tuples, so that its reads run forward.
func (r *run) sort(questions []Question) {
	r.order = slices.Grow(r.order[:0], len(questions))[:len(questions)]
	for i := range r.order {
		r.order[i] = int32(i)
	}
	slices.SortFunc(r.order, func(a, b int32) int {
		return cmp.Or(questions[a].compare(&questions[b]), cmp.Compare(a, b))
	})
}

// compare orders questions by what they share a memo by, slot and object; 0 is
// the same question.
func (q *Question) compare(o *Question) int {
	if c := q.compareAskers(o); c != 0 {
		return c
	}
	if c := cmp.Compare(q.Slot, o.Slot); c != 0 {
		return c
	}
	return bytes.Compare(q.ObjectID, o.ObjectID)
}

// compareAskers orders questions by subject and what is given; 0 is a shared memo.
func (q *Question) compareAskers(o *Question) int {
	if c := compareSubjects(&q.Subject, &o.Subject); c != 0 {
		return c
	}
	if c := cmp.Compare(q.NowNanos, o.NowNanos); c != 0 {
		return c
	}
	return bytes.Compare(q.Context, o.Context)
}

func compareSubjects(a, b *tuple.Subject) int {
	if c := cmp.Compare(a.Type, b.Type); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Relation, b.Relation); c != 0 {
		return c
	}
	return bytes.Compare(a.ID, b.ID)
}
