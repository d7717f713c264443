package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// newToolWorld returns a world with a clock, and a saw that people may use
// under conditions.
func newToolWorld(t testing.TB) (w *world, clock *time.Time) {
	t.Helper()
	now := time.UnixMilli(1_700_000_000_000)
	w = newWorld(t, lent)
	w.server.now = func() time.Time { return now } // nobody has called yet
	w.touch(t,
		"tool:saw#owner@user:alice",
		"tool:saw#borrower@user:bob[expiration:"+now.Add(time.Hour).UTC().Format(time.RFC3339Nano)+"]",
		`tool:saw#viewer@user:carol[at_work:{"hours":[9],"strict":true}]`,
		"tool:saw#viewer@user:dave[at_work]",
	)
	return w, &now
}

func sawUse(t testing.TB, user string, context map[string]any) *tupelov1.CheckRequest {
	r := checkRequest(t, nil, "tool:saw#use@user:"+user)
	if context != nil {
		r.Context = structOf(t, context)
	}
	return r
}

// answerText spells an answer as "conditional on hours ip".
func answerText(result tupelov1.Result, missing []string) string {
	text := strings.TrimPrefix(entry("", result), " ")
	if len(missing) > 0 {
		text += " on " + strings.Join(missing, " ")
	}
	return text
}

var sawQuestions = []struct {
	user    string
	context map[string]any
	want    string
}{
	{"alice", nil, "yes"},
	{"bob", nil, "yes"},
	{"nobody", map[string]any{"ip": "10.0.0.1"}, "no"},
	{"carol", nil, "conditional on ip"},
	{"carol", map[string]any{"ip": "10.0.0.1"}, "yes"},
	{"carol", map[string]any{"ip": "11.0.0.1"}, "no"},
	{"carol", map[string]any{"ip": "11.0.0.1", "strict": false}, "no"}, // what the tuple fixes wins
	{"carol", map[string]any{"ip": "10.0.0.1", "weather": "rain"}, "yes"},
	{"dave", map[string]any{"strict": false}, "yes"},
	{"dave", map[string]any{"strict": true, "ip": "10.0.0.1"}, "conditional on hours"},
	{"dave", map[string]any{"strict": true, "ip": "10.0.0.1", "hours": []any{8.0, 9.0}}, "yes"},
	{"dave", map[string]any{"ip": 7.0}, "CONDITION_FAILED"},
}

func TestContextDecidesConditionsAndWhatLacksIsNamed(t *testing.T) {
	w, _ := newToolWorld(t)
	batch := &tupelov1.BatchCheckRequest{}
	for _, q := range sawQuestions {
		r := sawUse(t, q.user, q.context)
		batch.Items = append(batch.Items, &tupelov1.BatchCheckItem{
			Object: r.Object, Relation: r.Relation, Subject: r.Subject, Context: r.Context,
		})
		answer, err := w.client.Check(w.ctx, r)
		if err != nil {
			got := seen(t, err)
			if got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_"+q.want || !strings.Contains(got.message, "`ip`") {
				t.Errorf("%s with %v: %+v", q.user, q.context, got)
			}
			if about := Described(err).Metadata; about["caveat"] == "" || about["parameter"] != "ip" {
				t.Errorf("%s with %v: programs are told of %v", q.user, q.context, about)
			}
			continue
		}
		if got := answerText(answer.Result, answer.MissingContext); got != q.want {
			t.Errorf("%s with %v: %s, want %s", q.user, q.context, got, q.want)
		}
	}
	answers, err := w.client.BatchCheck(w.ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range answers.Results {
		got := answerText(a.Result, a.MissingContext)
		if a.Error != nil {
			got = "CONDITION_FAILED"
		}
		if want := sawQuestions[i].want; got != want {
			t.Errorf("in a batch, %s with %v: %s, want %s", sawQuestions[i].user, sawQuestions[i].context, got, want)
		}
	}
}

func TestATupleCountsUntilTheInstantOfItsExpiration(t *testing.T) {
	w, clock := newToolWorld(t)
	begun := *clock
	for after, want := range map[time.Duration]string{
		0: "yes", time.Hour - 1: "yes", time.Hour: "no", time.Hour + 1: "no",
	} {
		*clock = begun.Add(after)
		for name, ask := range map[string]func() string{
			"Check": func() string {
				r, err := w.client.Check(w.ctx, sawUse(t, "bob", nil))
				if err != nil {
					t.Fatal(err)
				}
				return answerText(r.Result, r.MissingContext)
			},
			"ListObjects": func() string {
				p := w.listObjects(t, &tupelov1.ListObjectsRequest{ObjectType: "tool", Relation: "use", Subject: &tupelov1.Subject{Type: "user", Id: "bob"}})
				if slices.Contains(p.entries, "saw yes") {
					return "yes"
				}
				return "no"
			},
			"Expand": func() string {
				r, err := w.client.Expand(w.ctx, &tupelov1.ExpandRequest{Object: &tupelov1.Object{Type: "tool", Id: "saw"}, Relation: "borrower"})
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(outline(r.Tree, ""), "user:bob") {
					return "yes"
				}
				return "no"
			},
		} {
			if got := ask(); got != want {
				t.Errorf("%s after %s: %s, want %s", name, after, got, want)
			}
		}
	}
}

