package rewrite_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/internal/golden"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// TestScenarios runs every file of testdata through the engine, one question at
// a time, as a batch and as lists, and through the oracle.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			scenario := rewritetest.ParseScenario(string(text))
			w, err := scenario.World()
			if err != nil {
				t.Fatal(err)
			}
			checkQuestions(t, scenario, w)
			for i := range scenario.Sections {
				checkTree(t, &scenario.Sections[i], w)
				checkExplanation(t, &scenario.Sections[i], w)
			}
			if golden.Update() {
				if err := os.WriteFile(file, []byte(scenario.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func checkQuestions(t *testing.T, scenario rewritetest.Scenario, w *rewritetest.World) {
	t.Helper()
	expected, err := scenario.Expectations()
	if err != nil {
		t.Fatal(err)
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	questions := make([]rewrite.Question, len(expected))
	for i, e := range expected {
		questions[i] = ask(t, w, e.Userset, e.Subject)
		questions[i].Given = rewrite.Given{Context: []byte(e.Context), NowNanos: e.NowNanos}
		result, err := engine.Check(context.Background(), w.Tuples, questions[i])
		if got := answerText(result); err != nil || got != e.Answer {
			t.Errorf("%s@%s is %s, %v; want %s", e.Userset, e.Subject, got, err, e.Answer)
		}
		u, s := named(t, e.Userset), named(t, e.Subject)
		truth := oracle.Under(w.Schema, w.Named, plainly(questions[i].Given)).Answers(s, u.Object)[u]
		if got := strings.Join(strings.Fields(spell(truth.Truth, truth.Missing)), " "); got != spellResult(result, nil) {
			t.Errorf("%s@%s is %s by the oracle; want %s", e.Userset, e.Subject, got, e.Answer)
		}
		checkLists(t, engine, w, questions[i], e)
	}
	answers := make([]rewrite.Answer, len(questions))
	if err := engine.BatchCheck(context.Background(), w.Tuples, questions, answers); err != nil {
		t.Fatal(err)
	}
	for i, e := range expected {
		if got := answerText(answers[i].Result); answers[i].Err != nil || got != e.Answer {
			t.Errorf("%s@%s is %s, %v in a batch; want %s", e.Userset, e.Subject, got, answers[i].Err, e.Answer)
		}
	}
}

// answerText spells an answer as scenarios do.
func answerText(r rewrite.Result) string {
	text := r.Verdict.String()
	if len(r.Missing) > 0 {
		text += ":" + strings.Join(r.Missing, ",")
	}
	return text
}

// checkLists looks for the answer to a question in both lists that it is in.
func checkLists(t *testing.T, engine *rewrite.Engine, w *rewritetest.World, q rewrite.Question, e rewritetest.Expectation) {
	t.Helper()
	answer, _, _ := strings.Cut(e.Answer, ":")
	objects, err := listObjects(t, engine, w.Tuples, rewrite.ObjectsQuestion{Slot: q.Slot, Subject: q.Subject, Given: q.Given})
	if got := listedAs(objects, string(q.ObjectID), "no"); err != nil || got != answer {
		t.Errorf("the objects of %s@%s are %v, %v", e.Userset, e.Subject, objects, err)
	}
	subjects, err := listSubjects(t, engine, w.Tuples,
		rewrite.SubjectsQuestion{Slot: q.Slot, ObjectID: q.ObjectID, Kind: q.Subject.Kind(), Given: q.Given})
	others := listedAs(subjects, tuple.WildcardID, "no")
	if got := listedAs(subjects, string(q.Subject.ID), others); err != nil || got != answer {
		t.Errorf("the subjects of %s@%s are %v, %v", e.Userset, e.Subject, subjects, err)
	}
}

// listedAs returns the verdict that a list gives an id, or the one for those
// that are not in it.
func listedAs(all entries, id, others string) string {
	for _, e := range all {
		switch listed, verdict, _ := strings.Cut(e, " "); {
		case listed != id:
		case verdict == "":
			return "yes"
		default:
			return verdict
		}
	}
	return others
}

// checkTree compares an expand section with the tree, or puts the tree into it.
func checkTree(t *testing.T, section *rewritetest.Section, w *rewritetest.World) {
	t.Helper()
	if section.Name != "expand" {
		return
	}
	args := strings.Fields(section.Args)
	options, limits := expandOptions(t, args[1:])
	slot, id, err := w.Userset(args[0])
	if err != nil {
		t.Fatal(err)
	}
	tree, err := rewrite.New(w.Program, limits).Expand(context.Background(), w.Tuples, slot, id, options)
	if err != nil {
		t.Fatal(err)
	}
	text := tree.Text(w.Names)
	if golden.Update() {
		section.Body = text + "\n"
	}
	if diff := cmp.Diff(strings.TrimSpace(section.Body), strings.TrimSpace(text)); diff != "" {
		t.Errorf("expand %s (-want +got):\n%s", section.Args, diff)
	}
}

// checkExplanation compares an explain section with the text, or puts the text
// into it.
func checkExplanation(t *testing.T, section *rewritetest.Section, w *rewritetest.World) {
	t.Helper()
	if section.Name != "explain" {
		return
	}
	question, given, _ := strings.Cut(section.Args, " with ")
	userset, subject, _ := strings.Cut(question, "@")
	q := ask(t, w, userset, subject)
	q.Given = rewrite.Given{Context: []byte(given), NowNanos: 2}
	explained, err := rewrite.New(w.Program, rewrite.Limits{}).Explain(context.Background(), w.Tuples, q, rewrite.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := explained.Text(w.Names)
	if golden.Update() {
		section.Body = text + "\n"
	}
	if diff := cmp.Diff(strings.TrimSpace(section.Body), strings.TrimSpace(text)); diff != "" {
		t.Errorf("explain %s (-want +got):\n%s", section.Args, diff)
	}
}

func expandOptions(t *testing.T, args []string) (o rewrite.ExpandOptions, l rewrite.Limits) {
	t.Helper()
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatalf("expand option %s: %v", arg, err)
		}
		switch name {
		case "depth":
			o.Depth = n
		case "subjects":
			o.MaxSubjects = n
		case "hops":
			l.Depth = n
		case "now":
			o.NowNanos = int64(n)
		default:
			t.Fatalf("unknown expand option %s", arg)
		}
	}
	return o, l
}

// ask makes a question of the texts of a userset and a subject.
func ask(t testing.TB, w *rewritetest.World, userset, subject string) rewrite.Question {
	t.Helper()
	slot, id, err := w.Userset(userset)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Subject(subject)
	if err != nil {
		t.Fatal(err)
	}
	return rewrite.Question{Slot: slot, ObjectID: id, Subject: s}
}

// named reads a userset or subject as the oracle takes it.
func named(t testing.TB, text string) oracle.Userset {
	t.Helper()
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return oracle.Userset{Object: oracle.Object{Type: typeName, ID: id}, Relation: relation}
}
