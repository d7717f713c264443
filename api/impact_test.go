package api

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// compare returns what a comparison sends.
func (w *world) compare(t testing.TB, r *tupelov1.CompareSchemaRequest) *comparisonOf {
	t.Helper()
	stream, err := w.client.CompareSchema(w.ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	got := &comparisonOf{ctx: w.ctx}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		if got.summary != nil || (got.differences == nil) != (m.GetDifferences() != nil) {
			t.Errorf("out of order: %v", m)
		}
		if err := got.Send(m); err != nil {
			t.Fatal(err)
		}
	}
}

// withoutTeams is gitclub with fewer maintainers, and readers who may push.
var withoutTeams = strings.NewReplacer(
	"relation maintainer: user | team#member", "relation maintainer: user",
	"permission push = owner + maintainer", "permission push = owner + maintainer + reader",
	"permission cancel = creator + repo->push", "permission stop = creator",
).Replace(gitclub)

// lines spells a comparison.
func (c *comparisonOf) lines() (list []string) {
	for _, change := range c.differences.Changes {
		list = append(list, strings.TrimPrefix(change.Kind.String(), "KIND_")+" "+change.Type+"#"+change.Name)
	}
	for _, s := range c.differences.Stranded {
		list = append(list, "stranded "+s.Kind)
	}
	for _, check := range c.checks {
		item := check.Item
		list = append(list, item.Object.Id+" "+item.Relation+" "+item.Subject.Id+": "+
			strings.TrimSpace(answerOf(check.Before))+" > "+strings.TrimSpace(answerOf(check.After)))
	}
	return list
}

func TestAComparisonTellsWhatChangesAndWritesNothing(t *testing.T) {
	w := newWorld(t, gitclub)
	written := w.touch(t,
		aliceOwns, "repository:club#maintainer@team:core#member", bobInCore,
		"repository:club#reader@user:carol", "job:j1#repo@repository:club",
	)
	last := w.log.last()
	got := w.compare(t, &tupelov1.CompareSchemaRequest{Text: withoutTeams, Items: []*tupelov1.BatchCheckItem{
		checkItem(t, "repository:club#push@user:alice"),
		checkItem(t, "repository:club#push@user:bob"),
		checkItem(t, "repository:club#push@user:carol"),
		checkItem(t, "job:j1#cancel@user:alice"),
		checkItem(t, "job:j1#stop@user:alice"),
		checkItem(t, "job:j1#halt@user:alice"),
	}})
	want := `RELATION_NARROWED repository#maintainer
PERMISSION_WIDENED repository#push
PERMISSION_REMOVED job#cancel
PERMISSION_ADDED job#stop
stranded repository#maintainer@team#member
club push bob: RESULT_YES > RESULT_NO
club push carol: RESULT_NO > RESULT_YES
j1 cancel alice: RESULT_YES > RESULT_UNSPECIFIED ERROR_REASON_UNKNOWN_RELATION
j1 stop alice: RESULT_UNSPECIFIED ERROR_REASON_UNKNOWN_RELATION > RESULT_NO
j1 halt alice: RESULT_UNSPECIFIED ERROR_REASON_UNKNOWN_RELATION > RESULT_UNSPECIFIED ERROR_REASON_UNKNOWN_RELATION`
	if lines := strings.Join(got.lines(), "\n"); lines != want {
		t.Errorf("got:\n%s\nwant:\n%s", lines, want)
	}
	summary := &tupelov1.ComparisonSummary{Checks: 6, Changed: 4, Gained: 1, Lost: 1, Failed: 1}
	if !proto.Equal(got.summary, summary) {
		t.Errorf("the summary is %v", got.summary)
	}
	if message := got.checks[3].Before.Error.GetMessage(); message != `relation: job has no relation or permission "stop"` {
		t.Errorf("the error reads %q", message)
	}
	if got.differences.Zookie != written || got.differences.Stranded[0].Count != 1 {
		t.Errorf("the differences are %v, written at %s", got.differences, written)
	}
	if w.log.last() != last || w.check(t, nil, "repository:club#push@user:bob").Result != tupelov1.Result_RESULT_YES {
		t.Error("the comparison changed something")
	}
}