func TestListsFlagWhatIsConditional(t *testing.T) {
	w, _ := newToolWorld(t)
	stream, err := w.client.ListSubjects(w.ctx, &tupelov1.ListSubjectsRequest{
		Object: &tupelov1.Object{Type: "tool", Id: "saw"}, Relation: "use", SubjectType: "user",
		Context: structOf(t, map[string]any{"hours": []any{8.0}}),
	})
	p := collectPage(t, stream, err, func(m *tupelov1.ListSubjectsResponse) (list []string) {
		for _, s := range m.Subjects {
			list = append(list, s.Id+" "+answerText(s.Result, s.MissingContext))
		}
		return list
	})
	want := []string{"alice yes", "bob yes", "carol conditional on ip", "dave conditional on strict"}
	if !slices.Equal(p.entries, want) {
		t.Errorf("%q, want %q", p.entries, want)
	}
	r, err := w.client.ListRelations(w.ctx, &tupelov1.ListRelationsRequest{
		Object: &tupelov1.Object{Type: "tool", Id: "saw"}, Subject: &tupelov1.Subject{Type: "user", Id: "carol"},
		Context: structOf(t, map[string]any{"ip": "10.1.1.1"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(r.Relations); strings.Count(got, "RESULT_YES") != 2 {
		t.Errorf("carol has %s", got)
	}
}

// A page with another context would be of another list.
func TestTheCursorOfAListIsBoundToItsContext(t *testing.T) {
	w, _ := newToolWorld(t)
	r := &tupelov1.ListSubjectsRequest{
		Object: &tupelov1.Object{Type: "tool", Id: "saw"}, Relation: "use", SubjectType: "user", Limit: 1,
		Context: structOf(t, map[string]any{"ip": "10.1.1.1", "strict": true}),
	}
	r.Cursor = w.listSubjects(t, r).cursor
	if p := w.listSubjects(t, r); len(p.entries) != 1 {
		t.Errorf("the second page is %v", p.entries)
	}
	r.Context = structOf(t, map[string]any{"ip": "10.1.1.1", "strict": false})
	if got := seen(t, w.call(w.ctx, r)); got.reason != "ERROR_REASON_FOREIGN_CURSOR" {
		t.Errorf("%+v", got)
	}
}

func TestExpandShowsConditions(t *testing.T) {
	w, clock := newToolWorld(t)
	w.touch(t, "tool:saw#viewer@user:erin")
	r, err := w.client.Expand(w.ctx, &tupelov1.ExpandRequest{Object: &tupelov1.Object{Type: "tool", Id: "saw"}, Relation: "viewer"})
	if err != nil {
		t.Fatal(err)
	}
	this := r.Tree.Children[0]
	if len(this.Conditions) != len(this.Subjects) || len(this.Subjects) != 3 {
		t.Fatalf("%d conditions for %d subjects", len(this.Conditions), len(this.Subjects))
	}
	for i, want := range []string{`at_work {"hours":[9],"strict":true}`, "at_work", ""} {
		c := this.Conditions[i]
		got := c.Caveat.GetName()
		if c.Caveat.GetContext() != nil {
			got += " " + contextText(c.Caveat.Context)
		}
		if got != want || c.ExpiresAt != nil {
			t.Errorf("%s has the condition %q, want %q", this.Subjects[i].Id, got, want)
		}
	}
	r, err = w.client.Expand(w.ctx, &tupelov1.ExpandRequest{Object: &tupelov1.Object{Type: "tool", Id: "saw"}, Relation: "borrower"})
	if err != nil {
		t.Fatal(err)
	}
	if at := r.Tree.Children[0].Conditions[0].ExpiresAt.AsTime(); !at.Equal(clock.Add(time.Hour)) {
		t.Errorf("bob's lease ends at %s", at)
	}
}

// badContexts are the faults of contexts, which all questions share.
func badContexts(t *testing.T) (list []badInput) {
	const invalid = "InvalidArgument"
	club, alice := &tupelov1.Object{Type: "repository", Id: "club"}, &tupelov1.Subject{Type: "user", Id: "alice"}
	for _, c := range []struct {
		name          string
		context       *structpb.Struct
		reason, field string
	}{
		{"no value", &structpb.Struct{Fields: map[string]*structpb.Value{"ip": {}}}, "MISSING_FIELD", `context.fields["ip"]`},
		{"large context", structOf(t, map[string]any{"ip": strings.Repeat("a", maxGivenContextBytes)}), "OUT_OF_BOUNDS", "context"},
		{"unknown field", withUnknownField(structOf(t, map[string]any{"ip": "1"})), "UNKNOWN_FIELD", "context"},
	} {
		list = append(list,
			badInput{"Check " + c.name, &tupelov1.CheckRequest{Object: club, Relation: "push", Subject: alice, Context: c.context}, invalid, c.reason, c.field, ""},
			badInput{"ListObjects " + c.name, &tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: alice, Context: c.context}, invalid, c.reason, c.field, ""},
			badInput{"ListSubjects " + c.name, &tupelov1.ListSubjectsRequest{Object: club, Relation: "push", SubjectType: "user", Context: c.context}, invalid, c.reason, c.field, ""},
			badInput{"ListRelations " + c.name, &tupelov1.ListRelationsRequest{Object: club, Subject: alice, Context: c.context}, invalid, c.reason, c.field, ""})
	}
	return list
}
