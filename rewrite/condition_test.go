package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema/caveat"
)

// wantAnswers asks questions, written "yes userset@subject".
func wantAnswers(t *testing.T, w *rewritetest.World, given rewrite.Given, lines ...string) {
	t.Helper()
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for _, line := range lines {
		want, question, _ := strings.Cut(line, " ")
		userset, subject, _ := strings.Cut(strings.TrimSpace(question), "@")
		q := ask(t, w, userset, subject)
		q.Given = given
		result, err := engine.Check(context.Background(), w.Tuples, q)
		if got := answerText(result); err != nil || got != want {
			t.Errorf("%s@%s is %s, %v; want %s", userset, subject, got, err, want)
		}
	}
}

func TestAUsersetIsAMemberOfItselfWhereNothingIsStored(t *testing.T) {
	w := parse(t, "definition user {}\ndefinition doc {\n relation viewer: user\n permission view = viewer\n permission nobody = viewer - viewer\n}")
	wantAnswers(t, w, rewrite.Given{},
		"yes doc:x#view@doc:x#view", "yes doc:x#view@doc:x#viewer", "no doc:x#viewer@doc:x#view",
		"yes doc:x#nobody@doc:x#nobody", "no doc:x#view@doc:y#view")
}

func TestTheWildcardCoversObjectsAndNeverUsersets(t *testing.T) {
	w := parse(t, "definition team {\n relation member: team\n}\ndefinition doc {\n relation viewer: team:*\n}", "doc:x#viewer@team:*")
	wantAnswers(t, w, rewrite.Given{}, "yes doc:x#viewer@team:red", "no doc:x#viewer@team:red#member")
}

func TestAnObjectIsNotItsUsersets(t *testing.T) {
	w := parse(t, "definition team {\n relation member: team\n}\ndefinition doc {\n relation viewer: team | team#member\n}",
		"doc:x#viewer@team:red", "doc:y#viewer@team:red#member")
	wantAnswers(t, w, rewrite.Given{},
		"yes doc:x#viewer@team:red", "no doc:x#viewer@team:red#member",
		"no doc:y#viewer@team:red", "yes doc:y#viewer@team:red#member")
}

func TestAUsersetOfARelationCountsUnderThePermissionsThatIncludeIt(t *testing.T) {
	w := parse(t, `definition user {}
definition team {
	relation member: user
	permission join = member
}
definition doc {
	relation viewer: team#member
	relation folder: team
	permission view = viewer + folder->join
}`, "doc:x#viewer@team:red#member", "doc:y#folder@team:red")
	wantAnswers(t, w, rewrite.Given{},
		"yes doc:x#view@team:red#member", "no doc:x#view@team:red#join",
		"yes doc:y#view@team:red#member", "yes doc:y#view@team:red#join", "yes doc:x#view@doc:x#viewer")
}

func TestEveryOneOfNoObjectsIsNo(t *testing.T) {
	w := parse(t, `definition user {}
definition note {}
definition team {
	relation member: user
}
definition doc {
	relation team: team | note
	permission sign = team.all(member)
}`, "doc:y#team@team:red", "team:red#member@user:ann", "doc:z#team@team:red", "doc:z#team@note:n",
		"doc:w#team@team:red", "doc:w#team@team:blue")
	wantAnswers(t, w, rewrite.Given{},
		"no doc:x#sign@user:ann", "yes doc:y#sign@user:ann",
		"no doc:z#sign@user:ann", // a note has no members
		"no doc:w#sign@user:ann")
}

const limitSchema = `use expiration
caveat limit(max int, amount int) { amount <= max }
caveat ratio(count int) { 12 / count > 3 }
definition user {}
definition account {
	relation payer: user with limit | user with ratio | user | user with expiration
	relation owner: user
	permission pay = payer + owner
}`

func TestWhatTheTupleFixesWinsOverTheRequest(t *testing.T) {
	w := parse(t, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`, `account:b#payer@user:ann[limit]`)
	wantAnswers(t, w, rewrite.Given{Context: []byte(`{"max":1000,"amount":50}`)}, "no account:a#pay@user:ann", "yes account:b#pay@user:ann")
	wantAnswers(t, w, rewrite.Given{Context: []byte(`{"max":1,"amount":5}`)}, "yes account:a#pay@user:ann", "no account:b#pay@user:ann")
	wantAnswers(t, w, rewrite.Given{}, "conditional:amount account:a#pay@user:ann", "conditional:amount,max account:b#pay@user:ann")
}

func TestUnknownNamesInTheContextAreIgnored(t *testing.T) {
	w := parse(t, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`)
	wantAnswers(t, w, rewrite.Given{Context: []byte(`{"amount":5,"color":"red"}`)}, "yes account:a#pay@user:ann")
	wantAnswers(t, w, rewrite.Given{Context: []byte(`{"color":"red"}`)}, "conditional:amount account:a#pay@user:ann")
}

func TestAWrongTypeInTheContextIsAnErrorThatNamesTheParameter(t *testing.T) {
	w := parse(t, limitSchema, `account:a#payer@user:ann[limit:{"max":10}]`, `account:b#payer@user:ann[limit:{"max":10}]`, "account:b#owner@user:ann")
	given := rewrite.Given{Context: []byte(`{"amount":"much"}`)}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := ask(t, w, "account:a#pay", "user:ann")
	q.Given = given
	_, err := engine.Check(context.Background(), w.Tuples, q)
	var failed *rewrite.CaveatError
	var wrong *caveat.ContextError
	if !errors.As(err, &failed) || failed.Caveat != "limit" || !errors.As(err, &wrong) || !strings.Contains(err.Error(), "amount") {
		t.Errorf("got %v; want an error about amount of limit", err)
	}
	wantAnswers(t, w, given, "yes account:b#pay@user:ann") // which does not depend on it
}

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

// TestSubResultsOfDifferentOperatorsNeverShareAnAnswer asks two permissions that
// differ in one operator over the same operands, in one batch and both orders.
func TestSubResultsOfDifferentOperatorsNeverShareAnAnswer(t *testing.T) {
	w := parse(t, `definition user {}
definition doc {
	relation owner: user
	relation editor: user
	relation viewer: user
	permission without = owner - (editor + viewer)
	permission within = owner & (editor + viewer)
}`, "doc:x#owner@user:ann", "doc:x#owner@user:bob", "doc:x#editor@user:bob")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	want := map[string]string{"without ann": "yes", "within ann": "no", "without bob": "no", "within bob": "yes"}
	for _, order := range [][]string{{"without ann", "within ann", "without bob", "within bob"}, {"within bob", "without bob", "within ann", "without ann"}} {
		var questions []rewrite.Question
		for _, text := range order {
			permission, user, _ := strings.Cut(text, " ")
			questions = append(questions, ask(t, w, "doc:x#"+permission, "user:"+user))
		}
		answers := make([]rewrite.Answer, len(questions))
		if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
			t.Fatal(err)
		}
		got := make(map[string]string)
		for i, a := range answers {
			got[order[i]] = a.Verdict.String()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
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
