package validate

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
)

// noon is the instant of most tests.
var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

const documents = `
schema: |-
  use expiration

  caveat weekday(day string) {
    day != "sunday"
  }

  definition user {}

  definition team {
    relation member: user | team#member
  }

  definition document {
    relation writer: user | team#member
    relation reader: user | user:* | user with weekday | user with expiration
    relation banned: user | user with weekday
    permission view = reader + writer - banned
    permission edit = writer & reader
  }
relationships: |-
  team:core#member@user:ann
  team:core#member@team:deep#member
  team:deep#member@user:dan
  document:plan#writer@team:core#member
  document:plan#writer@user:bob
  document:plan#reader@user:bob
  document:plan#reader@user:eve[weekday]
  document:plan#reader@user:fay[weekday:{"day": "monday"}]
  document:plan#reader@user:gil[expiration:2026-01-31T12:00:00Z]
  document:open#reader@user:*
  document:open#reader@user:bob
  document:open#writer@user:ann
  document:open#banned@user:cid
  document:open#banned@user:eve[weekday]
`

// got spells the answers of a report.
func got(report *Report) (all []string) {
	for _, a := range report.Assertions {
		state := "holds"
		if !a.Holds() {
			state = "fails"
		}
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %v %s", state, a.Text, a.Got, strings.Join(a.Missing, ","))))
	}
	for _, l := range report.Lists {
		if l.Holds() {
			all = append(all, "holds "+l.Text())
		}
		for _, d := range l.Differences {
			all = append(all, fmt.Sprintf("%d: %s", d.Pos.Line, d.String()))
		}
	}
	return all
}

