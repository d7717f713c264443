package schema

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblemsWithTheMeaningOfATextSayWhatTheyAreAbout(t *testing.T) {
	const types = "definition user {}\ndefinition team {\n\trelation member: user | user:*\n}\n"
	doc := func(body string) string { return types + "definition doc {\n" + body + "\n}" }
	for _, c := range []struct {
		text string
		want About
	}{
		{"definition user {", About{}},
		{"definition user {}\ndefinition user {}", About{}},
		{"use everything\ndefinition user {}", About{}},
		{"caveat ccc(n int) { n > }\ndefinition user {}", About{}},
		{"caveat ccc(n number) { n > 1 }\ndefinition user {}", About{}},
		{"caveat ccc(n int, n int) { n > 1 }\ndefinition user {}", About{}},
		{"caveat ccc(n int, m int) { n > 1 }\ndefinition user {}", About{UnusedParameter, "ccc", "", "m"}},
		{"use partial\ndefinition user {\n...common\n}", About{}},
		{doc("relation aaa: person"), About{UnknownType, "", "", "person"}},
		{doc("relation aaa: team#owner"), About{UnknownMember, "team", "", "owner"}},
		{doc("relation aaa: user with ccc"), About{UnknownCaveat, "", "", "ccc"}},
		{doc("relation aaa: user\nrelation aaa: user"), About{RepeatedMember, "doc", "", "aaa"}},
		{doc("relation aaa: user | user:* | user"), About{RepeatedRestriction, "doc", "aaa", "user"}},
		{doc("permission aaa = bbb"), About{UnknownMember, "doc", "", "bbb"}},
		{doc("permission aaa = bbb->ccc"), About{UnknownMember, "doc", "", "bbb"}},
		{doc("relation team: team\npermission aaa = team\npermission bbb = aaa->member"), About{ArrowOverPermission, "doc", "bbb", "aaa"}},
		{doc("relation team: team:*\npermission bbb = team->member"), About{ArrowOverWildcard, "doc", "bbb", "team"}},
		{doc("permission ccc = bbb\npermission bbb = aaa\npermission aaa = ccc"), About{CircularPermission, "doc", "ccc", "aaa,bbb,ccc"}},
		{"use typechecking\n" + doc("relation aaa: user\npermission bbb: team = aaa"), About{IncompleteAnnotation, "doc", "", "bbb"}},
	} {
		_, err := Load("", c.text)
		var problems *Errors
		if !errors.As(err, &problems) {
			t.Errorf("%s: got %v", c.text, err)
			continue
		}
		if diff := cmp.Diff(c.want, problems.Problems[0].About); diff != "" {
			t.Errorf("%s: %v: -want +got\n%s", c.text, err, diff)
		}
	}
}

func TestAnArrowToNothingIsTakenAndDoubted(t *testing.T) {
	s := mustLoad(t, `definition user {}
definition team {
	relation member: user
}
definition doc {
	relation team: team
	permission bbb = team->owner + team->member
	permission ccc = team.all(owner)
}`)
	var doubts []About
	for _, p := range Doubts(s).Problems {
		doubts = append(doubts, p.About)
	}
	want := []About{{ArrowToNothing, "doc", "bbb", "owner"}, {ArrowToNothing, "doc", "ccc", "owner"}}
	if diff := cmp.Diff(want, doubts); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestARelationThatTakesNobodySaysSo(t *testing.T) {
	// Such a relation has no text.
	err := Check(&Schema{Definitions: []*Definition{{Name: "doc", Body: Body{Members: []Member{&Relation{Name: "aaa"}}}}}})
	var problems *Errors
	if !errors.As(err, &problems) || problems.Problems[0].About != (About{MissingRestriction, "doc", "", "aaa"}) {
		t.Errorf("%v", err)
	}
}
