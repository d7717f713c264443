package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
)

const limitSchema = `use expiration
caveat limit(max int, amount int) { amount <= max }
caveat ratio(count int) { 12 / count > 3 }
definition user {}
definition account {
	relation payer: user with limit | user with ratio | user | user with expiration
	relation owner: user
	permission pay = payer + owner
}`

func TestACaveatWithoutAValueIsAnErrorOnlyWhereTheAnswerDependsOnIt(t *testing.T) {
	w := parse(t, limitSchema, "account:a#payer@user:ann[ratio]", "account:b#payer@user:ann[ratio]", "account:b#owner@user:ann")
	given := rewrite.Given{Context: []byte(`{"count":0}`)}
	wantAnswers(t, w, given, "yes account:b#pay@user:ann")
	questions := []rewrite.Question{ask(t, w, "account:a#pay", "user:ann"), ask(t, w, "account:b#pay", "user:ann")}
	questions[0].Given, questions[1].Given = given, given
	answers := make([]rewrite.Answer, 2)
	err := rewrite.New(w.Program, rewrite.Limits{}).BatchCheck(context.Background(), w.Tuples, questions, answers)
	if err != nil || !errors.Is(answers[0].Err, rewrite.ErrCondition) || !strings.Contains(answers[0].Err.Error(), "ratio") {
		t.Errorf("got %v, %v; want an error of ratio", err, answers[0].Err)
	}
	if answers[1].Err != nil || answers[1].Verdict != rewrite.Yes {
		t.Errorf("the question beside it is %v, %v; want yes", answers[1].Verdict, answers[1].Err)
	}
}

func TestATupleDoesNotCountFromTheInstantOnAtWhichItExpires(t *testing.T) {
	w := parse(t, limitSchema, "account:a#payer@user:ann[expiration:2030-01-01T00:00:00Z]")
	const instant = 1893456000e9
	wantAnswers(t, w, rewrite.Given{NowNanos: instant - 1}, "yes account:a#pay@user:ann")
	wantAnswers(t, w, rewrite.Given{NowNanos: instant}, "no account:a#pay@user:ann")
	wantAnswers(t, w, rewrite.Given{NowNanos: instant + 1}, "no account:a#pay@user:ann")
	_, err := rewrite.New(w.Program, rewrite.Limits{}).Check(context.Background(), w.Tuples, ask(t, w, "account:a#pay", "user:ann"))
	if !errors.Is(err, rewrite.ErrCondition) {
		t.Errorf("without an instant: got %v; want %v", err, rewrite.ErrCondition)
	}
}

func TestQuestionsOfABatchKeepTheirOwnContextAndInstant(t *testing.T) {
	w := parse(t, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`)
	var questions []rewrite.Question
	var want []string
	for i := range 20 {
		q := ask(t, w, "account:a#pay", "user:ann")
		q.Context = fmt.Appendf(nil, `{"amount":%d}`, i)
		questions = append(questions, q)
		want = append(want, map[bool]string{true: "yes", false: "no"}[i <= 10])
	}
	compareAnswers(t, rewrite.New(w.Program, rewrite.Limits{}), w, questions, want)
}

func TestConditionalEntriesOfListsSayWhatTheyDependOn(t *testing.T) {
	w := parse(t, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`, "account:b#payer@user:ann", "account:c#payer@user:ann[limit]",
		`account:a#payer@user:bob[limit:{"max":3}]`)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	var got []string
	q := objectsOf(t, w, "account", "pay", "user:ann")
	q.Context = []byte(`{"max":3}`)
	_, err := engine.ListObjects(context.Background(), w.Tuples, q, func(o rewrite.FoundObject) bool {
		got = append(got, string(o.ID)+" "+answerText(o.Result))
		return true
	})
	if diff := cmp.Diff([]string{"a conditional:amount", "b yes", "c conditional:amount"}, got); err != nil || diff != "" {
		t.Errorf("objects: %v (-want +got):\n%s", err, diff)
	}
	s := subjectsOf(t, w, "account:a#pay", "user:x")
	s.Context = []byte(`{"amount":5}`)
	if all, err := listSubjects(t, engine, w.Tuples, s); err != nil || cmp.Diff(entries{"ann"}, all) != "" {
		t.Errorf("subjects: got %v, %v; want ann", all, err)
	}
}

func BenchmarkCheckCaveat(b *testing.B) {
	w := parse(b, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for name, text := range map[string]string{"Yes": `{"amount":5}`, "No": `{"amount":50}`, "Conditional": ""} {
		q := ask(b, w, "account:a#pay", "user:ann")
		q.Context = []byte(text)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				result, err := engine.Check(context.Background(), w.Tuples, q)
				if err != nil || result.Verdict.String() != strings.ToLower(name) {
					b.Fatalf("got %v, %v", result.Verdict, err)
				}
			}
		})
	}
}

func TestACheckWithContextsThatComeAgainAllocatesOnce(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	w := parse(t, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := ask(t, w, "account:a#pay", "user:ann")
	q.Context = []byte(`{"amount":5}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := engine.Check(context.Background(), w.Tuples, q); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("it allocates %v times; at most 1 is due", n)
	}
}