func expect(t *testing.T, report *Report, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got(report)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAnAssertionHoldsIfItsAnswerIsTheOneAsserted(t *testing.T) {
	report := run(t, documents+`
assertions:
  assertTrue:
    - document:plan#view@user:dan
    - document:plan#view@user:nobody
    - 'document:plan#view@user:eve with {"day": "monday"}'
    - document:plan#view@user:fay
    - document:plan#view@team:core#member
  assertCaveated:
    - document:plan#view@user:eve
    - document:open#view@user:eve
    - document:plan#view@user:ann
  assertFalse:
    - document:open#view@user:cid
    - 'document:plan#view@user:eve with {"day": "sunday"}'
    - document:plan#view@user:eve
`, Options{Now: noon})
	expect(t, report,
		"holds document:plan#view@user:dan: yes",
		"fails document:plan#view@user:nobody: no",
		`holds document:plan#view@user:eve with {"day": "monday"}: yes`,
		"holds document:plan#view@user:fay: yes",
		"holds document:plan#view@team:core#member: yes",
		"holds document:plan#view@user:eve: conditional day",
		"holds document:open#view@user:eve: conditional day",
		"fails document:plan#view@user:ann: yes",
		"holds document:open#view@user:cid: no",
		`holds document:plan#view@user:eve with {"day": "sunday"}: no`,
		"fails document:plan#view@user:eve: conditional day",
	)
	if failed, _ := report.Failures(); failed != 3 || report.Holds() || report.Relationships != 14 {
		t.Errorf("%d failed, %d relationships", failed, report.Relationships)
	}
	for _, a := range report.Assertions {
		if a.Holds() == (a.Explanation != "") {
			t.Errorf("%s: %q", a.Text, a.Explanation)
		}
	}
	if text := report.Assertions[1].Explanation; !strings.Contains(text, "add document:plan#reader@user:nobody") {
		t.Errorf("the explanation does not say what is lacking:\n%s", text)
	}
}

func TestATupleDoesNotCountFromTheInstantOnAtWhichItExpires(t *testing.T) {
	text := documents + "assertions: {assertTrue: ['document:plan#view@user:gil']}\nvalidation: {'document:plan#edit': []}"
	before := run(t, text, Options{Now: noon.Add(-1)})
	at := run(t, text, Options{Now: noon})
	if !before.Assertions[0].Holds() || at.Assertions[0].Holds() {
		t.Errorf("before: %v, at the instant: %v", before.Assertions[0].Got, at.Assertions[0].Got)
	}
	if list := run(t, documents+"validation: {'document:plan#reader': []}", Options{Now: noon}); strings.Contains(strings.Join(got(list), " "), "gil") {
		t.Errorf("what has expired is listed: %v", got(list))
	}
}

func TestAContextThatDoesNotFitIsNoAnswer(t *testing.T) {
	report := run(t, documents+"\nassertions: {assertFalse: ['document:plan#view@user:eve with {\"day\": 1}']}", Options{Now: noon})
	if a := report.Assertions[0]; a.Holds() || !errors.Is(a.Err, rewrite.ErrCondition) {
		t.Errorf("%v, %v", a.Got, a.Err)
	}
}

func TestAListHasEverySubjectThatTuplesSpeakOf(t *testing.T) {
	report := run(t, documents+`
validation:
  document:plan#view:
    - "[team:core#member] is <document:plan#writer>"
    - "[team:deep#member] is <team:core#member>"
    - "[user:ann] is <team:core#member>"
    - "[user:bob] is <document:plan#writer>/<document:plan#reader>"
    - "[user:dan] is <team:deep#member>"
    - "[user:eve[...]] is <document:plan#reader>"
    - "[user:fay[...]] is <document:plan#reader>"
  document:open#view:
    - "[user:* - {user:cid, user:eve[...]}] is <document:open#reader>"
    - "[user:ann] is <document:open#writer>"
    - "[user:bob] is <document:open#reader>"
  document:open#edit:
    - "[user:ann] is <document:open#writer>"
  document:none#view: []
`, Options{Now: noon})
	expect(t, report, "holds document:plan#view", "holds document:open#view", "holds document:open#edit", "holds document:none#view")
}

func TestEachDifferenceOfAListIsTold(t *testing.T) {
	report := run(t, documents+`
validation:
  document:plan#edit:
    - "[user:bob] is <document:plan#writer>"
    - "[user:zoe] is <document:plan#writer>"
    - "[user:*] is <document:plan#writer>"
  document:open#view:
    - "[user:* - {user:cid}] is <document:open#reader>"
    - "[user:ann[...]] is <document:open#writer>"
`, Options{Now: noon})
	expect(t, report,
		"40: instead of [user:bob] is <document:plan#writer> the list has [user:bob] is <document:plan#reader>/<document:plan#writer>",
		"41: the list lacks [user:zoe] is <document:plan#writer>",
		"42: the list lacks [user:*] is <document:plan#writer>",
		"43: the list also has [user:bob] is <document:open#reader>",
		"44: instead of [user:* - {user:cid}] is <document:open#reader> the list has [user:* - {user:cid, user:eve[...]}] is <document:open#reader>",
		"45: instead of [user:ann[...]] is <document:open#writer> the list has [user:ann] is <document:open#writer>",
	)
	if text := report.Lists[0].Differences[1].Explanation; !strings.Contains(text, "✗ document:plan#edit") {
		t.Errorf("it is not explained why zoe is not there:\n%s", text)
	}
}

// problems runs a fixture that cannot be run.
func problems(t *testing.T, text string) string {
	t.Helper()
	f, err := fixture.Read("bad.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Run(t.Context(), f, noFiles, Options{Now: noon})
	var list *schema.Errors
	if !errors.As(err, &list) {
		t.Fatalf("got %v", err)
	}
	return list.Error()
}

func TestWhatTheSchemaLacksIsToldWithItsPlace(t *testing.T) {
	text := problems(t, documents+`  documen:plan#reader@user:ann
  document:plan#readr@user:ann
  document:plan#view@user:ann
  document:plan#writer@user:*
  document:plan#reader@user:hal[weakday]
  document:plan#reader@user:ian[weekday:{"day": 1}]
  document:plan#writer@user:jon[weekday]
assertions:
  assertTrue:
    - document:plan#vew@user:ann
    - document:plan#view@usr:ann
    - document:plan#view@user:*
validation:
  document:plan#vew:
    - "[usr:ann] is <document:plan#reader>"
    - "[user:ann] is <document:plan#readr>"
`)
	for _, want := range []string{
		"bad.yaml:37:3: the schema has no type `documen`\n    documen:plan#reader@user:ann\n    ^^^^",
		"hint: did you mean `document`?",
		"38:3: `document` has no relation or permission `readr`",
		"39:3: `document#view` does not take `user`\n", "`view` is a permission: it is computed, and stores nothing",
		"40:3: `document#writer` does not take `user:*`\n", "it takes user | team#member",
		"41:3: the schema has no caveat `weakday`", "42:3: the context of `weekday`: ",
		"43:3: `document#writer` does not take `user with weekday`",
		"46:7: `document` has no relation or permission `vew`", "47:7: the schema has no type `usr`",
		"48:7: an assertion cannot ask about a wildcard",
		"50:3: `document` has no relation", "51:7: the schema has no type `usr`", "52:7: `document` has no relation or permission `readr`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestASchemaThatCannotBeReadIsAProblem(t *testing.T) {
	if text := problems(t, "schemaFile: none.zed"); !strings.Contains(text, "schemaFile `none.zed` cannot be read: "+os.ErrNotExist.Error()) {
		t.Error(text)
	}
	if text := problems(t, "schema: |-\n  definition doc {\n    relation owner: usr\n  }"); !strings.HasPrefix(text, "bad.yaml:3:21: unknown type `usr`") {
		t.Error(text)
	}
}

func TestTooLongAListIsNotCompared(t *testing.T) {
	text := "schema: |-\n  definition user {}\n  definition team {\n    relation member: user | team#member\n  }\nrelationships: |-\n"
	for i := range rewrite.DefaultDepth + 2 {
		text += fmt.Sprintf("  team:%d#member@team:%d#member\n", i, i+1)
	}
	report := run(t, text+"validation:\n  team:0#member: []\n", Options{Now: noon})
	if l := report.Lists[0]; l.Holds() || !errors.Is(l.Err, errListTooLong) {
		t.Errorf("%v %v", l.Err, l.Differences)
	}
}

func TestExceptionsOfWildcardsGoWhereTheRewriteTakesThem(t *testing.T) {
	report := run(t, `
schema: |-
  definition user {}

  definition document {
    relation reader: user | user:*
    relation writer: user
    relation banned: user | user:*
    relation spared: user
    permission readmitted = (reader - banned) + writer
    permission spare = reader - (banned - spared)
  }
relationships: |-
  document:one#reader@user:*
  document:one#banned@user:cid
  document:one#banned@user:dan
  document:one#writer@user:cid
  document:two#reader@user:*
  document:two#banned@user:*
  document:two#spared@user:ann
validation:
  document:one#readmitted:
    - "[user:* - {user:dan}] is <document:one#reader>"
    - "[user:cid] is <document:one#writer>"
  document:two#spare:
    - "[user:ann] is <document:two#spared>"
`, Options{Now: noon})
	expect(t, report, "holds document:one#readmitted", "holds document:two#spare")
}

func TestAnObjectThatLacksTheTargetMayKeepEverybodyOutOfAnArrowOverAll(t *testing.T) {
	report := run(t, `
schema: |-
  caveat weekday(day string) {
    day != "sunday"
  }

  definition user {}

  definition note {}

  definition team {
    relation member: user
  }

  definition document {
    relation team: team | note | note with weekday
    permission sign = team.all(member)
  }
relationships: |-
  team:core#member@user:ann
  document:one#team@team:core
  document:one#team@note:n[weekday]
  document:two#team@team:core
  document:two#team@note:n
  document:three#team@team:core
validation:
  document:one#sign:
    - "[user:ann[...]] is <team:core#member>"
  document:two#sign: []
  document:three#sign:
    - "[user:ann] is <team:core#member>"
`, Options{Now: noon})
	expect(t, report, "holds document:one#sign", "holds document:two#sign", "holds document:three#sign")
}

// What an exclusion takes away must be known before it is asked: else repo:o1 is in
// the share of repo:o2 for a round, and then for ever, by the circle of parents.
func TestWhatIsExcludedIsFoundBeforeItCanGoRound(t *testing.T) {
	report := run(t, `
schema: |-
  definition user {}

  definition team {
    relation owner: repo#cancel
  }

  definition repo {
    relation parent: repo
    relation restart: user
    permission admin = parent->cancel
    permission share = parent->share + (parent - parent->parent)
    permission cancel = (parent->restart & admin) + share
  }
relationships: |-
  repo:o0#parent@repo:o0
  repo:o0#parent@repo:o1
  repo:o0#parent@repo:o2
  repo:o1#parent@repo:o0
  repo:o1#parent@repo:o1
  repo:o2#parent@repo:o1
  team:o0#owner@repo:o2#cancel
validation:
  team:o0#owner:
    - "[repo:o2#cancel] is <team:o0#owner>"
`, Options{Now: noon})
	expect(t, report, "holds team:o0#owner")
}
