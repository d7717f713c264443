package rewrite_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema/caveat"
	"github.com/tupelodb/tupelo/store/tuple"
)

// What is easy to get wrong, each with a test of its own: it asks alone, in a
// batch and through both lists.

// wantAnswers asks questions, written "yes userset@subject".
func wantAnswers(t *testing.T, w *rewritetest.World, given rewrite.Given, lines ...string) {
	t.Helper()
	engine := rewrite.New(w.Program, rewrite.Limits{})
	var questions []rewrite.Question
	for _, line := range lines {
		want, question, _ := strings.Cut(line, " ")
		userset, subject, _ := strings.Cut(strings.TrimSpace(question), "@")
		q := ask(t, w, userset, subject)
		q.Given = given
		questions = append(questions, q)
		result, err := engine.Check(context.Background(), w.Tuples, q)
		if got := answerText(result); err != nil || got != want {
			t.Errorf("%s is %s, %v; want %s", question, got, err, want)
		}
		if got, err := amongObjects(engine, w, q); !errors.Is(err, rewrite.ErrCondition) && (err != nil || got != want) {
			t.Errorf("%s is %s, %v in the list of objects; want %s", question, got, err, want)
		}
		if got, err := amongSubjects(engine, w, q); !errors.Is(err, rewrite.ErrCondition) && (err != nil || got != want) {
			t.Errorf("%s is %s, %v in the list of subjects; want %s", question, got, err, want)
		}
	}
	answers := make([]rewrite.Answer, len(questions))
	if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
		t.Fatal(err)
	}
	for i, a := range answers {
		if want, question, _ := strings.Cut(lines[i], " "); a.Err != nil || answerText(a.Result) != want {
			t.Errorf("%s is %s, %v in a batch; want %s", question, answerText(a.Result), a.Err, want)
		}
	}
}

// amongObjects answers a question by the list of the subject's objects.
func amongObjects(engine *rewrite.Engine, w *rewritetest.World, q rewrite.Question) (found string, err error) {
	found = "no"
	_, err = engine.ListObjects(context.Background(), w.Tuples, rewrite.ObjectsQuestion{Slot: q.Slot, Subject: q.Subject, Given: q.Given},
		func(o rewrite.FoundObject) bool {
			if string(o.ID) == string(q.ObjectID) {
				found = answerText(o.Result)
			}
			return true
		})
	return found, err
}

// amongSubjects answers a question by the list of the object's subjects.
func amongSubjects(engine *rewrite.Engine, w *rewritetest.World, q rewrite.Question) (found string, err error) {
	found = "no"
	_, err = engine.ListSubjects(context.Background(), w.Tuples,
		rewrite.SubjectsQuestion{Slot: q.Slot, ObjectID: q.ObjectID, Kind: q.Subject.Kind(), Given: q.Given},
		func(s rewrite.FoundSubject) bool {
			if string(s.ID) == string(q.Subject.ID) || string(s.ID) == tuple.WildcardID {
				found = answerText(s.Result)
			}
			return true
		})
	return found, err
}

func TestAUsersetIsAMemberOfItselfWhereNothingIsStored(t *testing.T) {
	w := parse(t, "definition user {}\ndefinition doc {\n relation viewer: user\n permission view = viewer\n permission nobody = viewer - viewer\n}")
	wantAnswers(t, w, rewrite.Given{},
		"yes doc:x#view@doc:x#view", "yes doc:x#view@doc:x#viewer", "no doc:x#viewer@doc:x#view",
		"yes doc:x#nobody@doc:x#nobody", "no doc:x#view@doc:y#view")
}

func TestTheWildcardCoversObjectsAndNeverUsersets(t *testing.T) {
	w := parse(t, "definition team {\n relation member: team\n}\ndefinition doc {\n relation viewer: team:* | team#member\n}", "doc:x#viewer@team:*", "doc:x#viewer@team:blue#member")
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
	if !errors.As(err, &failed) || failed.Caveat != "limit" || failed.Parameter() != "amount" || !errors.As(err, &wrong) || !strings.Contains(err.Error(), "amount") {
		t.Errorf("got %v; want an error about amount of limit", err)
	}
	wantAnswers(t, w, given, "yes account:b#pay@user:ann") // which does not depend on it
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
