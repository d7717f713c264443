package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
)

func batch(t *testing.T, e *rewrite.Engine, reader rewrite.Reader, questions []rewrite.Question) []rewrite.Answer {
	t.Helper()
	answers := make([]rewrite.Answer, len(questions))
	for i := range answers {
		answers[i] = rewrite.Answer{Result: rewrite.Result{Verdict: rewrite.Yes}, Err: errDisk} // to be overwritten
	}
	if err := e.BatchCheck(context.Background(), reader, questions, answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

func TestABatchNeedsOneAnswerForEachQuestion(t *testing.T) {
	w := parse(t, teams)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	err := engine.BatchCheck(context.Background(), w.Tuples, make([]rewrite.Question, 2), make([]rewrite.Answer, 3))
	if !errors.Is(err, rewrite.ErrAnswers) {
		t.Errorf("got %v; want %v", err, rewrite.ErrAnswers)
	}
	if err := engine.BatchCheck(context.Background(), w.Tuples, nil, nil); err != nil {
		t.Errorf("an empty batch: got %v", err)
	}
}

func TestABatchAnswersInTheOrderOfItsQuestions(t *testing.T) {
	w := parse(t, teams, "team:red#member@user:ann", "team:blue#member@user:bob", "team:red#member@team:blue#member")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	var questions []rewrite.Question
	var want []string
	for _, c := range [][2]string{
		{"team:red#member@user:bob", "yes"}, {"team:blue#member@user:ann", "no"}, {"team:red#member@user:ann", "yes"},
		{"team:red#member@team:blue#member", "yes"}, {"team:blue#member@user:bob", "yes"}, {"team:blue#member@team:red#member", "no"},
		{"team:red#member@user:cat", "no"},
	} {
		userset, subject := c[0][:len("team:red#member")], c[0][len("team:red#member")+1:]
		if c[0][:6] == "team:b" {
			userset, subject = c[0][:len("team:blue#member")], c[0][len("team:blue#member")+1:]
		}
		questions, want = append(questions, ask(t, w, userset, subject)), append(want, c[1])
	}
	for i, a := range batch(t, engine, w.Tuples, questions) {
		if a.Err != nil || a.Verdict.String() != want[i] {
			t.Errorf("answer %d: got %v, %v; want %s", i, a.Verdict, a.Err, want[i])
		}
	}
}

func TestABatchSharesWhatOneSubjectsQuestionsFindOut(t *testing.T) {
	w := parse(t, teams, chain(30)...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	var questions []rewrite.Question
	for i := range 31 {
		questions = append(questions, ask(t, w, fmt.Sprintf("folder:f%d#view", i), "user:ann"))
	}
	reads := 0
	for i, a := range batch(t, engine, w.Tuples, questions) {
		if a.Err != nil || a.Verdict != rewrite.No {
			t.Errorf("answer %d: got %v, %v; want no", i, a.Verdict, a.Err)
		}
		reads += a.Cost.Reads
	}
	// One look-up and one tupleset for each folder, however often it is needed.
	if want := 2 * 31; reads != want {
		t.Errorf("it took %d reads; want %d", reads, want)
	}
}

func TestABatchAnswersAQuestionAskedTwiceOnce(t *testing.T) {
	w := parse(t, teams, append(chain(60), "folder:f0#viewer@user:ann")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	far, near := ask(t, w, "folder:f0#view", "user:bob"), ask(t, w, "folder:f0#view", "user:ann")
	answers := batch(t, engine, w.Tuples, []rewrite.Question{far, near, far, near})
	for i, a := range answers[:2] {
		again := answers[i+2]
		if a.Verdict != again.Verdict || !errors.Is(again.Err, a.Err) {
			t.Errorf("question %d: got %v, %v and then %v, %v", i, a.Verdict, a.Err, again.Verdict, again.Err)
		}
		if again.Cost != (rewrite.Cost{}) {
			t.Errorf("question %d was paid for twice: %+v", i, again.Cost)
		}
	}
	if !errors.Is(answers[0].Err, rewrite.ErrDepthExceeded) || answers[1].Verdict != rewrite.Yes {
		t.Errorf("got %v and %v; want a depth error and yes", answers[0].Err, answers[1].Verdict)
	}
}

func TestALimitMetByOneQuestionLeavesTheOthersAlone(t *testing.T) {
	w := parse(t, teams)
	reader := &graph{kind: members(t, w), next: func(i int) (int, int) {
		switch {
		case i < 1000:
			return 0, 1000 // a knot
		case i < 2000:
			return i + 1, 1 // a chain
		default:
			return 0, 0
		}
	}}
	engine := rewrite.New(w.Program, rewrite.Limits{SubProblems: 300, Depth: 200})
	questions := []rewrite.Question{
		ask(t, w, "team:n0001850#member", "user:ann"), // near the chain's end
		ask(t, w, "team:n0000500#member", "user:ann"), // the knot: too many
		ask(t, w, "team:n0000600#member", "user:ann"), // the knot, from elsewhere
		ask(t, w, "team:n0001900#member", "user:ann"),
		ask(t, w, "team:n0001100#member", "user:ann"), // too deep
		ask(t, w, "team:n0001990#member", "user:bob"),
		ask(t, w, "team:n0001100#member", "user:bob"),
	}
	wants := []error{nil, rewrite.ErrTooManySubProblems, rewrite.ErrTooManySubProblems, nil, rewrite.ErrDepthExceeded, nil, rewrite.ErrDepthExceeded}
	for i, a := range batch(t, engine, reader, questions) {
		if !errors.Is(a.Err, wants[i]) || a.Verdict != rewrite.No {
			t.Errorf("answer %d: got %v, %v; want %v", i, a.Verdict, a.Err, wants[i])
		}
	}
}

// What one question found out must not count against the next one's limit.
func TestEachQuestionOfABatchHasTheWholeLimit(t *testing.T) {
	w := parse(t, teams)
	reader := &graph{kind: members(t, w), next: func(i int) (int, int) {
		if i%100 == 99 {
			return 0, 0
		}
		return i + 1, 1
	}}
	engine := rewrite.New(w.Program, rewrite.Limits{SubProblems: 120, Depth: 200})
	var questions []rewrite.Question
	for i := range 20 {
		questions = append(questions, ask(t, w, fmt.Sprintf("team:%s#member", numbered(100*i)), "user:ann"))
	}
	for i, a := range batch(t, engine, reader, questions) {
		if a.Err != nil || a.Cost.SubProblems != 100 {
			t.Errorf("answer %d: got %v with %d sub-problems; want 100 and no error", i, a.Err, a.Cost.SubProblems)
		}
	}
}

// A search that ran out of steps leaves goals in progress, which the next
// question must not take for anything.
func TestAQuestionThatRanOutOfStepsLeavesNoTraces(t *testing.T) {
	w := parse(t, teams)
	reader := &graph{kind: members(t, w), next: func(int) (int, int) { return 0, 100 }}
	engine := rewrite.New(w.Program, rewrite.Limits{Steps: 5000})
	var questions []rewrite.Question
	for i := range 5 {
		questions = append(questions, ask(t, w, fmt.Sprintf("team:%s#member", numbered(i)), "user:ann"))
	}
	for i, a := range batch(t, engine, reader, questions) {
		if !errors.Is(a.Err, rewrite.ErrTooManySubProblems) {
			t.Errorf("answer %d: got %v, %v; want %v", i, a.Verdict, a.Err, rewrite.ErrTooManySubProblems)
		}
	}
}