func TestAComparisonIsOfTheRevisionAskedFor(t *testing.T) {
	w := newWorld(t, gitclub)
	before := w.touch(t, "repository:club#reader@user:carol")
	w.writeSchema(t, withoutTeams)
	if _, err := w.client.Write(w.ctx, updates(t, tupelov1.Update_OPERATION_DELETE, "repository:club#reader@user:carol")); err != nil {
		t.Fatal(err)
	}
	item := []*tupelov1.BatchCheckItem{checkItem(t, "repository:club#push@user:carol")}
	then := w.compare(t, &tupelov1.CompareSchemaRequest{Consistency: exactly(before), Text: withoutTeams, Items: item})
	if then.differences.Zookie != before || then.summary.Gained != 1 {
		t.Errorf("at the revision of before: %v, %v", then.differences, then.summary)
	}
	now := w.compare(t, &tupelov1.CompareSchemaRequest{Text: withoutTeams, Items: item})
	if len(now.differences.Changes) != 0 || now.summary.Changed != 0 {
		t.Errorf("at the newest revision: %v, %v", now.differences, now.summary)
	}
}

func TestAComparisonExplainsWhatChangesIfAsked(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:club#maintainer@team:core#member", bobInCore)
	r := &tupelov1.CompareSchemaRequest{Text: withoutTeams, WithExplanation: true, Items: []*tupelov1.BatchCheckItem{
		checkItem(t, "repository:club#push@user:bob"),
		checkItem(t, "repository:club#pull@user:nobody"),
		checkItem(t, "job:j1#cancel@user:bob"),
	}}
	got := w.compare(t, r)
	if len(got.checks) != 2 {
		t.Fatalf("sent %v", got.checks)
	}
	lost, gone := got.checks[0], got.checks[1]
	if list := tuplesOf(lost.ExplanationBefore.GetRoot(), tupelov1.Result_RESULT_YES); !strings.Contains(strings.Join(list, " "), bobInCore) {
		t.Errorf("bob had it by %v", list)
	}
	if root := lost.ExplanationAfter.GetRoot(); root.GetResult() != tupelov1.Result_RESULT_NO || root.Relation != "push" {
		t.Errorf("bob loses it by %v", root)
	}
	if gone.ExplanationBefore == nil || gone.ExplanationAfter != nil {
		t.Errorf("an error is explained, or an answer is not: %v", gone)
	}
	r.WithExplanation = false
	if plain := w.compare(t, r).checks[0]; plain.ExplanationBefore != nil || plain.ExplanationAfter != nil {
		t.Errorf("explanations that nobody asked for: %v", plain)
	}
}

// What a caveat or an expiration holds back must not be given because the other
// schema takes the subject without it.
func TestTuplesWithOtherTraitsAreStranded(t *testing.T) {
	w, _ := newToolWorld(t)
	plain := strings.NewReplacer("user | user with at_work | user:* with expiration", "user",
		"user with expiration | user with at_work | user with in_budget and expiration", "user").Replace(lent)
	var items []*tupelov1.BatchCheckItem
	for _, name := range []string{"alice", "bob", "carol"} {
		items = append(items, checkItem(t, "tool:saw#use@user:"+name))
	}
	got := strings.Join(w.compare(t, &tupelov1.CompareSchemaRequest{Text: plain, Items: items}).lines(), "\n")
	for _, line := range []string{
		"stranded tool#borrower@user with expiration",
		"stranded tool#viewer@user with at_work",
		"saw use bob: RESULT_YES > RESULT_NO",
		"saw use carol: RESULT_CONDITIONAL  ip > RESULT_NO",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("no line %q in\n%s", line, got)
		}
	}
}

func TestAComparisonFillsPagesWhateverIsLeftOut(t *testing.T) {
	w, err := rewritetest.Parse("use expiration\ndefinition user {}\ndefinition doc {\n\trelation viewer: user | user with expiration\n}")
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	for i := range 40 {
		text := "doc:d#viewer@user:u" + string(rune('a'+i%26)) + string(rune('a'+i/26))
		if i%3 > 0 {
			text += "[expiration:2030-01-31T12:00:00Z]"
		}
		if err := w.Add(parseTuple(t, text)); err != nil {
			t.Fatal(err)
		}
	}
	typ, _ := w.Program.TypeByName("doc")
	slot, _ := w.Program.Slot(typ, "viewer")
	user, _ := w.Program.TypeByName("user")
	kind := tuple.Kind{Type: tuple.TypeID(w.Program.Types[user].Number)}
	relation := tuple.RelationID(w.Program.Slots[slot].Number)
	object := tuple.Object{Type: tuple.TypeID(w.Program.Types[typ].Number), ID: []byte("d")}
	plain := tuple.Shape{Type: object.Type, Relation: relation, Subject: kind}
	for limit := 1; limit < 20; limit++ {
		a := &allowedTuples{from: w.Tuples, shapes: map[tuple.Shape]bool{plain: true}}
		var page tuple.Page
		var got strings.Builder
		for above := []byte(nil); ; {
			if err := a.Subjects(object, relation, kind, above, limit, &page); err != nil {
				t.Fatal(err)
			}
			for i := range page.Len() {
				got.WriteString(string(page.ID(i)) + " ")
			}
			if page.More && page.Len() != limit || page.Len() > limit {
				t.Fatalf("limit %d: a page of %d, more: %t", limit, page.Len(), page.More)
			}
			if !page.More {
				break
			}
			above = []byte(string(page.ID(page.Len() - 1)))
		}
		if want == "" {
			want = got.String()
		}
		if got.String() != want || strings.Count(want, " ") != 14 {
			t.Errorf("limit %d: %s, limit 1: %s", limit, got.String(), want)
		}
	}
}

