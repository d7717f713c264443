package api

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
)

func explained(t testing.TB, w *world, r *tupelov1.CheckRequest) *tupelov1.CheckResponse {
	t.Helper()
	plain, err := w.client.Check(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if plain.Explanation != nil {
		t.Error("an explanation that nobody asked for")
	}
	r.WithExplanation = true
	answer, err := w.client.Check(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	bare := proto.CloneOf(answer)
	bare.Explanation = nil
	if !proto.Equal(bare, plain) {
		t.Errorf("with an explanation the answer is %v, without %v", bare, plain)
	}
	if answer.Explanation.GetRoot().GetResult() != plain.Result {
		t.Errorf("the root says %v, the answer %v", answer.Explanation.GetRoot().GetResult(), plain.Result)
	}
	return answer
}

// tuplesOf lists the tuples below a step with a result.
func tuplesOf(step *tupelov1.ExplanationStep, result tupelov1.Result) (list []string) {
	if step.Tuple != nil && (step.Kind == tupelov1.ExplanationStep_KIND_TUPLE && step.Result == result || step.TupleResult == result) {
		list = append(list, tupleText(step.Tuple))
	}
	for _, child := range step.Children {
		list = append(list, tuplesOf(child, result)...)
	}
	return list
}

func TestAnExplanationHasTheTuplesThatDecided(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "job:j1#repo@repository:club", "repository:club#maintainer@team:core#member", bobInCore)
	answer := explained(t, w, checkRequest(t, nil, "job:j1#cancel@user:bob"))
	got := strings.Join(tuplesOf(answer.Explanation.Root, tupelov1.Result_RESULT_YES), " ")
	for _, one := range []string{"job:j1#repo@repository:club", "repository:club#maintainer@team:core#member", bobInCore} {
		if !strings.Contains(got, one) {
			t.Errorf("%s is not among what decided: %s", one, got)
		}
	}
	root := answer.Explanation.Root
	if root.Kind != tupelov1.ExplanationStep_KIND_USERSET || root.Object.GetId() != "j1" || root.Relation != "cancel" || root.Reads == 0 {
		t.Errorf("the root is %v", root)
	}
	if len(answer.Explanation.Remedies) != 0 {
		t.Error("a yes has remedies")
	}
}

func TestANoComesWithWhatWouldMakeItAYes(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "job:j1#repo@repository:club")
	r := checkRequest(t, nil, "job:j1#cancel@user:bob")
	answer := explained(t, w, r)
	if len(answer.Explanation.Remedies) == 0 {
		t.Fatal("there are no remedies")
	}
	for _, remedy := range answer.Explanation.Remedies {
		var texts []string
		for _, m := range remedy.Add {
			texts = append(texts, tupleText(m))
		}
		w.touch(t, texts...)
		if got := w.check(t, nil, "job:j1#cancel@user:bob").Result; got != tupelov1.Result_RESULT_YES {
			t.Errorf("with %q it is %v", texts, got)
		}
		w.remove(t, texts...)
	}
}

func TestAnExplanationSaysWhatAConditionLacks(t *testing.T) {
	w, _ := newToolWorld(t)
	answer := explained(t, w, sawUse(t, "carol", nil))
	if got := tuplesOf(answer.Explanation.Root, tupelov1.Result_RESULT_CONDITIONAL); len(got) == 0 {
		t.Errorf("no conditional tuple in %v", answer.Explanation.Root)
	}
	if got := strings.Join(answer.Explanation.Root.MissingContext, " "); got != "ip" {
		t.Errorf("the root lacks %q", got)
	}
}

func TestEveryKindAndNoteOfAStepHasItsName(t *testing.T) {
	for kind := rewrite.UsersetStep; kind <= rewrite.SelfStep; kind++ {
		if stepKinds[kind] == tupelov1.ExplanationStep_KIND_UNSPECIFIED {
			t.Errorf("kind %d has no name", kind)
		}
	}
	for note := rewrite.NoNote; note <= rewrite.Failed; note++ {
		if _, ok := stepNotes[note]; !ok {
			t.Errorf("note %d has no name", note)
		}
	}
	if len(stepKinds) != len(tupelov1.ExplanationStep_Kind_name)-1 || len(stepNotes) != len(tupelov1.ExplanationStep_Note_name) {
		t.Errorf("%d kinds and %d notes are named", len(stepKinds), len(stepNotes))
	}
}