// A comparison of many checks ends with its caller's deadline, between two of them
// or within one.
func TestAComparisonEndsWithItsDeadline(t *testing.T) {
	w := newWorld(t, gitclub)
	r := &tupelov1.CompareSchemaRequest{Text: withoutTeams}
	for i := range maxBatchItems {
		r.Items = append(r.Items, checkItem(t, "repository:r"+strconv.Itoa(i)+"#push@user:u"+strconv.Itoa(i)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	stream := &endingComparison{comparisonOf: comparisonOf{ctx: ctx}, end: cancel}
	if err := w.server.CompareSchema(r, stream); !errors.Is(err, context.Canceled) || stream.summary != nil {
		t.Errorf("%v, %v", err, stream.summary)
	}
}

// endingComparison ends the call with its first message.
type endingComparison struct {
	comparisonOf
	end func()
}

func (e *endingComparison) Send(r *tupelov1.CompareSchemaResponse) error {
	e.end()
	return e.comparisonOf.Send(r)
}

// brokenComparison takes nothing.
type brokenComparison struct{ comparisonOf }

func (b *brokenComparison) Send(*tupelov1.CompareSchemaResponse) error { return errTest }

func badComparisons(t *testing.T) []badInput {
	item := checkItem(t, alicePushes)
	noRelation := proto.CloneOf(item)
	noRelation.Relation = ""
	var many []*tupelov1.BatchCheckItem
	for range maxBatchItems + 1 {
		many = append(many, item)
	}
	const invalid = "InvalidArgument"
	return []badInput{
		{"unknown field", withUnknownField(&tupelov1.CompareSchemaRequest{Text: gitclub}), invalid, "UNKNOWN_FIELD", "", ""},
		{"too many", &tupelov1.CompareSchemaRequest{Text: gitclub, Items: many}, invalid, "TOO_MANY_ITEMS", "items", "several requests"},
		{"a question without a relation", &tupelov1.CompareSchemaRequest{Text: gitclub, Items: []*tupelov1.BatchCheckItem{item, noRelation}},
			invalid, "MISSING_FIELD", "items[1].relation", ""},
		{"no question", &tupelov1.CompareSchemaRequest{Text: gitclub, Items: []*tupelov1.BatchCheckItem{{}}}, invalid, "MISSING_FIELD", "items[0].object", ""},
		{"no schema", &tupelov1.CompareSchemaRequest{Text: "definition user {"}, invalid, "INVALID_SCHEMA", "text", ""},
		{"nothing recorded", &tupelov1.CompareSchemaRequest{Text: gitclub, Recorded: true}, "FailedPrecondition", "NOTHING_RECORDED", "", "--record-checks"},
		{"no requirement", &tupelov1.CompareSchemaRequest{Text: gitclub, Items: []*tupelov1.BatchCheckItem{item}, Consistency: &tupelov1.Consistency{}},
			invalid, "NO_CONSISTENCY", "consistency", ""},
	}
}

func TestNothingCanBeComparedBeforeThereIsASchema(t *testing.T) {
	w := newWorld(t, "")
	got := seen(t, w.call(w.ctx, &tupelov1.CompareSchemaRequest{Text: gitclub}))
	if got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_NO_SCHEMA" {
		t.Errorf("%+v", got)
	}
}

func TestAComparisonEndsWithItsStream(t *testing.T) {
	w := newWorld(t, gitclub)
	broken := &brokenComparison{comparisonOf: comparisonOf{ctx: t.Context()}}
	if err := w.server.CompareSchema(&tupelov1.CompareSchemaRequest{Text: gitclub}, broken); !errors.Is(err, errTest) {
		t.Errorf("the stream is broken, and the error %v", err)
	}
}
